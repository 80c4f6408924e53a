"""Time: the only place that asks what time it is. Everything else is handed a `Clock`.

Tables hold UTC; people read Asia/Shanghai.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Clock(Protocol):
    """Tell the present moment."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment.astimezone(UTC)

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self.moment

    def advance(self, **delta: float) -> None:
        """Move on by `timedelta(**delta)`."""
        self.moment += timedelta(**delta)


def to_shanghai(moment: datetime) -> datetime:
    """Return the same moment as people in China read it."""
    return moment.astimezone(SHANGHAI)


def epoch_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970 in UTC, as the job table stores time."""
    return int(moment.timestamp() * 1000)
