"""The lanes' limiter: the generic cell rate algorithm. Pure; called by `bot.jobs.claim`.

`tat`, the theoretical arrival time, is when the lane would be idle again had every job come at its
steady rate. In any window of W ms at most `burst + per_second * W / 1000` jobs are let through,
with one number per lane and nothing to sweep. Source: ITU-T I.371, annex A.
"""

from dataclasses import dataclass
from math import floor


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
        room = now + self.burst * self._step - self._tat(now)
        return max(0, min(want, floor(room / self._step)))

    def used(self, now: int, count: int) -> float:
        """Return the new `tat` after `count` jobs were started now."""
        return self._tat(now) + count * self._step if self.per_second > 0 else self.tat

    def free_at(self, now: int) -> int:
        """Return when the next job may start, at the earliest `now`."""
        if self.per_second <= 0:
            return max(now, self.paused_until)
        next_token = self._tat(now) - (self.burst - 1) * self._step
        # Rounded up, with a millisecond to spare: waking early would only mean waking twice.
        return max(now, self.paused_until, floor(next_token) + 1 if next_token > now else now)

    @property
    def _step(self) -> float:
        return 1000.0 / self.per_second

    def _tat(self, now: int) -> float:
        # Never further ahead than a spent burst: a clock set back must not close the lane.
        return min(max(self.tat, now), now + self.burst * self._step)
