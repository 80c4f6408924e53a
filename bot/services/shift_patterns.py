"""Patterns of the roster: made by a person, written ahead as shifts by the nightly job.

Called by the pages of the roster, by the demonstration and by `bot.services.roster_watch`. Shifts
are written `AHEAD` days; when a pattern is changed, those of its future shifts that are still as it
wrote them are written anew. What a person changed, gave away or took off the roster stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.shift_days import DAY_MINUTES, DayShift, Rule, expand
from bot.db.models import Place, Shift, ShiftPattern, ShiftSwap
from bot.services import audit, shifts, waking
from bot.services.staff import StaffView
from bot.services.workdays import is_holiday, is_makeup

AHEAD = timedelta(days=35)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pattern as a person puts it in."""

    staff_id: int
    days: frozenset[int]
    on_holidays: bool
    on_makeup_days: bool
    start_minute: int
    end_minute: int
    first_day: date
    last_day: date | None

    def check(self) -> None:
        """Refuse what is no pattern.

        Raises:
            InputInvalid: no day at all, unknown days, no time of day, or it ends before it begins.
        """
        if not self.days <= frozenset(range(1, 8)):
            raise InputInvalid("days", field="days")
        if not (self.days or self.on_holidays or self.on_makeup_days):
            raise InputInvalid("days", field="days")
        if not all(0 <= one < DAY_MINUTES for one in (self.start_minute, self.end_minute)):
            raise InputInvalid("minutes", field="time")
        if self.last_day is not None and self.last_day < self.first_day:
            raise InputInvalid("last_day", field="last_day")


def rule_of(row: ShiftPattern) -> Rule:
    """Return a stored pattern as the pure functions take it."""
    return Rule(
        frozenset(row.days),
        row.on_holidays,
        row.on_makeup_days,
        row.start_minute,
        row.end_minute,
        row.first_day,
        row.last_day,
    )


def planned(row: ShiftPattern, first: date, last: date) -> list[DayShift]:
    """Return the shifts that a pattern means from one day to another."""
    return list(expand(rule_of(row), first, last, is_holiday=is_holiday, is_makeup=is_makeup))


async def of_place(session: AsyncSession, place: Place, now: datetime) -> list[ShiftPattern]:
    """Return the patterns of a place that have not ended, by their hours."""
    today = to_shanghai(now).date()
    rows = await session.scalars(
        select(ShiftPattern)
        .where(ShiftPattern.place_id == place.id)
        .order_by(ShiftPattern.start_minute, ShiftPattern.id)
    )
    return [row for row in rows if row.last_day is None or row.last_day >= today]


async def to_change(
    session: AsyncSession, by: StaffView, pattern_id: int, *, lock: bool = True
) -> tuple[ShiftPattern, Place]:
    """Return a pattern that a person may change, and its place.

    Args:
        lock: keep everybody else from changing it meanwhile; not for a page that only shows it.

    Raises:
        NotFound: there is none within their reach.
    """
    row = await session.get(
        ShiftPattern, pattern_id, with_for_update=lock or None, populate_existing=True
    )
    if row is None:
        raise NotFound("no such pattern")
    return row, await shifts.place_to(session, by, "roster.change", row.place_id)


async def create(
    session: AsyncSession, by: StaffView, place_id: int, wanted: Wanted, *, now: datetime
) -> ShiftPattern:
    """Make a pattern and write its shifts at once.

    Raises:
        NotFound: no roster that they may change.
        InputInvalid: it is no pattern, or its person may not be on duty here.
        Conflict: `overlap:DAY`; its person is on duty then already.
    """
    place = await shifts.place_to(session, by, "roster.change", place_id)
    wanted.check()
    await shifts.qualified(session, place, wanted.staff_id, now, keeper=by)
    row = ShiftPattern(
        place_id=place.id,
        staff_id=wanted.staff_id,
        tier=shifts.tier_of(place),
        made_by=by.id,
        row_version=1,
    )
    _fill(row, wanted)
    session.add(row)
    await session.flush()
    await write_ahead(session, row, now=now, strict=True)
    await _note(session, by, "roster.pattern_made", row, now)
    return row


async def change(
    session: AsyncSession,
    by: StaffView,
    pattern_id: int,
    wanted: Wanted,
    *,
    row_version: int,
    now: datetime,
) -> ShiftPattern:
    """Change a pattern and write anew those of its shifts that are still as it wrote them.

    Raises:
        NotFound: no pattern that they may change.
        InputInvalid: as for `create`.
        Conflict: `changed` by somebody else, or `overlap:DAY`.
    """
    row, place = await to_change(session, by, pattern_id)
    if row.row_version != row_version:
        raise Conflict("changed")
    wanted.check()
    await shifts.qualified(session, place, wanted.staff_id, now, keeper=by)
    kept = await _clear(session, row, now)
    row.written_until = None
    row.row_version += 1
    _fill(row, wanted)
    await write_ahead(session, row, now=now, strict=True, kept=kept)
    await _note(session, by, "roster.pattern_changed", row, now)
    return row


async def end(
    session: AsyncSession, by: StaffView, pattern_id: int, *, row_version: int, now: datetime
) -> None:
    """End a pattern today; its shifts that have not begun and are as it wrote them go.

    Raises:
        NotFound: no pattern that they may change.
        Conflict: `changed` by somebody else.
    """
    row, _ = await to_change(session, by, pattern_id)
    if row.row_version != row_version:
        raise Conflict("changed")
    await _clear(session, row, now)
    row.last_day = to_shanghai(now).date() - _DAY
    row.row_version += 1
    await session.flush()
    await _note(session, by, "roster.pattern_ended", row, now)


