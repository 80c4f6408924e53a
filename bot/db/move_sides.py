"""The two databases of a move, each held alone: nobody else writes while rows are copied.

A service that still runs is noticed by what it holds. On SQLite every open connection keeps a
shared lock on the file, so that asking for the file alone fails; on PostgreSQL its connections are
listed and its tables are locked. Everything stands in one transaction on either side. Called by
`bot.db.move`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.migration import MigrationContext
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

import bot.db.models  # noqa: F401  # fills the metadata
from bot.core.errors import XinqingError
from bot.db.base import Base
from bot.db.migrate import ADVISORY_LOCK, alembic_config, newest_revision
from bot.db.move_values import POSTGRESQL, SQLITE

# Long enough for a command that is just ending, too short for a service.
BUSY_TIMEOUT_MS = 2_000
# One side waits in its transaction while the other is busy; the server's time-outs must not end it.
_PATIENT = {
    "connect_timeout": 10,
    "options": "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
}
VERSION_TABLE = "alembic_version"
_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
)


class MoveRefused(XinqingError):
    """A move can't be made; nothing has changed on either side.

    Args:
        code: names the sentence for people (`bot/cli/move.toml`).
        fields: what is put into it: names of tables and columns, ids, codes.
    """

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(f"{code} {fields}" if fields else code)
        self.code = code
        self.fields = fields


@dataclass(slots=True)
class Target:
    """The database that is filled; without `commit` it is left as it was found."""

    connection: Connection
    committed: bool = False

    def commit(self) -> None:
        """Make everything that was written stay."""
        with failing("target_failed"):
            self.connection.commit()
        self.committed = True


@contextmanager
def failing(code: str) -> Iterator[None]:
    """Turn what a driver says, which may quote a row, into a refusal."""
    try:
        yield
    except (SQLAlchemyError, OSError, UnicodeError) as error:
        cause = getattr(error, "orig", None) or error
        raise MoveRefused(code, error=type(cause).__name__) from None


def address(written: str) -> URL:
    """Return the address of a SQLite file or a PostgreSQL database, with the drivers used here.

    Raises:
        MoveRefused: it is neither.
    """
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):
        raise MoveRefused("address") from None
    backend = url.get_backend_name()
    if backend in (POSTGRESQL, "postgres") and url.database:
        return url.set(drivername="postgresql+psycopg")
    if backend == SQLITE and url.database and not url.database.startswith((":memory:", "file:")):
        return url.set(drivername=SQLITE, database=str(Path(url.database).resolve()))
    raise MoveRefused("address")


def same_place(one: URL, other: URL) -> bool:
    """Say whether two addresses are plainly one database; an alias fails later, at its locks."""
    if one.drivername != other.drivername:
        return False
    if one.drivername == SQLITE:
        paths = [Path(str(url.database)) for url in (one, other)]
        return all(path.exists() for path in paths) and paths[0].samefile(paths[1])
    return (one.host, one.port or 5432, one.database) == (
        other.host,
        other.port or 5432,
        other.database,
    )


@contextmanager
def open_source(url: URL) -> Iterator[Connection]:
    """Hold the database that is read, alone and read-only.

    Raises:
        MoveRefused: it can't be reached, is in use, or its tables are not of this release.
    """
    if url.drivername == SQLITE and not Path(str(url.database)).is_file():
        raise MoveRefused("source_unreachable", error="no file")
    with _alone(_make(url), "source") as connection:
        if url.drivername == SQLITE:
            connection.exec_driver_sql("PRAGMA query_only=ON")
        check_alone(connection)
        found = _revision(connection)
        if found != newest_revision():
            raise MoveRefused("source_revision", found=found or "-", wanted=newest_revision())
        unknown = _tables(connection) - Base.metadata.tables.keys() - {VERSION_TABLE}
        if unknown:
            raise MoveRefused("source_table", table=min(unknown))
        _lock_tables(connection, "SHARE", "source_running")
        yield connection


@contextmanager
def open_target(url: URL) -> Iterator[Target]:
    """Hold an empty database, alone, with the tables of this release.

    Raises:
        MoveRefused: it can't be reached, is in use, not empty, or of another release.
    """
    made = _make_file(url) if url.drivername == SQLITE else None
    target: Target | None = None
    try:
        with _alone(_make(url), "target") as connection:
            target = Target(connection)
            _make_tables(connection)
            yield target
    finally:
        if made is not None and not (target and target.committed):
            for ending in ("", "-journal", "-wal", "-shm"):
                Path(f"{made}{ending}").unlink(missing_ok=True)


def check_alone(connection: Connection) -> None:
    """Make sure that nobody else is connected to the database that is read.

    Raises:
        MoveRefused: somebody is (on SQLite the file's lock has already kept everybody out).
    """
    if connection.dialect.name != POSTGRESQL:
        return
    with failing("source_failed"):
        others = connection.scalar(_OTHERS)
    if others:
        raise MoveRefused("source_running")


def _make_file(url: URL) -> Path | None:
    """Make the file, for its owner only; None if it is there already."""
    path = Path(str(url.database))
    with failing("target_unreachable"):
        if path.exists():
            return None
        path.touch(mode=0o600)
    return path


def _make(url: URL) -> Engine:
    options: dict[str, Any] = {"poolclass": NullPool, "hide_parameters": True}
    if url.drivername != SQLITE:
        options["connect_args"] = {**_PATIENT, **url.query}
    engine = create_engine(url, **options)
    if url.drivername == SQLITE:
        event.listen(engine, "connect", _keep_alone)
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN EXCLUSIVE"))
    return engine


def _keep_alone(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "locking_mode=EXCLUSIVE", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def _alone(engine: Engine, side: str) -> Iterator[Connection]:
    """Connect and begin; roll back at the end, unless something was committed."""
    with ExitStack() as at_end:
        at_end.callback(engine.dispose)
        try:
            connection = engine.connect()
            at_end.callback(_close, connection)
            connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, ImportError, OSError, UnicodeError) as error:
            cause = getattr(error, "orig", None) or error
            busy = getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            code = "running" if busy else "unreachable"
            raise MoveRefused(f"{side}_{code}", error=type(cause).__name__) from None
        with failing(f"{side}_failed"):
            yield connection


def _close(connection: Connection) -> None:
    # A database that has gone has rolled back by itself.
    with suppress(SQLAlchemyError):
        connection.close()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _make_tables(connection: Connection) -> None:
    """Bring an empty database to the tables of this release, inside the transaction."""
    if connection.dialect.name == POSTGRESQL:
        if connection.scalar(text("SHOW server_encoding")) != "UTF8":
            raise MoveRefused("target_encoding")
        lock = text("SELECT pg_try_advisory_xact_lock(:key)")
        if not connection.scalar(lock, {"key": ADVISORY_LOCK}):
            raise MoveRefused("target_running")
    found, tables = _revision(connection), _tables(connection)
    unknown = tables - Base.metadata.tables.keys() - {VERSION_TABLE}
    if unknown:
        raise MoveRefused("target_filled", table=min(unknown))
    if found is None and not tables:
        command.upgrade(alembic_config(connection), "head")
    elif found != newest_revision():
        raise MoveRefused("target_revision", found=found or "-", wanted=newest_revision())
    _lock_tables(connection, "EXCLUSIVE", "target_running")
    for table in Base.metadata.sorted_tables:
        if connection.execute(select(text("1")).select_from(table).limit(1)).first():
            raise MoveRefused("target_filled", table=table.name)


def _lock_tables(connection: Connection, mode: str, code: str) -> None:
    """Keep others from writing until the end; SQLite's lock holds the whole file already."""
    if connection.dialect.name != POSTGRESQL:
        return
    names = ", ".join(f'"{table}"' for table in Base.metadata.tables)
    with failing(code):
        connection.execute(text(f"LOCK TABLE {names} IN {mode} MODE NOWAIT"))
