"""PostgreSQL's time-outs: nothing waits for ever, and an address may set its own."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from factories import make_contact
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, TimeoutError
from wire import Wire

from bot.core.clock import FixedClock
from bot.db.engine import Database, make_engine
from bot.db.models import Contact
from bot.db.opening import reachable

pytestmark = pytest.mark.postgresql(reason="its time-outs")
Open = Callable[..., Database]


@pytest.fixture
async def open_with(database_url: str, ring: object) -> AsyncIterator[Open]:
    """Open the test's database with settings of its own."""
    opened: list[Database] = []

    def open_one(**settings: str) -> Database:
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        opened.append(Database(make_engine(f"{database_url}?options={options}")))
        return opened[-1]

    yield open_one
    for database in opened:
        await database.close()


async def _settings(database: Database) -> dict[str, str | None]:
    names = (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "application_name",
    )
    async with database.read() as session:
        return {name: await session.scalar(text(f"SHOW {name}")) for name in names}


async def test_what_is_in_force(database: Database) -> None:
    assert await _settings(database) == {
        "statement_timeout": "10s",
        "lock_timeout": "4s",
        "idle_in_transaction_session_timeout": "30s",
        "application_name": "xinqing",
    }


async def test_an_address_may_set_its_own(open_with: Open) -> None:
    found = await _settings(open_with(statement_timeout="1min"))
    assert (found["statement_timeout"], found["lock_timeout"]) == ("1min", "4s")


async def test_a_statement_that_takes_too_long_ends_and_its_connection_is_used_again(
    open_with: Open,
) -> None:
    database = open_with(statement_timeout="50ms")
    with pytest.raises(DBAPIError, match="statement timeout"):
        async with database.read() as session:
            await session.execute(text("SELECT pg_sleep(30)"))
    assert await reachable(database)


async def test_who_waits_too_long_for_a_row_gives_up_alone(
    database: Database, open_with: Open, clock: FixedClock
) -> None:
    other = open_with(lock_timeout="50ms")
    async with database.write() as session:
        await make_contact(session, now=clock.now())
    async with database.write() as session:
        row = await session.get_one(Contact, 1, with_for_update=True)
        with pytest.raises(DBAPIError, match="lock timeout"):
            async with other.write() as waiting:
                await waiting.get_one(Contact, 1, with_for_update=True)
        row.window_used = 3
    async with other.read() as session:
        assert (await session.get_one(Contact, 1)).window_used == 3


async def test_who_stands_still_in_a_transaction_gives_the_row_free(
    database: Database, open_with: Open, clock: FixedClock
) -> None:
    async with database.write() as session:
        await make_contact(session, now=clock.now())
    still = open_with(idle_in_transaction_session_timeout="50ms")

    async def stand_still() -> None:
        async with still.write() as session:
            (await session.get_one(Contact, 1, with_for_update=True)).window_used = 4
            await session.flush()
            async with database.write() as other:
                (await other.get_one(Contact, 1, with_for_update=True)).window_used = 5
            await session.execute(select(Contact.id))

    with pytest.raises(DBAPIError):
        await stand_still()
    async with still.read() as session:
        assert (await session.get_one(Contact, 1)).window_used == 5


async def test_a_pool_in_use_keeps_nobody_waiting_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.db.engine.POOL_SIZE", 1)
    monkeypatch.setattr("bot.db.engine.POOL_OVERFLOW", 1)
    monkeypatch.setattr("bot.db.engine.POOL_SECONDS", 0.05)
    database = Database(make_engine(database_url))
    async with database.read() as one, database.read() as two:
        await one.execute(text("SELECT 1"))
        await two.execute(text("SELECT 1"))
        with pytest.raises(TimeoutError):
            async with database.read() as three:
                await three.execute(text("SELECT 1"))
    assert await reachable(database)
    await database.close()


async def test_a_host_that_takes_the_call_and_says_nothing_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        database = Database(
            make_engine(f"postgresql+psycopg://xinqing@127.0.0.1:{port}/xinqing?connect_timeout=2")
        )
        async with asyncio.timeout(8):
            assert not await reachable(database)
        await database.close()


@pytest.mark.parametrize("name", ["tcp_user_timeout", "keepalives_idle", "connect_timeout"])
async def test_the_connection_itself_is_watched(database: Database, name: str) -> None:
    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        parameters = raw.driver_connection.info.get_parameters()
    expected = {"tcp_user_timeout": "4000", "keepalives_idle": "10", "connect_timeout": "3"}
    assert parameters[name] == expected[name]


async def test_who_takes_a_connection_that_was_cut_in_the_pool_does_not_notice(
    database_url: str, ring: object, clock: FixedClock
) -> None:
    """A fail-over cuts what lies in the pool."""
    wire = Wire(database_url)
    await wire.mend()
    database = Database(make_engine(wire.url))
    assert await reachable(database)
    await wire.cut()
    await wire.mend()
    async with database.write() as session:
        await make_contact(session, now=clock.now())
    await database.close()
    await wire.cut()
