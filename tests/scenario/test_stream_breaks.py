"""DingTalk's Stream breaks in three ways while parents write: a small `xinqing bench stream`."""

from typing import Any

import pytest

from bot.bench.stream import bench_stream


@pytest.mark.slow
async def test_a_broken_stream_costs_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQING_ENCODER", "none")  # what is measured is not the search
    found: dict[str, Any] = await bench_stream(minutes=0.1, disconnects=6, rate=10, seed=2)
    assert found["settled"]
    assert found["connections"] == 7
    assert found["disconnects"] == {"asked": 2, "asked_and_hung_up": 2, "cut_without_a_word": 2}
    assert found["messages"] == 60
    assert found["handled"] == {"0": 0, "1": 60, "more": 0}
    assert found["visible_answers"]["0"] == found["given_up_by_platform"] == 0
    # An answer whose receipt the break took away is sent again: nobody knows that it arrived.
    assert found["visible_answers"]["more"] <= 2
    assert found["risk"]["without_case"] == found["alerts"]["without_receipt"] == 0
