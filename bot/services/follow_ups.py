"""Follow-ups (回访): planned when a case is judged or closed; done, moved, called off by people.

Called by `bot.services.cases` and the judging of a case (`plan`), and by the case's page. What
reminds of them is `bot.services.reminders`. Source: DOMAIN §2.2, column "Clock": level 3 and 3!
24 hours, 1 week, 1, 3 and 6 months; level 2 1 week and 1 month.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, CaseEvent, FollowUp, Staff
from bot.db.models.file import CANCELLED, DONE, DUE
from bot.services import case_rights, reminders, staff, workdays
from bot.services.live import publish
from bot.services.staff import StaffView

DAY_ONE, WEEK, OWN = "24h", "1w", "own"
_MONTHS: Mapping[str, int] = {"1m": 1, "3m": 3, "6m": 6}
PLANNED: Mapping[str, tuple[str, ...]] = {
    "3!": (DAY_ONE, WEEK, "1m", "3m", "6m"),
    "3": (DAY_ONE, WEEK, "1m", "3m", "6m"),
    "2": (WEEK, "1m"),
}
# A danger that was none needs nobody to look after it.
NEVER_AFTER = frozenset({"false_alarm", "drill"})
MAX_NOTE = 4000
FURTHEST = timedelta(days=366)


def due_after(kind: str, moment: datetime) -> datetime:
    """Return when a follow-up is due that counts from a moment.

    24 hours are 24 hours, on whatever day. Weeks and months are those of the calendar in
    Shanghai, moved to the next working day; they are due when school closes. A month that has no
    such day ends with its last.
    """
    if kind == DAY_ONE:
        return moment + timedelta(hours=24)
    day = to_shanghai(moment).date()
    later = day + timedelta(days=7) if kind == WEEK else _months_later(day, _MONTHS[kind])
    return closing_of(workdays.next_workday(later))


def closing_of(day: date) -> datetime:
    """Return when school closes on a day."""
    return datetime.combine(day, workdays.SCHOOL_CLOSES, SHANGHAI).astimezone(UTC)


def _months_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


async def plan(
    session: AsyncSession, case: Case, *, by: int | None, now: datetime
) -> list[FollowUp]:
    """Plan what the judged level asks for, as far as it is not planned or done already.

    Done or called off before the case was raised the last time doesn't count: a new danger is
    looked after anew. A case that was a false alarm or a drill is looked after no more.
    """
    # Two people who judge at once must not plan everything twice.
    await session.execute(select(Case.id).where(Case.id == case.id).with_for_update())
    if case.drill or case.close_reason in NEVER_AFTER:
        await _call_off_all(session, case, by=by, now=now)
        return []
    wanted = PLANNED.get(case.judged_now or case.level, ())
    rows = await of_case(session, case.id)
    known = {row.kind for row in rows if row.state == DUE or _since(case, row)}
    added: list[FollowUp] = []
    for kind in wanted:
        if kind not in known:
            due_at = due_after(kind, now)
            if all(row.due_at != due_at or row.kind != kind for row in rows):
                added.append(await _add(session, case, kind, due_at, case.accepted_by or by, now))
    if added:
        _note(session, case, "follow_ups_planned", now, staff_id=by, n=len(added))
    return added


def _since(case: Case, row: FollowUp) -> bool:
    return row.done_at is not None and row.done_at >= case.raised_at


async def _add(
    session: AsyncSession,
    case: Case,
    kind: str,
    due_at: datetime,
    owner_id: int | None,
    now: datetime,
) -> FollowUp:
    row = FollowUp(case_id=case.id, kind=kind, due_at=due_at, owner_id=owner_id, state=DUE, note="")
    session.add(row)
    await session.flush()
    await _remind(session, row, now)
    return row


async def of_case(session: AsyncSession, case_id: int) -> Sequence[FollowUp]:
    """Return the follow-ups of a case, the next one first."""
    rows = await session.scalars(
        select(FollowUp).where(FollowUp.case_id == case_id).order_by(FollowUp.due_at, FollowUp.id)
    )
    return rows.all()


async def add(
    session: AsyncSession, by: StaffView, case: Case, *, day: date, now: datetime
) -> FollowUp:
    """Plan one on a day of a person's own choice; the person answers for it.

    Raises:
        NotFound: no such case within the person's reach.
        InputInvalid: the day is over, or more than a year away.
        Conflict: one is planned on this day already.
    """
    await case_rights.to_work(session, by, case)
    due_at = _day_ahead(day, now)
    rows = await of_case(session, case.id)
    if any(row.kind == OWN and row.due_at == due_at for row in rows):
        raise Conflict("followup_twice")
    row = await _add(session, case, OWN, due_at, by.id, now)
    _note(session, case, "follow_ups_planned", now, staff_id=by.id, n=1)
    await _tell(session, case, now)
    return row


async def finish(
    session: AsyncSession, by: StaffView, case: Case, follow_up_id: int, *, note: str, now: datetime
) -> None:
    """Note that one was done, and how it went.

    Raises:
        NotFound: no such case or follow-up within the person's reach.
        InputInvalid: no note, or one that is too long.
        Conflict: it is done or called off already.
    """
    row = await _due_row(session, by, case, follow_up_id)
    await _settle(session, row, DONE, by=by.id, note=_said(note), now=now)
    _note(session, case, "followed_up", now, staff_id=by.id, what=row.kind)
    await _tell(session, case, now)


async def call_off(
    session: AsyncSession, by: StaffView, case: Case, follow_up_id: int, *, note: str, now: datetime
) -> None:
    """Call one off; only with a reason.

    Raises:
        NotFound: no such case or follow-up within the person's reach.
        InputInvalid: no reason, or one that is too long.
        Conflict: it is done or called off already.
    """
    row = await _due_row(session, by, case, follow_up_id)
    await _settle(session, row, CANCELLED, by=by.id, note=_said(note), now=now)
    _note(session, case, "follow_up_off", now, staff_id=by.id, what=row.kind)
    await _tell(session, case, now)


async def move(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    follow_up_id: int,
    *,
    day: date,
    note: str,
    now: datetime,
) -> None:
    """Move one to another day; only with a reason. It is due when school closes on that day.

    Raises:
        NotFound: no such case or follow-up within the person's reach.
        InputInvalid: no reason, or a day that is over or more than a year away.
        Conflict: it is done already, or one of its kind is planned for that day.
    """
    row = await _due_row(session, by, case, follow_up_id)
    due_at, was = _day_ahead(day, now), row.due_at
    rows = await of_case(session, case.id)
    if any(other.kind == row.kind and other.due_at == due_at for other in rows):
        raise Conflict("followup_twice")
    text = "\n".join(part for part in (row.note, _said(note)) if part)
    await _set(session, row, due_at=due_at, note=text)
    await _remind(session, row, now)
    data = {"from": was.isoformat(), "to": due_at.isoformat()}
    _note(session, case, "follow_up_moved", now, staff_id=by.id, what=row.kind, **data)
    await _tell(session, case, now)


async def give(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    follow_up_id: int,
    *,
    owner_id: int,
    now: datetime,
) -> None:
    """Make somebody else answer for one, or oneself.

    Raises:
        NotFound: no such case or follow-up within the person's reach.
        InputInvalid: the other one may not work on the case.
        Conflict: it is done or called off already.
    """
    row = await _due_row(session, by, case, follow_up_id)
    await may_answer(session, case, owner_id, now=now)
    await _set(session, row, owner_id=owner_id)
    _note(session, case, "follow_up_given", now, staff_id=by.id, what=row.kind, to=owner_id)
    await _tell(session, case, now)


async def may_answer(session: AsyncSession, case: Case, owner_id: int, *, now: datetime) -> None:
    """Let somebody answer for a follow-up or a plan who may work on its case.

    Raises:
        InputInvalid: there is no such person, or the case is out of their reach.
    """
    person = await session.get(Staff, owner_id)
    if person is None or not person.active:
        raise InputInvalid("owner_unknown", field="owner")
    try:
        await case_rights.to_work(session, await staff.view(session, person, now), case)
    except NotFound:
        raise InputInvalid("owner_unknown", field="owner") from None


async def _due_row(session: AsyncSession, by: StaffView, case: Case, follow_up_id: int) -> FollowUp:
    await case_rights.to_work(session, by, case)
    row = await session.get(FollowUp, follow_up_id, populate_existing=True)
    if row is None or row.case_id != case.id:
        raise NotFound("no such follow-up here")
    if row.state != DUE:
        raise Conflict("followup_over")
    return row


async def _settle(
    session: AsyncSession, row: FollowUp, state: str, *, by: int | None, note: str, now: datetime
) -> None:
    text = "\n".join(part for part in (row.note, note) if part)
    await _set(session, row, state=state, done_at=now, done_by=by, note=text)
    await reminders.stop(session, reminders.FOLLOW_UP, row.id, now=now)


async def _set(session: AsyncSession, row: FollowUp, **values: object) -> None:
    """Change a row that nobody has changed since it was read.

    Raises:
        Conflict: somebody was faster.
    """
    changed = await session.scalar(
        update(FollowUp)
        .where(
            FollowUp.id == row.id,
            FollowUp.state == DUE,
            FollowUp.row_version == row.row_version,
        )
        .values(**values, row_version=row.row_version + 1)
        .returning(FollowUp.id)
    )
    if changed is None:
        raise Conflict("followup_over")
    await session.refresh(row)


async def _call_off_all(
    session: AsyncSession, case: Case, *, by: int | None, now: datetime
) -> None:
    rows = [row for row in await of_case(session, case.id) if row.state == DUE]
    for row in rows:
        await _settle(session, row, CANCELLED, by=by, note="", now=now)
    if rows:
        _note(session, case, "follow_ups_off", now, staff_id=by, n=len(rows))


def _day_ahead(day: date, now: datetime) -> datetime:
    today = to_shanghai(now).date()
    due_at = closing_of(day)
    if due_at <= now or day > today + FURTHEST:
        raise InputInvalid("followup_day", field="day")
    return due_at


def _said(note: str) -> str:
    text = note.strip()
    if not text:
        raise InputInvalid("followup_note", field="note")
    if len(text) > MAX_NOTE:
        raise InputInvalid("followup_note_long", field="note")
    return text


async def _remind(session: AsyncSession, row: FollowUp, now: datetime) -> None:
    version = row.row_version
    await reminders.plan(session, reminders.FOLLOW_UP, row.id, row.due_at, version=version, now=now)


async def _tell(session: AsyncSession, case: Case, now: datetime) -> None:
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


def _note(
    session: AsyncSession,
    case: Case,
    kind: str,
    now: datetime,
    *,
    staff_id: int | None,
    **data: object,
) -> None:
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=staff_id, data=data))
