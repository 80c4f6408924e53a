"""Who is called one by one when a case waits: the people on duty for its place, nearest first.

Called by `alerts`. With 3! everybody on duty is called at once; else the counselors first, each
step of the ladder adds the leads and the district's contact (DOMAIN §2.2, DESIGN §4).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, PushSubscription, Staff
from bot.services import places, roster

STAFF, PUSH = "staff", "push"
TIERS: Mapping[str, int] = {"counselor": 0, "lead": 1, "district": 2}


async def callees(
    session: AsyncSession, case: Case, way: str, step: int, *, now: datetime
) -> list[int]:
    """Return the ids of the people to call at a step who can be called in this way.

    Args:
        way: `staff`: with an id in the organisation; `push`: with a browser that may be woken.
    """
    place = await places.get(session, case.place_id)
    rows = await roster.shifts(session, place, start=now, end=now + timedelta(microseconds=1))
    called = nearest({row.staff_id: row.tier for row in rows}, case.level, step)
    query = select(Staff.id).where(Staff.id.in_(called), Staff.active.is_(True))
    if way == STAFF:
        query = query.where(Staff.external_id.is_not(None))
    else:
        query = query.where(Staff.id.in_(select(PushSubscription.staff_id)))
    return sorted(await session.scalars(query))


def nearest(tiers: Mapping[int, str], level: str, step: int) -> set[int]:
    """Return who of those on duty is called at a step, by the tier of each one's shift."""
    ranks = {person: TIERS.get(tier, 0) for person, tier in tiers.items()}
    present = sorted(set(ranks.values()))
    if level == "3!" or not present:
        return set(ranks)
    reached = present[min(step, len(present) - 1)]
    return {person for person, rank in ranks.items() if rank <= reached}
