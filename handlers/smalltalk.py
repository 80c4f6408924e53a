"""Greetings, thanks, single signs: a short friendly line, no search."""

from bot.core.commands import smalltalk_phrase
from bot.core.messages import Outcome
from bot.services.greeting import with_greeting
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is no question."""
    if not message.text.strip() or message.group is not None:
        return None
    key = smalltalk_phrase(message.text)
    if key is None and context.services.answers.smalltalk(message.text):
        key = "smalltalk.acknowledged"
    if key is None:
        return None
    reply = context.say(key, kind="smalltalk")
    return with_greeting(context, Outcome("smalltalk", (reply,), detail={"kind": "smalltalk"}))
