"""Working days: the calendar of 2026 as the State Council published it, and moving onto a workday.

Source: 国务院办公厅关于2026年部分节假日安排的通知 (gazette 2025, no. 32, content_7048922).
"""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.clock import to_shanghai
from bot.services import workdays

OFF = {
    (1, 1, 3),
    (2, 15, 23),
    (4, 4, 6),
    (5, 1, 5),
    (6, 19, 21),
    (9, 25, 27),
    (10, 1, 7),
}
WORKED = {(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)}


def test_the_calendar_of_2026() -> None:
    off = {date(2026, m, d) for m, first, last in OFF for d in range(first, last + 1)}
    worked = {date(2026, *pair) for pair in WORKED}
    for number in range(365):
        day = date(2026, 1, 1) + timedelta(days=number)
        expected = day in worked or (day.weekday() < 5 and day not in off)
        assert workdays.is_workday(day) is expected, day
        assert workdays.is_makeup(day) is (day in worked), day


@pytest.mark.parametrize("day", [date(2026, 10, 1), date(2026, 2, 20), date(2026, 10, 7)])
def test_a_holiday_and_a_day_off_somebody_works_for_are_no_workdays(day: date) -> None:
    assert workdays.is_holiday(day)
    assert not workdays.is_workday(day)


def test_what_is_not_published_yet_is_said_to_be_so() -> None:
    assert workdays.published(2026)
    assert not workdays.published(2090)


def test_the_same_time_of_day_on_the_next_workday() -> None:
    saturday = datetime(2026, 11, 28, 3, 5, tzinfo=UTC)
    assert workdays.on_workday(saturday) == datetime(2026, 11, 30, 3, 5, tzinfo=UTC)
    national_day = datetime(2026, 9, 30, 18, tzinfo=UTC)
    assert workdays.on_workday(national_day) == datetime(2026, 10, 7, 18, tzinfo=UTC)
    makeup = datetime(2026, 10, 10, 2, tzinfo=UTC)
    assert workdays.on_workday(makeup) == makeup


@given(st.integers(0, 16 * 365 * 24))
def test_school_days_go_forward_over_workdays_only(hours: int) -> None:
    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    found = list(workdays.school_days(moment, count=4))
    assert len(found) == 4
    assert all(workdays.is_workday(to_shanghai(day.starts_at).date()) for day in found)
    assert all(a.ends_at < b.starts_at for a, b in pairwise(found))
