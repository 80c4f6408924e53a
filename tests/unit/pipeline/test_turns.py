"""Turns: first come, first served by key; different keys side by side; nothing is kept."""

import asyncio
import gc
from contextlib import suppress

import pytest

from bot.pipeline.turns import Turns


class Counter:
    """People at a counter who are let go one by one."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.begun: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def come(self, name: str, key: str) -> asyncio.Task[None]:
        """Queue up under a key."""
        self.gates[name] = asyncio.Event()

        async def be_served() -> None:
            async with self.turns.of(key):
                self.begun.append(name)
                await self.gates[name].wait()

        return asyncio.create_task(be_served())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_after_the_other_in_the_order_they_came() -> None:
    counter = Counter()
    tasks = [counter.come(name, "a") for name in ("first", "second", "third")]
    await settle()
    assert counter.begun == ["first"]
    for name in ("third", "second", "first"):
        counter.gates[name].set()
    await asyncio.gather(*tasks)
    assert counter.begun == ["first", "second", "third"]


async def test_others_do_not_wait() -> None:
    counter = Counter()
    slow, quick = counter.come("slow", "a"), counter.come("quick", "b")
    counter.gates["quick"].set()
    await quick
    assert counter.begun == ["slow", "quick"]
    counter.gates["slow"].set()
    await slow


@pytest.mark.parametrize("gone", ["first", "second"])
async def test_who_is_cancelled_holds_nobody_up(gone: str) -> None:
    counter = Counter()
    tasks = {name: counter.come(name, "a") for name in ("first", "second", "third")}
    await settle()
    tasks[gone].cancel()
    for gate in counter.gates.values():
        gate.set()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks.values())
    await tasks["third"]
    assert counter.begun[-1] == "third"


async def test_nothing_is_kept_of_who_has_left() -> None:
    counter = Counter()
    task = counter.come("first", "a")
    counter.gates["first"].set()
    await task
    del task
    gc.collect()
    assert not counter.turns._locks
