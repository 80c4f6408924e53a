"""A worker's own tasks: started again when they fail, unhealthy meanwhile."""

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from bot.jobs import supervise
from bot.jobs.supervise import Supervisor


async def test_a_failed_task_is_started_again_and_is_unhealthy_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise, "FIRST_WAIT_SECONDS", 0.0)
    failures: list[str] = []
    supervisor = Supervisor(Random(1), failures.append)
    fixed, working = asyncio.Event(), asyncio.Event()

    async def work(alive: Callable[[], None]) -> None:
        if not fixed.is_set():
            if len(failures) >= 3:
                fixed.set()
            raise OSError
        alive()
        working.set()
        await asyncio.Event().wait()

    assert not supervisor.healthy()
    supervisor.start("flush", work)
    assert not supervisor.healthy()
    await working.wait()
    assert supervisor.healthy()
    assert failures == ["flush"] * 4
    await supervisor.stop()
    assert not supervisor.healthy()


async def test_a_task_that_returns_is_not_started_again() -> None:
    failures: list[str] = []
    supervisor = Supervisor(Random(1), failures.append)
    runs = 0

    async def work(alive: Callable[[], None]) -> None:
        nonlocal runs
        runs += 1
        alive()

    supervisor.start("claim", work)
    await supervisor.join("claim", 1)
    assert runs == 1
    assert failures == []
