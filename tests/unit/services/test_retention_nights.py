"""Retention: what is over its time goes, on its day and not before it, and the night is proved."""

from datetime import timedelta

import pytest
from factories import make_contact, make_delivery, make_staff
from retention_world import (
    DAY,
    DELETED,
    NIGHT,
    chat,
    child_left,
    count,
    false_alarm,
    run_night,
    slips,
)
from sqlalchemy import select

from bot.db.engine import Database
from bot.db.models import (
    Alarm,
    Assessment,
    AuditEntry,
    BindingSlip,
    Case,
    Child,
    Contact,
    Delivery,
    Guardian,
    Guardianship,
    LegalHold,
    Message,
    RetentionRun,
    RuleCase,
)
from bot.services import retention, retention_parts, retention_rules


@pytest.mark.parametrize("name", DELETED)
async def test_a_row_goes_on_its_last_day_and_not_a_second_before(
    database: Database, name: str
) -> None:
    days = retention.table()[name].days
    assert days is not None
    async with database.write() as session:
        model = await DELETED[name](session, NIGHT - days * DAY + timedelta(seconds=1))
    extra = 1 if model is RetentionRun else 0
    early = await run_night(database)
    assert name not in retention.gone_in(early)
    assert await count(database, model) == 1 + extra
    late = await run_night(database, NIGHT + timedelta(seconds=1))
    assert retention.gone_in(late)[name] >= 1
    assert await count(database, model) == 2 * extra
    assert (late.overdue, late.counts["finished"]) == (0, True)


async def test_what_is_emptied_keeps_its_row(database: Database) -> None:
    old = NIGHT - 1200 * DAY
    async with database.write() as session:
        person = await make_staff(session, now=old)
        contact = await make_contact(session, now=old)
        contact.name, contact.who, contact.emergency_contact = "晴妈", "PC", "13800000000"
        child = await child_left(session, old)
        guardian = Guardian(
            name="晴爸", phone="13800000001", phone_key="p", source="import", created_at=old
        )
        session.add(guardian)
        await session.flush()
        session.add(
            Guardianship(guardian_id=guardian.id, child_id=child.id, relation="F", created_at=old)
        )
        session.add(
            RuleCase(
                kind="false_alarm",
                text="原话",
                turns=["前一句"],
                expected_level="0",
                expected_category="NONE",
                found_level="2",
                found_category="DIS",
                rule_ids=[],
                rule_version="t",
                note="说明",
                staff_id=person.id,
                created_at=old,
            )
        )
    run = await run_night(database)
    assert retention.gone_in(run) == {
        "rule_case_doubted": 1,
        "contact_details": 1,
        "children_left": 1,
        "guardians_left": 1,
    }
    async with database.read() as session:
        kept = (await session.scalars(select(Contact))).one()
        assert (kept.name, kept.who, kept.emergency_contact) == (None, None, None)
        gone = (await session.scalars(select(Child))).one()
        assert (gone.name, gone.name_key, gone.student_no, gone.student_key) == ("", "", None, None)
        left = (await session.scalars(select(Guardian))).one()
        assert (left.name, left.phone, left.phone_key, left.erased_at) == ("", None, None, NIGHT)
        rule_case = (await session.scalars(select(RuleCase))).one()
        assert (rule_case.text, rule_case.turns, rule_case.note) == ("", [], "")
        assert rule_case.expected_level == "0"
    assert retention.gone_in(await run_night(database, NIGHT + DAY)) == {}


async def test_a_false_alarm_loses_its_words_first_and_its_record_later(
    database: Database,
) -> None:
    async with database.write() as session:
        await false_alarm(session, NIGHT - 8 * DAY)
        contact = (await session.scalars(select(Contact))).one()
        case = (await session.scalars(select(Case))).one()
        delivery = await make_delivery(session, contact, now=NIGHT - 8 * DAY, state="accepted")
        delivery.case_id = case.id
    run = await run_night(database)
    assert retention.gone_in(run) == {"false_alarm_words": 3}
    for model in (Message, Assessment, Delivery):
        assert await count(database, model) == 0
    async with database.read() as session:
        case = (await session.scalars(select(Case))).one()
        assert (case.close_note, case.message_id, case.close_reason) == (None, None, "false_alarm")


