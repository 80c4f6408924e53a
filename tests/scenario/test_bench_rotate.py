"""A short `xinqing bench rotate`: another key while parents write, and nothing unreadable."""

from typing import Any

import pytest

from bot.bench.rotate import bench_rotate


@pytest.mark.slow
async def test_the_old_key_is_needed_no_longer_and_no_message_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XINQING_ENCODER", "none")  # what is measured is not the search
    found: dict[str, Any] = await bench_rotate(fields=300, rate=5)
    assert found["fields_after"] > 300
    assert (found["fields_under_old_key"], found["fields_unreadable"]) == (0, 0)
    assert found["messages_meanwhile"] > 0
    assert (found["messages_lost"], found["answers_failed"]) == (0, 0)
    assert found["all_answered"]
