"""What belongs to each class of data of `retention.toml`, and how it is forgotten.

Called by `bot.services.retention`. Each part asks for the ids that are due at a cut-off moment, and
forgets a chunk of them. Whatever is about a contact leaves out `holds.protected_contacts`: open
cases and legal holds. `NOT IN` against a list stays fast where no index helps a correlated query.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.core.levels import ESCALATED
from bot.db.models import (
    Alarm,
    Assessment,
    Binding,
    Case,
    CaseEvent,
    Child,
    Consent,
    Contact,
    Course,
    DataRequest,
    Delivery,
    DeskEvent,
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
    RuleChange,
    WorkTask,
)
from bot.db.models.case import CLOSED
from bot.db.models.delivery import QUEUED, SENDING
from bot.db.models.imports import APPLYING, READING, UNDOING
from bot.db.models.message import STORED
from bot.db.models.person import BOUND, LEFT
from bot.db.models.rule_case import WRITTEN
from bot.services.holds import held_children, held_guardians, protected_contacts

CHUNK = 500
DISMISSED = ("false_alarm", "drill")
Ids = Sequence[int]
Due = Callable[[datetime], Select[int]]
Forget = Callable[[AsyncSession, Ids, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of row of a class.

    Args:
        due: the ids that are over their time at a cut-off moment.
        forget: takes some of these ids, and the moment of the night.
        chunk: how many at once; one row may bring thousands along.
    """

    due: Due
    forget: Forget
    chunk: int = CHUNK


