"""The database engine that tests run on: SQLite, or what XINQING_TEST_ENGINE says.

A run is on one engine; CI makes two. On PostgreSQL only what touches a database runs again, known
by the fixtures it asks for. Every test gets a database of its own, copied from an empty one that is
brought up to date once a run. Called by `conftest.py`.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import URL, make_url

from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate

SQLITE, POSTGRESQL = "sqlite", "postgresql"
ENGINE = os.environ.get("XINQING_TEST_ENGINE") or SQLITE
POSTGRESQL_URL = os.environ.get("XINQING_TEST_POSTGRESQL_URL", "")
# Whoever asks for a database asks for this fixture, directly or not.
FIXTURE = "engine"


def check_setting() -> None:
    """Refuse a run that could not do what it was asked for.

    Raises:
        pytest.UsageError: an unknown engine, or PostgreSQL without an address.
    """
    if ENGINE not in (SQLITE, POSTGRESQL):
        raise pytest.UsageError(f"XINQING_TEST_ENGINE: {SQLITE} or {POSTGRESQL}, not {ENGINE!r}")
    if ENGINE == POSTGRESQL and not POSTGRESQL_URL:
        raise pytest.UsageError("XINQING_TEST_ENGINE=postgresql needs XINQING_TEST_POSTGRESQL_URL")


def sort(items: Sequence[pytest.Item]) -> tuple[list[pytest.Item], dict[str, list[pytest.Item]]]:
    """Return the tests of this run, and those left to the other one by reason."""
    kept: list[pytest.Item] = []
    left: dict[str, list[pytest.Item]] = {}
    for item in items:
        if reason := _elsewhere(item):
            left.setdefault(reason, []).append(item)
        else:
            kept.append(item)
    return kept, left


def _elsewhere(item: pytest.Item) -> str | None:
    other = POSTGRESQL if ENGINE == SQLITE else SQLITE
    mark = item.get_closest_marker(other)
    if mark is not None:
        return f"about {other} alone: {mark.kwargs.get('reason', 'no reason given')}"
    asks = item.get_closest_marker(ENGINE) or FIXTURE in getattr(item, "fixturenames", ())
    return None if ENGINE == SQLITE or asks else "no database, or only files of its own"


class SqliteFiles:
    """Databases as copies of one file."""

    def __init__(self, folder: Path) -> None:
        self.migrated = folder / "migrated.db"
        _bring_up_to_date(f"sqlite+aiosqlite:///{self.migrated}")

    def close(self) -> None:
        """Leave the file to pytest."""

    @contextmanager
    def new(self, folder: Path, *, empty: bool = False) -> Iterator[str]:
        """Make a database of its own; `empty`: without any table."""
        path = folder / ("empty.db" if empty else "xinqing.db")
        if not empty:
            shutil.copy(self.migrated, path)
        yield f"sqlite+aiosqlite:///{path}"


class PostgresqlDatabases:
    """Databases as copies of a template on one server, dropped at the end."""

    def __init__(self) -> None:
        self._url = make_url(POSTGRESQL_URL)
        dsn = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._server = psycopg.connect(dsn, autocommit=True)
        self._template = self._create("template0")
        _bring_up_to_date(self._address(self._template))

    def close(self) -> None:
        """Drop the template."""
        self._drop(self._template)
        self._server.close()

    @contextmanager
    def new(self, _folder: Path, *, empty: bool = False) -> Iterator[str]:
        """Make a database of its own; `empty`: without any table."""
        name = self._create("template0" if empty else self._template)
        try:
            yield self._address(name)
        finally:
            self._drop(name)

    def _address(self, name: str) -> str:
        url: URL = self._url.set(database=name)
        return url.render_as_string(hide_password=False)

    def _create(self, template: str) -> str:
        name = f"xinqing_{uuid4().hex[:12]}"
        # Copying files takes half the time of writing every page into the log.
        self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        return name

    def _drop(self, name: str) -> None:
        self._run(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        self._server.execute(statement.encode())


Databases = SqliteFiles | PostgresqlDatabases


def open_databases(folder: Path) -> Databases:
    """Return where this run's databases come from."""
    return PostgresqlDatabases() if ENGINE == POSTGRESQL else SqliteFiles(folder)


def _bring_up_to_date(url: str) -> None:
    async def run() -> None:
        database = Database(make_engine(url))
        await migrate(database)
        await database.close()

    asyncio.run(run())
