"""A whole installation moves to another database and goes on there, and comes back the same."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import POSTGRESQL, SQLITE, Databases
from fakes import HOMEWORK
from house import CALM, DANGER, KEYS, PARENT, URGENT, Home, Houses
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.db.base import Base
from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate
from bot.db.models import Consent
from bot.db.move import move
from bot.db.move_sides import address
from bot.services import demo

PASSWORD = "Geheim-31415"


# A run on PostgreSQL moves in all directions, one on SQLite within SQLite.
PAIRS = [
    (SQLITE, SQLITE),
    *(
        pytest.param(*pair, marks=pytest.mark.postgresql(reason="moves to or from it"))
        for pair in ((SQLITE, POSTGRESQL), (POSTGRESQL, SQLITE), (POSTGRESQL, POSTGRESQL))
    ),
]
everywhere = pytest.mark.parametrize(("source_url", "target_url"), PAIRS, indirect=True)


@pytest.fixture
def source_url(
    request: pytest.FixtureRequest, database_url: str, migrated: Path, tmp_path: Path
) -> str:
    """The address of a migrated database, of this run's engine unless said otherwise."""
    if getattr(request, "param", None) != SQLITE:
        return database_url
    shutil.copy(migrated, tmp_path / "source.db")
    return f"sqlite+aiosqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def target_url(request: pytest.FixtureRequest, engine: Databases, tmp_path: Path) -> Iterator[str]:
    """The address of a database that is still to be filled."""
    if getattr(request, "param", SQLITE) == SQLITE:
        yield f"sqlite+aiosqlite:///{tmp_path / 'moved.db'}"
        return
    with engine.new(tmp_path, empty=True) as url:
        yield url


@pytest.fixture
async def filled(houses: Houses, source_url: str) -> str:
    """The address of a database that a service has worked on and let go of."""
    home = await houses.make(database_url=source_url)
    async with home.write() as session:
        await demo.seed(session, account="demo", now=home.clock.now())
    await home.on_duty()
    await home.driver.follow(PARENT, "class-302")
    for text in (CALM, HOMEWORK, DANGER, "同意1", "姑姑 13800000000", "😭𠮷"):
        await home.say(text)
        await home.work()
    await home.say("我家的猫不吃东西", parent="oSecond")
    await home.close()
    return source_url


@pytest.fixture
def unused(migrated: Path, tmp_path: Path) -> None:
    """An installation in which nothing has happened yet."""
    shutil.copy(migrated, tmp_path / "xinqing.db")


def take(source: str, target: str, *, keep: bool = True) -> dict[str, tuple[int, str]]:
    """Move and return count and hash by table."""
    moved = move(address(source), address(target), keep=keep, progress=lambda *_: None)
    return {each.table: (each.rows, each.sha256) for each in moved}


def content(url: str) -> bytes:
    """Return what stands in a SQLite file, nothing for PostgreSQL."""
    path = Path(make_url(url).database or "")
    return path.read_bytes() if path.is_absolute() else b""


async def story(home: Home) -> list[object]:
    """Return what can be read, decrypted."""
    contacts = [await home.contact(), await home.contact("oSecond")]
    return [
        [(m.id, m.text, m.level, m.received_at, m.state) for m in await home.messages()],
        [(d.id, d.body, d.state, d.route) for d in await home.deliveries()],
        [(a.spans, a.reasons, a.categories) for a in await home.assessments()],
        [(c.id, c.name, c.emergency_contact, c.place_id, c.pending) for c in contacts],
        [(c.id, c.level, c.state, c.opened_at) for c in await home.cases()],
        [(c.kind, c.given_at) for c in await home.rows(Consent)],
    ]


@everywhere
async def test_the_service_goes_on_where_it_stopped(
    houses: Houses, filled: str, target_url: str
) -> None:
    before = await houses.make(database_url=filled)
    told = await story(before)
    late = before.driver.prepare(PARENT, CALM, message_id="7001")
    await before.driver.deliver(late)
    await before.close()
    moved = take(filled, target_url)
    assert moved.keys() == Base.metadata.tables.keys()
    for table in ("message", "assessment", "delivery", "risk_case", "case_event", "job", "place"):
        assert moved[table][0] > 0
    home = await houses.make(database_url=target_url)
    now = await story(home)
    # What is told of each table has its own shape: lists, and nothing that mypy could name.
    assert [part[: len(old)] for part, old in zip(now, told, strict=True)] == told  # type: ignore[index,arg-type]  # rows are plain tuples
    count = len(await home.messages())
    await home.driver.deliver(late)
    assert len(await home.messages()) == count, "what was stored there is known here"
    assert "120" in await home.say(URGENT)
    assert (await home.case()).level == "3!", "the open case is raised, not opened again"
    assert [m.id for m in await home.messages()] == list(range(1, count + 2)), "ids go on"
    await home.work()
    assert "3!" in home.alerts()[-1]


@everywhere
async def test_there_and_back_is_the_same(filled: str, target_url: str, tmp_path: Path) -> None:
    there = take(filled, target_url)
    back = f"sqlite+aiosqlite:///{tmp_path / 'back.db'}"
    assert take(target_url, back) == there


