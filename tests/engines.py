"""PostgreSQL for tests, where its address is set; every test gets a database of its own."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from sqlalchemy import URL, make_url, text

from bot.db.engine import make_engine

POSTGRESQL_URL = os.environ.get("XINQING_TEST_POSTGRESQL_URL", "")
needs_postgresql = pytest.mark.skipif(
    not POSTGRESQL_URL, reason="XINQING_TEST_POSTGRESQL_URL is not set"
)


async def _outside(statement: str) -> None:
    """Run a statement that takes no transaction, such as CREATE DATABASE."""
    engine = make_engine(POSTGRESQL_URL).execution_options(isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


@contextmanager
def postgresql_database(template: str = "template0") -> Iterator[URL]:
    """Make a PostgreSQL database of its own, dropped at the end."""
    name = f"xinqing_{uuid4().hex[:12]}"
    asyncio.run(_outside(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    yield make_url(POSTGRESQL_URL).set(database=name)
    asyncio.run(_outside(f'DROP DATABASE "{name}" WITH (FORCE)'))
