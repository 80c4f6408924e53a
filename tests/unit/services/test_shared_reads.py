"""Many who ask at once share a reading, and nobody gets one that began before they asked."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from bot.services.shared_reads import LISTED_FOR, GatheredReads, Lately, SharedReads

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)


class Table:
    """A reading takes a while and returns what stood there when it began."""

    def __init__(self) -> None:
        self.value = 0
        self.readings = 0
        self.gate = asyncio.Event()

    async def read(self) -> int:
        """Read slowly."""
        self.readings += 1
        found = self.value
        await self.gate.wait()
        if found < 0:
            raise ValueError("unreadable")
        return found


async def _ask(reads: SharedReads[int], table: Table, key: str = "k") -> asyncio.Task[int]:
    task = asyncio.create_task(reads.get(key, table.read))
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_fifty_questions_are_two_readings_and_never_old() -> None:
    reads, table = SharedReads[int](), Table()
    first = await _ask(reads, table)
    table.value = 1
    others = [await _ask(reads, table) for _ in range(49)]
    assert table.readings == 1
    table.gate.set()
    assert await first == 0
    assert set(await asyncio.gather(*others)) == {1}
    assert table.readings == 2
    assert reads._running == reads._next == {}
    table.value = 2
    assert await (await _ask(reads, table)) == 2


async def test_another_key_is_another_reading() -> None:
    reads, table = SharedReads[int](), Table()
    tasks = [await _ask(reads, table, key) for key in ("a", "b")]
    assert table.readings == 2
    table.gate.set()
    await asyncio.gather(*tasks)


async def test_whoever_leaves_ends_it_for_nobody_else() -> None:
    reads, table = SharedReads[int](), Table()
    first = await _ask(reads, table)
    second = await _ask(reads, table)
    third = await _ask(reads, table)
    for gone in (first, second):
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    table.gate.set()
    assert await third == 0
    await asyncio.sleep(0)
    assert reads._running == {}


async def test_a_failure_is_told_to_all_who_waited_and_then_forgotten() -> None:
    reads, table = SharedReads[int](), Table()
    table.value = -1
    tasks = [await _ask(reads, table) for _ in range(3)]
    table.gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in found] == [ValueError] * 3
    table.value = 5
    assert await (await _ask(reads, table)) == 5


class Shelf:
    """Looks up many at once; what it says of a key is what stood there when it began."""

    def __init__(self) -> None:
        self.values = {"a": 1, "b": 2}
        self.readings: list[set[str]] = []
        self.gate = asyncio.Event()

    async def read(self, keys: Collection[str]) -> dict[str, int]:
        """Read slowly."""
        self.readings.append(set(keys))
        found = {key: self.values[key] for key in keys if key in self.values}
        await self.gate.wait()
        if 0 in found.values():
            raise ValueError("unreadable")
        return found


async def _ask_for(reads: GatheredReads[str, int], key: str) -> asyncio.Task[int | None]:
    task = asyncio.create_task(reads.get(key))
    for _ in range(4):
        await asyncio.sleep(0)
    return task


async def test_what_is_asked_for_at_one_moment_is_one_reading() -> None:
    shelf = Shelf()
    reads = GatheredReads(shelf.read)
    shelf.gate.set()
    found = await asyncio.gather(*(reads.get(key) for key in ("a", "b", "c", "a")))
    assert found == [1, 2, None, 1]
    assert shelf.readings == [{"a", "b", "c"}]


async def test_nobody_gets_what_was_read_before_they_asked() -> None:
    shelf = Shelf()
    reads = GatheredReads(shelf.read)
    first = await _ask_for(reads, "a")
    del shelf.values["a"]
    later = [await _ask_for(reads, key) for key in ("a", "b")]
    assert shelf.readings == [{"a"}]
    shelf.gate.set()
    assert await first == 1
    assert await asyncio.gather(*later) == [None, 2]
    assert shelf.readings == [{"a"}, {"a", "b"}]


async def test_a_lookup_that_nobody_waits_for_any_more_and_one_that_fails() -> None:
    shelf = Shelf()
    reads = GatheredReads(shelf.read)
    gone = await _ask_for(reads, "a")
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    shelf.values["a"] = 0
    waiting = [await _ask_for(reads, key) for key in ("a", "b")]
    shelf.gate.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in found] == [ValueError] * 2
    assert await reads.get("b") == 2


def test_what_was_written_lately_is_forgotten_in_time() -> None:
    lately = Lately()
    lately.keep((1, 2), NOW)
    assert lately.holds((1, 2), NOW)
    assert lately.holds((1, 2), NOW + LISTED_FOR - timedelta(seconds=1))
    assert not lately.holds((1, 2), NOW + LISTED_FOR)
    assert not lately.holds((1, 2), NOW - timedelta(seconds=1))
    assert not lately.holds((2, 2), NOW)
