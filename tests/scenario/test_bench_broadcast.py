"""A short `xinqing bench broadcast`: a school gets a notice while a worker is killed."""

from typing import Any

import pytest

from bot.bench.broadcast import bench_broadcast

SLOTS = 10


@pytest.mark.slow
async def test_a_kill_costs_nobody_the_notice_and_nobody_gets_it_twice() -> None:
    found: dict[str, Any] = await bench_broadcast(people=120, slots=SLOTS, lease=3.0)
    assert found["killed_after_seconds"] is not None
    assert (found["guardians"], found["reachable"]) == (120, 118)
    assert (found["lost"], found["sent_twice"], found["accepted_but_not_sent"]) == (0, 0, 0)
    assert found["unknown_calls"] <= SLOTS
    states = found["states"]
    assert states.get("accepted", 0) + found["unknown"] == 118
    assert set(states) <= {"accepted", "unknown", "unreachable"}
    for lane in found["lanes"].values():
        assert lane["most_in_any_second"] <= 1.1 * lane["allowed_in_any_second"]
