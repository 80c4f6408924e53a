"""Transactions: all or nothing, and no update is lost between two writers."""

import asyncio
from datetime import UTC, datetime

import pytest
from factories import make_contact, make_message
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from bot.db.engine import Database, make_engine
from bot.db.models import Alarm, Contact, Message
from bot.services import alarms

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)


async def count(database: Database, model: type[Contact] | type[Message]) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count(model.id))) or 0


async def test_an_error_leaves_nothing_behind(database: Database) -> None:
    async def fail() -> None:
        async with database.write() as session:
            await make_contact(session, now=NOW)
            raise RuntimeError("later")

    with pytest.raises(RuntimeError):
        await fail()
    assert await count(database, Contact) == 0


async def test_a_row_without_its_parent_is_refused(database: Database) -> None:
    async def orphan() -> None:
        async with database.write() as session:
            message = await make_message(session, await make_contact(session, now=NOW), now=NOW)
            message.contact_id = 4711

    with pytest.raises(IntegrityError):
        await orphan()
    assert await count(database, Message) == 0


async def test_two_writers_of_one_process_lose_no_update(database: Database) -> None:
    async def add_one() -> None:
        async with database.write() as session:
            row = await session.get_one(Contact, 1, with_for_update=True)
            used = row.window_used
            await asyncio.sleep(0)
            row.window_used = used + 1

    async with database.write() as session:
        await make_contact(session, now=NOW)
    await asyncio.gather(*(add_one() for _ in range(20)))
    async with database.read() as session:
        assert (await session.get_one(Contact, 1)).window_used == 20


async def test_two_processes_lose_no_update(database: Database, database_url: str) -> None:
    """Two engines stand for two processes: nothing but the database's own lock is between them."""
    other = Database(make_engine(database_url, synchronous="NORMAL"))
    async with database.write() as session:
        await make_contact(session, now=NOW)

    async def add_one(through: Database) -> None:
        async with through.write() as session:
            row = await session.get_one(Contact, 1, with_for_update=True)
            used = row.window_used
            await asyncio.sleep(0)
            row.window_used = used + 1

    await asyncio.gather(*(add_one(each) for each in (database, other) * 10))
    async with other.read() as session:
        assert (await session.get_one(Contact, 1)).window_used == 20
    await other.close()


async def test_a_reader_takes_no_write_lock(database: Database, database_url: str) -> None:
    other = Database(make_engine(database_url, synchronous="NORMAL"))
    async with database.read() as reading:
        await reading.scalar(select(func.count(Contact.id)))
        async with other.write() as session:
            await make_contact(session, now=NOW)
        # It still sees the moment at which it began.
        assert await reading.scalar(select(func.count(Contact.id))) == 0
    assert await count(database, Contact) == 1
    await other.close()


@pytest.mark.sqlite(reason="its pragmas")
async def test_sqlite_keeps_what_it_has_said_to_have_kept(
    database: Database, database_url: str
) -> None:
    full = Database(make_engine(database_url))
    async with full.read() as session:
        pragmas = {
            name: await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    await full.close()


async def test_an_alarm_is_counted_and_cleared(database: Database) -> None:
    for _ in range(3):
        async with database.write() as session:
            await alarms.raise_alarm(session, "rules_invalid", now=NOW)
            await alarms.raise_alarm(session, "callback_too_large", now=NOW, subject="wechat/a")
    async with database.write() as session:
        found = {alarm.kind: alarm for alarm in await alarms.open_alarms(session)}
        assert {kind: alarm.count for kind, alarm in found.items()} == {
            "rules_invalid": 3,
            "callback_too_large": 3,
        }
        await alarms.clear(session, found["rules_invalid"].id, staff_id=None, now=NOW)
    async with database.write() as session:
        assert [alarm.kind for alarm in await alarms.open_alarms(session)] == ["callback_too_large"]
        await alarms.raise_alarm(session, "rules_invalid", now=NOW)
        await session.flush()
        again = await session.scalar(select(Alarm).where(Alarm.kind == "rules_invalid"))
    assert again is not None
    assert (again.count, again.cleared_at) == (4, None)


@pytest.mark.sqlite(reason="writers stand in one line")
async def test_a_writer_that_is_cancelled_while_it_waits_takes_nobody_along(
    database: Database, database_url: str
) -> None:
    """Its thread goes on waiting for the lock; closing the connection then killed the process."""
    other = Database(make_engine(database_url, synchronous="NORMAL"))

    async def wait_in_line() -> None:
        async with other.write() as session:
            await make_contact(session, now=NOW)

    async with database.write() as session:
        await make_contact(session, now=NOW)
        waiting = asyncio.create_task(wait_in_line())
        for _ in range(50):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await count(database, Contact) == 1
    async with other.write() as session:
        await make_contact(session, now=NOW)
    assert await count(database, Contact) == 2
    await other.close()
