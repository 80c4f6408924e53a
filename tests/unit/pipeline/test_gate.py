"""The gate: first come, first served, until that would serve nobody in time."""

import asyncio
from contextlib import suppress

import pytest

from bot.pipeline import gate
from bot.pipeline.gate import Gate


class Hall:
    """People before a gate of two places, who are let go one by one."""

    def __init__(self) -> None:
        self.gate = Gate(2)
        self.inside: list[str] = []
        self.left: set[str] = set()
        self.doors: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.jostles = ""

    async def come(self, *names: str) -> None:
        """Let people come, one after the other."""
        for name in names:
            self.doors[name] = asyncio.Event()
            self.tasks[name] = asyncio.create_task(self._visit(name))
            await settle()

    async def _visit(self, name: str) -> None:
        async with self.gate.place(lambda: name not in self.left):
            self.inside.append(name)
            await self.doors[name].wait()
        # In the very step in which the place was handed on.
        if name == self.jostles:
            self.tasks["c"].cancel()

    async def go(self, *names: str) -> None:
        """Let people leave again, one after the other."""
        for name in names:
            self.doors[name].set()
            await self.tasks[name]
            await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_in_the_order_they_came_as_long_as_the_line_is_short() -> None:
    hall = Hall()
    await hall.come("a", "b", "c", "d")
    assert hall.inside == ["a", "b"]
    await hall.go("b", "a")
    assert hall.inside == ["a", "b", "c", "d"]
    await hall.go("c", "d")
    await hall.come("e", "f", "g")
    assert hall.inside[4:] == ["e", "f"], "as many places as before"


async def test_the_last_first_once_the_first_has_waited_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hall = Hall()
    await hall.come("a", "b", "c", "d", "e")
    monkeypatch.setattr(gate, "FAIR_SECONDS", 0.0)
    await hall.go("a", "b", "e", "d")
    assert hall.inside == ["a", "b", "e", "d", "c"], "nobody is forgotten"


async def test_who_is_not_waited_for_any_more_lets_others_go_first() -> None:
    hall = Hall()
    await hall.come("a", "b", "c", "d", "e")
    hall.left |= {"c", "d"}
    await hall.go("a", "b", "e", "c")
    assert hall.inside == ["a", "b", "e", "c", "d"]


async def test_crowded_is_more_in_line_than_there_are_places() -> None:
    hall = Hall()
    await hall.come("a", "b", "c", "d")
    seen = [hall.gate.crowded]
    await hall.come("e")
    seen.append(hall.gate.crowded)
    await hall.go("a")
    seen.append(hall.gate.crowded)
    assert seen == [False, True, False]


@pytest.mark.parametrize("called", [False, True], ids=["in line", "just called in"])
async def test_who_is_cancelled_takes_no_place(called: bool) -> None:
    hall = Hall()
    await hall.come("a", "b", "c", "d")
    if called:
        hall.jostles = "a"
        await hall.go("a")
    else:
        hall.tasks["c"].cancel()
        await hall.go("a")
    with suppress(asyncio.CancelledError):
        await hall.tasks["c"]
    assert hall.inside == ["a", "b", "d"]
    await hall.go("b", "d")
    await hall.come("e", "f", "g")
    assert hall.inside[-2:] == ["e", "f"], "both places are free again"
