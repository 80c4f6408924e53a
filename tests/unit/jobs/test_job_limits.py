"""The lanes' limiter: never too many, and no needless waiting."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.jobs.gcra import Limit

NOW = 1_800_000_000_000
RATES = st.tuples(st.floats(0.01, 200.0), st.integers(1, 100))


def start_jobs(limit: Limit, asks: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ask for jobs after each pause; return when how many were started."""
    now, started = NOW, []
    for pause, want in asks:
        now += pause
        count = limit.allowed(now, want)
        limit = replace(limit, tat=limit.used(now, count))
        started.append((now, count))
    return started


@given(RATES, st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 150)), max_size=40))
def test_no_window_ever_holds_more_than_burst_and_rate(
    rate: tuple[float, int], asks: list[tuple[int, int]]
) -> None:
    per_second, burst = rate
    started = start_jobs(Limit(per_second, burst, 0.0, 0), asks)
    for first, (start, _) in enumerate(started):
        total = 0
        for end, count in started[first:]:
            total += count
            assert total <= burst + per_second * (end - start) / 1000 + 1e-3


@given(RATES, st.floats(0.0, 1.0), st.integers(1, 200))
def test_a_lane_is_free_at_the_moment_it_says(
    rate: tuple[float, int], spent: float, want: int
) -> None:
    per_second, burst = rate
    tat = NOW + spent * burst * 1000 / per_second
    limit = Limit(per_second, burst, tat, paused_until=0)
    free_at = limit.free_at(NOW)
    assert limit.allowed(free_at, want) >= 1
    assert free_at == NOW or limit.allowed(free_at - 2, want) == 0


@given(RATES)
def test_a_clock_set_back_closes_no_lane(rate: tuple[float, int]) -> None:
    per_second, burst = rate
    spent = burst * 1000 / per_second
    limit = Limit(per_second, burst, tat=NOW + spent + 3_600_000, paused_until=0)
    assert limit.free_at(NOW) == NOW
    assert limit.allowed(NOW, burst + 1) == 1
    right = replace(limit, tat=limit.used(NOW, 1))
    assert right.allowed(NOW, burst) == 0
    assert right.free_at(NOW) <= NOW + 1000 / per_second + 1


def test_a_full_burst_is_let_through_at_once_and_then_the_rate() -> None:
    limit = Limit(per_second=0.25, burst=5, tat=0.0, paused_until=0)
    started = start_jobs(limit, [(0, 100)] + [(1_000, 100)] * 59)
    assert started[0] == (NOW, 5)
    assert [count for _, count in started[1:9]] == [0, 0, 0, 1, 0, 0, 0, 1]
    assert sum(count for _, count in started) == 19


def test_a_paused_lane_lets_nothing_through_until_its_pause_is_over() -> None:
    limit = Limit(per_second=10.0, burst=10, tat=0.0, paused_until=NOW + 600_000)
    assert limit.allowed(NOW, 5) == 0
    assert limit.free_at(NOW) == NOW + 600_000
    assert limit.allowed(NOW + 600_000, 5) == 5


def test_without_a_rate_only_the_pause_counts() -> None:
    limit = Limit(per_second=0.0, burst=0, tat=0.0, paused_until=NOW)
    assert limit.allowed(NOW, 1_000) == 1_000
    assert limit.allowed(NOW - 1, 1_000) == 0
    assert limit.used(NOW, 1_000) == 0.0
