"""Reports that the law asks for (强制报告): decided, agreed to by a second person, made, answered.

Called by `bot.web.reports`. A person phones; the machine sends nothing to anybody. A second person
agrees at once, fifteen minutes at most; where that can't wait, the call comes first and they agree
afterwards. Every step is a line of the case's timeline and of the audit trail.
Sources: Law on the Protection of Minors, articles 11, 39, 40; 2020 opinions, article 4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, CaseEvent, Child, Place, Report
from bot.db.models.case import CLOSED
from bot.services import audit, case_rights, places, report_reminders, rights, told
from bot.services.live import publish
from bot.services.report_words import words
from bot.services.staff import StaffView
from bot.services.told import Telling

DECIDE, AGREE = "report.decide", report_reminders.AGREE
AT_ONCE = timedelta(minutes=15)
# A call is written down afterwards, and never before it was made.
OLDEST, CLOCK_SKEW = timedelta(days=30), timedelta(minutes=5)
SHORTEST, LONGEST, LONGEST_NAME = 5, 4000, 80
# What addresses a decision against a report.
NOBODY = report_reminders.NOBODY
SHOWN, SHOWN_FOR = 100, timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Made:
    """What a person writes down after the call.

    Args:
        words: what was said.
        at: as the form's field gives it (`2026-11-22T23:40`, Asia/Shanghai); empty: now.
        early: code of why nobody had agreed yet; empty where somebody had.
    """

    words: str
    number: str = ""
    officer: str = ""
    at: str = ""
    early: str = ""


async def decide(
    session: AsyncSession, by: StaffView, case: Case, *, addressee: str, basis: str, now: datetime
) -> Report:
    """Decide that a case is reported; the same decision again is the one that stands.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no such addressee (`report_addressee`) or ground (`report_basis`).
        Conflict: the case is closed (`report_closed`).
    """
    if addressee not in words().addressees:
        raise InputInvalid("report_addressee", field="addressee")
    return await _decide(session, by, case, addressee, basis, "", now)


async def decide_not(
    session: AsyncSession, by: StaffView, case: Case, *, basis: str, reason: str, now: datetime
) -> Report:
    """Decide, with a reason, that a case is not reported; a second person looks at that too.

    Raises:
        NotFound, InputInvalid, Conflict: as for `decide`; `report_reason` without a reason.
    """
    return await _decide(session, by, case, NOBODY, basis, _reason(reason), now)


async def _decide(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    addressee: str,
    basis: str,
    reason: str,
    now: datetime,
) -> Report:
    if basis not in words().bases:
        raise InputInvalid("report_basis", field="basis")
    await case_rights.reached(session, by, DECIDE, case)
    await session.refresh(case, with_for_update=True)
    if case.state == CLOSED:
        raise Conflict("report_closed")
    same = await session.scalar(
        select(Report).where(
            Report.case_id == case.id,
            Report.addressee == addressee,
            Report.basis == basis,
            Report.made_at.is_(None),
            Report.refused.is_(bool(reason)),
        )
    )
    if same is not None:
        return same
    report = Report(
        case_id=case.id,
        addressee=addressee,
        basis=basis,
        decided_by=by.id,
        decided_at=now,
        words=reason,
        number="",
        officer="",
        result="",
        refused=bool(reason),
        row_version=1,
    )
    session.add(report)
    await session.flush()
    await report_reminders.plan(session, report, now=now)
    await _note(session, by, case, report, "report_not" if reason else "report_decided", now)
    return report


async def agree(session: AsyncSession, by: StaffView, report_id: int, *, now: datetime) -> Report:
    """Agree, as a second person, to what somebody else decided; also after the call was made.

    Raises:
        NotFound: there is no such report within the person's reach.
        Conflict: it is one's own (`report_own`), taken back (`report_gone`) or agreed to already.
    """
    report, case = await _to(session, by, AGREE, report_id)
    if report.decided_by == by.id:
        raise Conflict("report_own")
    if report.refused and report.addressee != NOBODY:
        raise Conflict("report_gone")
    done = await session.scalar(
        update(Report)
        .where(Report.id == report_id, Report.agreed_by.is_(None))
        .values(agreed_by=by.id, agreed_at=now, row_version=Report.row_version + 1)
        .returning(Report.id)
    )
    await session.refresh(report)
    if done is None:
        if report.agreed_by == by.id:
            return report
        raise Conflict("report_agreed")
    await report_reminders.stop(session, report_id, now=now)
    await _note(session, by, case, report, "report_agreed", now)
    return report


async def make(
    session: AsyncSession, by: StaffView, report_id: int, made: Made, *, now: datetime
) -> Report:
    """Write down that a report was made by phone, to whom and under which number.

    Raises:
        NotFound: there is no such report within the person's reach.
        InputInvalid: no words (`report_words`), something too long (`report_long`), a wrong moment
            (`report_at`), or no reason for not having waited for a second person (`report_early`).
        Conflict: it was taken back (`report_gone`) or written down already (`report_made`).
    """
    report, case = await _to(session, by, DECIDE, report_id)
    said, number, officer = made.words.strip(), made.number.strip(), made.officer.strip()
    if len(said) < SHORTEST:
        raise InputInvalid("report_words", field="words")
    if len(said) > LONGEST or max(len(number), len(officer)) > LONGEST_NAME:
        raise InputInvalid("report_long", field="words")
    at = _moment(made.at, now)
    if report.refused:
        raise Conflict("report_gone")
    if report.agreed_by is None and made.early not in words().early:
        raise InputInvalid("report_early", field="early")
    early = made.early if report.agreed_by is None else ""
    done = await session.scalar(
        update(Report)
        .where(Report.id == report_id, Report.made_at.is_(None), Report.refused.is_(False))
        .values(
            made_at=at,
            words=said,
            number=number,
            officer=officer,
            row_version=Report.row_version + 1,
        )
        .returning(Report.id)
    )
    await session.refresh(report)
    if done is None:
        raise Conflict("report_gone" if report.refused else "report_made")
    to = " ".join(part for part in (words().addressees.get(report.addressee, ""), officer) if part)
    telling = Telling(report.addressee, "phone", said, True, name=to, answer=number)
    await told.by_report(session, by, case, telling, at=at)
    await _note(session, by, case, report, "report_made", now, early=early)
    return report


async def add_result(
    session: AsyncSession, by: StaffView, report_id: int, text: str, *, now: datetime
) -> Report:
    """Add what became of a report; what stands there already is never changed.

    Raises:
        NotFound: there is no such report within the person's reach.
        InputInvalid: nothing written (`report_result`), or the record is full (`report_long`).
        Conflict: it has not been made (`report_unmade`).
    """
    report, case = await _to(session, by, DECIDE, report_id)
    said = text.strip()
    if not said:
        raise InputInvalid("report_result", field="result")
    await session.refresh(report, with_for_update=True)
    if report.made_at is None:
        raise Conflict("report_unmade")
    line = f"{to_shanghai(now):%Y-%m-%d %H:%M} {by.name} {said}"
    lines = report.result.splitlines()
    # The minute stands before the words: a double click writes one line.
    if line in lines:
        return report
    if len(report.result) + len(line) > LONGEST:
        raise InputInvalid("report_long", field="result")
    report.result = "\n".join([*lines, line])
    report.row_version += 1
    await _note(session, by, case, report, "report_result", now)
    return report


async def withdraw(
    session: AsyncSession, by: StaffView, report_id: int, reason: str, *, now: datetime
) -> Report:
    """Take a decision back before the call, with a reason.

    Only who may decide: a school's lead must not stop a report about the school (Law on the
    Protection of Minors, article 40).

    Raises:
        NotFound: there is no such report within the person's reach.
        InputInvalid: no reason (`report_reason`).
        Conflict: it was made (`report_made`) or taken back already (`report_gone`).
    """
    report, case = await _to(session, by, DECIDE, report_id)
    said = _reason(reason)
    done = await session.scalar(
        update(Report)
        .where(Report.id == report_id, Report.made_at.is_(None), Report.refused.is_(False))
        .values(refused=True, result=said, row_version=Report.row_version + 1)
        .returning(Report.id)
    )
    await session.refresh(report)
    if done is None:
        raise Conflict("report_gone" if report.refused else "report_made")
    await report_reminders.stop(session, report_id, now=now)
    await _note(session, by, case, report, "report_withdrawn", now)
    return report


async def of_case(session: AsyncSession, case_id: int) -> Sequence[Report]:
    """Return the reports of a case, oldest first. Whoever shows them has asked the right."""
    query = select(Report).where(Report.case_id == case_id).order_by(Report.id)
    return (await session.scalars(query)).all()


async def waiting(
    session: AsyncSession, viewer: StaffView, *, now: datetime
) -> list[tuple[Report, Case]]:
    """Return what a person may agree to, what nobody has agreed to first; no words are in it."""
    reachable = rights.places_for(viewer, AGREE)
    rows = await session.execute(
        select(Report, Case)
        .join(Case, Case.id == Report.case_id)
        .where(Case.place_id.in_(reachable), Report.decided_at > now - SHOWN_FOR)
        .order_by(Report.agreed_by.is_not(None), Report.id.desc())
        .limit(SHOWN)
    )
    found = []
    for report, case in rows.all():
        place = await session.get(Place, case.place_id) if case.place_id else None
        if case_rights.reaches(viewer, AGREE, case, place.kind if place else None):
            found.append((report, case))
    return found


def due_at(case: Case, report: Report | None) -> datetime:
    """Return until when a second person has agreed: at once, fifteen minutes at most."""
    return (report.decided_at if report else case.raised_at) + AT_ONCE


async def script(session: AsyncSession, by: StaffView, case: Case, report: Report) -> str:
    """Return the words to read out, with the school, one's name, the ground and the child's name.

    Raises:
        NotFound: the case is out of the person's reach.
    """
    await case_rights.reached(session, by, DECIDE, case)
    school = await places.ancestor(session, case.place_id, "school")
    child = await session.get(Child, case.child_id) if case.child_id else None
    return words().read_out(
        addressee=report.addressee,
        basis=report.basis,
        school=school.name if school else "",
        name=by.name,
        child=child.name if child else "",
    )


async def _to(
    session: AsyncSession, by: StaffView, action: str, report_id: int
) -> tuple[Report, Case]:
    report = await session.get(Report, report_id, populate_existing=True)
    case = await session.get(Case, report.case_id) if report else None
    found = await case_rights.reached(session, by, action, case)
    if report is None:
        raise NotFound(f"report {report_id}")
    return report, found


def _reason(text: str) -> str:
    said = text.strip()
    if not SHORTEST <= len(said) <= LONGEST:
        raise InputInvalid("report_reason", field="reason")
    return said


def _moment(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        at = datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise InputInvalid("report_at", field="at") from None
    if not now - OLDEST <= at <= now + CLOCK_SKEW:
        raise InputInvalid("report_at", field="at")
    # The field holds whole minutes: this one means now, and no call stands before what came first.
    return now if at > now - timedelta(minutes=1) else at


async def _note(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    report: Report,
    kind: str,
    now: datetime,
    *,
    early: str = "",
) -> None:
    """Write one step into the timeline and the audit trail, and tell open pages."""
    data: dict[str, object] = {"report": report.id, "to": report.addressee, "basis": report.basis}
    if early:
        data["early"] = early
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data=dict(data)))
    action = kind.replace("_", ".", 1)
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="case",
        object_id=case.id,
        now=now,
        data=data,
    )
    await publish(session, "report", place_id=case.place_id, case_id=case.id, now=now)
