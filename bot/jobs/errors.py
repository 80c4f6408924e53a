"""What a job handler raises to say what becomes of its job; read by `bot.jobs.outcomes`."""

from datetime import datetime

from bot.core.errors import XinqingError


class Retry(XinqingError):
    """Try this job again later.

    Args:
        delay_seconds: how long to wait; None for the usual growing, jittered wait.
        pause_lane_until: stop the whole lane until then (aware), not only this job.
        count: whether this attempt counts towards the kind's `max_attempts`.
        reason: a short code for the jobs page; never a person's words.
    """

    retryable = True

    def __init__(
        self,
        delay_seconds: float | None = None,
        pause_lane_until: datetime | None = None,
        count: bool = True,
        reason: str = "retry",
    ) -> None:
        super().__init__(reason)
        self.delay_seconds = delay_seconds
        self.pause_lane_until = pause_lane_until
        self.count = count
        self.reason = reason


class Bury(XinqingError):
    """Give this job up: it is dead, shown on the jobs page, and may be driven again by a person.

    Args:
        reason: a short code for the jobs page; never a person's words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
