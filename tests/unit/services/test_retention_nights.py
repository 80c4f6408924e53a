"""Retention: what is over its time goes, on its day and not before it, and the night is proved."""

from datetime import timedelta

import pytest
from factories import make_contact, make_delivery, make_staff
from retention_world import DAY, DELETED, NIGHT, chat, child_left, count, false_alarm, run_night
from sqlalchemy import select

from bot.db.engine import Database
from bot.db.models import (
    Alarm,
    Assessment,
    AuditEntry,
    Case,
    Child,
    Contact,
    Delivery,
    Guardian,
    Guardianship,
    Message,
    RetentionRun,
    RuleCase,
)
from bot.services import retention, retention_rules


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
        "rule_case_words": 1,
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


async def test_many_rows_go_in_chunks_and_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NIGHT)
        for _ in range(retention_rules.CHUNK + 3):
            await make_delivery(session, contact, now=NIGHT - 91 * DAY, state="accepted")
    assert retention.gone_in(await run_night(database)) == {"said": retention_rules.CHUNK + 3}


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
    emptied = {"rule_case_words", "contact_details", "children_left", "guardians_left"}
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
