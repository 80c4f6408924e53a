"""Migrations: from an empty database to exactly the models, on both engines, more than once."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

import bot.db.models  # noqa: F401  # fills the metadata
from bot.core.errors import ConfigInvalid
from bot.db import migrate as module
from bot.db.base import Base
from bot.db.engine import Database, make_engine
from bot.db.migrate import alembic_config, current_revision, migrate, newest_revision


async def test_from_nothing_to_the_models(empty_url: str) -> None:
    database = Database(make_engine(empty_url))
    assert await current_revision(database) is None
    await migrate(database)
    assert await current_revision(database) == newest_revision()

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(tables) == {*Base.metadata.tables, "alembic_version"}
    await database.close()


async def test_several_processes_may_start_at_once(empty_url: str) -> None:
    databases = [Database(make_engine(empty_url)) for _ in range(4)]
    await asyncio.gather(*(migrate(database) for database in databases))
    for database in databases:
        assert await current_revision(database) == newest_revision()
        await database.close()


async def test_a_second_start_changes_nothing(empty_url: str) -> None:
    database = Database(make_engine(empty_url))
    await migrate(database)
    async with database.write() as session:
        await session.execute(
            text("INSERT INTO place (kind, name, path, region) VALUES ('district', 'x', '/', '')")
        )
    await migrate(database)
    async with database.read() as session:
        assert await session.scalar(text("SELECT count(*) FROM place")) == 1
    await database.close()


async def test_a_row_without_its_parent_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While tables are rebuilt SQLite checks no foreign key, so it is done at the end."""
    database = Database(make_engine(f"sqlite+aiosqlite:///{tmp_path / 'broken.db'}"))
    await migrate(database)
    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        await raw.driver_connection.execute("PRAGMA foreign_keys=OFF")
        async with connection.begin():
            await connection.execute(
                text(
                    "INSERT INTO place (id, parent_id, kind, name, path, region)"
                    " VALUES (2, 99, 'class', 'x', '/', '')"
                )
            )
    with pytest.raises(ConfigInvalid, match="1 rows without their parent"):
        await migrate(database)
    await database.close()


async def test_foreign_keys_are_on_again_afterwards(tmp_path: Path) -> None:
    database = Database(make_engine(f"sqlite+aiosqlite:///{tmp_path / 'keys.db'}"))
    await migrate(database)
    for _ in range(3):
        async with database.read() as session:
            assert await session.scalar(text("PRAGMA foreign_keys")) == 1
    await database.close()


def test_there_is_one_line_of_revisions() -> None:
    engine = make_engine("sqlite+aiosqlite://")

    async def heads() -> list[str]:
        async with engine.connect() as connection:
            found = await connection.run_sync(
                lambda c: ScriptDirectory.from_config(alembic_config(c)).get_heads()
            )
        await engine.dispose()
        return list(found)

    assert len(asyncio.run(heads())) == 1
    assert all(path.name.startswith("0") for path in (module._FOLDER / "versions").glob("0*.py"))
