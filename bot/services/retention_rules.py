"""What belongs to each class of data of `retention.toml`, and how it is forgotten.

Called by `bot.services.retention`; the classes about people stand in `retention_people`. Each part
asks for the ids that are due at a cut-off moment, and forgets a chunk of them. Whatever is about a
contact leaves out `holds.protected_contacts`: open cases and legal holds. `NOT IN` against a list
stays fast where no index helps a correlated query.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    func,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import (
    Alarm,
    Assessment,
    Case,
    CaseEvent,
    Consent,
    Course,
    DataRequest,
    Delivery,
    DeskEvent,
    Draft,
    Enrolment,
    GapTicket,
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
    RuleCase,
    RuleChange,
    WorkTask,
)
from bot.db.models.case import CLOSED
from bot.db.models.delivery import QUEUED, SENDING
from bot.db.models.imports import APPLYING, READING, UNDOING
from bot.db.models.message import STORED
from bot.db.models.rule_case import AGREED, FALSE_ALARM, WRITTEN
from bot.services.holds import (
    held_children,
    held_imports,
    protected_contacts,
)
from bot.services.retention_files import drop_files, written_of
from bot.services.retention_parts import Due, Ids, Part, deleting, free, of_contact, simple
from bot.services.retention_people import PEOPLE

DISMISSED = ("false_alarm", "drill")

# --- cases ---------------------------------------------------------------------------------------


def _dismissed(cutoff: datetime) -> Select[int]:
    return select(Case.id).where(
        Case.state == CLOSED, Case.close_reason.in_(DISMISSED), Case.closed_at <= cutoff
    )


def _in_cases(cases: ColumnElement[bool]) -> Select[int]:
    """Return the ids of messages that cases hold on to."""
    first = select(Case.message_id).where(cases, Case.message_id.is_not(None))
    later = select(CaseEvent.message_id).join(Case, Case.id == CaseEvent.case_id)
    later = later.where(cases, CaseEvent.message_id.is_not(None))
    both = union(first, later).subquery()
    return select(both.c[0])


def _words_of_dismissed(cutoff: datetime) -> Select[int]:
    dismissed = Case.id.in_(_dismissed(cutoff))
    return select(Message.id).where(
        Message.id.in_(_in_cases(dismissed)),
        Message.id.not_in(_in_cases(~dismissed)),
        Message.state != STORED,
        free(Message.contact_id),
    )


def _replies_of_dismissed(cutoff: datetime) -> Select[int]:
    return select(Delivery.id).where(
        Delivery.case_id.in_(_dismissed(cutoff)),
        Delivery.state.not_in((QUEUED, SENDING)),
        free(Delivery.contact_id),
    )


def _notes_of_dismissed(cutoff: datetime) -> Select[int]:
    return select(Case.id).where(
        Case.id.in_(_dismissed(cutoff)), Case.close_note.is_not(None), free(Case.contact_id)
    )


async def _empty_notes(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await session.execute(update(Case).where(Case.id.in_(ids)).values(close_note=None))


def _closed(*also: ColumnElement[bool]) -> Due:
    """Return closed cases; a contact with an open case keeps its closed ones too."""
    return lambda cutoff: select(Case.id).where(
        Case.state == CLOSED, Case.closed_at <= cutoff, free(Case.contact_id), *also
    )


_WAS_DISMISSED = func.coalesce(Case.close_reason, "").in_(DISMISSED)


async def _drop_cases(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Delete cases with all that happened to them; their messages are no longer bound by them."""
    await session.execute(update(RuleCase).where(RuleCase.case_id.in_(ids)).values(case_id=None))
    await session.execute(delete(DeskEvent).where(DeskEvent.case_id.in_(ids)))
    await session.execute(delete(CaseEvent).where(CaseEvent.case_id.in_(ids)))
    await _drop_deliveries(session, Delivery.case_id.in_(ids))
    await drop_files(session, ids)
    await session.execute(delete(Case).where(Case.id.in_(ids)))


# --- words ---------------------------------------------------------------------------------------


