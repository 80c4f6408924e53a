"""Absences: somebody is not on duty in a time, whatever the roster says.

Put in by the person, or by whoever keeps the roster. Coverage looks at them itself
(`bot.services.roster`), the shifts stay as they are. Called by the pages of the roster.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Absence, Shift, Staff, StaffRole
from bot.services import audit, rights
from bot.services.staff import StaffView, held_now

KINDS = ("leave", "sick", "training", "other")
LONGEST = timedelta(days=200)


async def add(
    session: AsyncSession,
    by: StaffView,
    staff_id: int,
    *,
    kind: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> Absence:
    """Put in an absence; the same one twice is one.

    Raises:
        NotFound: somebody else whose roster the person does not keep.
        InputInvalid: an unknown kind, over already, ends before it begins, or far too long.
    """
    await _require(session, by, staff_id, now)
    if kind not in KINDS:
        raise InputInvalid("kind", field="kind")
    if ends_at <= max(starts_at, now):
        raise InputInvalid("past", field="time")
    if ends_at - starts_at > LONGEST:
        raise InputInvalid("long", field="time")
    # Two clicks on one button come one after the other, not both first.
    await session.get_one(Staff, staff_id, with_for_update=True)
    there = await session.scalar(
        select(Absence).where(
            Absence.staff_id == staff_id,
            Absence.starts_at == starts_at,
            Absence.ends_at == ends_at,
            Absence.ended_at.is_(None),
        )
    )
    if there is not None:
        return there
    row = Absence(
        staff_id=staff_id,
        starts_at=starts_at,
        ends_at=ends_at,
        kind=kind,
        made_by=by.id,
        made_at=now,
    )
    session.add(row)
    await session.flush()
    await _note(session, by, "roster.absence_put", row, now)
    return row


async def end(session: AsyncSession, by: StaffView, absence_id: int, *, now: datetime) -> Absence:
    """End an absence now: the person is back; one that has not begun never was.

    Raises:
        NotFound: there is none that they may end.
        Conflict: `over`.
    """
    row = await session.get(Absence, absence_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound("no such absence")
    await _require(session, by, row.staff_id, now)
    if row.ended_at is not None or row.ends_at <= now:
        raise Conflict("over")
    row.ended_at = now
    await _note(session, by, "roster.absence_ended", row, now)
    return row


async def _require(session: AsyncSession, by: StaffView, staff_id: int, now: datetime) -> None:
    """Let somebody pass for themself, and for whoever is on a roster that they keep."""
    if staff_id == by.id:
        rights.require_somewhere(by, "roster.own")
        return
    held = await session.scalar(
        select(StaffRole.id)
        .where(
            StaffRole.staff_id == staff_id,
            StaffRole.place_id.in_(rights.places_for(by, "roster.change")),
            held_now(now),
        )
        .limit(1)
    )
    if held is None:
        raise NotFound("no such colleague here")


async def ahead(session: AsyncSession, staff_ids: Sequence[int], *, now: datetime) -> list[Absence]:
    """Return the absences of some people that are not over, the next one first."""
    rows = await session.scalars(
        select(Absence)
        .where(Absence.staff_id.in_(staff_ids), Absence.ends_at > now, Absence.ended_at.is_(None))
        .order_by(Absence.starts_at, Absence.id)
    )
    return list(rows)


async def shifts_in(session: AsyncSession, row: Absence) -> list[Shift]:
    """Return the shifts that somebody can't do because of an absence."""
    rows = await session.scalars(
        select(Shift)
        .where(
            Shift.staff_id == row.staff_id,
            Shift.starts_at < row.ends_at,
            Shift.ends_at > row.starts_at,
        )
        .order_by(Shift.starts_at)
    )
    return list(rows)


async def _note(
    session: AsyncSession, by: StaffView, action: str, row: Absence, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="absence",
        object_id=row.id,
        now=now,
        data={"staff": row.staff_id, "kind": row.kind},
    )
