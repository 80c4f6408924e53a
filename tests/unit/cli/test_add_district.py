"""`xinqing staff add-district`: from an empty house to a school, with nobody above the district."""

import asyncio
from pathlib import Path

import pytest
from house import KEYS
from sqlalchemy import select
from typer.testing import CliRunner

from bot.cli import app
from bot.core.clock import SystemClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database, make_engine
from bot.db.models import AuditEntry, Place, Staff
from bot.services import staff, staffing, tree


@pytest.fixture
def arguments(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command, on the test's database."""
    monkeypatch.setenv("XINQING_DATABASE_URL", database_url)
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XINQING_SECRET_KEYS", KEYS)
    return ["staff", "add-district", "晴川区", "--login", "first", "--person", "李老师"]


def test_the_first_account_opens_a_school_and_the_others(
    database_url: str, ring: KeyRing, arguments: list[str]
) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "first 的一次性密码" in result.output
    twice = CliRunner().invoke(app, [*arguments[:-3], "second", *arguments[-2:]])
    assert twice.exit_code != 0
    asyncio.run(_opens(database_url))


async def _opens(database_url: str) -> None:
    database, now = Database(make_engine(database_url)), SystemClock().now()
    try:
        async with database.write() as session:
            (district,) = (await session.scalars(select(Place))).all()
            (person,) = (await session.scalars(select(Staff))).all()
            by = await staff.view(session, person, now)
            actions = list(await session.scalars(select(AuditEntry.action)))
            school = await tree.create(
                session,
                by,
                parent_id=district.id,
                kind="school",
                name="晴川一小",
                key="first-school",
                now=now,
            )
        assert actions == ["place.created", "staff.created", "role.granted"]
        async with database.read() as session:
            by = await staff.view(session, await session.get_one(Staff, person.id), now)
        made, _ = await staffing.create(
            database, by, login="admin", name="王老师", role="admin", place_id=school.id, now=now
        )
        assert made
    finally:
        await database.close()
