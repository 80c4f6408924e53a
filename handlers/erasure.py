"""Erasing: asks once, then erases what may be erased and says what has to stay and why."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services import consents, data_requests
from bot.services.handling import Context, StoredMessage

ASKED = {"kind": "erasure"}
VALID = timedelta(minutes=30)


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer the wish to have data erased."""
    if not spoken(message.kind):
        return None
    if means("erase", message.text):
        return context.outcome("erasure", "delete.confirm", context.remember(dict(ASKED), VALID))
    asked = context.sender.pending.get("kind") == "erasure" and not context.sender.pending_expired
    if asked and means("cancel", message.text):
        return context.outcome("erasure", "delete.cancelled", context.remember(None, timedelta()))
    if not means("erase_confirm", message.text):
        return None
    if not asked:
        return context.outcome("erasure", "delete.confirm", context.remember(dict(ASKED), VALID))
    return await _erase(context)


async def _erase(context: Context) -> Outcome:
    async with context.services.database.read() as session:
        phrase = await consents.erasure_phrase(session, context.sender.id)
    answer = context.say(phrase).text

    async def erase(session: AsyncSession) -> None:
        contact = await session.get_one(Contact, context.sender.id)
        # The page shows nothing from before, whatever has to be kept behind it.
        await data_requests.settled(
            session, contact, kind="delete", refused=False, answer=answer, now=context.now
        )
        await consents.erase(session, context.sender.id, now=context.now)

    return context.outcome("erasure", phrase, erase)
