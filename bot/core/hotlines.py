"""The register of public lines: the only place a phone number in a sentence may come from.

`hotlines.toml` holds the public lines; `bot.services.hotlines` adds a tenant's own rows.
`bot.core.phrases` prints them and `bot.core.crisis` asks which of them are open now.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from importlib.resources import files
from typing import Any, Literal

from bot.core.clock import to_shanghai

DAY_MINUTES = 24 * 60
WHOLE_WEEK = frozenset(range(1, 8))
REQUIRED = ("110", "120", "12110")
"""Lines that crisis texts may name at any moment; they have to be there and never close."""

_NUMBER = re.compile(r"\d{3,}(-\d+)*")
_TIME = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_ROW_KEYS = frozenset(
    {
        "number", "name", "what", "region", "hours", "kinds", "last_verified", "source",
        "known_hours", "note",
    }
)  # fmt: skip


class HotlineError(ValueError):
    """A row of the register is wrong, or a line that has to be in it is not."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Opening hours that repeat every week.

    Args:
        days: days on which it begins, Monday 1 … Sunday 7.
        start: minutes after midnight, 0…1439.
        end: minutes after the same midnight; above 1440 it runs into the next day.
    """

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not self.days or not self.days <= WHOLE_WEEK:
            raise HotlineError("days are 1 (Monday) to 7 (Sunday), at least one")
        if not 0 <= self.start < DAY_MINUTES or not 0 < self.end - self.start <= DAY_MINUTES:
            raise HotlineError("an interval begins within its day and lasts at most 24 hours")

    def covers(self, weekday: int, minute: int) -> bool:
        """Tell whether a minute of a weekday lies inside, also when it began the day before."""
        yesterday = weekday - 1 or 7
        return (weekday in self.days and self.start <= minute < self.end) or (
            yesterday in self.days and minute + DAY_MINUTES < self.end
        )


Hours = tuple[Interval, ...] | Literal["24h"]


@dataclass(frozen=True, slots=True)
class Hotline:
    """One line that may be printed.

    Args:
        number: digits, with hyphens where people write them.
        name: what stands after the number in a message; short.
        what: what the line does, for the staff's register page.
        region: prefix of the division code (GB/T 2260) where it holds: `46` a province, `3205` a
            city, `320506` a district; empty for the whole country.
        hours: weekly intervals in Shanghai time, or `24h`; empty where nobody knows them.
        kinds: what it is good for: `emergency`, `psych`, `youth`, `own` (the tenant's) …
        last_verified: the day somebody last compared the row with its source.
        source: where number and hours were read.
        known_hours: False where the hours are not known; such a line is never called open.
        note: what about the hours is certain and what is assumed.
    """

    number: str
    name: str
    what: str
    region: str
    hours: Hours
    kinds: tuple[str, ...]
    last_verified: date
    source: str
    known_hours: bool
    note: str = ""

    def __post_init__(self) -> None:
        if not _NUMBER.fullmatch(self.number):
            raise HotlineError(f"hotline {self.number!r}: not a phone number")
        if not self.name or len(self.name) > 20:
            raise HotlineError(f"hotline {self.number}: name must have 1 to 20 characters")
        if self.known_hours is not bool(self.hours):
            raise HotlineError(f"hotline {self.number}: known_hours disagrees with hours")
        if self.region and not self.region.isdigit():
            raise HotlineError(f"hotline {self.number}: region is a division code")

    @property
    def always(self) -> bool:
        """Tell whether the line never closes."""
        return self.hours == "24h"

    @property
    def daily(self) -> Interval | None:
        """Return the opening hours if they are one and the same stretch every day."""
        if isinstance(self.hours, tuple) and len(self.hours) == 1:
            return self.hours[0] if self.hours[0].days == WHOLE_WEEK else None
        return None

    def interval_at(self, moment: datetime) -> Interval | None:
        """Return the interval the moment falls into; None when closed, unknown or always open."""
        if moment.tzinfo is None:
            raise ValueError("moment must be aware")
        if not isinstance(self.hours, tuple):
            return None
        local = to_shanghai(moment)
        weekday, minute = local.isoweekday(), local.hour * 60 + local.minute
        return next((span for span in self.hours if span.covers(weekday, minute)), None)

    def open_at(self, moment: datetime) -> bool:
        """Tell whether the line is open; unknown hours count as closed.

        Raises:
            ValueError: for a moment without a time zone.
        """
        return self.interval_at(moment) is not None or self.always


class HotlineBook:
    """The lines in force. A row for a region goes before the nationwide row of its number."""

    def __init__(self, lines: Iterable[Hotline]) -> None:
        self._lines = tuple(lines)
        for number in REQUIRED:
            rows = [line for line in self._lines if line.number == number]
            if not rows or not all(line.always for line in rows):
                raise HotlineError(f"hotline {number} must be listed as open at any time")
            if all(line.region for line in rows):
                raise HotlineError(f"hotline {number} must be listed for the whole country")

    @property
    def lines(self) -> tuple[Hotline, ...]:
        """Return every row, in the register's order."""
        return self._lines

    def with_lines(self, extra: Iterable[Hotline]) -> "HotlineBook":
        """Return a book with a tenant's rows added; of two equal rows the later one holds."""
        return HotlineBook((*self._lines, *extra))

    def get(self, number: str, region: str | None = None) -> Hotline:
        """Return the row of a number that holds in a region.

        Raises:
            KeyError: no row of that number holds there.
        """
        for line in self._in_force(region):
            if line.number == number:
                return line
        raise KeyError(number)

    def open_lines(
        self, moment: datetime, kinds: Collection[str], region: str | None = None
    ) -> tuple[Hotline, ...]:
        """Return the lines of some kinds that are open now, in the register's order."""
        return tuple(line for line in self._of_kinds(kinds, region) if line.open_at(moment))

    def dated_lines(self, kinds: Collection[str], region: str | None = None) -> tuple[Hotline, ...]:
        """Return lines that can be printed with their hours at any moment: 24 h or daily."""
        return tuple(
            line for line in self._of_kinds(kinds, region) if line.always or line.daily is not None
        )

    def numbers(self) -> frozenset[str]:
        """Return every number a message may contain."""
        return frozenset(line.number for line in self._lines)

    def _of_kinds(self, kinds: Collection[str], region: str | None) -> list[Hotline]:
        return [line for line in self._in_force(region) if not set(kinds).isdisjoint(line.kinds)]

    def _in_force(self, region: str | None) -> list[Hotline]:
        """Return one row a number, the narrowest that holds in the region."""
        chosen: dict[str, Hotline] = {}
        for line in self._lines:
            held = chosen.get(line.number)
            if (region or "").startswith(line.region) and (
                held is None or len(line.region) >= len(held.region)
            ):
                chosen[line.number] = line
        return list(chosen.values())


def load_hotlines(text: str | None = None) -> HotlineBook:
    """Read the register that ships with the project, or the same format from a text.

    Raises:
        HotlineError: a row is incomplete, unknown or contradicts itself.
    """
    source = (
        text
        if text is not None
        else files("bot.core").joinpath("hotlines.toml").read_text(encoding="utf-8")
    )
    return HotlineBook(parse_line(row) for row in tomllib.loads(source).get("line", ()))


def parse_line(row: Mapping[str, Any]) -> Hotline:
    """Turn one `[[line]]` of a register into a line.

    Raises:
        HotlineError: the row is incomplete, unknown or contradicts itself.
    """
    number = str(row.get("number", "?"))
    if unknown := set(row) - _ROW_KEYS:
        raise HotlineError(f"hotline {number}: unknown field {sorted(unknown)[0]}")
    try:
        return Hotline(
            number=row["number"],
            name=row["name"],
            what=row["what"],
            region=row["region"],
            hours=parse_hours(row.get("hours")),
            kinds=tuple(row["kinds"]),
            last_verified=row["last_verified"],
            source=row["source"],
            known_hours=row["known_hours"],
            note=row.get("note", ""),
        )
    except KeyError as missing:
        raise HotlineError(f"hotline {number}: field {missing} is missing") from missing


def parse_hours(value: Any) -> Hours:
    """Turn `"24h"`, or rows of `{days, from, to}`, into hours; None means unknown.

    Args:
        value: `to` at or before `from` means the next day; `24:00` is midnight.

    Raises:
        HotlineError: anything else.
    """
    if value is None:
        return ()
    if value == "24h":
        return "24h"
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise HotlineError('hours are "24h" or a list of {days, from, to}')
    return tuple(_interval(row) for row in value)


def dump_hours(hours: Hours) -> str | list[dict[str, Any]] | None:
    """Return hours as `parse_hours` reads them, ready for JSON."""
    if not isinstance(hours, tuple):
        return hours
    rows = [
        {"days": sorted(span.days), "from": clock_time(span.start), "to": clock_time(span.end)}
        for span in hours
    ]
    return rows or None


def clock_time(minutes: int) -> str:
    """Return minutes after midnight as `08:00`; midnight at the end of a day is `24:00`."""
    if minutes > DAY_MINUTES:
        minutes -= DAY_MINUTES
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _interval(row: Mapping[str, Any]) -> Interval:
    if set(row) - {"days"} != {"from", "to"}:
        raise HotlineError("an interval has from, to and maybe days")
    start, end = _minutes(row["from"]), _minutes(row["to"])
    days = frozenset(row.get("days", WHOLE_WEEK))
    return Interval(days, start, end if end > start else end + DAY_MINUTES)


def _minutes(value: Any) -> int:
    match = _TIME.fullmatch(str(value))
    minutes = int(match[1]) * 60 + int(match[2]) if match else DAY_MINUTES + 1
    if minutes > DAY_MINUTES:
        raise HotlineError("a time is written 08:00, at most 24:00")
    return minutes
