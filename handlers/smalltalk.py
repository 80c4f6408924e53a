"""Greetings, thanks, single signs and words: a short line that fits, no search."""

from bot.core.commands import bare_number, fixed_phrase, numbered, smalltalk_phrase, thanks
from bot.core.messages import Outcome
from bot.services.greeting import with_greeting
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is no question."""
    if not message.text.strip():
        return None
    key = smalltalk_phrase(message.text) or _fixed(message.text)
    if key is None and context.services.answers.smalltalk(message.text):
        key = "smalltalk.thanks" if thanks(message.text) else "smalltalk.acknowledged"
    if key is None:
        return None
    reply = context.say(key, kind="smalltalk")
    return with_greeting(context, Outcome("smalltalk", (reply,), detail={"kind": "smalltalk"}))


def _fixed(text: str) -> str | None:
    """Return the phrase for what is neither small talk nor a question."""
    if bare_number(text) is not None:
        return "choices.nothing_before"
    if numbered(("not_yet",), text) is not None:
        return "service.not_yet"
    return fixed_phrase(text)
