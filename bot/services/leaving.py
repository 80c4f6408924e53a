"""Somebody leaves: what is open of theirs, who takes it over, and the end of their roles.

Called by `/admin/staff/{id}`. Nothing a parent waits for may be left with somebody who is gone: an
accepted case or a held conversation needs a successor who may work on it. Their duty shifts end in
any case, so that the roster shows the gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db.models import (
    Binding,
    Case,
    CaseEvent,
    Contact,
    Course,
    Login,
    Notice,
    Shift,
    Staff,
    StaffRole,
)
from bot.db.models.case import CLOSED
from bot.db.models.course import CANCELLED
from bot.db.models.notice import DRAFT
from bot.db.models.person import ASKED
from bot.services import audit, rights, shift_patterns, shifts, staff, staffing, waking
from bot.services.live import publish
from bot.services.staff import StaffView
from bot.services.staffing import StaffConflict, state_of

TEACHER = "teacher"


@dataclass(frozen=True, slots=True)
class Open:
    """What somebody has not finished, as rows.

    Args:
        cases: accepted and not closed.
        held: conversations in which the bot is silent because of them.
        shifts: that last or lie ahead.
        notices: written and not sent.
        courses: ahead, that they keep.
        bindings: parents who wait for a yes in their classes; others there may say it too.
    """

    cases: Sequence[Case] = ()
    held: Sequence[Contact] = ()
    shifts: Sequence[Shift] = ()
    notices: Sequence[Notice] = ()
    courses: Sequence[Course] = ()
    bindings: Sequence[Binding] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return how many there are of each, leaving out none."""
        return {one.name: len(getattr(self, one.name)) for one in fields(self)}

    @property
    def urgent(self) -> bool:
        """Say whether a parent would be left alone."""
        return bool(self.cases or self.held)


async def open_of(session: AsyncSession, staff_id: int, *, now: datetime) -> Open:
    """Return what somebody has not finished."""

    async def rows(model: Any, *where: ColumnElement[bool]) -> Sequence[Any]:
        return (await session.scalars(select(model).where(*where).order_by(model.id))).all()

    classes = select(StaffRole.place_id).where(
        StaffRole.staff_id == staff_id, StaffRole.role == TEACHER, staff.held_now(now)
    )
    return Open(
        cases=await rows(Case, Case.accepted_by == staff_id, Case.state != CLOSED),
        held=await rows(Contact, Contact.holder_id == staff_id),
        shifts=await rows(Shift, Shift.staff_id == staff_id, Shift.ends_at > now),
        notices=await rows(Notice, Notice.author_id == staff_id, Notice.state == DRAFT),
        courses=await rows(
            Course,
            Course.author_id == staff_id,
            Course.state != CANCELLED,
            Course.ends_at > now,
        ),
        bindings=await rows(Binding, Binding.place_id.in_(classes), Binding.state == ASKED),
    )


async def leave(
    session: AsyncSession,
    by: StaffView,
    staff_id: int,
    *,
    to_id: int | None,
    classes: bool,
    now: datetime,
) -> Open:
    """End all roles of a colleague, close the account and hand over what is open.

    Of somebody who has left already, what is still open is handed over.

    Args:
        to_id: who takes it over; None only where no parent would be left alone.
        classes: the successor becomes teacher where the other one was.

    Returns:
        What could not be handed over, because the successor has no right to it.

    Raises:
        NotFound: no such colleague where they work.
        NotAllowed: it is themself, or somebody above them.
        InputInvalid: the successor is nobody who works here.
        StaffConflict: `successor`; a case or a conversation would be left alone.
    """
    person = await staffing.require_account(session, by, staff_id, now=now)
    await session.refresh(person, with_for_update=True)
    open_ = await open_of(session, staff_id, now=now)
    to = await _successor(session, by, staff_id, to_id, now)
    if not person.active:
        return await _hand_over(session, by, open_, to, now)
    roles = await _roles(session, staff_id, now)
    if classes and to is not None:
        await _give_classes(session, by, to, roles, now)
        to = await _view(session, to.id, now)
    await shift_patterns.retire(session, staff_id, now)
    left = await _hand_over(session, by, open_, to, now)
    if left.urgent:
        raise StaffConflict("successor")
    for row in roles:
        await staffing.end_role(session, by, row, now)
    await _end_shifts(session, left.shifts, now)
    person.active = False
    await session.execute(delete(Login).where(Login.staff_id == staff_id))
    await _note(session, by, "staff.left", staff_id, now, to=to_id, **left.counts)
    return left


