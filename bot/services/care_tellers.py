"""Tell a teacher in DingTalk that something waits for them on their pages; never what or of whom.

Only teachers who have written to the robot before have a contact there; the others see it on their
page. Called by care tasks and worries.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Contact, Staff, StaffRole
from bot.services import cases
from bot.services.staff import held_now

CHANNEL = "dingtalk"


async def tell_class(session: AsyncSession, place_id: int, phrase: str, *, now: datetime) -> int:
    """Queue a fixed sentence to the teachers of a class and return to how many."""
    query = (
        select(Contact.id)
        .join(Staff, Staff.external_id == Contact.external_id)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .where(
            Contact.channel == CHANNEL,
            Staff.active.is_(True),
            StaffRole.role == "teacher",
            StaffRole.place_id == place_id,
            held_now(now),
        )
        .distinct()
    )
    return await _tell(session, list(await session.scalars(query)), phrase, now)


async def tell_person(session: AsyncSession, staff_id: int, phrase: str, *, now: datetime) -> int:
    """Queue a fixed sentence to one member of staff and return to how many contacts."""
    query = (
        select(Contact.id)
        .join(Staff, Staff.external_id == Contact.external_id)
        .where(Contact.channel == CHANNEL, Staff.active.is_(True), Staff.id == staff_id)
    )
    return await _tell(session, list(await session.scalars(query)), phrase, now)


async def _tell(session: AsyncSession, ids: list[int], phrase: str, now: datetime) -> int:
    for contact_id in ids:
        await cases.tell(session, contact_id, phrase, now=now)
    return len(ids)
