"""A short `xinqing bench jobs`: really two processes, one killed; nothing lost, limits kept."""

from typing import Any

import pytest

from bot.bench.jobs import bench_jobs


@pytest.mark.slow
def test_a_killed_worker_costs_no_send_and_no_limit() -> None:
    found: dict[str, Any] = bench_jobs(
        database="sqlite", jobs=600, slots=10, timers=100, minute=3.0, rounds=1
    )
    assert (found["drain"]["lost"], found["drain"]["doubled"]) == (0, 0)
    for killed in found["kill"]["rounds"]:
        assert killed["lost"] == 0
        assert killed["doubled"] <= 10
    assert (found["timers"]["lost"], found["timers"]["doubled"]) == (0, 0)
    # Starts are limited; what a start sends may bunch a little at the platform.
    assert found["limit"]["most_in_any_second"] <= 1.1 * found["limit"]["allowed"]
    assert found["lanes"]["most_in_any_minute"] <= found["lanes"]["allowed"]
    assert found["lanes"]["served"] > 0
