"""Retention: what is over its time goes, nothing before it, nothing open, nothing held."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from factories import make_case, make_contact, make_delivery, make_message, make_staff
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.engine import Database
from bot.db.models import (
    Alarm,
    Assessment,
    AuditEntry,
    Binding,
    Case,
    CaseEvent,
    Child,
    Consent,
    Contact,
    Course,
    DataRequest,
    Delivery,
    Enrolment,
    GapTicket,
    Guardian,
    Guardianship,
    ImportBatch,
    ImportRow,
    LegalHold,
    Link,
    Login,
    LoginFailure,
    Message,
    Notice,
    NoticeChild,
    ReadPermit,
    RetentionRun,
    RuleCase,
)
from bot.services import places, retention, retention_rules

NIGHT = datetime(2026, 11, 22, 18, 40, tzinfo=UTC)
DAY = timedelta(days=1)
Make = Callable[[AsyncSession, datetime], Awaitable[type[Any]]]


async def run_night(database: Database, now: datetime = NIGHT) -> RetentionRun:
    """Run one night as the job does, chunk by chunk."""
    name = retention.timed()[0]
    async with database.write() as session:
        run = await retention.begin(session, now)
    while name:
        async with database.write() as session:
            run = await session.get_one(RetentionRun, run.id)
            name = await retention.go_on(session, run, name)
    async with database.write() as session:
        run = await session.get_one(RetentionRun, run.id)
        await retention.finish(session, run, now=now, policy=None)
    return run


async def count(database: Database, model: type[Any]) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


async def _contact(session: AsyncSession, at: datetime) -> Contact:
    # Their own details are not what these are about.
    return await make_contact(session, now=at)


async def _place(session: AsyncSession) -> int:
    place = await places.add(session, kind="district", name="晴川区", parent=None)
    return place.id


async def link(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    session.add(
        Link(
            token_key=str(at),
            purpose="mine",
            contact_id=contact.id,
            created_at=at,
            expires_at=at,
        )
    )
    return Link


async def chat(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    message = await make_message(session, contact, now=at, state="done")
    await make_delivery(session, contact, now=at, state="accepted", message=message)
    session.add(GapTicket(message_id=message.id, question="没答上", created_at=at))
    return Message


async def said(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    await make_delivery(session, contact, now=at, state="accepted")
    return Delivery


async def plain_case(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    case = await make_case(session, contact, now=at, level="0", state="closed")
    case.closed_at, case.close_reason = at, "answered"
    return Case


async def case_file(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    message = await make_message(session, contact, now=at, level="3", state="done")
    case = await make_case(session, contact, now=at, state="closed")
    case.closed_at, case.close_reason, case.message_id = at, "safe_with_plan", message.id
    session.add(CaseEvent(case_id=case.id, at=at, kind="opened", message_id=message.id, data={}))
    return Case


async def false_alarm(session: AsyncSession, at: datetime) -> type[Any]:
    made = await case_file(session, at)
    case = (await session.scalars(select(Case))).one()
    case.close_reason, case.close_note = "false_alarm", "看过了"
    return made


async def risk_word(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    await make_message(session, contact, now=at, level="3", state="done")
    return Message


async def notice(session: AsyncSession, at: datetime) -> type[Any]:
    place_id = await _place(session)
    contact = await _contact(session, at)
    row = Notice(
        key=str(at), place_id=place_id, title="家长会", body="周五两点", created_at=at, sent_at=at
    )
    child = Child(place_id=place_id, name="小晴", name_key="k", source="import", created_at=at)
    session.add_all([row, child])
    await session.flush()
    session.add(NoticeChild(notice_id=row.id, child_id=child.id))
    delivery = await make_delivery(session, contact, now=at, state="accepted", kind="notice")
    delivery.notice_id = row.id
    session.add(
        Link(
            token_key="n",
            purpose="notice",
            contact_id=contact.id,
            notice_id=row.id,
            created_at=at,
            expires_at=at + timedelta(days=1000),
        )
    )
    return Notice


async def enrolment(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    course = Course(
        kind="event",
        place_id=await _place(session),
        title="讲座",
        summary="怎样听孩子说话",
        starts_at=at,
        ends_at=at,
        created_at=at,
        updated_at=at,
    )
    session.add(course)
    await session.flush()
    session.add(
        Enrolment(
            course_id=course.id,
            contact_id=contact.id,
            state="enrolled",
            created_at=at,
            changed_at=at,
        )
    )
    return Enrolment


async def binding(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    session.add(
        Binding(
            contact_id=contact.id,
            place_id=await _place(session),
            state="refused",
            claim={"child": "小晴"},
            created_at=at - DAY,
            decided_at=at,
        )
    )
    return Binding


async def import_row(session: AsyncSession, at: datetime) -> type[Any]:
    batch = ImportBatch(
        kind="people",
        place_id=await _place(session),
        name="名单.xlsx",
        state="applied",
        created_at=at - DAY,
        applied_at=at,
    )
    session.add(batch)
    await session.flush()
    session.add(ImportRow(batch_id=batch.id, number=2, state="added", data={}, made={}))
    return ImportRow


async def import_batch(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(
        ImportBatch(
            kind="people",
            place_id=await _place(session),
            name="名单.xlsx",
            state="failed",
            created_at=at,
        )
    )
    return ImportBatch


async def consent(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    session.add(
        Consent(contact_id=contact.id, kind="school", version=1, given_at=at - DAY, withdrawn_at=at)
    )
    return Consent


async def data_request(session: AsyncSession, at: datetime) -> type[Any]:
    contact = await _contact(session, at)
    session.add(
        DataRequest(
            contact_id=contact.id,
            kind="export",
            state="done",
            words="",
            answer="",
            created_at=at - DAY,
            due_at=at,
            decided_at=at,
        )
    )
    return DataRequest


async def permit(session: AsyncSession, at: datetime) -> type[Any]:
    person = await make_staff(session, now=at)
    session.add(
        ReadPermit(
            staff_id=person.id,
            kind="child",
            object_id=1,
            reason="家访",
            state="approved",
            asked_at=at - DAY,
            ends_at=at,
        )
    )
    return ReadPermit


async def hold(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(
        LegalHold(kind="case", object_id=1, reason="函", created_at=at - DAY, released_at=at)
    )
    return LegalHold


async def login_failure(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(LoginFailure(subject="s", at=at))
    return LoginFailure


async def login(session: AsyncSession, at: datetime) -> type[Any]:
    person = await make_staff(session, now=at)
    session.add(
        Login(
            staff_id=person.id,
            token_hash="h",
            csrf="c",
            created_at=at,
            seen_at=at,
            expires_at=at,
        )
    )
    return Login


async def service_post(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(
        Delivery(
            key="alarm", route="alert", kind="alarm", body="有告警", state="accepted", created_at=at
        )
    )
    return Delivery


async def alarm(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(Alarm(key="k", kind="rules_invalid", first_at=at, last_at=at, cleared_at=at))
    return Alarm


async def night(session: AsyncSession, at: datetime) -> type[Any]:
    session.add(RetentionRun(at=at, counts={}))
    return RetentionRun


DELETED: dict[str, Make] = {
    "links": link,
    "chat": chat,
    "said": said,
    "plain_cases": plain_case,
    "case_files": case_file,
    "false_alarms": false_alarm,
    "risk_words": risk_word,
    "notices": notice,
    "enrolments": enrolment,
    "bindings": binding,
    "import_rows": import_row,
    "import_batches": import_batch,
    "consents": consent,
    "data_requests": data_request,
    "permits": permit,
    "holds": hold,
    "login_failures": login_failure,
    "logins": login,
    "service_posts": service_post,
    "alarms": alarm,
    "nights": night,
}


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


async def _child_left(session: AsyncSession, at: datetime) -> Child:
    child = Child(
        place_id=None,
        name="小晴",
        name_key="key",
        student_no="7",
        student_key="s",
        source="import",
        state="left",
        created_at=at - DAY,
        left_at=at,
    )
    session.add(child)
    await session.flush()
    return child


async def test_what_is_emptied_keeps_its_row(database: Database) -> None:
    old = NIGHT - 1200 * DAY
    async with database.write() as session:
        person = await make_staff(session, now=old)
        contact = await make_contact(session, now=old)
        contact.name, contact.who, contact.emergency_contact = "晴妈", "PC", "13800000000"
        child = await _child_left(session, old)
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


async def test_nothing_of_an_open_case_goes_however_old(database: Database) -> None:
    old = NIGHT - 5000 * DAY
    async with database.write() as session:
        contact = await make_contact(session, now=old)
        contact.emergency_contact = "13800000000"
        for level in ("0", "1", "3"):
            message = await make_message(session, contact, now=old, level=level, state="done")
            await make_delivery(session, contact, now=old, state="accepted", message=message)
        await make_delivery(session, contact, now=old, state="accepted")
        closed = await make_case(session, contact, now=old, state="closed")
        closed.closed_at, closed.close_reason = old, "false_alarm"
        await make_case(session, contact, now=old)
    run = await run_night(database)
    assert (retention.gone_in(run), run.overdue) == ({}, 0)
    assert await count(database, Message) == 3
    assert await count(database, Delivery) == 4
    assert await count(database, Case) == 2
    async with database.write() as session:
        for case in await session.scalars(select(Case)):
            case.state, case.closed_at = "closed", old
    assert retention.gone_in(await run_night(database, NIGHT + DAY))["case_files"] == 1
    assert await count(database, Message) == 0


@pytest.mark.parametrize("kind", ["contact", "child", "case"])
async def test_a_hold_keeps_everything_of_its_person(database: Database, kind: str) -> None:
    old = NIGHT - 5000 * DAY
    async with database.write() as session:
        child = await _child_left(session, old)
        guardian = Guardian(name="晴爸", source="import", created_at=old)
        session.add(guardian)
        await session.flush()
        session.add(
            Guardianship(guardian_id=guardian.id, child_id=child.id, relation="F", created_at=old)
        )
        contact = await make_contact(session, now=old)
        contact.guardian_id, contact.name = guardian.id, "晴爸"
        await make_message(session, contact, now=old, state="done")
        case = await make_case(session, contact, now=old, state="closed")
        case.closed_at = old
        stranger = await make_contact(session, now=old)
        await make_message(session, stranger, now=old, state="done")
        held = {"contact": contact.id, "child": child.id, "case": case.id}[kind]
        session.add(LegalHold(kind=kind, object_id=held, reason="函", created_at=old))
    run = await run_night(database)
    assert (retention.gone_in(run), run.overdue) == ({"chat": 1}, 0)
    async with database.write() as session:
        (await session.scalars(select(LegalHold))).one().released_at = NIGHT
    gone = retention.gone_in(await run_night(database, NIGHT + DAY))
    assert {"chat", "case_files", "children_left", "guardians_left"} <= set(gone)


async def test_many_rows_go_in_chunks_and_are_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NIGHT)
        for _ in range(retention_rules.CHUNK + 3):
            await make_delivery(session, contact, now=NIGHT - 91 * DAY, state="accepted")
    assert retention.gone_in(await run_night(database)) == {"said": retention_rules.CHUNK + 3}


async def test_what_waits_or_is_on_its_way_is_not_taken(database: Database) -> None:
    old = NIGHT - 400 * DAY
    async with database.write() as session:
        contact = await make_contact(session, now=NIGHT)
        await make_delivery(session, contact, now=old, state="queued")
        await make_message(session, contact, now=old, state="stored")
    assert retention.gone_in(await run_night(database)) == {}


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
