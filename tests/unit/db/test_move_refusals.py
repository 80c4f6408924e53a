"""What a move refuses, and that both sides are then as they were."""

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from engines import POSTGRESQL, SQLITE, Databases
from factories import make_case, make_contact, make_district, make_message
from sqlalchemy import URL, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from bot.cli.move import _sentence, _texts
from bot.db import move_table
from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.engine import Database, make_engine
from bot.db.models import Job
from bot.db.move import move
from bot.db.move_sides import MoveRefused, address
from bot.db.move_table import Moved
from bot.jobs.table import enqueue

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
postgresql = pytest.mark.postgresql(reason="moves to or from it")
ENGINES = [SQLITE, pytest.param(POSTGRESQL, marks=postgresql)]
on_both = pytest.mark.parametrize("target", ENGINES, indirect=True)
# What SQLite keeps and PostgreSQL does not.
from_sqlite_to_postgresql = pytest.mark.parametrize(
    ("source", "target"), [pytest.param(SQLITE, POSTGRESQL, marks=postgresql)], indirect=True
)


async def fill(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        contact = await make_contact(session, now=NOW, place=place.class_)
        await make_message(session, contact, now=NOW, text="第一句")
        await make_case(session, contact, now=NOW)
        for number in range(3):
            await enqueue(session, "k", {"n": number}, lane="a", key=f"B{number}", now=NOW)
            await enqueue(session, "k", {}, lane="b", key=f"a{number}", now=NOW)
    await database.close()


@pytest.fixture
async def source(
    request: pytest.FixtureRequest,
    database_url: str,
    migrated: Path,
    tmp_path: Path,
    ring: KeyRing,
) -> URL:
    """The address of a database with some rows, of this run's engine unless said otherwise."""
    if getattr(request, "param", None) == SQLITE:
        shutil.copy(migrated, tmp_path / "source.db")
        database_url = f"sqlite+aiosqlite:///{tmp_path / 'source.db'}"
    await fill(Database(make_engine(database_url)))
    return address(database_url)


@pytest.fixture
def target(request: pytest.FixtureRequest, engine: Databases, tmp_path: Path) -> Iterator[URL]:
    """The address of an empty database, a SQLite file unless said otherwise."""
    if getattr(request, "param", SQLITE) == SQLITE:
        yield address(f"sqlite:///{tmp_path / 'target.db'}")
        return
    with engine.new(tmp_path, empty=True) as url:
        yield address(url)


def take(source: URL, target: URL, keep: bool = True) -> list[Moved]:
    return move(source, target, keep=keep, progress=lambda *_: None)


def refusal(source: URL, target: URL, progress: Callable[..., object] | None = None) -> MoveRefused:
    """Return why a move is refused; it can be said to people, and the target is as it was."""
    before = tables(target)
    with pytest.raises(MoveRefused) as refused:
        move(source, target, keep=True, progress=progress or (lambda *_: None))
    assert "{" not in _sentence(_texts(), refused.value)
    assert tables(target) == before
    if refused.value.code in ("different", "value", "pointer", "target_failed"):
        assert not before or count(target) == 0
    return refused.value


def run(url: URL, *statements: str) -> None:
    """Change a database behind the back of everybody."""
    engine = create_engine(url)
    if url.drivername == "sqlite":
        event.listen(engine, "connect", lambda c, _entry: c.execute("PRAGMA foreign_keys=OFF"))
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def tables(url: URL) -> set[str]:
    """Return the tables of a database; none for a file that is not there."""
    if url.drivername == "sqlite" and not Path(str(url.database)).exists():
        return set()
    engine = create_engine(url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def count(url: URL) -> int:
    """Return how many rows there are in all."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = sum(
            connection.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0
            for table in Base.metadata.tables
        )
    engine.dispose()
    return found


# What goes through --------------------------------------------------------------------------------


@on_both
@pytest.mark.parametrize("batch", [1, 2, 1_000])
def test_whatever_the_size_of_a_batch(
    source: URL, target: URL, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(move_table, "BATCH", batch)
    told: list[tuple[str, int, int]] = []
    moved = move(source, target, keep=True, progress=lambda *step: told.append(step))
    assert {each.table for each in moved} == set(Base.metadata.tables)
    assert count(target) == count(source) == sum(each.rows for each in moved)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1:] == (2 * count(source), 2 * count(source))


@on_both
async def test_ids_go_on_after_the_highest(source: URL, target: URL) -> None:
    run(source, "UPDATE job SET id = 5000000000 WHERE key = 'a1'")
    take(source, target)
    drivers = {"sqlite": "sqlite+aiosqlite"}
    url = target.set(drivername=drivers.get(target.drivername, target.drivername))
    database = Database(make_engine(url.render_as_string(hide_password=False)))
    async with database.write() as session:
        await enqueue(session, "k", {}, key="new", now=NOW)
        contact = await make_contact(session, now=NOW, openid="oNew")
        assert contact.id == 2
        found = await session.scalars(Job.__table__.select().with_only_columns(Job.id))
        assert max(found) == 5_000_000_001
    await database.close()


@on_both
async def test_a_row_may_stand_before_the_one_above_it(source: URL, target: URL) -> None:
    run(source, "UPDATE place SET parent_id = 3 WHERE id = 2")
    take(source, target)
    engine = create_engine(target)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, parent_id FROM place ORDER BY id")).all()
    engine.dispose()
    assert [tuple(row) for row in rows] == [(1, None), (2, 3), (3, 1), (4, 2)]


# Who else is there --------------------------------------------------------------------------------


async def test_somebody_who_is_connected_is_noticed(
    source: URL, target: URL, database: Database
) -> None:
    async with database.read() as session:
        await session.execute(text("SELECT 1 FROM place"))
    assert refusal(source, target).code == "source_running"
    await database.close()
    assert take(source, target)


def test_nobody_writes_meanwhile(source: URL, target: URL) -> None:
    tried: list[str] = []

    def write(table: str, _done: int, _total: int) -> None:
        if table == "staff" and not tried:
            engine = create_engine(source)
            try:
                with engine.begin() as connection:
                    if source.drivername == "sqlite":
                        connection.exec_driver_sql("PRAGMA busy_timeout=0")
                    else:
                        connection.exec_driver_sql("SET LOCAL lock_timeout = '1ms'")
                    connection.exec_driver_sql("UPDATE place SET name = 'x'")
            except DBAPIError as error:
                tried.append(type(error.orig).__name__)
            finally:
                engine.dispose()

    move(source, target, keep=True, progress=write)
    assert tried in (["OperationalError"], ["LockNotAvailable"])


@on_both
def test_a_move_that_is_broken_off_leaves_nothing(source: URL, target: URL) -> None:
    def interrupt(_table: str, done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(source, target, keep=True, progress=interrupt)
    assert tables(target) == set()
    assert take(source, target)


# The target ---------------------------------------------------------------------------------------


@on_both
def test_a_target_that_is_not_empty(source: URL, target: URL) -> None:
    run(target, "CREATE TABLE stranger (a INTEGER)", "INSERT INTO stranger VALUES (7)")
    assert (refused := refusal(source, target)).code == "target_filled"
    assert refused.fields == {"table": "stranger"}
    assert tables(target) == {"stranger"}
    run(target, "DROP TABLE stranger")
    take(source, target)
    before = count(target)
    assert refusal(source, target).code == "target_filled"
    assert count(target) == before


@on_both
def test_a_target_with_empty_tables(source: URL, target: URL) -> None:
    take(source, target)
    run(target, *(f'DELETE FROM "{t.name}"' for t in reversed(Base.metadata.sorted_tables)))
    run(target, "UPDATE alembic_version SET version_num = '0000'")
    assert refusal(source, target).code == "target_revision"
    run(target, "UPDATE alembic_version SET version_num = (SELECT '0001')")
    assert refusal(source, target).code == "target_revision"


@pytest.mark.parametrize("target", ENGINES[1:], indirect=True)
def test_a_target_in_use(source: URL, target: URL) -> None:
    engine = create_engine(target)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT pg_advisory_lock(7309265)")
        assert refusal(source, target).code == "target_running"
        connection.exec_driver_sql("SELECT pg_advisory_unlock(7309265)")
    engine.dispose()
    assert take(source, target)


def test_a_file_in_use(source: URL, target: URL) -> None:
    with closing(sqlite3.connect(str(target.database))) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT * FROM sqlite_master").fetchall()
        assert refusal(source, target).code == "target_running"
    assert take(source, target)


def test_the_source_is_no_target(source: URL, tmp_path: Path) -> None:
    assert refusal(source, source).code == "same"
    if source.drivername == "sqlite":
        (tmp_path / "alias.db").symlink_to(str(source.database))
        (tmp_path / "hard.db").hardlink_to(str(source.database))
        for name in ("alias.db", "hard.db"):
            assert refusal(source, address(f"sqlite:///{tmp_path / name}")).code == "same"
    else:
        alias = source.set(host="localhost")
        assert refusal(source, alias).code in ("source_running", "target_running")
    assert count(source) > 0


def test_a_disk_that_is_full(source: URL, target: URL) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        assert refusal(source, target).code == "target_failed"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not Path(str(target.database)).exists()
    assert take(source, target)


@on_both
def test_a_target_that_changes_a_row(source: URL, target: URL) -> None:
    take(source, target)
    run(target, *(f'DELETE FROM "{t.name}"' for t in reversed(Base.metadata.sorted_tables)))
    body = "UPDATE job SET prio = 4 WHERE id = 2"
    if target.drivername == "sqlite":
        run(target, f"CREATE TRIGGER t AFTER INSERT ON job WHEN NEW.id = 2 BEGIN {body}; END")
    else:
        run(
            target,
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN IF NEW.id = 2 THEN NEW.prio := 4; END IF; RETURN NEW; END $$",
            "CREATE TRIGGER t BEFORE INSERT ON job FOR EACH ROW EXECUTE FUNCTION f()",
        )
    refused = refusal(source, target)
    assert (refused.code, refused.fields) == ("different", {"table": "job", "id": "2"})


@pytest.mark.parametrize("target", ENGINES[1:], indirect=True)
@pytest.mark.parametrize(
    ("side", "code"), [("target", "target_failed"), ("source", "source_failed")]
)
def test_a_server_that_goes_away(source: URL, target: URL, side: str, code: str) -> None:
    lost = target if side == "target" else source

    def cut(_table: str, done: int, total: int) -> None:
        if done >= total // 2:
            engine = create_engine(lost.set(database="postgres"))
            with engine.connect() as connection:
                connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"
                    ),
                    {"n": lost.database},
                )
            engine.dispose()

    assert refusal(source, target, cut).code == code
    assert take(source, target)


# The source ---------------------------------------------------------------------------------------


def test_a_source_of_another_release_or_with_strange_tables(source: URL, target: URL) -> None:
    run(source, "CREATE TABLE stranger (a INTEGER)")
    assert refusal(source, target).code == "source_table"
    run(source, "DROP TABLE stranger", "UPDATE alembic_version SET version_num = '0000'")
    assert refusal(source, target).code == "source_revision"
    run(source, "DELETE FROM alembic_version")
    assert refusal(source, target).code == "source_revision"


BAD = [
    ("UPDATE place SET name = 'a' || char(0) WHERE id = 2", "place", "2", "name", "nul"),
    ("UPDATE place SET name = CAST(x'EDA080' AS TEXT) WHERE id = 2", "place", "2", "", "type"),
    ("UPDATE place SET name = x'00FF' WHERE id = 2", "place", "2", "name", "type"),
    ("UPDATE contact SET who = '12345'", "contact", "1", "who", "length"),
    ("UPDATE job SET prio = 3000000000 WHERE id = 4", "job", "4", "prio", "range"),
    ('UPDATE job SET payload = \'{"a": "\\u0000"}\' WHERE id = 4', "job", "4", "payload", "nul"),
    ("UPDATE job SET payload = '[NaN]' WHERE id = 4", "job", "4", "payload", "json"),
    ("UPDATE job SET payload = '{' WHERE id = 4", "job", "4", "payload", "type"),
    ("UPDATE contact SET following = 2", "contact", "1", "following", "type"),
    ("UPDATE contact SET created_at = 'soon'", "contact", "1", "created_at", "type"),
    ("UPDATE message SET contact_id = 99", "message", "1", "", "rule"),
    ("INSERT INTO lane VALUES ('x', 'fast', 1, 0, 0)", "lane", "x", "per_second", "type"),
]


@from_sqlite_to_postgresql
@pytest.mark.parametrize(("statement", "table", "key", "column", "why"), BAD)
def test_a_value_that_does_not_fit_is_named(
    source: URL, target: URL, statement: str, table: str, key: str, column: str, why: str
) -> None:
    run(source, statement)
    refused = refusal(source, target)
    fields = {"table": table, "id": key, "column": column, "reason": why}
    assert (refused.code, refused.fields) == ("value", fields)


@from_sqlite_to_postgresql
def test_a_parent_that_is_not_there_is_named(source: URL, target: URL) -> None:
    run(source, "UPDATE place SET parent_id = 99 WHERE id = 2")
    refused = refusal(source, target)
    assert (refused.code, refused.fields) == ("pointer", {"table": "place"})


@pytest.mark.postgresql(reason="only it knows such a moment")
def test_a_moment_without_end_is_named(source: URL, target: URL) -> None:
    run(source, "UPDATE contact SET created_at = 'infinity'")
    refused = refusal(source, target)
    assert (refused.code, refused.fields["table"], refused.fields["id"]) == (
        "value",
        "contact",
        "1",
    )


@from_sqlite_to_postgresql
def test_odd_values_survive(source: URL, target: URL, tmp_path: Path) -> None:
    run(
        source,
        "UPDATE job SET payload = 'null' WHERE id = 1",
        'UPDATE job SET payload = \'{"b": 1e-7, "a": ["\\ud83d\\ude2d", 0.1]}\' WHERE id = 2',
        "UPDATE job SET payload = '5' WHERE id = 3",
        "UPDATE job SET payload = '[123456789012345678901234567890, true]' WHERE id = 5",
        "UPDATE job SET run_at = 9223372036854775807, lane = '巷\u200b😭' WHERE id = 4",
        "UPDATE contact SET created_at = '2026-11-22 23:40:00.5+08:00'",
        "INSERT INTO lane VALUES ('Z', 0.1, 1, 1e300, 0), ('a', 1e-300, 1, 9e999, -5)",
        "INSERT INTO schedule VALUES ('é', '', '', '', '{}', 1, 1, 1)",
        "INSERT INTO schedule VALUES ('z', '', '', '', '{}', 1, 1, 0)",
    )
    there = take(source, target)
    back = address(f"sqlite:///{tmp_path / 'back.db'}")
    assert take(target, back) == there
    with closing(sqlite3.connect(str(back.database))) as connection:
        (created,) = connection.execute("SELECT created_at FROM contact").fetchone()
        assert created == "2026-11-22 15:40:00.500000"
        rows = connection.execute(
            "SELECT payload FROM job WHERE id IN (1, 3) ORDER BY id"
        ).fetchall()
        assert rows == [("null",), (5,)]
