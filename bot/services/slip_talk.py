"""The answer to a slip's code, sent as a message or scanned.

Called by `handlers.binding` and `handlers.follow`.
"""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import kin
from bot.core.messages import Outcome
from bot.db.models import Contact, Guardianship, Message
from bot.services import binding_claims, binding_slips, places
from bot.services.binding_claims import Found
from bot.services.handling import Context, Effect, StoredMessage

KIND = "binding"


async def redeem(context: Context, message: StoredMessage, code: str) -> Outcome:
    """Bind whom the code belongs to, or say that it does nothing.

    Args:
        code: as `bot.core.slips` reads it; empty or cut, it is a wrong one.
    """
    services, now = context.services, context.now
    async with services.database.read() as session:
        contact = await session.get_one(Contact, context.sender.id)
        if not await binding_claims.tries_left(session, contact.id, now):
            return context.outcome(KIND, "binding.too_many", context.keep_beside(None))
        found = await binding_slips.look_up(session, services.ring, contact, code, now)
        place = await places.get(session, found.place_id if found else None)
        relation = await _relation(session, found)
    effects = (_use(context, message, code, found), context.keep_beside(None))
    if found is None:
        return context.outcome(KIND, "binding.slip_wrong", *effects)
    if found.verdict == "match":
        name = place.name if place else ""
        return context.outcome(KIND, "binding.bound", *effects, place=name, relation=relation)
    key = "binding.already" if found.verdict == "already" else "binding.asked"
    return context.outcome(KIND, key, *effects)


async def _relation(session: AsyncSession, found: Found | None) -> str:
    if found is None:
        return ""
    code = await session.scalar(
        select(Guardianship.relation).where(
            Guardianship.guardian_id == found.guardian_id, Guardianship.child_id == found.child_id
        )
    )
    return kin.relation_word(code or "O")


def _use(context: Context, message: StoredMessage, code: str, found: Found | None) -> Effect:
    async def write(session: AsyncSession) -> None:
        await binding_slips.use(
            session,
            context.services.ring,
            context.sender.id,
            code,
            found,
            now=context.now,
        )
        # A scene is no encrypted column, and a code that was not taken may still hold.
        await session.execute(update(Message).where(Message.id == message.id).values(scene=""))

    return write
