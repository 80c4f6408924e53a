"""Patterns become shifts: which days count, nights, month ends, holidays, changed clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.clock import SHANGHAI
from bot.core.shift_days import DAY_MINUTES, Rule, counts, expand, span_of, without

ZONES = [
    ZoneInfo(name)
    for name in ("Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe")
]
MINUTES = st.integers(0, DAY_MINUTES - 1)
DAYS = st.dates(date(2024, 1, 1), date(2028, 12, 31))
HOLIDAYS = frozenset({date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)})
MAKEUP = frozenset({date(2026, 10, 10)})
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)


def rule(
    start: int = 8 * 60,
    end: int = 18 * 60,
    *,
    days: frozenset[int] = frozenset(range(1, 6)),
    on_holidays: bool = False,
    on_makeup_days: bool = True,
    first: date = date(2026, 1, 1),
    last: date | None = None,
) -> Rule:
    """Return a pattern, by default the working days' hours."""
    return Rule(days, on_holidays, on_makeup_days, start, end, first, last)


def days_of(pattern: Rule, first: date, last: date) -> list[date]:
    """Return the days on which a pattern has a shift."""
    found = expand(
        pattern, first, last, is_holiday=HOLIDAYS.__contains__, is_makeup=MAKEUP.__contains__
    )
    return [one.day for one in found]


@given(DAYS, MINUTES, MINUTES, st.sampled_from(ZONES))
def test_a_shift_lasts_up_to_a_day_whatever_the_clocks_do(
    day: date, start: int, end: int, zone: ZoneInfo
) -> None:
    starts_at, ends_at = span_of(day, start, end, zone)
    wall = timedelta(minutes=(end - start) % DAY_MINUTES or DAY_MINUTES)
    assert timedelta() < ends_at - starts_at
    assert wall - timedelta(hours=1) <= ends_at - starts_at <= wall + timedelta(hours=2)
    assert starts_at.tzinfo is UTC
    assert ends_at.tzinfo is UTC


@given(DAYS, MINUTES, MINUTES)
def test_in_shanghai_it_lasts_as_long_as_the_wall_clock_says(
    day: date, start: int, end: int
) -> None:
    starts_at, ends_at = span_of(day, start, end)
    assert ends_at - starts_at == timedelta(minutes=(end - start) % DAY_MINUTES or DAY_MINUTES)
    shown = starts_at.astimezone(SHANGHAI)
    assert (shown.date(), shown.hour * 60 + shown.minute) == (day, start)


@given(DAYS, MINUTES, MINUTES, st.sampled_from(ZONES))
def test_a_day_and_a_night_shift_leave_no_hole(
    first: date, start: int, end: int, zone: ZoneInfo
) -> None:
    if start == end:
        return
    spans = []
    for n in range(8):
        day = first + timedelta(days=n)
        spans += [span_of(day, start, end, zone), span_of(day, end, start, zone)]
    for before, after in pairwise(sorted(spans)):
        assert after[0] <= before[1], "nobody on duty where clocks are changed"


def test_a_night_shift_ends_the_next_morning_over_a_month_and_a_year() -> None:
    for day in (date(2026, 1, 31), date(2028, 2, 29), date(2026, 12, 31)):
        starts_at, ends_at = span_of(day, 22 * 60, 6 * 60)
        assert ends_at.astimezone(SHANGHAI).date() == day + timedelta(days=1)
        assert ends_at - starts_at == timedelta(hours=8)


def test_equal_times_are_a_whole_day() -> None:
    starts_at, ends_at = span_of(date(2026, 11, 22), 0, 0)
    assert ends_at - starts_at == timedelta(hours=24)


def test_the_hour_that_comes_twice_is_covered_twice() -> None:
    starts_at, ends_at = span_of(date(2026, 11, 1), 60, 120, ZoneInfo("America/New_York"))
    assert ends_at - starts_at == timedelta(hours=2)


@pytest.mark.parametrize("minutes", [(-1, 60), (0, 1440), (1440, 0)])
def test_only_minutes_of_a_day_are_taken(minutes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="minutes"):
        span_of(date(2026, 11, 22), *minutes)


def test_holidays_and_make_up_days_count_whatever_their_weekday() -> None:
    first, last = date(2026, 9, 28), date(2026, 10, 11)
    worked = days_of(rule(), first, last)
    assert worked == [
        *(date(2026, 9, day) for day in (28, 29, 30)),
        *(date(2026, 10, day) for day in (5, 6, 7, 8, 9, 10)),
    ]
    free = rule(days=frozenset({6, 7}), on_holidays=True, on_makeup_days=False)
    assert days_of(free, first, last) == [
        *(date(2026, 10, day) for day in (1, 2, 3, 4, 11)),
    ]


@given(DAYS, st.integers(0, 60), st.sets(st.integers(1, 7)), st.booleans(), st.booleans())
def test_two_patterns_that_complete_each_other_cover_each_day_once(
    first: date, length: int, days: set[int], holidays: bool, makeup: bool
) -> None:
    last = first + timedelta(days=length)
    one = rule(
        days=frozenset(days), on_holidays=holidays, on_makeup_days=makeup, first=date(2024, 1, 1)
    )
    rest = rule(
        days=frozenset(range(1, 8)) - days,
        on_holidays=not holidays,
        on_makeup_days=not makeup,
        first=date(2024, 1, 1),
    )
    found = sorted(days_of(one, first, last) + days_of(rest, first, last))
    assert found == [first + timedelta(days=n) for n in range(length + 1)]


@given(DAYS, DAYS, DAYS, st.none() | DAYS)
def test_nothing_is_written_outside_of_first_and_last_day(
    from_: date, until: date, first: date, last: date | None
) -> None:
    pattern = rule(days=frozenset(range(1, 8)), on_holidays=True, first=first, last=last)
    for day in days_of(pattern, from_, min(until, from_ + timedelta(days=60))):
        assert max(from_, first) <= day <= until
        assert last is None or day <= last
        assert counts(pattern, day, is_holiday=HOLIDAYS.__contains__, is_makeup=MAKEUP.__contains__)


@given(st.lists(st.tuples(st.integers(-60, 200), st.integers(0, 90)), max_size=6))
def test_what_is_left_of_a_shift_is_what_no_absence_touches(away: list[tuple[int, int]]) -> None:
    def at(minute: int) -> datetime:
        return NOON + timedelta(minutes=minute)

    cut = [(at(left), at(left + length)) for left, length in away]
    pieces = without(at(0), at(120), cut)
    for minute in range(120):
        moment = at(minute) + timedelta(seconds=30)
        there = any(left <= moment < back for left, back in pieces)
        assert there != any(left <= moment < back for left, back in cut)
    assert all(left < back for left, back in pieces)
    assert all(before[1] <= after[0] for before, after in pairwise(pieces))
