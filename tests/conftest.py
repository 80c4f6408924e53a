"""What most tests share: a clock, a key ring, a migrated database on the engine of this run.

The engines are in `engines.py`, the whole running house is in `house.py`.
"""

import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog.testing
from engines import (
    ENGINE,
    Databases,
    SqliteFiles,
    check_setting,
    open_databases,
    sort,
)
from factories import NIGHT, SCENE
from house import KEYS, PARENT, Home, Houses

from bot.core.clock import FixedClock
from bot.db import crypto
from bot.db.engine import Database, make_engine

LEFT = pytest.StashKey[dict[str, list[pytest.Item]]]()


def pytest_configure() -> None:
    """Refuse an engine that isn't there."""
    check_setting()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the other engine's run what belongs there."""
    items[:], config.stash[LEFT] = sort(items)
    config.hook.pytest_deselected(
        items=[item for left in config.stash[LEFT].values() for item in left]
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Count in the open what this run left out, and why."""
    terminalreporter.write_line(f"engine: {ENGINE}")
    for reason, items in sorted(config.stash.get(LEFT, {}).items()):
        terminalreporter.write_line(f"  {len(items)} not run here ({reason})")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is set on this machine out of the tests."""
    for name in os.environ:
        if name.startswith("XINQING_") and not name.startswith("XINQING_TEST_"):
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
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Where this run's databases come from: the engine that XINQING_TEST_ENGINE names."""
    made = open_databases(tmp_path_factory.mktemp("migrated"))
    yield made
    made.close()


@pytest.fixture
def database_url(engine: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of a migrated database of the test's own."""
    with engine.new(tmp_path) as url:
        yield url


@pytest.fixture
def empty_url(engine: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    with engine.new(tmp_path, empty=True) as url:
        yield url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to be copied, whatever the engine: for what moves between two."""
    return SqliteFiles(tmp_path_factory.mktemp("migrated")).migrated


@pytest.fixture
async def database(database_url: str, ring: crypto.KeyRing) -> AsyncIterator[Database]:
    """A migrated database of the test's own."""
    made = Database(make_engine(database_url, synchronous="NORMAL"))
    yield made
    await made.close()


@pytest.fixture
async def houses(
    database_url: str, tmp_path: Path, clock: FixedClock, ring: crypto.KeyRing
) -> AsyncIterator[Houses]:
    """Builds homes on the test's own database; see `house.py`."""
    made = Houses(database_url, tmp_path, clock)
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
