"""The duty roster: who is on duty now, and where it has gaps. Called by routing and the ladder.

A shift whose person has no channel that can wake a phone (`wakes` False) counts as uncovered, and
so does the time in which its person is absent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import Span
from bot.core.shift_days import without
from bot.db.models import Absence, Place, Shift
from bot.services import places

LOOK_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Duty:
    """A stretch of a shift in which its person is really there; aware, in UTC."""

    shift_id: int
    staff_id: int
    place_id: int
    tier: str
    starts_at: datetime
    ends_at: datetime


async def shifts(
    session: AsyncSession, place: Place | None, *, start: datetime, end: datetime
) -> list[Duty]:
    """Return the duty that counts for a place: its own, and that of the places above.

    Shifts that wake nobody are left out, and absences are cut out of the others.
    """
    if place is None:
        return []
    rows = await session.scalars(
        select(Shift)
        .where(
            Shift.place_id.in_(places.path_ids(place)),
            Shift.wakes.is_(True),
            Shift.starts_at < end,
            Shift.ends_at > start,
        )
        .order_by(Shift.starts_at, Shift.id)
    )
    found = await present(session, list(rows))
    return [one for one in found if one.starts_at < end and one.ends_at > start]


async def present(session: AsyncSession, rows: Sequence[Shift]) -> list[Duty]:
    """Return what is left of some shifts without their people's absences, by its beginning."""
    if not rows:
        return []
    away = await absent(
        session,
        {row.staff_id for row in rows},
        start=min(row.starts_at for row in rows),
        end=max(row.ends_at for row in rows),
    )
    pieces = [
        Duty(row.id, row.staff_id, row.place_id, row.tier, starts_at, ends_at)
        for row in rows
        for starts_at, ends_at in without(row.starts_at, row.ends_at, away.get(row.staff_id, []))
    ]
    return sorted(pieces, key=lambda one: (one.starts_at, one.shift_id))


async def absent(
    session: AsyncSession, staff_ids: Collection[int], *, start: datetime, end: datetime
) -> dict[int, list[tuple[datetime, datetime]]]:
    """Return when each of some people is absent, as far as it touches a stretch of time."""
    rows = await session.scalars(
        select(Absence).where(
            Absence.staff_id.in_(staff_ids), Absence.starts_at < end, Absence.ends_at > start
        )
    )
    found: dict[int, list[tuple[datetime, datetime]]] = {}
    for row in rows:
        back = row.ends_at if row.ended_at is None else min(row.ends_at, row.ended_at)
        if back > row.starts_at:
            found.setdefault(row.staff_id, []).append((row.starts_at, back))
    return found


async def covered(session: AsyncSession, place: Place | None, now: datetime) -> bool:
    """Say whether somebody is on duty for a place at this moment."""
    return bool(await shifts(session, place, start=now, end=now + timedelta(microseconds=1)))


async def next_start(
    session: AsyncSession, place: Place | None, now: datetime, *, within: timedelta
) -> datetime | None:
    """Return when somebody next comes on duty for a place; None: nobody within that time."""
    found = await shifts(session, place, start=now, end=now + within)
    return next((one.starts_at for one in found if one.starts_at > now), None)


async def on_duty(session: AsyncSession, staff_id: int | None, now: datetime) -> bool:
    """Say whether a member of staff has a waking shift at this moment, at whatever place."""
    rows = await session.scalars(
        select(Shift).where(
            Shift.staff_id == staff_id,
            Shift.wakes.is_(True),
            Shift.starts_at <= now,
            Shift.ends_at > now,
        )
    )
    found = await present(session, list(rows))
    return any(one.starts_at <= now < one.ends_at for one in found)


async def gaps(
    session: AsyncSession, place: Place, *, now: datetime, ahead: timedelta = LOOK_AHEAD
) -> list[Span]:
    """Return the stretches ahead in which nobody is on duty for a place."""
    rows = await shifts(session, place, start=now, end=now + ahead)
    return uncovered([Span(s.starts_at, s.ends_at) for s in rows], now, now + ahead)


def uncovered(spans: Sequence[Span], start: datetime, end: datetime) -> list[Span]:
    """Return what the spans leave open between two moments."""
    holes: list[Span] = []
    cursor = start
    for span in sorted(spans, key=lambda s: s.starts_at):
        if span.starts_at > cursor:
            holes.append(Span(cursor, min(span.starts_at, end)))
        cursor = max(cursor, span.ends_at)
        if cursor >= end:
            return holes
    return [*holes, Span(cursor, end)]
