"""Hand-off: a parent wants a person. A case of level 1 on the desk, and one alert to the group."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, Contact, Message, Place
from bot.services import cases, roster, routing
from bot.services.alerts import AlertPolicy, raise_handoff
from bot.services.cases import Cause

LOOK_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Cover:
    """Who could take a hand-off.

    Args:
        on_duty: somebody is on duty and a group can be called, so that 正在转给 is true.
        next_shift: when the next shift starts, None when none is planned within a week.
    """

    on_duty: bool
    next_shift: datetime | None


async def cover(
    session: AsyncSession, policy: AlertPolicy, contact_id: int, now: datetime
) -> Cover:
    """Say who could take a hand-off of a contact now."""
    place = await _desk(session, contact_id)
    if policy.targets and await roster.covered(session, place, now):
        return Cover(True, None)
    starts = await roster.next_start(session, place, now, within=LOOK_AHEAD)
    return Cover(False, starts)


async def _desk(session: AsyncSession, contact_id: int) -> Place | None:
    contact = await session.get_one(Contact, contact_id)
    return await routing.desk_place(
        session, contact.place_id, categories=(), subject="unknown", who=""
    )


async def open_case(
    session: AsyncSession,
    policy: AlertPolicy,
    contact_id: int,
    message_id: int,
    standing: Cover,
    *,
    now: datetime,
) -> Case:
    """Put a conversation on the desk; an open case of the contact is used, never lowered."""
    contact = await session.get_one(Contact, contact_id)
    message = await session.get_one(Message, message_id)
    cause = Cause("1", (), "", "unknown", "handoff")
    known = await cases.open_case(session, contact_id)
    case = await cases.open_or_raise(session, policy, contact, message, cause, now=now)
    if known is None and standing.on_duty:
        await raise_handoff(session, policy, case, now=now)
    return case