@pytest.mark.parametrize(
    ("kind", "state", "days"),
    [
        ("false_alarm", "new", 7),
        ("false_alarm", "rejected", 7),
        ("false_alarm", "agreed", 180),
        ("missed", "new", 180),
        ("written", "new", None),
    ],
)
async def test_words_of_a_test_case_stay_a_week_unless_somebody_agrees(
    database: Database, kind: str, state: str, days: int | None
) -> None:
    async with database.write() as session:
        person = await make_staff(session, now=NIGHT)
        session.add(
            RuleCase(
                kind=kind,
                state=state,
                text="原话",
                turns=[],
                expected_level="0",
                expected_category="NONE",
                found_level="2",
                found_category="DIS",
                rule_ids=[],
                rule_version="t",
                note="",
                staff_id=person.id,
                created_at=NIGHT,
            )
        )

    async def words(after: int) -> str:
        await run_night(database, NIGHT + after * DAY)
        async with database.read() as session:
            return (await session.scalars(select(RuleCase.text))).one()

    assert await words((days or 2000) - 1) == "原话"
    assert await words(days or 2001) == ("" if days else "原话")


@pytest.mark.parametrize("used", [True, False])
async def test_a_slip_of_paper_goes_and_a_used_one_keeps_who_and_when(
    database: Database, used: bool
) -> None:
    async with database.write() as session:
        slip = await slips(session, NIGHT, used=used)
    await run_night(database, NIGHT + 29 * DAY)
    assert await _slip(database) == ("hash", used)
    await run_night(database, NIGHT + 30 * DAY)
    assert await _slip(database) == ((f"used:{slip.id}", True) if used else None)
    await run_night(database, NIGHT + 31 * DAY)
    await run_night(database, NIGHT + 1096 * DAY)
    assert await _slip(database) is None


async def test_a_slip_stays_under_a_hold(database: Database) -> None:
    async with database.write() as session:
        slip = await slips(session, NIGHT - 2000 * DAY, used=False)
        contact = await make_contact(session, now=NIGHT)
        contact.guardian_id = slip.guardian_id
        session.add(LegalHold(kind="contact", object_id=contact.id, reason="函", created_at=NIGHT))
    await run_night(database)
    assert await _slip(database) == ("hash", False)


async def _slip(database: Database) -> tuple[str, bool] | None:
    async with database.read() as session:
        row = (await session.scalars(select(BindingSlip))).one_or_none()
    return None if row is None else (row.code_key, row.used_by is not None)


async def test_many_rows_go_in_chunks_and_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NIGHT)
        for _ in range(retention_parts.CHUNK + 3):
            await make_delivery(session, contact, now=NIGHT - 91 * DAY, state="accepted")
    assert retention.gone_in(await run_night(database)) == {"said": retention_parts.CHUNK + 3}


async def test_what_is_left_over_raises_an_alarm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        await chat(session, NIGHT - 91 * DAY)
        run = await retention.begin(session, NIGHT)
        assert await retention.finish(session, run, now=NIGHT, policy=None) == 1
        kinds = list(await session.scalars(select(Alarm.kind)))
        entry = (await session.scalars(select(AuditEntry))).one()
    assert kinds == [retention.OVERDUE_ALARM]
    assert (entry.action, entry.data) == ("retention.run", {"gone": 0, "overdue": 1})


def test_every_class_has_its_words_and_its_rule() -> None:
    assert set(retention.timed()) == set(retention_rules.PARTS)
    emptied = {"rule_case_doubted", "rule_case_words", "slip_codes"}
    emptied |= {"contact_details", "children_left", "guardians_left"}
    assert set(retention.timed()) == set(DELETED) | emptied | {"false_alarm_words"}
    assert {one.name for one in retention.table().values() if one.how == "empty"} == emptied


def test_periods_are_those_of_the_law() -> None:
    days = {name: one.days for name, one in retention.table().items()}
    assert days["chat"] == 90
    assert days["false_alarms"] == 180
    for name in ("case_files", "consents", "permits", "data_requests"):
        assert (days[name] or 0) >= 3 * 365
    for name in ("service_posts", "alarms"):
        assert (days[name] or 0) >= 184
    assert days["audit"] is None
