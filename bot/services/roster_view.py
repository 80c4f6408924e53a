"""The roster as its pages show it: days with shifts and gaps, who is there now, the phone list.

Called by the pages of the roster. Names stand here, numbers only in the phone list, whose reading
is in the audit trail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import Span
from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import InputInvalid
from bot.db.models import Place, Shift, Staff
from bot.services import audit, places, rights, roster, waking
from bot.services.staff import StaffView
from bot.services.workdays import is_holiday, is_makeup

PHONES_AHEAD = timedelta(hours=24)
PHONE_LENGTH = 32
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One shift.

    Args:
        place: the name of the place above whose shift it is; empty: this place's own.
        next_day: it ends on another day than it begins.
        absent: its person is away during all or part of it.
    """

    shift_id: int
    staff_id: int
    name: str
    starts_at: datetime
    ends_at: datetime
    place: str
    next_day: bool
    absent: bool
    wakes: bool
    by_pattern: bool
    over: bool
    running: bool


@dataclass(frozen=True, slots=True)
class Day:
    """One day: what begins on it, and when nobody is there.

    Args:
        kind: `holiday`, `makeup` or empty.
    """

    day: date
    kind: str
    entries: tuple[Entry, ...]
    gaps: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody who is on duty now, or comes next."""

    name: str
    place: str
    starts_at: datetime
    ends_at: datetime
    phone: str = ""


def midnight(day: date) -> datetime:
    """Return when a day begins in China, in UTC."""
    return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)


def week_of(day: date) -> tuple[date, date]:
    """Return the Monday and the Sunday of a day's week."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + 6 * _DAY


def month_of(day: date) -> tuple[date, date]:
    """Return the first and the last day of a day's month."""
    first = day.replace(day=1)
    return first, (first + 31 * _DAY).replace(day=1) - _DAY


async def days(
    session: AsyncSession, place: Place, first: date, last: date, *, now: datetime
) -> list[Day]:
    """Return the days of a stretch with what begins on them and the gaps from now on."""
    start, end = midnight(first), midnight(last + _DAY)
    entries = await _entries(session, place, start, end, now)
    holes: list[Span] = []
    if end > now:
        since = max(start, now)
        there = await roster.shifts(session, place, start=since, end=end)
        spans = [Span(one.starts_at, one.ends_at) for one in there]
        holes = roster.uncovered(spans, since, end)
    found: list[Day] = []
    day = first
    while day <= last:
        found.append(_day(day, entries, holes))
        day += _DAY
    return found


def _day(day: date, entries: Sequence[Entry], holes: Sequence[Span]) -> Day:
    start, end = midnight(day), midnight(day + _DAY)
    kind = "holiday" if is_holiday(day) else "makeup" if is_makeup(day) else ""
    return Day(
        day,
        kind,
        tuple(one for one in entries if start <= one.starts_at < end),
        tuple(
            Span(max(hole.starts_at, start), min(hole.ends_at, end))
            for hole in holes
            if hole.starts_at < end and hole.ends_at > start
        ),
    )


async def _entries(
    session: AsyncSession, place: Place, start: datetime, end: datetime, now: datetime
) -> list[Entry]:
    rows = list(
        await session.scalars(
            select(Shift)
            .where(
                Shift.place_id.in_(places.path_ids(place)),
                Shift.starts_at >= start,
                Shift.starts_at < end,
            )
            .order_by(Shift.starts_at, Shift.id)
        )
    )
    names = await names_of(session, {row.staff_id for row in rows})
    above = await _names_above(session, place)
    away = await roster.absent(session, {row.staff_id for row in rows}, start=start, end=end + _DAY)
    return [_entry(row, names, above, away, now) for row in rows]


