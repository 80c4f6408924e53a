"""First contact by following, scanning a class's QR code or touching the menu."""

import dataclasses

from bot.core import slips
from bot.core.messages import Kind, Outcome, Reply
from bot.db.models import Contact
from bot.db.models.place import OPEN
from bot.services import bindings, slip_talk
from bot.services.binding_talk import invite, joined
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
    code = slips.code_in_scene(message.scene)
    if code is not None:
        return await _with_slip(context, message, outcome, code)
    return await _with_class(context, message, outcome) if message.scene else outcome


async def _with_slip(
    context: Context, message: StoredMessage, outcome: Outcome, code: str
) -> Outcome:
    """Bind by the slip of paper whose QR code was scanned."""
    if not message.vouched:
        return outcome
    answer = await slip_talk.redeem(context, message, code)
    (greeting,) = outcome.replies
    effects = (*outcome.effects, *answer.effects)
    return dataclasses.replace(joined(greeting, answer), effects=effects)


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
    """Add words to the greeting itself."""
    (greeting,) = outcome.replies
    return joined(greeting, dataclasses.replace(outcome, replies=(words,)))
