"""The day's clock: stands still until it is moved, and wakes who sleeps on it.

Called by `bot.cli.simulated.day`; Stream's waits are spent on it, so no real time goes by.
"""

import asyncio
from datetime import datetime, timedelta

from bot.core.clock import FixedClock


class DayClock(FixedClock):
    """A `FixedClock` that can be slept on."""

    def __init__(self, moment: datetime) -> None:
        super().__init__(moment)
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved on so far."""
        waiting = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.moment + timedelta(seconds=seconds), waiting))
        await waiting

    def next_wake(self) -> datetime | None:
        """Return when the next sleeper wakes; None when nobody sleeps."""
        self._sleepers = [one for one in self._sleepers if not one[1].done()]
        return min((moment for moment, _ in self._sleepers), default=None)

    def advance_to(self, moment: datetime) -> None:
        """Move on, never back, and wake those whose time has come."""
        self.moment = max(self.moment, moment)
        for due, waiting in self._sleepers:
            if due <= self.moment and not waiting.done():
                waiting.set_result(None)
