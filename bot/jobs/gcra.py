"""The lanes' limiter: the generic cell rate algorithm. Pure; called by `bot.jobs.claim`.

`tat`, the theoretical arrival time, is when the lane would be idle again had every job come at its
steady rate. In any window of W ms at most `burst + per_second * W / 1000` jobs are let through,
with one number per lane and nothing to sweep. Source: ITU-T I.371, annex A.
"""

from dataclasses import dataclass
from math import floor

CLOCK_SLACK_MS = 1_000


@dataclass(frozen=True, slots=True)
class Limit:
    """One lane's limit and what it has used; all times in epoch milliseconds.

    `per_second` 0 means that only the pause counts.
    """

    per_second: float
    burst: int
    tat: float
    paused_until: int

    def allowed(self, now: int, want: int) -> int:
        """Return how many of `want` jobs may start now."""
        if self.paused_until > now:
            return 0
        if self.per_second <= 0:
            return want
        return max(0, min(want, floor(self._room(now))))

    def used(self, now: int, count: int) -> float:
        """Return the new `tat` after `count` jobs were started now."""
        if self.per_second <= 0:
            return self.tat
        return now + self._ahead(now) + count * self._step

    def free_at(self, now: int) -> int:
        """Return when the next job may start, at the earliest `now`."""
        if self.per_second <= 0:
            return max(now, self.paused_until)
        room = self._room(now)
        # Rounded up, with a millisecond to spare: waking early would only mean waking twice.
        wait = 0 if room >= 1 else floor((1 - room) * self._step) + 1
        return max(now + wait, self.paused_until)

    @property
    def _step(self) -> float:
        return 1000.0 / self.per_second

    def _room(self, now: int) -> float:
        # Counted from now on: at today's size of epoch milliseconds a sum with `now` would round a
        # whole job away. What is added is far less than the table's own rounding of `tat`.
        return self.burst - self._ahead(now) / self._step + 1e-9

    def _ahead(self, now: int) -> float:
        ahead = max(self.tat - now, 0.0)
        spent = self.burst * self._step
        # No more than a spent burst can be ahead, unless the clock was set back or the limit was
        # changed. Then one job is let through, and with it `tat` is put right.
        return ahead if ahead <= spent + CLOCK_SLACK_MS else spent - self._step
