"""`xinqing audit`, `retention` and `rotate-keys`: what they print, write, and exit with."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from factories import make_contact, make_message, make_staff
from house import KEYS
from openpyxl import load_workbook
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.core.errors import InputInvalid
from bot.db import crypto, field_keys, tenant_keys
from bot.db.crypto import KeyRing, new_key
from bot.db.engine import Database, make_engine
from bot.db.field_keys import FieldKeys
from bot.db.models import (
    AuditEntry,
    Child,
    Consent,
    DataRequest,
    Guardian,
    LegalHold,
    Message,
    ReadPermit,
    RetentionRun,
    TenantKey,
)
from bot.services import audit, consents, data_requests, people, places, retention

Run = Callable[..., Result]
NOW = datetime.now(UTC)


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the test's database, with a data folder of the test's own."""
    monkeypatch.setenv("XINQING_DATABASE_URL", database_url)
    monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XINQING_SECRET_KEYS", KEYS)
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def change(database_url: str, ring: KeyRing) -> Callable[[Any], Any]:
    """Do something in a transaction of its own, outside the commands."""

    def outside(action: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        async def inside() -> Any:
            database = Database(make_engine(database_url))
            try:
                async with database.write() as session:
                    return await action(session)
            finally:
                await database.close()

        return asyncio.run(inside())

    return outside


async def _three(session: AsyncSession) -> None:
    for number in range(3):
        await audit.record(
            session,
            staff_id=None,
            action="case.read",
            object_kind="case",
            object_id=number,
            now=NOW,
            data={"level": "=1+1"},
        )


def test_a_whole_trail_is_said_to_be_whole_and_anchored(
    run: Run, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    change(_three)
    done = run("audit", "verify")
    assert done.exit_code == 0
    newest = done.stdout.rpartition("：")[2].strip()
    assert newest.startswith("3:")
    assert len(list((tmp_path / "audit").glob("*.json"))) == 1
    assert run("audit", "verify", "--hash", newest).exit_code == 0


def test_the_first_broken_entry_is_named(run: Run, change: Callable[[Any], Any]) -> None:
    change(_three)
    change(
        lambda session: session.execute(
            update(AuditEntry).where(AuditEntry.id == 2).values(action="x")
        )
    )
    done = run("audit", "verify")
    assert done.exit_code == 1
    assert "从第 2 条起对不上" in done.stderr


def test_a_cut_off_end_is_found_by_the_anchor_or_by_the_printed_hash(
    run: Run, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    change(_three)
    newest = run("audit", "verify").stdout.rpartition("：")[2].strip()
    change(lambda session: session.execute(delete(AuditEntry).where(AuditEntry.id == 3)))
    done = run("audit", "verify")
    assert done.exit_code == 1
    assert "应有第 3 条" in done.stderr
    for anchor in (tmp_path / "audit").glob("*.json"):
        anchor.unlink()
    assert run("audit", "verify", "--hash", newest).exit_code == 1
    assert run("audit", "verify").exit_code == 0
    assert isinstance(run("audit", "verify", "--hash", "3:short").exception, InputInvalid)


def test_entries_are_exported_in_both_forms_and_that_is_recorded(
    run: Run, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    change(_three)
    days = ("--from", str((NOW - timedelta(days=1)).date()), "--to", "2100-01-01")
    lines = tmp_path / "out.jsonl"
    assert run("audit", "export", str(lines), *days).exit_code == 0
    rows = [json.loads(line) for line in lines.read_text("utf-8").splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3]
    sheet_file = tmp_path / "out.xlsx"
    assert run("audit", "export", str(sheet_file), *days).exit_code == 0
    sheet = load_workbook(sheet_file).active
    assert sheet is not None
    table = list(sheet.iter_rows(values_only=True))
    assert table[0][:3] == ("id", "at", "staff_id")
    assert [row[3] for row in table[1:]] == ["case.read"] * 3 + ["audit.exported"]
    assert isinstance(run("audit", "export", str(lines), *days).exception, InputInvalid)
    assert isinstance(run("audit", "export", "out.csv", *days).exception, InputInvalid)


def test_the_report_on_minors_holds_counts(
    run: Run, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    change(_three)
    report = tmp_path / "minors.jsonl"
    days = ("--from", str((NOW - timedelta(days=1)).date()), "--to", "2100-01-01")
    assert run("audit", "export", "--minors", str(report), *days).exit_code == 0
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    assert {"section", "what", "role", "purpose", "count"} == set(rows[0])
    assert [row["count"] for row in rows if row["section"] == "read"] == [3]


def test_the_report_as_an_excel_file_is_in_chinese(
    run: Run, change: Callable[[Any], Any], tmp_path: Path
) -> None:
    """It goes to an authority: no code and no English word stands in it."""
    change(_three)
    change(_of_every_kind)
    days = ("--from", str((NOW - timedelta(days=1)).date()), "--to", "2100-01-01")
    file = tmp_path / "minors.xlsx"
    assert run("audit", "export", "--minors", str(file), *days).exit_code == 0
    sheet = load_workbook(file).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("栏目", "内容", "什么角色", "目的", "次数")
    words = [str(value) for row in rows for value in row[:4] if value is not None]
    assert [word for word in words if re.search("[A-Za-z]", word)] == []
    assert ("现有数量（报告当天）", "在册孩子", None, None, 0) in rows
    for section in ("给出的同意", "撤回的同意", "不同意"):
        assert (section, "告诉学校", None, None, 1) in rows


def test_days_in_the_wrong_order_are_refused(run: Run, tmp_path: Path) -> None:
    days = ("--from", "2026-12-31", "--to", "2026-01-01")
    found = run("audit", "export", str(tmp_path / "x.jsonl"), *days)
    assert isinstance(found.exception, InputInvalid)
    assert not (tmp_path / "x.jsonl").exists()


async def _of_every_kind(session: AsyncSession) -> None:
    """Add what each section of the report counts, with every code that it may hold."""
    person = await make_staff(session, now=NOW)
    contact = await make_contact(session, now=NOW)
    for state in ("asked", "approved", "refused", "ended", "broken", "justified", "unjustified"):
        permit = {"staff_id": person.id, "kind": "child", "object_id": 1, "reason": "r"}
        session.add(ReadPermit(**permit, state=state, asked_at=NOW))
    for kind in data_requests.KINDS:
        asked = {"kind": kind, "state": "open", "words": "w", "answer": ""}
        session.add(DataRequest(contact_id=contact.id, **asked, created_at=NOW, due_at=NOW))
    for kind in ("contact", "child", "case"):
        session.add(LegalHold(kind=kind, object_id=1, reason="r", created_at=NOW))
    for kind in consents.KINDS:
        session.add(
            Consent(contact_id=contact.id, kind=kind, version=1, given_at=NOW, withdrawn_at=NOW)
        )
    refused = Consent(contact_id=contact.id, kind="school", version=2, given_at=NOW, refused=True)
    session.add(refused)
    session.add(RetentionRun(at=NOW, counts=dict.fromkeys(retention.timed(), 1)))


async def _old_and_new(session: AsyncSession) -> None:
    contact = await make_contact(session, now=NOW)
    for days in (0, 91, 92):
        await make_message(session, contact, now=NOW - timedelta(days=days), state="done")


async def _counts(session: AsyncSession) -> tuple[int, int]:
    messages = await session.scalar(select(func.count(Message.id)))
    nights = await session.scalar(select(func.count(RetentionRun.id)))
    return messages or 0, nights or 0


def test_a_dry_run_counts_and_a_run_deletes_and_proves(
    run: Run, change: Callable[[Any], Any]
) -> None:
    change(_old_and_new)
    dry = run("retention", "run", "--dry-run")
    assert dry.exit_code == 0
    assert "没有删除" in dry.stdout
    assert change(_counts) == (3, 0)
    done = run("retention", "run")
    assert done.exit_code == 0
    assert "还有 0 条到期未删" in done.stdout
    assert change(_counts) == (1, 1)


async def _district(session: AsyncSession) -> int:
    district = await places.add(session, kind="district", name="晴川区", parent=None)
    contact = await make_contact(session, now=NOW, place=district)
    await make_message(session, contact, now=NOW, state="done")
    return district.id


def test_keys_are_rotated_for_the_ring_and_for_a_district(
    run: Run, change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    district = change(_district)
    monkeypatch.setenv("XINQING_SECRET_KEYS", f"{new_key('fresh')},{KEYS}")
    done = run("rotate-keys")
    assert done.exit_code == 0
    assert "还在旧密钥下的 0 个" in done.stdout
    monkeypatch.setattr(tenant_keys, "WRITES_AFTER", timedelta())
    done = run("rotate-keys", "--district", str(district))
    assert done.exit_code == 0
    assert f"新密钥 d{district}-1" in done.stderr
    assert len(change(lambda session: session.scalars(select(TenantKey.key_id))).all()) == 1
    field_keys.use(FieldKeys())
    crypto.install(KeyRing.parse(KEYS))


async def _family(session: AsyncSession) -> None:
    ring = crypto.installed()
    session.add_all(
        [
            Child(
                name="林小晴",
                name_key=people.name_key(ring, "林小晴"),
                student_no="2024001",
                student_key=people.student_key(ring, "2024001"),
                source="import",
                created_at=NOW,
            ),
            Child(name="", name_key="", source="import", created_at=NOW),
            Guardian(
                name="林静",
                phone="13800000000",
                phone_key=people.phone_key(ring, "13800000000"),
                source="import",
                created_at=NOW,
            ),
        ]
    )


def test_people_are_found_again_after_the_old_key_has_gone(
    run: Run, change: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(_family)
    fresh = new_key("fresh")
    monkeypatch.setenv("XINQING_SECRET_KEYS", f"{fresh},{KEYS}")
    assert "查找码" not in run("rotate-keys").stdout
    monkeypatch.setenv("XINQING_SECRET_KEYS", fresh)
    assert "重算了 2 个人的查找码" in run("rotate-keys").stdout
    ring = KeyRing.parse(fresh)
    keys = change(lambda session: session.scalars(select(Child.name_key).order_by(Child.id)))
    assert list(keys) == [people.name_key(ring, "林小晴"), ""]
    phones = change(lambda session: session.scalars(select(Guardian.phone_key)))
    assert list(phones) == [people.phone_key(ring, "13800000000")]
    assert "查找码" not in run("rotate-keys").stdout
    crypto.install(KeyRing.parse(KEYS))
