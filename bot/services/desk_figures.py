"""Figures of the desk: how many, how long until somebody came, what became of it, hours on duty.

Read by `/desk/figures`. No names and no words; counts under ten are hidden, and so is what would
give one away (`bot.core.small_cells`). Drills are left out. A counselor and a lead see their own
schools by term, the district and the bureau everything by month, with a line for each school.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, defer

from bot.core.clock import to_shanghai
from bot.core.levels import LEVELS
from bot.core.small_cells import SMALLEST, Shown, hide
from bot.db.models import Case, PhoneCall, Place, Shift
from bot.services import desk, periods, rights, workdays
from bot.services.cases import CLOSE_REASONS
from bot.services.periods import Period
from bot.services.staff import StaffView

RIGHT = "figures.read"
# Who sees every school of the district at once, and who sees no single case.
_WIDE, _ONLY_COUNTS = frozenset({"district", "bureau"}), frozenset({"bureau"})
# The highest first; 1 and 0 are parents who wanted to talk to a person.
SHOWN_LEVELS = tuple(reversed(LEVELS))
OUTCOMES = tuple(reason for reason in CLOSE_REASONS if reason != "drill")
DIRECTIONS = ("in", "out")
_NIGHT_FROM, _NIGHT_UNTIL = 22, 6
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Table:
    """Counts by a code, as they may be shown."""

    rows: Sequence[tuple[str, Shown]]
    total: Shown


@dataclass(frozen=True, slots=True)
class Spread:
    """Half took no longer than the median, nine of ten no longer than `p90`."""

    median: timedelta
    p90: timedelta


@dataclass(frozen=True, slots=True)
class Wait:
    """How long the cases of a level waited; None: too few to say."""

    level: str
    accepted: Spread | None
    words: Spread | None
    closed: Spread | None


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours on duty in which somebody could be woken; of them at night and on free days."""

    all: int
    night: int
    free: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything about one period.

    Args:
        schools: cases by school; None: one school, or too few to be shown by school.
        drills: how many drills were left out.
    """

    period: Period
    levels: Table
    waits: Sequence[Wait]
    outcomes: Table
    calls: Table
    hours: Hours
    schools: Table | None
    drills: int


def offered(viewer: StaffView, *, now: datetime) -> Sequence[Period]:
    """Return the periods a person can choose."""
    roles = viewer.roles & frozenset({"counselor", "lead", "district", "bureau"})
    return periods.offered(terms=not roles & _WIDE, running=bool(roles - _ONLY_COUNTS), now=now)


async def figures(
    session: AsyncSession, viewer: StaffView, period: Period, *, now: datetime
) -> Figures:
    """Return the figures of a period for everything a person answers for.

    Raises:
        NotAllowed: none of the person's roles may see figures.
    """
    rights.require_somewhere(viewer, RIGHT)
    opened = await _cases(session, viewer, Case.opened_at, period)
    ended = await _cases(session, viewer, Case.closed_at, period)
    real = [case for case in opened if not case.drill]
    closed = [case for case in ended if not case.drill]
    levels = _table(SHOWN_LEVELS, (_level(case) for case in real))
    return Figures(
        period=period,
        levels=levels,
        waits=[_wait(level, real) for level in SHOWN_LEVELS],
        outcomes=_table(OUTCOMES, (case.close_reason or "" for case in closed)),
        calls=await _calls(session, viewer, period),
        hours=await _hours(session, viewer, period, now),
        schools=await _schools(session, viewer, real, levels),
        drills=len(opened) - len(real),
    )


async def _cases(
    session: AsyncSession,
    viewer: StaffView,
    moment: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    period: Period,
) -> list[Case]:
    near: ColumnElement[bool] = Case.place_id.in_(rights.places_for(viewer, RIGHT))
    if viewer.roles & _WIDE:
        near = or_(near, Case.place_id.is_(None))
    rows = await session.scalars(
        select(Case)
        .options(defer(Case.close_note))
        .where(near, moment >= period.starts_at, moment < period.ends_at)
    )
    return list(rows)


def _level(case: Case) -> str:
    return case.judged_now or case.level


def _table(codes: Iterable[str], found: Iterable[str]) -> Table:
    counts = Counter(found)
    names = list(codes)
    row = hide([counts[name] for name in names])
    return Table(tuple(zip(names, row.cells, strict=True)), row.total)


def _wait(level: str, cases: Sequence[Case]) -> Wait:
    own = [case for case in cases if _level(case) == level]
    return Wait(
        level,
        _spread((case.raised_at, case.accepted_at) for case in own),
        _spread((case.raised_at, case.first_words_at) for case in own),
        _spread((case.accepted_at, case.closed_at) for case in own),
    )


def _spread(pairs: Iterable[tuple[datetime | None, datetime | None]]) -> Spread | None:
    """Return the spread of the lengths; what is not over, or began anew, is left out."""
    lengths = sorted(end - start for start, end in pairs if start and end and end >= start)
    if len(lengths) < SMALLEST:
        return None
    seconds = [length.total_seconds() for length in lengths]
    p90 = statistics.quantiles(seconds, n=10, method="inclusive")[-1]
    return Spread(timedelta(seconds=statistics.median(seconds)), timedelta(seconds=p90))


async def _calls(session: AsyncSession, viewer: StaffView, period: Period) -> Table:
    rows = await session.execute(
        select(PhoneCall.direction, func.count(PhoneCall.id))
        .join(Case, Case.id == PhoneCall.case_id)
        .where(
            PhoneCall.place_id.in_(rights.places_for(viewer, RIGHT)),
            PhoneCall.started_at >= period.starts_at,
            PhoneCall.started_at < period.ends_at,
            Case.drill.is_(False),
        )
        .group_by(PhoneCall.direction)
    )
    return _table(DIRECTIONS, Counter({row[0]: row[1] for row in rows}).elements())


async def _hours(session: AsyncSession, viewer: StaffView, period: Period, now: datetime) -> Hours:
    """Count hours of shifts up to now, each hour by the day and time at which it begins."""
    end = min(period.ends_at, now)
    rows = await session.scalars(
        select(Shift).where(
            Shift.place_id.in_(rights.places_for(viewer, RIGHT)),
            Shift.wakes.is_(True),
            Shift.starts_at < end,
            Shift.ends_at > period.starts_at,
        )
    )
    parts: Counter[str] = Counter()
    for shift in rows:
        parts += _parts(max(shift.starts_at, period.starts_at), min(shift.ends_at, end))
    seconds = {name: parts[name] / 3600 for name in ("all", "night", "free")}
    return Hours(**{name: round(hours) for name, hours in seconds.items()})


def _parts(start: datetime, end: datetime) -> Counter[str]:
    parts: Counter[str] = Counter()
    while start < end:
        local = to_shanghai(start)
        next_hour = local.replace(minute=0, second=0, microsecond=0) + _HOUR
        until = min(end, next_hour)
        length = int((until - start).total_seconds())
        parts["all"] += length
        if local.hour >= _NIGHT_FROM or local.hour < _NIGHT_UNTIL:
            parts["night"] += length
        if not workdays.is_workday(local.date()):
            parts["free"] += length
        start = until.astimezone(start.tzinfo)
    return parts


async def _schools(
    session: AsyncSession, viewer: StaffView, cases: Sequence[Case], levels: Table
) -> Table | None:
    """Return cases by school; none where a total would have to be hidden in either table."""
    if not viewer.roles & _WIDE:
        return None
    reached = rights.places_for(viewer, RIGHT)
    rows = await session.scalars(
        select(Place).where(Place.id.in_(reached), Place.kind.in_(("school", "district")))
    )
    found = sorted(rows, key=lambda place: (place.kind, place.name, place.id))
    named = await desk.place_names(session, [place.id for place in found])
    home = {place.id: str(place.id) for place in found}
    district = next((str(place.id) for place in found if place.kind == "district"), "")
    table = _table(
        [str(place.id) for place in found],
        (home.get(case.place_id or 0, district) for case in cases),
    )
    if isinstance(table.total, str) or isinstance(levels.total, str):
        return None
    names: Mapping[str, str] = {str(place_id): words[1] for place_id, words in named.items()}
    return Table([(names.get(code, code), cell) for code, cell in table.rows], table.total)
