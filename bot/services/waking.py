"""Who can be woken: a shift of somebody whom nothing can wake counts as nobody's (DESIGN §4).

What can wake a phone: its number, which whoever is up can ring; the id in DingTalk's organisation,
at which work notifications and DINGs arrive; a browser that agreed to be called. The answer is kept
in `Shift.wakes`, so that opening a case asks nothing more. Called where one of these changes,
where a shift gets its person, and by the job that looks twice a day.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import PushSubscription, Shift, Staff

PHONE, DINGTALK, PUSH = "phone", "dingtalk", "push"


async def ways(session: AsyncSession, staff_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return by what each of some people can be woken; whoever has left can't be."""
    if not staff_ids:
        return {}
    people = await session.scalars(select(Staff).where(Staff.id.in_(staff_ids)))
    pushed = set(
        await session.scalars(
            select(PushSubscription.staff_id).where(
                PushSubscription.staff_id.in_(staff_ids), PushSubscription.failed_at.is_(None)
            )
        )
    )
    return {person.id: _ways(person, pushed) for person in people}


def _ways(person: Staff, pushed: Collection[int]) -> tuple[str, ...]:
    if not person.active:
        return ()
    has = {
        PHONE: bool(person.phone),
        DINGTALK: bool(person.external_id),
        PUSH: person.id in pushed,
    }
    return tuple(way for way, there in has.items() if there)


async def wakes(session: AsyncSession, staff_id: int) -> bool:
    """Say whether anything can wake a person."""
    return bool((await ways(session, [staff_id])).get(staff_id))


async def refresh(session: AsyncSession, now: datetime, *, staff_id: int | None = None) -> int:
    """Bring the shifts that are not over up to date, of one person or of all.

    Returns:
        How many changed.
    """
    query = select(Shift).where(Shift.ends_at > now)
    if staff_id is not None:
        query = query.where(Shift.staff_id == staff_id)
    rows = list(await session.scalars(query))
    known = await ways(session, {row.staff_id for row in rows})
    changed = [row for row in rows if row.wakes != bool(known.get(row.staff_id))]
    for row in changed:
        row.wakes = not row.wakes
    await session.flush()
    return len(changed)
