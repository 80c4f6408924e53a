"""One row of each class of data, as old as wanted, and a whole night, for tests of retention."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from factories import make_case, make_contact, make_delivery, make_message, make_staff
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.engine import Database
from bot.db.models import (
    Alarm,
    Binding,
    BindingSlip,
    Case,
    CaseEvent,
    Child,
    Consent,
    Contact,
    Course,
    DataRequest,
    Delivery,
    Draft,
    Enrolment,
    GapTicket,
    Guardian,
    ImportBatch,
    ImportRow,
    LegalHold,
    Link,
    Login,
    LoginFailure,
    Message,
    Notice,
    NoticeChild,
    NoticeFeedback,
    ReadPermit,
    RetentionRun,
)
from bot.services import places, retention

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


async def notice_feedback(session: AsyncSession, at: datetime) -> type[Any]:
    """Make what a parent wrote about a notice that itself is kept for longer."""
    contact = await _contact(session, at)
    row = Notice(key=f"f{at}", place_id=await _place(session), title="春游", body="", created_at=at)
    session.add(row)
    message = await make_message(session, contact, now=at, state="done")
    await session.flush()
    session.add(
        NoticeFeedback(
            notice_id=row.id, contact_id=contact.id, message_id=message.id, text="请假", at=at
        )
    )
    return NoticeFeedback


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


async def slips(session: AsyncSession, at: datetime, *, used: bool) -> BindingSlip:
    """Make a slip of paper that expires at a moment."""
    guardian = Guardian(name="晴妈", source="hand", created_at=at)
    contact, person = await _contact(session, at), await make_staff(session, now=at)
    session.add(guardian)
    await session.flush()
    row = BindingSlip(
        code_key="hash",
        guardian_id=guardian.id,
        place_id=await _place(session),
        made_by=person.id,
        created_at=at - 14 * DAY,
        expires_at=at,
        used_at=at - DAY if used else None,
        used_by=contact.id if used else None,
    )
    session.add(row)
    await session.flush()
    return row


async def slip(session: AsyncSession, at: datetime) -> type[Any]:
    await slips(session, at, used=False)
    return BindingSlip


async def slip_used(session: AsyncSession, at: datetime) -> type[Any]:
    await slips(session, at, used=True)
    return BindingSlip


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


async def draft(session: AsyncSession, at: datetime) -> type[Any]:
    person = await make_staff(session, now=at)
    session.add(Draft(staff_id=person.id, field="case:1:note", text="写了一半", at=at))
    return Draft


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
    "notice_feedback": notice_feedback,
    "drafts": draft,
    "chat": chat,
    "said": said,
    "plain_cases": plain_case,
    "case_files": case_file,
    "false_alarms": false_alarm,
    "risk_words": risk_word,
    "notices": notice,
    "enrolments": enrolment,
    "bindings": binding,
    "slips": slip,
    "slips_used": slip_used,
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


async def child_left(session: AsyncSession, at: datetime) -> Child:
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
