"""Live changes: pushed at once, replayed after a gap, shared by many pages, ended at shutdown."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.clock import FixedClock
from bot.db.engine import Database, make_engine
from bot.services import live
from bot.services.live import QUEUE_SIZE, LiveEvent, LiveEvents

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)


@pytest.fixture
async def hub(database: Database) -> AsyncIterator[LiveEvents]:
    made = LiveEvents(database, FixedClock(NOW))
    yield made
    await made.close()


async def _publish(database: Database, *kinds: str) -> None:
    async with database.write() as session:
        for kind in kinds:
            await live.publish(session, kind, place_id=None, case_id=None, now=NOW)


async def _take(stream: AsyncGenerator[LiveEvent], count: int) -> list[LiveEvent]:
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def _listening(hub: LiveEvents, count: int) -> None:
    async with asyncio.timeout(5):
        while hub.listeners < count or hub._poller is None:  # noqa: ASYNC110  # only the loop's turn
            await asyncio.sleep(0)


async def test_a_change_arrives_after_a_wake(database: Database, hub: LiveEvents) -> None:
    stream = hub.subscribe()
    waiting = asyncio.create_task(_take(stream, 1))
    await _listening(hub, 1)
    await _publish(database, "case")
    hub.wake()
    assert [event.kind for event in await waiting] == ["case"]
    await stream.aclose()


async def test_a_change_of_another_process_is_found_by_the_poll(
    database: Database, hub: LiveEvents
) -> None:
    stream = hub.subscribe()
    waiting = asyncio.create_task(_take(stream, 1))
    await _listening(hub, 1)
    await _publish(database, "case")
    assert [event.kind for event in await waiting] == ["case"]
    await stream.aclose()


async def _hearing(database: Database) -> None:
    async with asyncio.timeout(5):
        while not database.notices.listening:  # noqa: ASYNC110  # the connection's time
            await asyncio.sleep(0.01)


@pytest.mark.postgresql(reason="LISTEN and NOTIFY")
async def test_a_change_of_another_process_arrives_without_the_poll(
    database: Database, database_url: str, hub: LiveEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "POLL_SECONDS", 3600.0)
    other = Database(make_engine(database_url))
    stream = hub.subscribe()
    waiting = asyncio.create_task(_take(stream, 1))
    await _listening(hub, 1)
    await _hearing(database)
    await _publish(other, "case")
    assert [event.kind for event in await waiting] == ["case"]
    await stream.aclose()
    await hub.close()
    assert not database.notices.listening
    await other.close()


async def test_what_came_after_the_last_known_id_is_replayed_once(
    database: Database, hub: LiveEvents
) -> None:
    await _publish(database, "one", "two", "three")
    stream = hub.subscribe(1)
    assert [event.kind for event in await _take(stream, 2)] == ["two", "three"]
    await _publish(database, "four")
    hub.wake()
    assert [event.kind for event in await _take(stream, 1)] == ["four"]
    await stream.aclose()


async def test_without_a_known_id_nothing_is_replayed(database: Database, hub: LiveEvents) -> None:
    await _publish(database, "old")
    stream = hub.subscribe()
    waiting = asyncio.create_task(_take(stream, 1))
    await _listening(hub, 1)
    await _publish(database, "new")
    hub.wake()
    assert [event.kind for event in await waiting] == ["new"]
    await stream.aclose()


async def test_fifty_pages_get_every_change_and_one_leaves(
    database: Database, hub: LiveEvents
) -> None:
    streams = [hub.subscribe(0) for _ in range(50)]
    tasks = [asyncio.create_task(_take(stream, 20)) for stream in streams]
    await _listening(hub, 50)
    tasks[0].cancel()
    for number in range(20):
        await _publish(database, f"k{number}")
        hub.wake()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    expected = [f"k{number}" for number in range(20)]
    for result in results[1:]:
        assert isinstance(result, list)
        assert [event.kind for event in result] == expected
    for stream in streams:
        await stream.aclose()
    assert hub.listeners == 0


async def test_the_poll_stops_when_nobody_listens_and_starts_again(
    database: Database, hub: LiveEvents
) -> None:
    await _publish(database, "one")
    first = hub.subscribe(0)
    await _take(first, 1)
    await first.aclose()
    poller = hub._poller
    assert poller is not None
    hub.wake()
    async with asyncio.timeout(5):
        await poller
    second = hub.subscribe(1)
    waiting = asyncio.create_task(_take(second, 1))
    await _publish(database, "two")
    assert [event.kind for event in await waiting] == ["two"]
    await second.aclose()


async def test_closing_ends_every_stream(database: Database, hub: LiveEvents) -> None:
    async def all_of(stream: AsyncGenerator[LiveEvent]) -> list[LiveEvent]:
        return [event async for event in stream]

    tasks = [asyncio.create_task(all_of(hub.subscribe())) for _ in range(3)]
    await _listening(hub, 3)
    async with asyncio.timeout(5):
        await hub.close()
        assert await asyncio.gather(*tasks) == [[], [], []]


def test_a_page_that_does_not_read_loses_its_oldest() -> None:
    queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue(QUEUE_SIZE)
    for number in range(QUEUE_SIZE + 3):
        live._put(queue, LiveEvent(number, "case", None, None))
    first = queue.get_nowait()
    assert first is not None
    assert (first.id, queue.qsize()) == (3, QUEUE_SIZE - 1)


async def test_old_changes_are_neither_replayed_nor_kept(
    database: Database, hub: LiveEvents
) -> None:
    async with database.write() as session:
        old = NOW - live.KEPT - timedelta(minutes=1)
        await live.publish(session, "old", place_id=None, case_id=None, now=old)
        await live.publish(session, "new", place_id=None, case_id=None, now=NOW)
    stream = hub.subscribe(0)
    assert [event.kind for event in await _take(stream, 1)] == ["new"]
    await stream.aclose()
    async with database.write() as session:
        await live.forget(session, before=NOW - live.KEPT)
        assert await live.newest_id(session) == 2
        left = await hub._after(0)
    assert len(left) == 1