async def _roles(session: AsyncSession, staff_id: int, now: datetime) -> list[StaffRole]:
    rows = await session.scalars(select(StaffRole).where(StaffRole.staff_id == staff_id))
    return [row for row in rows if state_of(row, now) != "ended"]


async def _successor(
    session: AsyncSession, by: StaffView, staff_id: int, to_id: int | None, now: datetime
) -> StaffView | None:
    if to_id is None:
        return None
    known = {one.person.id for one in await staffing.listing(session, by, now=now)}
    if to_id == staff_id or to_id not in known:
        raise InputInvalid("successor", field="to")
    return await _view(session, to_id, now)


async def _view(session: AsyncSession, staff_id: int, now: datetime) -> StaffView:
    return await staff.view(session, await session.get_one(Staff, staff_id), now)


async def _give_classes(
    session: AsyncSession,
    by: StaffView,
    to: StaffView,
    roles: Sequence[StaffRole],
    now: datetime,
) -> None:
    for row in roles:
        if row.role == TEACHER and row.place_id not in to.at(TEACHER):
            await staffing.grant(
                session,
                by,
                to.id,
                role=TEACHER,
                place_id=row.place_id,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                now=now,
            )


async def _hand_over(
    session: AsyncSession, by: StaffView, open_: Open, to: StaffView | None, now: datetime
) -> Open:
    """Give a successor what they may work on, and return the rest."""
    if to is None:
        return open_
    left: dict[str, list[Any]] = {}
    for name, action, column in _TAKEN:
        for row in getattr(open_, name):
            if _may_take(to, action, row) and not await _busy(session, to, row):
                setattr(row, column, to.id)
                await _tell(session, row, to.id, now)
            else:
                left.setdefault(name, []).append(row)
    await session.flush()
    await waking.refresh(session, now, staff_id=to.id)
    rest = Open(
        **{name: tuple(left.get(name, ())) for name, _, _ in _TAKEN},
        bindings=[row for row in open_.bindings if not _may_take(to, "binding.decide", row)],
    )
    given = {name: count - rest.counts[name] for name, count in open_.counts.items()}
    if not any(given.values()):
        return rest
    await _note(session, by, "work.handed_over", to.id, now, **given)
    return rest


# Which rows go to a successor, by the right it takes, and in which column they name somebody.
_TAKEN = (
    ("cases", "case.work", "accepted_by"),
    ("held", "case.work", "holder_id"),
    ("shifts", "case.summary", "staff_id"),
    ("notices", "notice.write", "author_id"),
    ("courses", "course.change", "author_id"),
)


def _may_take(to: StaffView, action: str, row: Any) -> bool:
    if row.place_id is None:
        # A parent without a school belongs to the district's desk.
        return bool(to.at("district"))
    return rights.may(to, action, row.place_id)


async def _busy(session: AsyncSession, to: StaffView, row: object) -> bool:
    """Say whether a shift can't go to somebody who is on duty then already."""
    if not isinstance(row, Shift):
        return False
    return bool(await shifts.overlapping(session, to.id, row.starts_at, row.ends_at))


async def _tell(session: AsyncSession, row: object, to_id: int, now: datetime) -> None:
    """Put a case's new owner on its timeline and on the open desks."""
    if not isinstance(row, Case):
        return
    session.add(CaseEvent(case_id=row.id, at=now, kind="handed_over", staff_id=to_id, data={}))
    await publish(session, "case", place_id=row.place_id, case_id=row.id, now=now)


async def _end_shifts(session: AsyncSession, rows: Sequence[Shift], now: datetime) -> None:
    """Take somebody off the roster: a gap that shows is better than a duty nobody does."""
    for shift in rows:
        await shifts.drop(session, shift, now)


async def _note(
    session: AsyncSession,
    by: StaffView,
    action: str,
    staff_id: int,
    now: datetime,
    **data: object,
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="staff",
        object_id=staff_id,
        now=now,
        data=data,
    )
