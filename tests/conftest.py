"""What most tests share: a clock, a key ring, a migrated database, PostgreSQL when it is there.

The whole running house is in `house.py`; its fixture `home` is loaded from here.
"""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing
from engines import needs_postgresql, postgresql_database
from factories import NIGHT, SCENE
from house import KEYS, PARENT, Home, Houses

from bot.core.clock import FixedClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is set on this machine out of the tests."""
    for name in os.environ:
        if name.startswith("XINQING_") and name != "XINQING_TEST_POSTGRESQL_URL":
            monkeypatch.delenv(name)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands at 23:40 on a Sunday in China."""
    return FixedClock(NIGHT)


@pytest.fixture
def ring() -> Iterator[crypto.KeyRing]:
    """The key ring that encrypted columns use."""
    made = crypto.KeyRing.parse(KEYS)
    crypto.install(made)
    yield made
    crypto.install(made)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    asyncio.run(_migrate(f"sqlite+aiosqlite:///{path}"))
    return path


async def _migrate(url: str) -> None:
    database = Database(make_engine(url))
    await migrate(database)
    await database.close()


def _copied(migrated: Path, folder: Path) -> str:
    path = folder / "xinqing.db"
    shutil.copy(migrated, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def database(migrated: Path, tmp_path: Path, ring: crypto.KeyRing) -> AsyncIterator[Database]:
    """A migrated SQLite database of the test's own."""
    made = Database(make_engine(_copied(migrated, tmp_path), synchronous="NORMAL"))
    yield made
    await made.close()


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[str]:
    """The name of an empty PostgreSQL database at the newest revision, to be copied."""
    with postgresql_database() as url:
        asyncio.run(_migrate(url.render_as_string(hide_password=False)))
        yield str(url.database)


@pytest.fixture
def postgresql_copy(migrated_postgresql: str) -> Iterator[str]:
    """The address of a migrated PostgreSQL database of the test's own."""
    with postgresql_database(migrated_postgresql) as url:
        yield url.render_as_string(hide_password=False)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=[pytest.mark.postgresql, needs_postgresql]),
    ]
)
def any_url(request: pytest.FixtureRequest) -> str:
    """The address of a database of the test's own, once on each engine."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql_copy"))
    return _copied(request.getfixturevalue("migrated"), request.getfixturevalue("tmp_path"))


@pytest.fixture
async def any_database(any_url: str, ring: crypto.KeyRing) -> AsyncIterator[Database]:
    """A migrated database of the test's own, once on each engine."""
    made = Database(make_engine(any_url, synchronous="NORMAL"))
    yield made
    await made.close()


@pytest.fixture
async def houses(
    migrated: Path, tmp_path: Path, clock: FixedClock, ring: crypto.KeyRing
) -> AsyncIterator[Houses]:
    """Builds homes on the test's own database; see `house.py`."""
    made = Houses(migrated, tmp_path, clock)
    yield made
    await made.close()


@pytest.fixture
async def home(houses: Houses) -> Home:
    """A running house with nobody on duty, at 23:40."""
    return await houses.make()


@pytest.fixture
async def staffed(home: Home) -> Home:
    """The same with the school's counselor on duty, and a parent of the class."""
    await home.on_duty()
    await home.driver.follow(PARENT, SCENE)
    await home.house.handover.flush()
    await home.work()
    home.platform.sent.clear()
    return home


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything that was logged, ours and the libraries', as one text."""
    caplog.set_level(logging.INFO)
    with structlog.testing.capture_logs() as ours:
        yield lambda: "\n".join([*(repr(line) for line in ours), caplog.text])
