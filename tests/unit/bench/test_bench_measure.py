"""Figures: percentiles, memory and processor time."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.bench.measure import cpu_seconds, machine, memory_mb, percentile, spread


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0, 1))
def test_at_least_the_share_is_not_above_it(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_no_values_have_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
    assert spread([]) == {}


def test_a_spread_is_in_milliseconds() -> None:
    assert spread([0.001] * 98 + [0.002, 0.5]) == {
        "p50_ms": 1.0,
        "p95_ms": 1.0,
        "p99_ms": 2.0,
        "max_ms": 500.0,
    }


def test_this_process_uses_memory_and_time() -> None:
    assert (memory_mb(os.getpid()) or 0) > 10
    assert cpu_seconds(os.getpid()) > 0


def test_a_process_that_is_gone_uses_nothing() -> None:
    assert memory_mb(2**22 + 1) is None
    assert cpu_seconds(2**22 + 1) == 0


def test_the_machine_is_named_with_its_versions() -> None:
    found = machine()
    assert {"cpu", "cores", "python", "sqlite", "xinqing", "sqlalchemy"} <= found.keys()
