"""Where a benchmark's tables live: a file in its folder, or a PostgreSQL database of its own.

Called by the benchmarks. What is read from outside the service is read with plain SQL through a
synchronous engine. An address may hold a password: it is passed on in the environment only and
never printed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from sqlalchemy import URL, Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from bot.core.errors import ConfigInvalid

SQLITE = "sqlite"
FILE = "xinqing.db"
BUSY_SECONDS = 30


@contextmanager
def own_database(where: str, folder: Path) -> Iterator[str]:
    """Yield the address of an empty database that is gone afterwards.

    Args:
        where: `sqlite`, or the address of a PostgreSQL server where databases may be made.
        folder: where a SQLite file goes; the caller removes it.

    Raises:
        ConfigInvalid: it is neither.
    """
    if where == SQLITE:
        yield f"sqlite+aiosqlite:///{folder / FILE}"
        return
    server = _postgresql(where)
    name = f"xinqing_bench_{token_hex(6)}"
    _outside(server, f'CREATE DATABASE "{name}" TEMPLATE template0')
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _outside(server, f'DROP DATABASE "{name}" WITH (FORCE)')


def plain_engine(address: str) -> Engine:
    """Return an engine for plain SQL from outside; every use is a connection of its own."""
    url = make_url(address)
    if url.get_backend_name() == SQLITE:
        plain = url.set(drivername=SQLITE)
        return create_engine(plain, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
    return create_engine(url, poolclass=NullPool)


def engine_version(where: str) -> str:
    """Say which database program the figures were taken on."""
    if where == SQLITE:
        return f"SQLite {sqlite3.sqlite_version}"
    with plain_engine(where).connect() as connection:
        shown = str(connection.scalar(text("SHOW server_version")))
    return f"PostgreSQL {shown.split()[0]}"


def _postgresql(where: str) -> URL:
    try:
        url = make_url(where)
    except ArgumentError:
        url = None
    if url is None or url.drivername != "postgresql+psycopg":
        raise ConfigInvalid("--database: `sqlite` or postgresql+psycopg://name@host/database")
    return url


def _outside(server: URL, statement: str) -> None:
    """Run a statement that takes no transaction."""
    engine = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