@everywhere
async def test_a_rehearsal_leaves_nothing(filled: str, target_url: str, tmp_path: Path) -> None:
    before = content(filled)
    rehearsed = take(filled, target_url, keep=False)
    assert not (tmp_path / "moved.db").exists()
    assert take(filled, target_url) == rehearsed, "and the other one is still empty"
    assert content(filled) == before, "not a byte of the old one is changed"


# The command --------------------------------------------------------------------------------------


def xinqing(folder: Path, *arguments: str, **environment: str) -> Result:
    """Run the command as in a shell."""
    settings = {"XINQING_DATA_DIR": str(folder), "XINQING_SECRET_KEYS": KEYS}
    return CliRunner().invoke(app, ["move", *arguments], env=settings | environment)


@everywhere
async def test_the_command_says_what_to_do_next(
    filled: str, target_url: str, tmp_path: Path
) -> None:
    url = make_url(target_url)
    if url.host:
        url = url.set(password=PASSWORD)
    written = url.render_as_string(hide_password=False)
    source = {"XINQING_DATABASE_URL": filled}
    rehearsed = xinqing(tmp_path, "--to", written, "--check-only", **source)
    assert (rehearsed.exit_code, "演练完成" in rehearsed.stdout) == (0, True)
    done = xinqing(tmp_path, "--to", written, "--yes", **source)
    assert done.exit_code == 0, done.output
    assert "两边逐表一致" in done.stdout
    assert "旧库" in done.stdout
    assert f"{tmp_path / '.env'}" in done.stdout
    (line,) = [x.strip() for x in done.stdout.splitlines() if "XINQING_DATABASE_URL=" in x]
    assert line == f"XINQING_DATABASE_URL={url.render_as_string(hide_password=True)}"
    assert ("把 *** 换成" in done.stdout) == bool(url.password)
    for result in (rehearsed, done):
        assert PASSWORD not in result.output
    assert "环境里已经设了 XINQING_DATABASE_URL" in done.stdout
    again = xinqing(tmp_path, "--to", written, "--yes", **source)
    assert again.exit_code == 2
    assert "新库不是空的" in again.stderr


@pytest.mark.usefixtures("unused")
async def test_without_a_yes_nothing_happens(tmp_path: Path) -> None:
    target = tmp_path / "moved.db"
    result = xinqing(tmp_path, "--to", f"sqlite:///{target}")
    assert result.exit_code == 1
    assert "现在开始吗" in result.output
    assert not target.exists()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("nonsense", "看不懂"),
        ("mysql://a:Geheim-31415@b/c", "看不懂"),
        ("postgresql+psycopg://a:Geheim-31415@127.0.0.1:x/c", "看不懂"),
        ("postgresql+psycopg://a:Geheim-31415@127.0.0.1:1/c", "新库连不上"),
        ("postgresql+psycopg://a@127.0.0.1:1/c?password=Geheim-31415", "新库连不上"),
        ("postgresql+psycopg://a:Geheim-31415@127.0.0.1:1/c?nonsense=1", "新库连不上"),
        ("sqlite://", "看不懂"),
        ("sqlite:///no/such/folder/x.db", "新库连不上"),
    ],
)
@pytest.mark.usefixtures("unused")
async def test_an_address_that_is_wrong(tmp_path: Path, written: str, said: str) -> None:
    result = xinqing(tmp_path, "--to", written, "--yes")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert PASSWORD not in result.output


async def test_a_source_that_can_not_be_moved(tmp_path: Path) -> None:
    target = f"sqlite:///{tmp_path / 'moved.db'}"
    assert "打不开" in xinqing(tmp_path, "--to", target, "--yes").stderr
    (tmp_path / "xinqing.db").write_bytes(b"no database at all" * 100)
    assert "打不开" in xinqing(tmp_path, "--to", target, "--yes").stderr
    other = xinqing(tmp_path, "--to", target, "--yes", XINQING_DATABASE_URL="mysql://a:b@c/d")
    assert "XINQING_DATABASE_URL 不能搬" in other.stderr
    assert not any(name.startswith("moved") for name in os.listdir(tmp_path))


async def test_a_service_that_still_runs_is_noticed(
    houses: Houses, database_url: str, tmp_path: Path
) -> None:
    home = await houses.make()
    arguments = ("--to", f"sqlite:///{tmp_path / 'moved.db'}", "--yes")
    source = {"XINQING_DATABASE_URL": database_url}
    refused = xinqing(tmp_path, *arguments, **source)
    assert (refused.exit_code, "还有别的程序连着" in refused.stderr) == (2, True)
    await home.say(CALM)
    assert len(await home.messages()) == 1, "and it goes on as before"
    await home.close()
    assert xinqing(tmp_path, *arguments, **source).exit_code == 0


async def test_the_old_tables_of_an_earlier_release_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "xinqing.db"
    database = Database(make_engine(f"sqlite+aiosqlite:///{path}"))
    await migrate(database)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    await database.close()
    result = xinqing(tmp_path, "--to", f"sqlite:///{tmp_path / 'moved.db'}", "--yes")
    assert "表结构是 0000" in result.stderr
    assert "xinqing setup" in result.stderr


@pytest.mark.usefixtures("unused")
async def test_the_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    target = tmp_path / "moved.db"
    assert xinqing(tmp_path, "--to", f"sqlite:///{target}", "--yes").exit_code == 0
    assert os.stat(target).st_mode & 0o077 == 0