async def retire(session: AsyncSession, staff_id: int, now: datetime) -> None:
    """Let the patterns of somebody who leaves write nothing more; what they wrote is left alone.

    Called by `bot.services.leaving`, which hands the shifts over or takes them off the roster.
    """
    today = to_shanghai(now).date()
    rows = await session.scalars(select(ShiftPattern).where(ShiftPattern.staff_id == staff_id))
    for row in rows:
        if row.last_day is None or row.last_day >= today:
            row.last_day = today - _DAY
            row.row_version += 1
    await session.flush()


def _fill(row: ShiftPattern, wanted: Wanted) -> None:
    row.staff_id = wanted.staff_id
    row.days = sorted(wanted.days)
    row.on_holidays, row.on_makeup_days = wanted.on_holidays, wanted.on_makeup_days
    row.start_minute, row.end_minute = wanted.start_minute, wanted.end_minute
    row.first_day, row.last_day = wanted.first_day, wanted.last_day


async def _clear(session: AsyncSession, row: ShiftPattern, now: datetime) -> frozenset[date]:
    """Delete a pattern's future shifts that are as it wrote them.

    Returns:
        The days that stay as they are: on which a shift runs, was changed, was given away, or was
        taken off the roster by a person.
    """
    today = to_shanghai(now).date()
    meant = planned(row, today - _DAY, row.written_until or today - _DAY)
    rows = await _shifts_from(session, row, now)
    swapped = await _with_swap(session, [one.id for one in rows])
    by_start = {one.starts_at: one for one in rows}
    kept = {to_shanghai(one.starts_at).date() for one in rows}
    for plan in meant:
        there = by_start.get(plan.starts_at)
        if there is None:
            # What is over already says nothing about the rest of its day.
            kept |= {plan.day} if plan.ends_at > now else set()
            continue
        untouched = there.staff_id == row.staff_id and there.ends_at == plan.ends_at
        if untouched and there.id not in swapped and there.starts_at > now:
            await session.delete(there)
            kept.discard(plan.day)
    await session.flush()
    return frozenset(kept)


async def _shifts_from(session: AsyncSession, row: ShiftPattern, now: datetime) -> list[Shift]:
    rows = await session.scalars(
        select(Shift)
        .where(Shift.pattern_id == row.id, Shift.ends_at > now)
        .order_by(Shift.starts_at)
    )
    return list(rows)


async def _with_swap(session: AsyncSession, shift_ids: Sequence[int]) -> frozenset[int]:
    rows = await session.scalars(
        select(ShiftSwap.shift_id).where(ShiftSwap.shift_id.in_(shift_ids))
    )
    return frozenset(rows)


async def write_ahead(
    session: AsyncSession,
    row: ShiftPattern,
    *,
    now: datetime,
    strict: bool = False,
    kept: frozenset[date] = frozenset(),
) -> int:
    """Write the shifts of a pattern up to `AHEAD` days from now, each day once.

    Of a shift that should be running already the rest is written.

    Args:
        strict: a clash with another shift of the person is refused instead of left out.
        kept: days that are left alone.

    Returns:
        How many were written.

    Raises:
        Conflict: `overlap:DAY`, when strict.
    """
    today = to_shanghai(now).date()
    until = today + AHEAD
    first = today - _DAY if row.written_until is None else row.written_until + _DAY
    wakes = await waking.wakes(session, row.staff_id)
    written = 0
    for plan in planned(row, max(first, today - _DAY), until):
        starts_at = max(plan.starts_at, now)
        if plan.day in kept or plan.ends_at <= starts_at:
            continue
        if await shifts.overlapping(session, row.staff_id, starts_at, plan.ends_at):
            if strict:
                raise Conflict(f"overlap:{plan.day.isoformat()}")
            continue
        session.add(_shift(row, starts_at, plan.ends_at, wakes))
        await session.flush()
        written += 1
    row.wakes = wakes
    row.written_until = max(until, row.written_until or until)
    await session.flush()
    return written


def _shift(row: ShiftPattern, starts_at: datetime, ends_at: datetime, wakes: bool) -> Shift:
    return Shift(
        place_id=row.place_id,
        staff_id=row.staff_id,
        tier=row.tier,
        starts_at=starts_at,
        ends_at=ends_at,
        wakes=wakes,
        pattern_id=row.id,
    )


async def write_all(session: AsyncSession, now: datetime) -> int:
    """Write every pattern ahead whose person may still be on duty there; return how many shifts."""
    today = to_shanghai(now).date()
    rows = await session.scalars(select(ShiftPattern).order_by(ShiftPattern.id).with_for_update())
    written = 0
    for row in list(rows):
        if row.last_day is not None and row.last_day < today:
            continue
        place = await session.get_one(Place, row.place_id)
        able = {person.id for person in await shifts.people(session, place, now)}
        if row.staff_id in able:
            written += await write_ahead(session, row, now=now)
    return written


async def _note(
    session: AsyncSession, by: StaffView, action: str, row: ShiftPattern, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="shift_pattern",
        object_id=row.id,
        now=now,
        data={"place": row.place_id, "staff": row.staff_id},
    )
