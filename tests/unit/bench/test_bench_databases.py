"""A benchmark's own database: made, used, gone; and nothing but the two engines is taken."""

from pathlib import Path

import pytest
from engines import POSTGRESQL_URL
from sqlalchemy import text

from bot.bench.databases import engine_version, own_database, plain_engine
from bot.core.errors import ConfigInvalid


def test_sqlite_lives_in_the_folder(tmp_path: Path) -> None:
    with own_database("sqlite", tmp_path) as address:
        assert address.startswith("sqlite+aiosqlite:///")
        with plain_engine(address).begin() as connection:
            connection.execute(text("CREATE TABLE seen (id INTEGER)"))
    assert [path.name for path in tmp_path.iterdir()] == ["xinqing.db"]
    assert engine_version("sqlite").startswith("SQLite 3.")


@pytest.mark.postgresql(reason="makes and drops databases of a server")
def test_postgresql_is_made_and_dropped(tmp_path: Path) -> None:
    with own_database(POSTGRESQL_URL, tmp_path) as address:
        with plain_engine(address).connect() as connection:
            name = connection.scalar(text("SELECT current_database()"))
        assert str(name).startswith("xinqing_bench_")
    with plain_engine(POSTGRESQL_URL).connect() as connection:
        left = text("SELECT count(*) FROM pg_database WHERE datname = :name")
        assert connection.scalar(left, {"name": name}) == 0
    assert engine_version(POSTGRESQL_URL).startswith("PostgreSQL ")


@pytest.mark.parametrize("where", ["mysql://a@b/c", "sqlite:///other.db", "nonsense", ""])
def test_another_address_is_refused(where: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid), own_database(where, tmp_path):
        pass
