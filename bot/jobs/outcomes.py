"""What becomes of a job after an attempt: the values, and the judgement of a handler's error.

Pure; `bot.jobs.runner` makes outcomes, `bot.jobs.acks` writes them to the table.
"""

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import TypeAlias

from bot.core.errors import ChannelError, ChannelRateLimited, XinqingError
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobKind, JobRun, OnAck, SendKind

LONGEST_WAIT_SECONDS = 900.0
LEAST_WAIT_SECONDS = 1.0
UNKNOWN_KIND_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Done:
    """The effect has happened; `after` belongs into the transaction of the acknowledgement."""

    after: OnAck | None = None


@dataclass(frozen=True, slots=True)
class Again:
    """Try again.

    Args:
        delay_ms: from the moment it is written down, so that no two clocks are compared.
        pause_ms: how long the whole lane is stopped, likewise; 0: not at all.
    """

    delay_ms: int
    reason: str
    count: bool = True
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Dead:
    """Give it up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened or not, and a second time would be worse: a person decides."""

    reason: str


Outcome: TypeAlias = Done | Again | Dead | Unknown


def wait_seconds(attempts: int, random: Random) -> float:
    """Return the wait after so many attempts: 2^n seconds, jittered down to half of it."""
    longest = min(LONGEST_WAIT_SECONDS, 2.0 ** min(attempts, 30))
    return longest * random.uniform(0.5, 1.0)


def judge(error: Exception, run: JobRun, now: datetime, random: Random) -> Again | Dead:
    """Turn what a handler raised into what becomes of its job.

    Args:
        now: the clock that also made the moments inside the error.
    """
    reason = reason_of(error)
    if isinstance(error, Bury) or (isinstance(error, ChannelError) and not error.retryable):
        return Dead(reason)
    if isinstance(error, ChannelRateLimited):
        # The platform's limit says nothing about the job: it does not use up its attempts.
        wait = _ms_until(error.retry_at, now)
        return Again(max(wait, _ms(LEAST_WAIT_SECONDS)), reason, count=False, pause_ms=wait)
    counted = error.count if isinstance(error, Retry) else True
    if counted and run.last_attempt:
        return Dead(reason)
    delay = error.delay_seconds if isinstance(error, Retry) else None
    if delay is None:
        delay = wait_seconds(run.attempts, random)
    pause = error.pause_lane_until if isinstance(error, Retry) else None
    return Again(_ms(delay), reason, counted, _ms_until(pause, now) if pause else 0)


def out_of_time(
    kind: JobKind, run: JobRun, now: datetime, random: Random
) -> Again | Dead | Unknown:
    """Say what becomes of a job whose handler took longer than its kind may."""
    if isinstance(kind, SendKind) and kind.on_lost == "hold":
        return Unknown("timeout")
    return judge(Retry(reason="timeout"), run, now, random)


def reason_of(error: Exception) -> str:
    """Return a short code for an error: our own words, a platform's code, or the class's name.

    Other libraries' texts stay out: they may quote what a person wrote.
    """
    if isinstance(error, Retry | Bury):
        return error.reason
    if isinstance(error, ChannelError) and error.code:
        return f"{type(error).__name__}: {error.code}"
    if isinstance(error, XinqingError):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


def _ms(seconds: float) -> int:
    return max(0, int(seconds * 1000))


def _ms_until(moment: datetime, now: datetime) -> int:
    return _ms((moment - now).total_seconds())
