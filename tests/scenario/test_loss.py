"""Nothing is lost and nothing doubled while the service is killed: a small `xinqing bench loss`."""

from typing import Any

import pytest

from bot.bench.loss import bench_loss

# Well below what two busy cores judge in a second: what is asked here is what a kill costs.
RATE = 6
# WeChat tries four times within 15 s. Two times of being down that make up less than this can't
# swallow them all: each would have to last 5 s for two of the tries.
PATIENCE_SECONDS = 10.0


@pytest.mark.slow
async def test_kill_9_costs_neither_message_nor_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQING_ENCODER", "none")  # what is measured is not the search
    found: dict[str, Any] = await bench_loss(callbacks=150, kills=2, rate=RATE, seed=3)
    assert found["settled"]
    assert found["taken_but_not_stored"] == 0
    # What never arrived was not lost here: on a slow machine the platform may give up before the
    # service is back. All that was stored is handled once.
    away = found["never_arrived"]
    assert away == 0 or sum(found["restart_seconds"]) > PATIENCE_SECONDS
    assert found["handled"] == {"0": away, "1": 150 - away, "more": 0}
    # Nobody reads an answer to a callback that the platform no longer waits for, and the messages
    # that may be sent afterwards are numbered.
    assert found["visible_answers"]["0"] <= found["given_up_by_platform"]
    # An answer whose bytes left right before a kill is sent again: nobody knows that it arrived.
    assert found["visible_answers"]["more"] <= 10
    assert found["stale"]["answered"] == 0
    assert found["risk"]["messages"] > 0
    assert found["risk"]["without_case"] <= away
    assert found["alerts"]["stored"] > 0
    assert found["alerts"]["without_receipt"] == 0


@pytest.mark.slow
async def test_kill_9_costs_no_message_of_dingtalk_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINQING_ENCODER", "none")
    found: dict[str, Any] = await bench_loss(
        callbacks=90, kills=1, rate=RATE, seed=3, channel="dingtalk-stream"
    )
    assert found["settled"]
    assert found["taken_but_not_stored"] == found["given_up_by_platform"] == 0
    assert found["handled"] == {"0": 0, "1": 90, "more": 0}
    assert found["visible_answers"]["0"] == 0
    # As many sends as were in flight at the kill may happen twice: no key against that.
    assert found["visible_answers"]["more"] <= 20
    assert found["risk"]["without_case"] == found["alerts"]["without_receipt"] == 0
