"""Enrolments: taking a place, waiting for one, giving it up; who comes to a course.

Called by the chat's handler and the teachers' pages. The number taken is changed in one statement
that also checks it, so that many at once never get more places than there are. What else reads and
changes a course's list holds the lock of the course's row meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.db.models import Contact
from bot.db.models.course import (
    CANCELLED,
    CLOSED,
    ENROLLED,
    GIVEN_UP,
    OPEN,
    WAITING,
    Course,
    Enrolment,
)
from bot.services import course_news

# Besides the two states: signing up is over, or the course is off or has begun.
OVER, GONE = "over", "gone"
HELD = (ENROLLED, WAITING)


@dataclass(frozen=True, slots=True)
class SignedUp:
    """What signing up came to.

    Args:
        state: `enrolled`, `waiting`, `over` or `gone`.
        before: how many wait in front.
        again: had signed up before.
    """

    course: Course
    state: str
    before: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Mine:
    """One course that a contact has signed up for."""

    course: Course
    state: str
    before: int


async def sign_up(
    session: AsyncSession, course_id: int, contact_id: int, *, now: datetime, since: datetime
) -> SignedUp:
    """Take a place, or one in the waiting list.

    Args:
        since: when the wish was received: what was done since then was done for it, and is told
            as new when the wish is handled a second time.

    Raises:
        NotFound: no such course.
    """
    person = await _same_person(session, contact_id)
    taken = await _take(session, course_id, now)
    # From here on nobody else changes the course's list: the statement or this lock holds its row.
    course = await _locked(session, course_id)
    rows = await _rows(session, course_id, person)
    there = next((row for row in rows if row.state in HELD), None)
    if there is not None:
        course.taken -= taken
        await session.flush()
        before = await _before(session, there)
        return SignedUp(course, there.state, before, again=there.changed_at < since)
    if not taken and (course.state not in (OPEN, CLOSED) or course.starts_at <= now):
        return SignedUp(course, GONE)
    if not taken and (course.state == CLOSED or _closed(course, now)):
        return SignedUp(course, OVER)
    # Between the statement and the lock somebody may have given up a place.
    taken = taken or await _take(session, course_id, now)
    row = next((row for row in rows if row.contact_id == contact_id), None)
    if row is None:
        row = Enrolment(course_id=course_id, contact_id=contact_id, created_at=now)
        session.add(row)
    row.state, row.changed_at = ENROLLED if taken else WAITING, now
    row.waits_from = None if taken else await _end_of_list(session, course_id, now)
    await session.flush()
    return SignedUp(course, row.state, await _before(session, row))


async def give_up(
    session: AsyncSession, course_id: int, contact_id: int, *, now: datetime
) -> Course:
    """Give up a place; the first who waits gets it and is told. A second time changes nothing.

    Raises:
        NotFound: no such course.
    """
    course = await _locked(session, course_id)
    rows = await _rows(session, course_id, await _same_person(session, contact_id))
    row = next((row for row in rows if row.state in HELD), None)
    if row is None:
        return course
    if row.state == ENROLLED:
        course.taken -= 1
    row.state, row.waits_from, row.changed_at = GIVEN_UP, None, now
    await session.flush()
    await fill(session, course, now=now)
    return course


async def leave_all(session: AsyncSession, contact_id: int, *, now: datetime) -> None:
    """Give up every coming place of a contact that has its data erased."""
    coming = await session.scalars(
        select(Enrolment.course_id)
        .join(Course, Course.id == Enrolment.course_id)
        .where(
            Enrolment.contact_id == contact_id,
            Enrolment.state.in_(HELD),
            Course.ends_at > now,
        )
        .order_by(Enrolment.course_id)
    )
    for course_id in coming.all():
        await give_up(session, course_id, contact_id, now=now)


async def fill(session: AsyncSession, course: Course, *, now: datetime) -> None:
    """Give free places to those who wait, in their order, and tell them.

    Args:
        course: its row is locked by the caller.
    """
    if course.state not in (OPEN, CLOSED) or course.starts_at <= now:
        return
    free = None if course.places is None else max(0, course.places - course.taken)
    waiting = await session.scalars(
        select(Enrolment)
        .where(Enrolment.course_id == course.id, Enrolment.state == WAITING)
        .order_by(Enrolment.waits_from, Enrolment.id)
        .limit(free)
    )
    for row in waiting.all():
        course.taken += 1
        row.state, row.waits_from, row.changed_at, row.told_at = ENROLLED, None, now, now
        await session.flush()
        await course_news.queue(
            session, course, course_news.MOVED_UP, now=now, contact_id=row.contact_id
        )


async def mine(session: AsyncSession, contact_id: int, *, now: datetime) -> list[Mine]:
    """Return what a person has signed up for and is not over, over all their channels."""
    rows = await session.execute(
        select(Enrolment, Course)
        .join(Course, Course.id == Enrolment.course_id)
        .where(
            Enrolment.contact_id.in_(await _same_person(session, contact_id)),
            Enrolment.state.in_(HELD),
            Course.ends_at > now,
        )
        .order_by(Course.starts_at, Course.id)
    )
    return [
        Mine(
            course,
            CANCELLED if course.state == CANCELLED else row.state,
            await _before(session, row),
        )
        for row, course in rows.all()
    ]


async def waiting_counts(session: AsyncSession, course_ids: list[int]) -> dict[int, int]:
    """Return how many wait for each course."""
    rows = await session.execute(
        select(Enrolment.course_id, func.count())
        .where(Enrolment.course_id.in_(course_ids), Enrolment.state == WAITING)
        .group_by(Enrolment.course_id)
    )
    return {row.course_id: row[1] for row in rows}


def _closed(course: Course, now: datetime) -> bool:
    return course.closes_at is not None and course.closes_at <= now


async def _take(session: AsyncSession, course_id: int, now: datetime) -> bool:
    """Take one place if there is one."""
    done = await session.execute(
        update(Course)
        .where(
            Course.id == course_id,
            Course.state == OPEN,
            Course.starts_at > now,
            or_(Course.closes_at.is_(None), Course.closes_at > now),
            or_(Course.places.is_(None), Course.taken < Course.places),
        )
        .values(taken=Course.taken + 1)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], done).rowcount == 1


async def _rows(
    session: AsyncSession, course_id: int, contact_ids: Sequence[int]
) -> Sequence[Enrolment]:
    """Return a person's rows of a course, over whichever channel, given up or not."""
    rows = await session.scalars(
        select(Enrolment).where(
            Enrolment.course_id == course_id, Enrolment.contact_id.in_(contact_ids)
        )
    )
    return rows.all()


