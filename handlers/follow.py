"""First contact by following, scanning a class's QR code or touching the menu."""

import dataclasses

from bot.core.messages import Kind, Outcome, Reply
from bot.core.phrases import BYTE_LIMIT
from bot.db.models import Contact
from bot.db.models.place import OPEN
from bot.services import bindings
from bot.services.binding_talk import invite
from bot.services.greeting import greeted
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Greet who arrives; the place of the QR code was noted when the message was stored."""
    if message.kind not in (Kind.FOLLOW, Kind.SCAN, Kind.MENU):
        return None
    if context.sender.greeted:
        outcome = context.outcome("follow", "greeting.back")
    else:
        outcome = context.outcome("follow", "greeting.first", greeted(context))
    return await _with_class(context, message, outcome) if message.scene else outcome


async def _with_class(context: Context, message: StoredMessage, outcome: Outcome) -> Outcome:
    """Say that the class of the QR code is closed, or ask whose parent came through it."""
    async with context.services.database.read() as session:
        place = await bindings.class_of_scene(session, message.scene)
        contact = await session.get_one(Contact, context.sender.id)
    if place is None:
        return outcome
    if place.state != OPEN:
        return _and_say(outcome, context.say("binding.closed_class"))
    if contact.guardian_id is not None or not message.vouched:
        return outcome
    words, kept = invite(context)
    outcome = _and_say(outcome, words)
    return dataclasses.replace(outcome, effects=(*outcome.effects, context.keep_beside(kept)))


def _and_say(outcome: Outcome, words: Reply) -> Outcome:
    """Add words to the greeting itself: what comes a second later may meet what was written then.

    It also saves one of the few messages that WeChat takes after a scan.
    """
    (greeting,) = outcome.replies
    text = f"{greeting.text}\n\n{words.text}"
    if len(text.encode()) > BYTE_LIMIT:
        return dataclasses.replace(outcome, replies=(greeting, words))
    source = f"{greeting.source}+{words.source}"
    joined = dataclasses.replace(greeting, text=text, source=source)
    return dataclasses.replace(outcome, replies=(joined,))