def _entry(
    row: Shift,
    names: Mapping[int, str],
    above: Mapping[int, str],
    away: Mapping[int, Sequence[tuple[datetime, datetime]]],
    now: datetime,
) -> Entry:
    last = to_shanghai(row.ends_at - timedelta(microseconds=1)).date()
    return Entry(
        shift_id=row.id,
        staff_id=row.staff_id,
        name=names.get(row.staff_id, ""),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        place=above.get(row.place_id, ""),
        next_day=last > to_shanghai(row.starts_at).date(),
        absent=any(
            left < row.ends_at and back > row.starts_at for left, back in away.get(row.staff_id, ())
        ),
        wakes=row.wakes,
        by_pattern=row.pattern_id is not None,
        over=row.ends_at <= now,
        running=row.starts_at <= now < row.ends_at,
    )


async def names_of(session: AsyncSession, ids: set[int]) -> dict[int, str]:
    """Return the names of members of staff."""
    if not ids:
        return {}
    rows = await session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def _names_above(session: AsyncSession, place: Place) -> dict[int, str]:
    ids = [one for one in places.path_ids(place) if one != place.id]
    rows = await session.execute(select(Place.id, Place.name).where(Place.id.in_(ids)))
    return {row.id: row.name for row in rows}


async def here(
    session: AsyncSession, place: Place, *, now: datetime, ahead: timedelta = timedelta()
) -> list[Here]:
    """Return who is on duty for a place now, and who comes within a time."""
    return await _here(session, place, now, ahead, with_phones=False)


async def _here(
    session: AsyncSession, place: Place, now: datetime, ahead: timedelta, *, with_phones: bool
) -> list[Here]:
    end = now + max(ahead, timedelta(microseconds=1))
    there = await roster.shifts(session, place, start=now, end=end)
    rows = await session.scalars(select(Staff).where(Staff.id.in_({o.staff_id for o in there})))
    people = {person.id: person for person in rows}
    above = await _names_above(session, place)
    return [
        Here(
            people[one.staff_id].name,
            above.get(one.place_id, ""),
            one.starts_at,
            one.ends_at,
            (people[one.staff_id].phone or "") if with_phones else "",
        )
        for one in there
    ]


async def phones(
    session: AsyncSession, by: StaffView, place: Place, *, now: datetime
) -> list[Here]:
    """Return who is on duty from now until this time tomorrow, with their numbers.

    Raises:
        NotAllowed: the roster is out of their reach.
    """
    rights.require(by, "roster.read", place.id)
    found = await _here(session, place, now, PHONES_AHEAD, with_phones=True)
    await audit.record(
        session,
        staff_id=by.id,
        action="roster.phones_read",
        object_kind="place",
        object_id=place.id,
        now=now,
        data={"n": len(found)},
    )
    return found


async def set_phone(
    session: AsyncSession, by: StaffView, staff_id: int, phone: str, *, now: datetime
) -> None:
    """Put in or (empty) take away the number at which somebody on duty is rung.

    For oneself, or for a colleague at all of whose places one keeps the roster.

    Raises:
        NotFound: no such colleague within their reach.
        InputInvalid: it is no phone number.
    """
    kept = "".join(phone.split())
    digits = kept.removeprefix("+").replace("-", "")
    if kept and not (digits.isascii() and digits.isdecimal() and 5 <= len(digits) <= 15):
        raise InputInvalid("phone", field="phone")
    if staff_id == by.id:
        rights.require_somewhere(by, "roster.own")
        person = await session.get_one(Staff, staff_id, with_for_update=True)
    else:
        person = await rights.require_over(session, by, "roster.change", staff_id, now)
    person.phone = kept or None
    await session.flush()
    await waking.refresh(session, now, staff_id=staff_id)
    await audit.record(
        session,
        staff_id=by.id,
        action="roster.phone_changed",
        object_kind="staff",
        object_id=staff_id,
        now=now,
        data={"there": bool(kept)},
    )


async def own_phone(session: AsyncSession, by: StaffView) -> str:
    """Return a person's own number, empty for none."""
    return (await session.get_one(Staff, by.id)).phone or ""