def _free(contact: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Match what belongs to no protected contact; what belongs to nobody is free."""
    return or_(contact.is_(None), contact.not_in(protected_contacts()))


def _deleting(model: type[Any]) -> Forget:
    async def forget(session: AsyncSession, ids: Ids, _now: datetime) -> None:
        await session.execute(delete(model).where(model.id.in_(ids)))

    return forget


def _simple(model: type[Any], moment: ColumnElement[Any], *also: ColumnElement[bool]) -> Part:
    """Delete the rows of one table that are older and match."""
    return Part(lambda cutoff: select(model.id).where(moment <= cutoff, *also), _deleting(model))


def _of_contact(model: type[Any], moment: ColumnElement[Any], *also: ColumnElement[bool]) -> Part:
    return _simple(model, moment, _free(model.contact_id), *also)


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
        _free(Message.contact_id),
    )


def _replies_of_dismissed(cutoff: datetime) -> Select[int]:
    return select(Delivery.id).where(
        Delivery.case_id.in_(_dismissed(cutoff)),
        Delivery.state.not_in((QUEUED, SENDING)),
        _free(Delivery.contact_id),
    )


def _notes_of_dismissed(cutoff: datetime) -> Select[int]:
    return select(Case.id).where(
        Case.id.in_(_dismissed(cutoff)), Case.close_note.is_not(None), _free(Case.contact_id)
    )


async def _empty_notes(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await session.execute(update(Case).where(Case.id.in_(ids)).values(close_note=None))


def _closed(*also: ColumnElement[bool]) -> Due:
    """Return closed cases; a contact with an open case keeps its closed ones too."""
    return lambda cutoff: select(Case.id).where(
        Case.state == CLOSED, Case.closed_at <= cutoff, _free(Case.contact_id), *also
    )


_WAS_DISMISSED = func.coalesce(Case.close_reason, "").in_(DISMISSED)


async def _drop_cases(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Delete cases with all that happened to them; their messages are no longer bound by them."""
    await session.execute(update(RuleCase).where(RuleCase.case_id.in_(ids)).values(case_id=None))
    await session.execute(delete(DeskEvent).where(DeskEvent.case_id.in_(ids)))
    await session.execute(delete(CaseEvent).where(CaseEvent.case_id.in_(ids)))
    await _drop_deliveries(session, Delivery.case_id.in_(ids))
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
    for gone in (Assessment, GapTicket, RuleChange):
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
        _free(Message.contact_id),
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


def _rule_cases(cutoff: datetime) -> Select[int]:
    theirs = protected_contacts()
    messages = select(Message.id).where(Message.contact_id.in_(theirs))
    cases = select(Case.id).where(Case.contact_id.in_(theirs))
    return select(RuleCase.id).where(
        RuleCase.created_at <= cutoff,
        RuleCase.kind != WRITTEN,
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
    moment = func.coalesce(Notice.sent_at, Notice.created_at)
    return select(Notice.id).where(
        moment <= cutoff, Notice.id.not_in(children), Notice.id.not_in(told)
    )


async def _drop_notices(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await session.execute(delete(Link).where(Link.notice_id.in_(ids)))
    await session.execute(delete(NoticeChild).where(NoticeChild.notice_id.in_(ids)))
    await _drop_deliveries(session, Delivery.notice_id.in_(ids))
    await session.execute(delete(Notice).where(Notice.id.in_(ids)))


# --- people --------------------------------------------------------------------------------------


def _contact_details(cutoff: datetime) -> Select[int]:
    return select(Contact.id).where(
        func.coalesce(Contact.last_incoming_at, Contact.created_at) <= cutoff,
        or_(
            Contact.name.is_not(None),
            Contact.who.is_not(None),
            Contact.emergency_contact.is_not(None),
        ),
        _free(Contact.id),
    )


async def _empty_contacts(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Empty what they told of themselves; the class stays, notices need it."""
    gone = dict.fromkeys(("name", "who", "emergency_contact", "pending", "pending_until"))
    await session.execute(update(Contact).where(Contact.id.in_(ids)).values(gone))


def _in_care() -> Select[Any]:
    """Return the guardians whose contact is protected."""
    return select(Contact.guardian_id).where(
        Contact.guardian_id.is_not(None), Contact.id.in_(protected_contacts())
    )


def _children_left(cutoff: datetime) -> Select[int]:
    theirs = select(Guardianship.child_id).where(Guardianship.guardian_id.in_(_in_care()))
    return select(Child.id).where(
        Child.state == LEFT,
        Child.left_at <= cutoff,
        Child.name_key != "",
        Child.id.not_in(held_children()),
        Child.id.not_in(theirs),
    )


async def _empty_children(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    gone = dict.fromkeys(("born", "student_no", "student_key", "external_id"))
    await session.execute(
        update(Child).where(Child.id.in_(ids)).values(name="", name_key="", **gone)
    )


def _guardians_left(cutoff: datetime) -> Select[int]:
    over = func.coalesce(Guardianship.ended_at, Child.left_at)
    caring = (
        select(Guardianship.guardian_id)
        .join(Child, Child.id == Guardianship.child_id)
        .where(or_(over.is_(None), over > cutoff))
    )
    return select(Guardian.id).where(
        Guardian.created_at <= cutoff,
        Guardian.erased_at.is_(None),
        Guardian.id.not_in(caring),
        Guardian.id.not_in(held_guardians()),
        Guardian.id.not_in(_in_care()),
    )


async def _empty_guardians(session: AsyncSession, ids: Ids, now: datetime) -> None:
    gone = dict.fromkeys(("phone", "phone_key", "external_id"))
    await session.execute(
        update(Guardian).where(Guardian.id.in_(ids)).values(name="", erased_at=now, **gone)
    )


def _enrolments(cutoff: datetime) -> Select[int]:
    over = select(Course.id).where(Course.ends_at <= cutoff)
    return select(Enrolment.id).where(Enrolment.course_id.in_(over), _free(Enrolment.contact_id))


_AT_REST = ImportBatch.state.not_in((READING, APPLYING, UNDOING))


def _done_at() -> ColumnElement[Any]:
    return func.coalesce(ImportBatch.undone_at, ImportBatch.applied_at, ImportBatch.created_at)


def _import_rows(cutoff: datetime) -> Select[int]:
    over = select(ImportBatch.id).where(_done_at() <= cutoff, _AT_REST)
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
    "links": (_of_contact(Link, Link.expires_at.expression),),
    "false_alarm_words": (
        Part(_words_of_dismissed, _drop_messages),
        Part(_replies_of_dismissed, _drop_said),
        Part(_notes_of_dismissed, _empty_notes),
    ),
    "false_alarms": (Part(_closed(_WAS_DISMISSED), _drop_cases, 100),),
    "plain_cases": (
        Part(_closed(~_WAS_DISMISSED, Case.level.not_in(ESCALATED)), _drop_cases, 100),
    ),
    "case_files": (Part(_closed(~_WAS_DISMISSED, Case.level.in_(ESCALATED)), _drop_cases, 100),),
    "chat": (Part(_unbound(Message.level.not_in(ESCALATED)), _drop_messages),),
    "risk_words": (Part(_unbound(Message.level.in_(ESCALATED)), _drop_messages),),
    "said": (Part(_alone(_KNOWN, _free(Delivery.contact_id)), _drop_said),),
    "rule_case_words": (Part(_rule_cases, _empty_rule_cases),),
    "notices": (Part(_notices, _drop_notices, 5),),
    "enrolments": (Part(_enrolments, _deleting(Enrolment)),),
    "contact_details": (Part(_contact_details, _empty_contacts),),
    "bindings": (
        _of_contact(
            Binding,
            func.coalesce(Binding.decided_at, Binding.created_at),
            Binding.state != BOUND,
        ),
    ),
    "children_left": (Part(_children_left, _empty_children),),
    "guardians_left": (Part(_guardians_left, _empty_guardians),),
    "import_rows": (Part(_import_rows, _deleting(ImportRow)),),
    "import_batches": (
        _simple(
            ImportBatch,
            ImportBatch.created_at.expression,
            _AT_REST,
            ImportBatch.id.not_in(select(ImportRow.batch_id)),
        ),
    ),
    "consents": (_of_contact(Consent, Consent.withdrawn_at.expression),),
    "data_requests": (_of_contact(DataRequest, DataRequest.decided_at.expression),),
    "permits": (_simple(ReadPermit, _PERMIT_OVER, ~_HELD_TOO),),
    "holds": (_simple(LegalHold, LegalHold.released_at.expression),),
    "login_failures": (_simple(LoginFailure, LoginFailure.at.expression),),
    "logins": (_simple(Login, Login.expires_at.expression),),
    "service_posts": (Part(_alone(Delivery.contact_id.is_(None)), _drop_said),),
    "alarms": (_simple(Alarm, Alarm.cleared_at.expression),),
    "nights": (_simple(RetentionRun, RetentionRun.at.expression),),
}
