"""An empty database file with every table, for service tests."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.db import crypto
from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.engine import Database, make_engine

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
RING = KeyRing.parse(f"k1:{base64.b64encode(bytes(32)).decode()}")


@asynccontextmanager
async def fresh_tables(folder: Path) -> AsyncIterator[Database]:
    """Make the tables and close the database at the end."""
    crypto.install(RING)
    database = Database(make_engine(f"sqlite+aiosqlite:///{folder / 'unit.db'}"))
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    try:
        yield database
    finally:
        await database.close()
