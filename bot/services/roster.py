"""The duty roster: who is on duty now, and how duty time passes. Called by routing and the ladder.

A shift whose person has no channel that can wake a phone (`wakes` False) counts as uncovered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Place, Shift
from bot.services import places

LOOK_AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that is covered, aware."""

    starts_at: datetime
    ends_at: datetime


async def shifts(
    session: AsyncSession, place: Place | None, *, start: datetime, end: datetime
) -> list[Shift]:
    """Return the waking shifts that count for a place: its own, and those of the places above."""
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
        .order_by(Shift.starts_at)
    )
    return list(rows)


async def covered(session: AsyncSession, place: Place | None, now: datetime) -> bool:
    """Say whether somebody is on duty for a place at this moment."""
    return bool(await shifts(session, place, start=now, end=now + timedelta(microseconds=1)))


async def on_duty(session: AsyncSession, staff_id: int | None, now: datetime) -> bool:
    """Say whether a member of staff has a waking shift at this moment, at whatever place."""
    found = await session.scalar(
        select(Shift.id)
        .where(
            Shift.staff_id == staff_id,
            Shift.wakes.is_(True),
            Shift.starts_at <= now,
            Shift.ends_at > now,
        )
        .limit(1)
    )
    return found is not None


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


def after_duty_time(spans: Sequence[Span], start: datetime, length: timedelta) -> datetime:
    """Return the moment at which `length` of covered time has passed since `start`.

    Overlapping spans count once. With too little cover ahead the clock runs through: no case waits
    for ever because the roster is empty.
    """
    left = length
    cursor = start
    for span in sorted(spans, key=lambda s: s.starts_at):
        begin = max(cursor, span.starts_at)
        if span.ends_at <= begin:
            continue
        if span.ends_at - begin >= left:
            return begin + left
        left -= span.ends_at - begin
        cursor = span.ends_at
    return start + length