async def _drop_deliveries(session: AsyncSession, which: ColumnElement[bool]) -> None:
    found = select(Delivery.id).where(which)
    await session.execute(delete(WorkTask).where(WorkTask.delivery_id.in_(found)))
    await session.execute(delete(Delivery).where(which))


async def _drop_messages(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Delete messages with what was judged of them, answered to them and asked because of them."""
    await session.execute(update(Case).where(Case.message_id.in_(ids)).values(message_id=None))
    for model in (CaseEvent, RuleCase):
        await session.execute(
            update(model).where(model.message_id.in_(ids)).values(message_id=None)
        )
    for gone in (Assessment, GapTicket, NoticeFeedback, RuleChange):
        await session.execute(delete(gone).where(gone.message_id.in_(ids)))
    await _drop_deliveries(session, Delivery.message_id.in_(ids))
    await session.execute(delete(Message).where(Message.id.in_(ids)))


def _unbound(*levels: ColumnElement[bool]) -> Due:
    """Return messages that no case holds on to."""
    written = select(Delivery.message_id).where(
        Delivery.case_id.is_not(None), Delivery.message_id.is_not(None)
    )
    every = Case.id.is_not(None)
    return lambda cutoff: select(Message.id).where(
        Message.received_at <= cutoff,
        Message.state != STORED,
        Message.id.not_in(_in_cases(every)),
        Message.id.not_in(written),
        free(Message.contact_id),
        *levels,
    )


async def _drop_said(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await _drop_deliveries(session, Delivery.id.in_(ids))


def _alone(*also: ColumnElement[bool]) -> Due:
    """Return deliveries that belong to no message, no case and no notice."""
    return lambda cutoff: select(Delivery.id).where(
        Delivery.created_at <= cutoff,
        Delivery.message_id.is_(None),
        Delivery.case_id.is_(None),
        Delivery.notice_id.is_(None),
        Delivery.state.not_in((QUEUED, SENDING)),
        *also,
    )


# A false alarm nobody else agreed to is a message like the others of its case: a week.
_DOUBTED = (RuleCase.kind == FALSE_ALARM) & (RuleCase.state != AGREED)


def _rule_cases(which: ColumnElement[bool], cutoff: datetime) -> Select[int]:
    theirs = protected_contacts()
    messages = select(Message.id).where(Message.contact_id.in_(theirs))
    cases = select(Case.id).where(Case.contact_id.in_(theirs))
    return select(RuleCase.id).where(
        RuleCase.created_at <= cutoff,
        which,
        RuleCase.erased_at.is_(None),
        or_(RuleCase.message_id.is_(None), RuleCase.message_id.not_in(messages)),
        or_(RuleCase.case_id.is_(None), RuleCase.case_id.not_in(cases)),
    )


async def _empty_rule_cases(session: AsyncSession, ids: Ids, now: datetime) -> None:
    emptied = {"text": "", "turns": [], "note": "", "erased_at": now}
    await session.execute(update(RuleCase).where(RuleCase.id.in_(ids)).values(**emptied))


# --- notices -------------------------------------------------------------------------------------


def _notices(cutoff: datetime) -> Select[int]:
    children = select(NoticeChild.notice_id).where(NoticeChild.child_id.in_(held_children()))
    told = select(Delivery.notice_id).where(
        Delivery.notice_id.is_not(None), Delivery.contact_id.in_(protected_contacts())
    )
    answered = select(NoticeFeedback.notice_id).where(
        NoticeFeedback.contact_id.in_(protected_contacts())
    )
    moment = func.coalesce(Notice.sent_at, Notice.created_at)
    return select(Notice.id).where(
        moment <= cutoff,
        Notice.id.not_in(children),
        Notice.id.not_in(told),
        Notice.id.not_in(answered),
    )


async def _drop_notices(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await session.execute(delete(Link).where(Link.notice_id.in_(ids)))
    for gone in (NoticeChild, NoticeFeedback):
        await session.execute(delete(gone).where(gone.notice_id.in_(ids)))
    await _drop_deliveries(session, Delivery.notice_id.in_(ids))
    await session.execute(delete(Notice).where(Notice.id.in_(ids)))


# --- courses and imports -------------------------------------------------------------------------


def _enrolments(cutoff: datetime) -> Select[int]:
    over = select(Course.id).where(Course.ends_at <= cutoff)
    return select(Enrolment.id).where(Enrolment.course_id.in_(over), free(Enrolment.contact_id))


_AT_REST = ImportBatch.state.not_in((READING, APPLYING, UNDOING))


def _done_at() -> ColumnElement[Any]:
    return func.coalesce(ImportBatch.undone_at, ImportBatch.applied_at, ImportBatch.created_at)


def _import_rows(cutoff: datetime) -> Select[int]:
    held = ImportBatch.id.in_(held_imports())
    over = select(ImportBatch.id).where(_done_at() <= cutoff, _AT_REST, ~held)
    return select(ImportRow.id).where(ImportRow.batch_id.in_(over))


_PERMIT_OVER = func.coalesce(ReadPermit.ends_at, ReadPermit.decided_at, ReadPermit.asked_at)
_HELD_TOO = (
    select(LegalHold.id)
    .where(
        LegalHold.released_at.is_(None),
        LegalHold.kind == ReadPermit.kind,
        LegalHold.object_id == ReadPermit.object_id,
    )
    .exists()
)

_KNOWN = Delivery.contact_id.is_not(None)

PARTS: Mapping[str, tuple[Part, ...]] = {
    **PEOPLE,
    "links": (of_contact(Link, Link.expires_at.expression),),
    "false_alarm_words": (
        Part(_words_of_dismissed, _drop_messages),
        Part(_replies_of_dismissed, _drop_said),
        Part(_notes_of_dismissed, _empty_notes),
        written_of(_dismissed),
    ),
    "false_alarms": (Part(_closed(_WAS_DISMISSED), _drop_cases, 100),),
    "plain_cases": (
        Part(_closed(~_WAS_DISMISSED, Case.level.not_in(ESCALATED)), _drop_cases, 100),
    ),
    "case_files": (Part(_closed(~_WAS_DISMISSED, Case.level.in_(ESCALATED)), _drop_cases, 100),),
    "notice_feedback": (of_contact(NoticeFeedback, NoticeFeedback.at.expression),),
    "chat": (Part(_unbound(Message.level.not_in(ESCALATED)), _drop_messages),),
    "risk_words": (Part(_unbound(Message.level.in_(ESCALATED)), _drop_messages),),
    "said": (Part(_alone(_KNOWN, free(Delivery.contact_id)), _drop_said),),
    "rule_case_doubted": (Part(partial(_rule_cases, _DOUBTED), _empty_rule_cases),),
    "rule_case_words": (Part(partial(_rule_cases, RuleCase.kind != WRITTEN), _empty_rule_cases),),
    "notices": (Part(_notices, _drop_notices, 5),),
    "enrolments": (Part(_enrolments, deleting(Enrolment)),),
    "import_rows": (Part(_import_rows, deleting(ImportRow)),),
    "import_batches": (
        simple(
            ImportBatch,
            ImportBatch.created_at.expression,
            _AT_REST,
            ImportBatch.id.not_in(select(ImportRow.batch_id)),
        ),
    ),
    "consents": (of_contact(Consent, Consent.withdrawn_at.expression),),
    "data_requests": (of_contact(DataRequest, DataRequest.decided_at.expression),),
    "permits": (simple(ReadPermit, _PERMIT_OVER, ~_HELD_TOO),),
    "holds": (simple(LegalHold, LegalHold.released_at.expression),),
    "login_failures": (simple(LoginFailure, LoginFailure.at.expression),),
    "drafts": (simple(Draft, Draft.at.expression),),
    "logins": (simple(Login, Login.expires_at.expression),),
    "service_posts": (Part(_alone(Delivery.contact_id.is_(None)), _drop_said),),
    "alarms": (simple(Alarm, Alarm.cleared_at.expression),),
    "nights": (simple(RetentionRun, RetentionRun.at.expression),),
}
