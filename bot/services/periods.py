"""Periods of figures: months for a district, terms for a school; one sort for each reader.

Who could choose both would find a hidden month by subtracting the others from the term.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import InputInvalid

MONTH, SPRING, AUTUMN = "month", "spring", "autumn"
MONTHS_OFFERED, TERMS_OFFERED = 12, 6
# A term begins in February or August.
_SPRING, _AUTUMN = 2, 8


@dataclass(frozen=True, slots=True)
class Period:
    """One month or term, from its first day up to the first day of the next one.

    Args:
        sort: `month`, `spring` or `autumn`.
    """

    sort: str
    first: date
    after: date

    @property
    def code(self) -> str:
        """Return what stands for it in an address: the month in which it begins."""
        return f"{self.first:%Y-%m}"

    @property
    def starts_at(self) -> datetime:
        """Return its first moment, as China reads it."""
        return _midnight(self.first)

    @property
    def ends_at(self) -> datetime:
        """Return the first moment after it."""
        return _midnight(self.after)


def offered(*, terms: bool, running: bool, now: datetime) -> Sequence[Period]:
    """Return the periods that can be chosen, the newest first.

    Args:
        terms: terms, not months.
        running: with the one that is not over: its figures change from day to day, and whoever
            looks every day sees single cases.
    """
    today = to_shanghai(now).date()
    current = _term(today) if terms else _month(today)
    found = [current]
    while len(found) < (TERMS_OFFERED if terms else MONTHS_OFFERED) + 1:
        before = date.fromordinal(found[-1].first.toordinal() - 1)
        found.append(_term(before) if terms else _month(before))
    return found[:-1] if running else found[1:]


def chosen(code: str, among: Sequence[Period]) -> Period:
    """Return the period of a code; the newest for none.

    Raises:
        InputInvalid: it is not among those offered.
    """
    if not code:
        return among[0]
    found = next((period for period in among if period.code == code), None)
    if found is None:
        raise InputInvalid("figures_period", field="period")
    return found


def _month(day: date) -> Period:
    first = day.replace(day=1)
    return Period(MONTH, first, _later(first, 1))


def _term(day: date) -> Period:
    if _SPRING <= day.month < _AUTUMN:
        return Period(SPRING, date(day.year, _SPRING, 1), date(day.year, _AUTUMN, 1))
    year = day.year if day.month >= _AUTUMN else day.year - 1
    return Period(AUTUMN, date(year, _AUTUMN, 1), date(year + 1, _SPRING, 1))


def _later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)
