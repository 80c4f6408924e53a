"""Group commit: writers share a commit, share no failure, and none is told too early."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from factories import make_contact
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError

from bot.db.engine import Database, make_engine
from bot.db.loop import LoopConnection
from bot.db.models import Contact

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
pytestmark = pytest.mark.sqlite(reason="one writer at a time, on the loop's own thread")


@pytest.fixture
def commits(database: Database) -> list[str]:
    """Every commit of the engine, as it happens."""
    seen: list[str] = []
    event.listen(database.engine.sync_engine, "commit", lambda _: seen.append("commit"))
    return seen


async def add(database: Database, name: str, *, fail: bool = False) -> None:
    async with database.write() as session:
        await make_contact(session, now=NOW, openid=name)
        await session.flush()
        if fail:
            raise RuntimeError(name)


async def stored(path: str | None) -> set[str]:
    """Read through a connection of another kind, which sees what is committed and nothing else."""
    assert path is not None
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT external_id FROM contact").fetchall()
    connection.close()
    return {row[0] for row in rows}


async def test_writers_that_wait_share_a_commit(database: Database, commits: list[str]) -> None:
    await asyncio.gather(*(add(database, f"p{number}") for number in range(20)))
    assert len(await stored(database.engine.url.database)) == 20
    assert len(commits) < 5


async def test_whoever_returns_is_on_the_disk(database: Database) -> None:
    async def check(name: str) -> None:
        await add(database, name)
        assert name in await stored(database.engine.url.database)

    await asyncio.gather(*(check(f"p{number}") for number in range(20)))


async def test_a_failure_takes_only_its_own_rows_along(database: Database) -> None:
    names = [f"p{number}" for number in range(9)]
    results = await asyncio.gather(
        *(add(database, name, fail=name in ("p0", "p4", "p8")) for name in names),
        return_exceptions=True,
    )
    failed = {name for name, result in zip(names, results, strict=True) if result is not None}
    assert failed == {"p0", "p4", "p8"}
    assert await stored(database.engine.url.database) == set(names) - failed


async def test_a_cancelled_writer_keeps_nobody_waiting(database: Database) -> None:
    tasks = [asyncio.create_task(add(database, f"p{number}")) for number in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[3].cancel()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await add(database, "later")
    kept = {f"p{number}" for number in (1, 2, 4)}
    assert [type(result) for result in results].count(asyncio.CancelledError) == 2
    assert kept | {"later"} <= await stored(database.engine.url.database)


async def test_nobody_is_told_of_a_commit_that_failed(database: Database) -> None:
    def lose(_connection: object) -> None:
        raise OperationalError("COMMIT", {}, sqlite3.OperationalError("disk I/O error"))

    event.listen(database.engine.sync_engine, "commit", lose)
    results = await asyncio.gather(
        *(add(database, f"p{number}") for number in range(4)), return_exceptions=True
    )
    assert [type(result) for result in results] == [OperationalError] * 4
    event.remove(database.engine.sync_engine, "commit", lose)
    await add(database, "later")
    assert await stored(database.engine.url.database) == {"later"}


async def test_a_transaction_that_sqlite_gave_up_is_not_taken_for_committed(
    database: Database,
) -> None:
    async def give_up() -> None:
        async with database.engine.connect() as connection, connection.begin():
            raw = await connection.get_raw_connection()
            driver = raw.driver_connection
            assert isinstance(driver, LoopConnection)
            driver._conn.rollback()  # as SQLite does by itself when the disk is full

    with pytest.raises(OperationalError, match="rolled back"):
        await give_up()


@pytest.fixture
async def threads(tmp_path: Path) -> AsyncIterator[dict[str, int]]:
    """The thread on which each kind of statement ran."""
    found: dict[str, int] = {}
    database = Database(make_engine(f"sqlite+aiosqlite:///{tmp_path / 'threads.db'}"))
    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        assert isinstance(driver, LoopConnection)

        def note(name: str) -> int:
            found[name] = threading.get_ident()
            return 1

        driver._conn.create_function("note", 1, note)
        await connection.execute(text("SELECT note('statement')"))
        await connection.rollback()
        driver._conn.set_trace_callback(
            lambda sql: found.setdefault(sql.split()[0], threading.get_ident())
        )
        async with connection.begin():
            await connection.execute(text("CREATE TABLE t (a)"))
    yield found
    await database.close()


async def test_only_what_may_wait_leaves_the_loop(threads: dict[str, int]) -> None:
    here = threading.get_ident()
    assert threads["statement"] == here
    assert threads["CREATE"] == here
    assert threads["BEGIN"] != here
    assert threads["COMMIT"] != here


async def test_a_reader_sees_nothing_of_an_open_group(database: Database) -> None:
    async with database.write() as session:
        await make_contact(session, now=NOW)
        await session.flush()
        async with database.read() as reading:
            assert await reading.scalar(select(func.count(Contact.id))) == 0
