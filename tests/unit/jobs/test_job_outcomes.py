"""What becomes of a job when its handler raises."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import (
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConfigInvalid,
    Conflict,
)
from bot.jobs.errors import Bury, Retry
from bot.jobs.outcomes import Again, Dead, Unknown, judge, out_of_time, reason_of, wait_seconds
from bot.jobs.registry import JobRegistry, JobRun, OnAck, OnLost

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def make_run(attempts: int = 1, *, last_attempt: bool = False) -> JobRun:
    return JobRun(
        id=1,
        kind="notice.send",
        key="notice:1",
        payload={},
        attempts=attempts,
        lane="main",
        first_queued=NOW,
        last_attempt=last_attempt,
    )


def judged(error: Exception, *, last_attempt: bool = False) -> Again | Dead:
    return judge(error, make_run(last_attempt=last_attempt), NOW, Random(1))


@given(st.integers(1, 100), st.integers())
def test_the_wait_doubles_is_jittered_and_bounded(attempts: int, seed: int) -> None:
    wait = wait_seconds(attempts, Random(seed))
    longest = min(900.0, 2.0**attempts)
    assert longest / 2 <= wait <= longest


@pytest.mark.parametrize("error", [ChannelUnavailable("down"), ValueError("x"), Retry()])
def test_a_failure_is_tried_again_until_the_last_attempt(error: Exception) -> None:
    again = judged(error)
    assert isinstance(again, Again)
    assert 1_000 <= again.delay_ms <= 2_000
    assert again.count
    assert isinstance(judged(error, last_attempt=True), Dead)


@pytest.mark.parametrize("error", [ChannelRefused("left", code="43004"), Bury("left")])
def test_what_can_never_succeed_is_given_up_at_once(error: Exception) -> None:
    assert isinstance(judged(error), Dead)


def test_a_platform_s_limit_pauses_the_lane_and_costs_no_attempt() -> None:
    error = ChannelRateLimited("slow down", retry_at=NOW + timedelta(minutes=10), code="45009")
    for last_attempt in (False, True):
        assert judged(error, last_attempt=last_attempt) == Again(
            600_000, "ChannelRateLimited: 45009", count=False, pause_ms=600_000
        )


def test_a_limit_that_is_over_already_is_not_tried_again_in_a_tight_loop() -> None:
    again = judged(ChannelRateLimited("slow down", retry_at=NOW - timedelta(minutes=1)))
    assert isinstance(again, Again)
    assert (again.delay_ms, again.pause_ms) == (1_000, 0)


def test_a_handler_may_say_when_to_try_again() -> None:
    until = NOW + timedelta(seconds=30)
    assert judged(Retry(5.5, pause_lane_until=until, reason="window")) == Again(
        5_500, "window", count=True, pause_ms=30_000
    )
    uncounted = judged(Retry(1, count=False), last_attempt=True)
    assert uncounted == Again(1_000, "retry", count=False)


async def _send(run: JobRun) -> OnAck | None:
    return None


@pytest.mark.parametrize(("on_lost", "expected"), [("retry", Again), ("hold", Unknown)])
def test_out_of_time_is_unknown_where_twice_would_be_worse(
    on_lost: OnLost, expected: type[object]
) -> None:
    registry = JobRegistry()
    registry.send("notice.send", _send, on_lost=on_lost)
    kind = registry.get("notice.send")
    assert kind is not None
    assert isinstance(out_of_time(kind, make_run(), NOW, Random(1)), expected)


def test_another_library_s_text_never_becomes_a_reason() -> None:
    assert reason_of(ValueError("妈妈说的话")) == "ValueError"
    assert reason_of(Conflict("case 7 is accepted")) == "Conflict: case 7 is accepted"
    assert reason_of(ChannelUnavailable("down", code="-1")) == "ChannelUnavailable: -1"


async def _work(session: AsyncSession, run: JobRun) -> None:
    return None


def test_a_kind_can_be_registered_only_once() -> None:
    registry = JobRegistry()
    registry.tx("a", _work)
    with pytest.raises(ConfigInvalid, match="twice"):
        registry.send("a", _send)
    with pytest.raises(ConfigInvalid, match="positive"):
        registry.send("b", _send, max_attempts=0)
    assert list(registry) == ["a"]
