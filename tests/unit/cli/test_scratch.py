"""The batch forms say of people on duty what live would say, and leave the real database alone."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from house import DANGER, KEYS
from sqlalchemy import update

from bot.cli.scratch import scratch_house, tell
from bot.db.engine import Database
from bot.db.models import Contact, HotlineRow, Job, Message, Staff
from bot.services import demo


@pytest.fixture
def setup_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of a service with one duty group, in a folder of its own."""
    for name, value in {
        "DATA_DIR": str(tmp_path),
        "SECRET_KEYS": KEYS,
        "ENCODER": "none",
        "ALERT__DISTRICT__KIND": "wecom",
        "ALERT__DISTRICT__URL": "http://127.0.0.1:1/robot",
    }.items():
        monkeypatch.setenv(f"XINQING_{name}", value)
    return tmp_path


@pytest.fixture
def real(
    setup_folder: Path, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Database:
    """The database of that service."""
    monkeypatch.setenv("XINQING_DATABASE_URL", database_url)
    return database


async def say(*texts: str) -> list[str]:
    """Say each text as another person and return the first reply to each."""
    replies = []
    async with scratch_house() as house:
        for number, text in enumerate(texts):
            _, outcome = await tell(house, f"person-{number}", text, datetime.now(UTC))
            assert outcome is not None
            replies.append(outcome.replies[0].text)
    return replies


async def count(database: Database, model: type[Contact | Job | Message]) -> int:
    async with database.read() as session:
        return len(list(await session.scalars(model.__table__.select())))


async def test_without_a_database_nobody_is_on_duty(setup_folder: Path) -> None:
    (reply,) = await say("转人工")
    assert "现在没有值班老师" in reply
    assert not (setup_folder / "xinqing.db").exists(), "asking makes no database"


async def test_a_file_that_is_no_database_is_left_aside(setup_folder: Path) -> None:
    (setup_folder / "xinqing.db").write_bytes(b"")
    (reply,) = await say("转人工")
    assert "现在没有值班老师" in reply


async def test_the_roster_and_the_lines_of_the_real_one_count(real: Database) -> None:
    async with real.write() as session:
        await demo.seed(session, account="school1", now=datetime.now(UTC))
        await session.execute(
            update(HotlineRow).where(HotlineRow.number == "110").values(name="报警电话")
        )
    before = [await count(real, model) for model in (Contact, Message, Job)]
    handoff, danger = await say("转人工", DANGER)
    assert "正在把你的话转给值班老师" in handoff
    assert "110报警电话" in handoff
    assert "正在通知值班心理老师" in danger
    assert [await count(real, model) for model in (Contact, Message, Job)] == before


async def test_no_name_and_no_password_is_copied(real: Database) -> None:
    async with real.write() as session:
        await demo.seed(session, account="school1", now=datetime.now(UTC))
    async with scratch_house() as house, house.services.database.read() as session:
        staff = list(await session.scalars(Staff.__table__.select().with_only_columns(Staff.login)))
        names = set(await session.scalars(Staff.__table__.select().with_only_columns(Staff.name)))
        contacts = list(await session.scalars(Contact.__table__.select()))
    assert staff
    assert all(login.isdigit() for login in staff)
    assert names == {""}
    assert contacts == []
