"""Notices: heard by other processes at the commit, and again after a broken connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text
from wire import Wire

from bot.db.engine import Database, make_engine
from bot.db.notices import Notices, Topic, notify

ONLY = pytest.mark.postgresql(reason="LISTEN and NOTIFY")


class Ear:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.times = 0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Be woken."""
        self.times += 1
        self._woken.set()

    async def woken(self) -> None:
        """Wait until the next time."""
        async with asyncio.timeout(10):
            await self._woken.wait()
        self._woken.clear()


@pytest.fixture
async def wire(database_url: str) -> AsyncIterator[Wire]:
    """The way to the test's database."""
    made = Wire(database_url)
    await made.mend()
    yield made
    await made.cut()


@pytest.fixture
async def other(wire: Wire) -> AsyncIterator[Database]:
    """The database as another process has it, over the wire."""
    made = Database(make_engine(wire.url))
    yield made
    await made.close()


async def tell(database: Database, *topics: Topic, fail: bool = False) -> None:
    """Send notices in one transaction."""
    async with database.write() as session:
        for topic in topics:
            await notify(session, topic)
        if fail:
            raise RuntimeError


async def listening(database: Database) -> int:
    """Count the connections that listen."""
    count = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    async with database.read() as session:
        return int(await session.scalar(count) or 0)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110  # the server knows, not we
            await asyncio.sleep(0.01)


@ONLY
async def test_only_the_topic_that_was_told_is_woken_and_only_by_a_commit(
    database: Database, other: Database
) -> None:
    job, desk = Ear(), Ear()
    leave = [other.notices.hear(Topic.JOB, job.wake), other.notices.hear(Topic.DESK, desk.wake)]
    await job.woken()
    await desk.woken()
    with pytest.raises(RuntimeError):
        await tell(database, Topic.DESK, fail=True)
    await tell(database, Topic.JOB, Topic.JOB)
    await job.woken()
    assert (job.times, desk.times) == (2, 1)
    assert await listening(database) == 1
    for end in leave:
        end()
        end()
    await until(lambda: _none(database))
    await tell(database, Topic.JOB)
    again = Ear()
    other.notices.hear(Topic.JOB, again.wake)
    await again.woken()
    assert job.times == 2


async def _none(database: Database) -> bool:
    return await listening(database) == 0


@ONLY
async def test_a_broken_connection_is_replaced_and_what_may_have_been_missed_looked_for(
    database: Database, other: Database, wire: Wire
) -> None:
    ear = Ear()
    other.notices.hear(Topic.JOB, ear.wake)
    await ear.woken()
    await wire.cut()
    await tell(database, Topic.JOB)
    await wire.mend()
    await ear.woken()
    await tell(database, Topic.JOB)
    await ear.woken()
    assert ear.times == 3
    assert other.notices.listening


@ONLY
async def test_a_silent_connection_is_asked_whether_it_lives(
    database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.db.notices.SILENT_SECONDS", 0.02)
    ear = Ear()
    other.notices.hear(Topic.JOB, ear.wake)
    await ear.woken()

    question = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query = 'SELECT 1'"
    )

    async def asked() -> bool:
        async with database.read() as session:
            return bool(await session.scalar(question))

    await until(asked)
    await tell(database, Topic.JOB)
    await ear.woken()


@pytest.mark.sqlite(reason="sends no notices")
async def test_on_sqlite_nothing_listens(database: Database) -> None:
    ear = Ear()
    leave = database.notices.hear(Topic.JOB, ear.wake)
    await tell(database, Topic.JOB)
    leave()
    assert ear.times == 0
    assert not database.notices.listening


@ONLY
async def test_hearing_again_while_the_old_ear_still_closes(other: Database) -> None:
    notices: Notices = other.notices
    for _ in range(5):
        leave = notices.hear(Topic.JOB, lambda: None)
        leave()
    ear = Ear()
    notices.hear(Topic.JOB, ear.wake)
    await ear.woken()
    assert notices.listening
