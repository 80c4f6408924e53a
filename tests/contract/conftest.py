"""Both database engines for the contract suites: an empty, migrated database for each test.

SQLite always; PostgreSQL when XINQING_TEST_POSTGRESQL_URL names a database that may be emptied.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.db.base import Base
from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate

POSTGRESQL_URL = os.environ.get("XINQING_TEST_POSTGRESQL_URL", "")
needs_postgresql = (
    pytest.mark.postgresql,
    pytest.mark.skipif(not POSTGRESQL_URL, reason="XINQING_TEST_POSTGRESQL_URL is not set"),
)
ENGINES = ["sqlite", pytest.param("postgresql", marks=needs_postgresql)]


async def _migrate(url: str, *, anew: bool) -> None:
    database = Database(make_engine(url))
    if anew:
        async with database.engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    await migrate(database)
    await database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}", anew=False))
    return path


@pytest.fixture(scope="session")
def postgresql_url() -> str:
    """Return the address of the migrated PostgreSQL database."""
    asyncio.run(_migrate(POSTGRESQL_URL, anew=True))
    return POSTGRESQL_URL


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of a migrated database."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    path = tmp_path / "test.db"
    shutil.copy(request.getfixturevalue("sqlite_template"), path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Return an open database with empty tables."""
    database = Database(make_engine(database_url, synchronous="OFF"))
    if not database.is_sqlite:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        async with database.engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    yield database
    await database.close()
