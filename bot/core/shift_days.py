"""From a repeating pattern to shifts: which days count, and when a shift of a day begins and ends.

Pure; called by `bot.services.shift_patterns` and `bot.services.shifts`. Minutes count from midnight
as the wall clock of a zone shows it; an end that is not after the start is the next morning.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from bot.core.clock import SHANGHAI

DAY_MINUTES = 24 * 60
_DAY = timedelta(days=1)

DayTest = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which days a pattern counts on, and its hours.

    Args:
        days: ISO weekdays, 1 to 7, for days that are neither public holidays nor make-up workdays.
        on_holidays: whether it counts on public holidays, whatever their weekday.
        on_makeup_days: likewise on workdays that make up for a holiday.
        last_day: the last day on which a shift begins; None: without end.
    """

    days: frozenset[int]
    on_holidays: bool
    on_makeup_days: bool
    start_minute: int
    end_minute: int
    first_day: date
    last_day: date | None = None


@dataclass(frozen=True, slots=True)
class DayShift:
    """One shift that a pattern gives, by the day on which it begins."""

    day: date
    starts_at: datetime
    ends_at: datetime


def span_of(
    day: date, start_minute: int, end_minute: int, zone: tzinfo = SHANGHAI
) -> tuple[datetime, datetime]:
    """Return when a shift of a day begins and ends, in UTC.

    Where clocks are changed, an hour that comes twice or not at all is covered whole: two shifts
    that touch on the wall clock never leave a hole between them.

    Raises:
        ValueError: not minutes of a day.
    """
    if not (0 <= start_minute < DAY_MINUTES and 0 <= end_minute < DAY_MINUTES):
        raise ValueError("minutes of a day run from 0 to 1439")
    last = day if end_minute > start_minute else day + _DAY
    return min(_moments(day, start_minute, zone)), max(_moments(last, end_minute, zone))


def _moments(day: date, minute: int, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the moments that a wall clock's time can mean, the same twice on most days."""
    wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
    return wall.replace(fold=0).astimezone(UTC), wall.replace(fold=1).astimezone(UTC)


def counts(rule: Rule, day: date, *, is_holiday: DayTest, is_makeup: DayTest) -> bool:
    """Say whether a pattern has a shift that begins on a day."""
    if day < rule.first_day or (rule.last_day is not None and day > rule.last_day):
        return False
    if is_holiday(day):
        return rule.on_holidays
    if is_makeup(day):
        return rule.on_makeup_days
    return day.isoweekday() in rule.days


def expand(
    rule: Rule,
    first: date,
    last: date,
    *,
    is_holiday: DayTest,
    is_makeup: DayTest,
    zone: tzinfo = SHANGHAI,
) -> Iterator[DayShift]:
    """Yield the shifts that begin from one day to another, both included, in their order."""
    day = max(first, rule.first_day)
    end = last if rule.last_day is None else min(last, rule.last_day)
    while day <= end:
        if counts(rule, day, is_holiday=is_holiday, is_makeup=is_makeup):
            yield DayShift(day, *span_of(day, rule.start_minute, rule.end_minute, zone))
        day += _DAY


def without(
    starts_at: datetime, ends_at: datetime, away: Sequence[tuple[datetime, datetime]]
) -> list[tuple[datetime, datetime]]:
    """Return what is left of a stretch of time when others are cut out of it, in order."""
    pieces: list[tuple[datetime, datetime]] = []
    cursor = starts_at
    for left, back in sorted(away):
        if back <= cursor or left >= ends_at or back <= left:
            continue
        if left > cursor:
            pieces.append((cursor, left))
        cursor = back
    if cursor < ends_at:
        pieces.append((cursor, ends_at))
    return pieces
