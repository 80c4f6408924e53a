"""Bring a database to the newest tables, from nothing or from an older release.

Several processes may start at once: PostgreSQL takes an advisory lock, SQLite its write lock. On
SQLite foreign keys are off while tables are rebuilt (a batch drop of a parent table would cascade
into its children) and checked at the end.
"""

from pathlib import Path
from typing import Any, cast

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.errors import ConfigInvalid
from bot.db.engine import Database
from bot.db.locks import Turn
from bot.db.postgresql import UNHURRIED

ADVISORY_LOCK = Turn.MIGRATION.value
_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's settings for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    return config


def newest_revision() -> str | None:
    """Return the revision that this release expects."""
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    return ScriptDirectory.from_config(config).get_current_head()


async def migrate(database: Database) -> None:
    """Bring the tables to the newest revision.

    Raises:
        ConfigInvalid: a rebuilt table left rows without their parent.
    """
    async with database.engine.connect() as connection:
        if database.is_sqlite:
            await _foreign_keys(connection, "OFF")
        async with connection.begin():
            if not database.is_sqlite:
                await _wait_for_turn(connection)
            await connection.run_sync(lambda c: command.upgrade(alembic_config(c), "head"))
            await connection.run_sync(_check_orphans)
        if database.is_sqlite:
            await _foreign_keys(connection, "ON")


async def _wait_for_turn(connection: AsyncConnection) -> None:
    for statement in UNHURRIED:
        await connection.execute(text(statement))
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})


async def _foreign_keys(connection: AsyncConnection, state: str) -> None:
    """Switch SQLite's foreign keys, which works outside a transaction only."""
    raw = await connection.get_raw_connection()
    await cast(Any, raw.driver_connection).execute(f"PRAGMA foreign_keys={state}")


def _check_orphans(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    orphans = connection.execute(text("PRAGMA foreign_key_check")).fetchall()
    if orphans:
        raise ConfigInvalid(f"migration left {len(orphans)} rows without their parent")


async def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None for an empty one."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(
            lambda c: MigrationContext.configure(c).get_current_revision()
        )
