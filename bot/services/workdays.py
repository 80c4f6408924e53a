"""Working days in mainland China: weekends, public holidays, and workdays that make up for them.

Called for "the same school day" and "3 working days", for follow-ups and by the roster's patterns.
The days come from the library `holidays`, which follows the State Council's notice of each year
(https://pypi.org/project/holidays, its module `countries/china.py` names the notices). That notice
comes in November for the next year: until a release of the library has it, `published` is False
and only the holidays fixed by the regulation are known, not which weekends are worked.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import holidays

from bot.core.case_clocks import Span
from bot.core.clock import SHANGHAI, to_shanghai

SCHOOL_OPENS, SCHOOL_CLOSES = time(8), time(17, 30)
_SATURDAY = 5
_DAY = timedelta(days=1)
# Longer than any holiday: so many days ahead there is a working day for sure.
_LONGEST_BREAK = 15


@lru_cache(maxsize=16)
def _year(year: int) -> tuple[frozenset[date], frozenset[date]]:
    """Return the days off and the make-up workdays of a year."""
    known = holidays.country_holidays("CN", years=year)
    makeup = frozenset(day for day in known.weekend_workdays if day.year == year)
    return frozenset(known), makeup


def is_holiday(day: date) -> bool:
    """Say whether a day is a public holiday, or a day off that another day makes up for."""
    return day in _year(day.year)[0]


def is_makeup(day: date) -> bool:
    """Say whether a Saturday or Sunday is worked for a day off (调休)."""
    return day in _year(day.year)[1]


def is_workday(day: date) -> bool:
    """Say whether a day is worked."""
    return is_makeup(day) or (day.weekday() < _SATURDAY and not is_holiday(day))


def published(year: int) -> bool:
    """Say whether the make-up workdays of a year are known; there has been some every year."""
    return bool(_year(year)[1])


def next_workday(day: date) -> date:
    """Return a day if it is worked, else the next one that is."""
    ahead = (day + n * _DAY for n in range(_LONGEST_BREAK))
    return next((found for found in ahead if is_workday(found)), day)


def on_workday(moment: datetime) -> datetime:
    """Return the same time of day, as China reads it, on a working day: that day or a later one."""
    local = to_shanghai(moment)
    day = next_workday(local.date())
    return datetime.combine(day, local.time(), SHANGHAI).astimezone(UTC)


def school_days(start: datetime, *, count: int) -> Iterator[Span]:
    """Yield the school hours of working days, beginning with the day of `start` if it is one."""
    day = to_shanghai(start).date()
    for _ in range(count):
        day = next_workday(day)
        yield Span(
            datetime.combine(day, SCHOOL_OPENS, SHANGHAI).astimezone(UTC),
            datetime.combine(day, SCHOOL_CLOSES, SHANGHAI).astimezone(UTC),
        )
        day += _DAY
