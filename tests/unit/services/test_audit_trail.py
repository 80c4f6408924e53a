"""What stands beside the chain: anchors outside the database, the list's words, the report."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from factories import make_contact, make_district, make_message, make_staff
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

import bot
import handlers
from bot.core.clock import to_shanghai
from bot.db.engine import Database
from bot.db.models import AuditEntry, Consent, LegalHold, Message, ReadPermit, RetentionRun
from bot.services import audit, audit_list, audit_minors, consents, staff
from bot.services.anchors import Anchors, first_missing

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
DAY = timedelta(days=1)
# An action as the calls around `audit.record` name it.
NAMED = re.compile(
    r'(?:action=|_(?:record|note|changed|step|log)\((?:[\w.]+,\s*)*)\s*"([a-z_]+\.[a-z_]+)"'
)


async def _fill(database: Database, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        async with database.write() as session:
            await audit.record(
                session,
                staff_id=None,
                action="case.read",
                object_kind="case",
                object_id=number,
                now=NOW + timedelta(seconds=number),
            )


async def test_an_end_that_was_cut_off_is_found_by_its_anchor(
    database: Database, tmp_path: Path
) -> None:
    anchors = Anchors(tmp_path)
    async with database.read() as session:
        anchors.write(await audit.newest(session), NOW - DAY)
    await _fill(database, 3)
    async with database.read() as session:
        newest = await audit.newest(session)
    path = anchors.write(newest, NOW)
    assert path.stem == str(to_shanghai(NOW).date())
    await _fill(database, 2, 3)
    async with database.read() as session:
        assert await first_missing(session, anchors) is None
    async with database.write() as session:
        await session.execute(delete(AuditEntry).where(AuditEntry.id >= 3))
    async with database.read() as session:
        assert await audit.verify(session) is None
        missing = await first_missing(session, anchors)
    assert missing is not None
    assert (missing.entry_id, missing.hash) == (3, newest.hash)


async def test_an_end_that_was_rewritten_is_found_too(database: Database, tmp_path: Path) -> None:
    await _fill(database, 3)
    async with database.read() as session:
        Anchors(tmp_path).write(await audit.newest(session), NOW)
    async with database.write() as session:
        await session.execute(delete(AuditEntry).where(AuditEntry.id == 3))
    await _fill(database, 1, 7)
    async with database.read() as session:
        assert await audit.verify(session) is None
        assert await first_missing(session, Anchors(tmp_path)) is not None


async def test_a_spoilt_anchor_counts_as_missing(database: Database, tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "2026-11-22.json").write_text("{", encoding="utf-8")
    async with database.read() as session:
        missing = await first_missing(session, Anchors(tmp_path))
    assert missing is not None
    assert missing.day == date(2026, 11, 22)


async def test_progress_ends_with_all_of_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "VERIFY_BATCH", 2)
    await _fill(database, 5)
    seen: list[tuple[int, int]] = []
    async with database.read() as session:
        await audit.verify(session, lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]


@given(st.dates(date(2001, 1, 1), date(2100, 1, 1)), st.integers(0, 400))
def test_days_are_those_of_china_and_the_last_one_counts(first: date, more: int) -> None:
    wanted = audit_list.of_days(first, first + timedelta(days=more))
    assert wanted.since is not None
    assert wanted.until is not None
    assert to_shanghai(wanted.since).date() == first
    assert wanted.until - wanted.since == timedelta(days=more + 1)


def _sources() -> Iterator[str]:
    for package in (bot, handlers):
        for path in Path(str(package.__file__)).parent.rglob("*.py"):
            text = path.read_text("utf-8")
            if "audit" in text or "log_reads" in text:
                yield text


def test_every_action_has_its_chinese_words() -> None:
    found = {name for text in _sources() for name in NAMED.findall(text)}
    assert {"case.read", "rules.published", "audit.exported"} <= found
    assert found <= set(audit_list.actions())


def test_what_touches_minors_is_said_in_known_words() -> None:
    kinds = {row["minors"] for row in audit_list.actions().values() if "minors" in row}
    assert kinds <= {
        "read",
        "change",
        "ask",
        "approve",
        "refuse",
        "break_glass",
        "share",
        "export",
        "delete",
    }
    assert all(row["word"] for row in audit_list.actions().values())


async def test_the_report_counts_by_role_and_purpose_and_names_nobody(database: Database) -> None:
    async with database.write() as session:
        district = await make_district(session, now=NOW)
        counselor = district.counselor
        await staff.grant(
            session, staff_id=counselor.id, place_id=district.school.id, role="counselor"
        )
        stranger = await make_staff(session, now=NOW)
        contact = await make_contact(session, now=NOW)
        session.add(Consent(contact_id=contact.id, kind="school", version=1, given_at=NOW))
        session.add(
            ReadPermit(
                staff_id=counselor.id,
                kind="child",
                object_id=1,
                reason="家访",
                state="approved",
                broken_glass=True,
                asked_at=NOW,
            )
        )
        session.add(RetentionRun(at=NOW, counts={"chat": 3, "finished": True}))
        for by, action, days in (
            (counselor.id, "case.read", 0),
            (counselor.id, "case.read", 1),
            (stranger.id, "case.read", 0),
            (None, "consent.exception", 0),
            (counselor.id, "signed_in", 0),
            (counselor.id, "case.read", 40),
        ):
            await audit.record(
                session,
                staff_id=by,
                action=action,
                object_kind="case",
                object_id=1,
                now=NOW - days * DAY,
                data={"reason": "duty" if days == 1 else "妈妈在电话里说的话"},
            )
    async with database.read() as session:
        wanted = audit_list.of_days(date(2026, 11, 1), date(2026, 11, 30))
        rows = await audit_minors.report(session, wanted)
    found = {(r["section"], r["what"], r["role"], r["purpose"]): r["count"] for r in rows}
    assert found == {
        ("read", "看了个案", "counselor", ""): 1,
        ("read", "看了个案", "counselor", "duty"): 1,
        ("read", "看了个案", "none", ""): 1,
        ("share", audit_list.word("consent.exception"), "service", ""): 1,
        ("permit_broken_glass", "approved", "", ""): 1,
        ("consent_given", "school", "", ""): 1,
        ("deleted", "chat", "", ""): 3,
        ("stock", "children", "", ""): 0,
        ("stock", "consents", "", ""): 1,
    }
    assert "林静" not in str(rows)


async def test_under_a_hold_an_erasure_takes_no_words(database: Database) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NOW)
        contact.emergency_contact = "13800000000"
        await make_message(session, contact, now=NOW, text="一句话", state="done")
        session.add(
            LegalHold(kind="contact", object_id=contact.id, reason="公安来函", created_at=NOW)
        )
        await consents.give(session, contact.id, ("school",), now=NOW)
    async with database.write() as session:
        assert await consents.erase(session, contact.id, now=NOW)
    async with database.read() as session:
        assert list(await session.scalars(select(Message.text))) == ["一句话"]
        assert await consents.in_force(session, contact.id) == set()
        kept = await session.get_one(type(contact), contact.id)
        assert kept.emergency_contact == "13800000000"
