"""The database: one engine, `read()` and `write()` transactions, the same on both engines.

SQLite runs in WAL mode with real transactions: writers start with BEGIN IMMEDIATE (a deferred
write would fail with SQLITE_BUSY in spite of the time-out), take turns within a process and share
their commits (`bot.db.group`). PostgreSQL needs neither; its time-outs are in `bot.db.postgresql`.
"""

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import ConnectionPoolEntry

from bot.core.errors import ConfigInvalid
from bot.db.group import GroupCommit
from bot.db.loop import BEGIN_WRITE, connect
from bot.db.notices import Notices
from bot.db.postgresql import POOL_OVERFLOW, POOL_SECONDS, POOL_SIZE, connect_options

BUSY_TIMEOUT_MS = 30_000
WAL_TRIES, WAL_PAUSE_SECONDS = 40, 0.05


# SQLite: no write lock. PostgreSQL: every statement sees what the first one saw, as on SQLite.
_READING: Mapping[bool, Mapping[str, Any]] = {
    True: {"write": False},
    False: {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def make_engine(url: str, *, synchronous: str = "FULL") -> AsyncEngine:
    """Return an engine for a SQLAlchemy address, with the SQLite hooks where they belong.

    Raises:
        ConfigInvalid: it is no address, or its driver is not there; the address is not quoted.
    """
    # Hidden parameters: an error's text would otherwise quote what a parent wrote.
    options: dict[str, Any] = {"json_serializer": _dumps, "hide_parameters": True}
    try:
        address = make_url(url)
        if address.get_backend_name() == "sqlite":
            options["connect_args"] = {"async_creator_fn": connect}
        else:
            options |= {
                "connect_args": connect_options(address),
                "pool_size": POOL_SIZE,
                "max_overflow": POOL_OVERFLOW,
                "pool_timeout": POOL_SECONDS,
                # A connection that died while it lay in the pool is replaced, unseen by its user.
                "pool_pre_ping": True,
            }
        engine = create_async_engine(address, **options)
    except (ArgumentError, InvalidRequestError, ImportError, ValueError):
        raise ConfigInvalid(
            "XINQING_DATABASE_URL: not an address of a database that can be used; PostgreSQL: "
            "postgresql+psycopg://name:password@host/database, SQLite: leave it empty"
        ) from None
    if engine.dialect.name == "sqlite":
        _hook_sqlite(engine.sync_engine, synchronous)
    return engine


def _hook_sqlite(engine: Engine, synchronous: str) -> None:
    @event.listens_for(engine, "connect")
    def _connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _switch_to_wal(cursor)
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("write", True)
        connection.exec_driver_sql(BEGIN_WRITE if writes else "BEGIN")


def _switch_to_wal(cursor: DBAPICursor) -> None:
    """Switch the journal; while others do so on a new file SQLite refuses instead of waiting."""
    for tries_left in reversed(range(WAL_TRIES)):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if not tries_left:
                raise
            time.sleep(WAL_PAUSE_SECONDS)


class Database:
    """Hands out transactions; every use of a table happens inside one of them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.notices = Notices(engine)
        self._group = GroupCommit(engine) if self.is_sqlite else None
        self._writes = async_sessionmaker(engine, expire_on_commit=False)
        self._reads = async_sessionmaker(
            engine.execution_options(**_READING[self.is_sqlite]), expire_on_commit=False
        )

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that commits at the end and rolls back on any error."""
        if self._group is not None:
            async with self._group.write() as session:
                yield session
            return
        async with self._writes() as session, session.begin():
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a transaction that sees one moment and changes nothing."""
        async with self._reads() as session, session.begin():
            yield session

    async def close(self) -> None:
        """Close every connection."""
        await self.notices.close()
        if self._group is not None:
            await self._group.close()
        await self.engine.dispose()