async def _same_person(session: AsyncSession, contact_id: int) -> list[int]:
    """Return the contacts of the person behind a contact."""
    guardian = await session.scalar(select(Contact.guardian_id).where(Contact.id == contact_id))
    if guardian is None:
        return [contact_id]
    rows = await session.scalars(select(Contact.id).where(Contact.guardian_id == guardian))
    return list(rows)


async def _end_of_list(session: AsyncSession, course_id: int, now: datetime) -> datetime:
    """Return the moment that puts somebody behind all who wait.

    Of many who come at once the handling of one may begin earlier and get the course's lock later;
    those before it have been told their number by then.
    """
    last = await session.scalar(
        select(func.max(Enrolment.waits_from)).where(
            Enrolment.course_id == course_id, Enrolment.state == WAITING
        )
    )
    return now if last is None else max(now, last + timedelta(microseconds=1))


async def _before(session: AsyncSession, row: Enrolment) -> int:
    """Return how many wait in front of somebody."""
    if row.state != WAITING:
        return 0
    earlier = (Enrolment.waits_from < row.waits_from) | (
        (Enrolment.waits_from == row.waits_from) & (Enrolment.id < row.id)
    )
    count = await session.scalar(
        select(func.count(Enrolment.id)).where(
            Enrolment.course_id == row.course_id, Enrolment.state == WAITING, earlier
        )
    )
    return count or 0


async def _locked(session: AsyncSession, course_id: int) -> Course:
    course = await session.get(Course, course_id, with_for_update=True, populate_existing=True)
    if course is None:
        raise NotFound(f"course {course_id}")
    return course
