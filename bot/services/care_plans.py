"""一生一策: the plan for one child, with a goal, steps, who answers for it and when it is reviewed.

Called by the case's page and the list of follow-ups. A plan is never written over: a new version
ends the one before, and both stay in the file. At most one of a case runs.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid
from bot.db.models import CarePlan, Case, CaseEvent
from bot.services import case_rights, follow_ups, reminders
from bot.services.live import publish
from bot.services.staff import StaffView

MAX_TEXT = 4000
FURTHEST = timedelta(days=366)


async def of_case(session: AsyncSession, case_id: int) -> Sequence[CarePlan]:
    """Return every version of a case's plan, the newest first."""
    rows = await session.scalars(
        select(CarePlan).where(CarePlan.case_id == case_id).order_by(CarePlan.id.desc())
    )
    return rows.all()


async def running(session: AsyncSession, case_id: int) -> CarePlan | None:
    """Return the plan that is followed now."""
    query = select(CarePlan).where(CarePlan.case_id == case_id, CarePlan.ended_at.is_(None))
    return await session.scalar(query.order_by(CarePlan.id.desc()).limit(1))


async def write(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    *,
    goal: str,
    steps: str,
    owner_id: int,
    review: date,
    replaces: int | None,
    now: datetime,
) -> CarePlan:
    """Write a new version; it ends the one it replaces.

    Args:
        replaces: the plan that ran when the person opened the page; None: there was none.

    Raises:
        NotFound: no such case within the person's reach.
        InputInvalid: a field is empty or too long, the day is over or more than a year away, or
            the owner may not work on the case.
        Conflict: somebody else has written a version meanwhile.
    """
    await case_rights.to_work(session, by, case)
    goal, steps = _text(goal, "goal"), _text(steps, "steps")
    review_at = _review_at(review, now)
    await follow_ups.may_answer(session, case, owner_id, now=now)
    # Two people who write at once must not both see that no plan runs.
    await session.execute(select(Case.id).where(Case.id == case.id).with_for_update())
    was = await running(session, case.id)
    if (was.id if was else None) != replaces:
        raise Conflict("care_plan_changed")
    if was is not None:
        await _end(session, was, now)
    plan = CarePlan(
        case_id=case.id,
        child_id=case.child_id,
        owner_id=owner_id,
        goal=goal,
        steps=steps,
        review_at=review_at,
        made_at=now,
    )
    session.add(plan)
    await session.flush()
    await reminders.plan(
        session, reminders.CARE_PLAN, plan.id, review_at, version=plan.row_version, now=now
    )
    await _note(session, case, "care_planned", by.id, now)
    return plan


async def end(
    session: AsyncSession, by: StaffView, case: Case, plan_id: int, *, now: datetime
) -> None:
    """End the running plan without a new one.

    Raises:
        NotFound: no such case within the person's reach.
        Conflict: it isn't the one that runs.
    """
    await case_rights.to_work(session, by, case)
    plan = await session.get(CarePlan, plan_id)
    if plan is None or plan.case_id != case.id or plan.ended_at is not None:
        raise Conflict("care_plan_changed")
    await _end(session, plan, now)
    await _note(session, case, "care_plan_ended", by.id, now)


async def _end(session: AsyncSession, plan: CarePlan, now: datetime) -> None:
    ended = await session.scalar(
        update(CarePlan)
        .where(CarePlan.id == plan.id, CarePlan.ended_at.is_(None))
        .values(ended_at=now, row_version=CarePlan.row_version + 1)
        .returning(CarePlan.id)
    )
    if ended is None:
        raise Conflict("care_plan_changed")
    await session.refresh(plan)
    await reminders.stop(session, reminders.CARE_PLAN, plan.id, now=now)


def _text(text: str, field: str) -> str:
    found = text.strip()
    if not found:
        raise InputInvalid(f"care_plan_{field}", field=field)
    if len(found) > MAX_TEXT:
        raise InputInvalid("care_plan_long", field=field)
    return found


def _review_at(day: date, now: datetime) -> datetime:
    due_at = follow_ups.closing_of(day)
    if due_at <= now or day > to_shanghai(now).date() + FURTHEST:
        raise InputInvalid("care_plan_review", field="review")
    return due_at


async def _note(session: AsyncSession, case: Case, kind: str, staff_id: int, now: datetime) -> None:
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=staff_id, data={}))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
