"""When no alert of a step got through: the next way at once, and when none is left, a loud word.

Called by the delivery jobs: `look` some time after each step, and `failed` when a delivery is given
up. The queue and the ladder go on whatever comes of it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, CaseEvent, Delivery, Staff, WorkTask
from bot.db.models.case import OPEN
from bot.db.models.delivery import ACCEPTED, ALERT, QUEUED, SENDING
from bot.jobs.table import enqueue
from bot.services import alarms, alerts, ladder
from bot.services.alerts import LOOK, AlertPolicy
from bot.services.live import publish
from bot.services.staff import StaffView

PASSED_ON, NOBODY = "alert_passed_on", "alert_nobody"


async def look(
    session: AsyncSession,
    policy: AlertPolicy,
    *,
    case_id: int,
    key: str,
    step: int,
    now: datetime,
) -> None:
    """Go on to the next way, unless a call of this step arrived or the case is in good hands.

    Args:
        key: of the step of the climb, as `raise_alerts` was given it.
    """
    # Locked, so that two deliveries that are given up at once go on once.
    case = await session.get(Case, case_id, with_for_update=True, populate_existing=True)
    if case is None or case.state != OPEN or not key.startswith(f"{ladder.round_key(case)}:"):
        return
    rows = await _calls(session, case_id, key)
    if any(row.state == ACCEPTED for row in rows):
        return
    here = await alerts.policy_of(session, policy, case)
    tried = {row.target for row in rows} | await _passed(session, case_id, key)
    while (target := here.next_after(tried, alerts.first_tier(case))) is not None:
        tried.add(target.name)
        sent = await alerts.call(session, here, case, target, step=step, key=key, now=now)
        _note(session, case_id, PASSED_ON, now, key=key, target=target.name, n=sent)
        if sent:
            await _look_again(session, policy, case_id, key, step, len(tried), now)
            return
    await _nobody(session, policy, case, key, now)


async def failed(
    session: AsyncSession, policy: AlertPolicy, delivery: Delivery, *, now: datetime
) -> None:
    """Go on at once when the last call of a step that was under way has failed for good."""
    found = step_of(delivery)
    if found is None or delivery.case_id is None:
        return
    key, step = found
    rows = await _calls(session, delivery.case_id, key)
    if not any(row.state in (QUEUED, SENDING) for row in rows if row.id != delivery.id):
        await look(session, policy, case_id=delivery.case_id, key=key, step=step, now=now)


def step_of(delivery: Delivery) -> tuple[str, int] | None:
    """Return the key and number of the step that made a delivery; None: no step made it."""
    parts = delivery.key.split(":")
    if delivery.route != ALERT or parts[0] != "alert" or len(parts) < 6:
        return None
    return ":".join(parts[1:5]), int(parts[4])


async def unsent(session: AsyncSession, viewer: StaffView) -> list[int]:
    """Return the open cases within a person's reach for which no alert got through."""
    rows = await session.execute(
        select(Case.id, Case.place_id)
        .join(CaseEvent, CaseEvent.case_id == Case.id)
        .where(Case.state == OPEN, CaseEvent.kind == NOBODY, CaseEvent.at >= Case.raised_at)
        .distinct()
        .order_by(Case.id)
    )
    mine = viewer.at("counselor", "lead", "district")
    district = "district" in viewer.roles
    found = [row.id for row in rows if row.place_id in mine or (row.place_id is None and district)]
    return [case_id for case_id in found if not await _arrived_since(session, case_id)]


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call: in which way, whom (empty: a group or list), and what became of it.

    Args:
        step: key of the step of the ladder that made it; empty: none did.
    """

    at: datetime
    way: str
    person: str
    state: str
    reason: str
    read: bool
    finished_at: datetime | None = None
    step: str = ""


async def calls_of(session: AsyncSession, case_id: int) -> list[CallRow]:
    """Return all calls for a case, newest first."""
    read = (
        select(func.coalesce(func.sum(WorkTask.read), 0))
        .where(WorkTask.delivery_id == Delivery.id)
        .scalar_subquery()
    )
    rows = await session.execute(
        select(Delivery, Staff.name, read)
        .outerjoin(Staff, Staff.id == Delivery.staff_id)
        .where(Delivery.case_id == case_id, Delivery.route == ALERT)
        .order_by(Delivery.id.desc())
        .limit(100)
    )
    return [
        CallRow(
            at=row.created_at,
            way=row.target,
            person=name or "",
            state=row.state,
            reason=row.reason,
            read=bool(seen),
            finished_at=row.finished_at,
            step=(step_of(row) or ("", 0))[0],
        )
        for row, name, seen in rows
    ]


async def _arrived_since(session: AsyncSession, case_id: int) -> bool:
    last = (
        select(CaseEvent.at)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind == NOBODY)
        .order_by(CaseEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(Delivery.id).where(
        Delivery.case_id == case_id,
        Delivery.route == ALERT,
        Delivery.state == ACCEPTED,
        Delivery.finished_at >= last,
    )
    return await session.scalar(query.limit(1)) is not None


async def _calls(session: AsyncSession, case_id: int, key: str) -> list[Delivery]:
    rows = await session.scalars(
        select(Delivery).where(
            Delivery.case_id == case_id,
            Delivery.route == ALERT,
            Delivery.key.startswith(f"alert:{key}:", autoescape=True),
        )
    )
    return list(rows)


async def _passed(session: AsyncSession, case_id: int, key: str) -> set[str]:
    """Return the ways that a step was passed on to before, with nobody in them."""
    rows = await session.scalars(
        select(CaseEvent).where(CaseEvent.case_id == case_id, CaseEvent.kind == PASSED_ON)
    )
    return {str(row.data["target"]) for row in rows if row.data.get("key") == key}


async def _look_again(
    session: AsyncSession,
    policy: AlertPolicy,
    case_id: int,
    key: str,
    step: int,
    number: int,
    now: datetime,
) -> None:
    await enqueue(
        session,
        LOOK,
        {"case": case_id, "key": key, "step": step},
        key=f"alert-look:{key}:{number}",
        now=now,
        run_at=now + policy.receipt_wait,
        prio=0,
    )


async def _nobody(
    session: AsyncSession, policy: AlertPolicy, case: Case, key: str, now: datetime
) -> None:
    """Say it on the desk and to the operator, once for each step."""
    rows = await session.scalars(
        select(CaseEvent).where(CaseEvent.case_id == case.id, CaseEvent.kind == NOBODY)
    )
    if any(row.data.get("key") == key for row in rows):
        return
    _note(session, case.id, NOBODY, now, key=key)
    await alarms.raise_alarm(session, "alert_nobody", now=now, policy=policy)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


def _note(session: AsyncSession, case_id: int, kind: str, now: datetime, **data: object) -> None:
    session.add(CaseEvent(case_id=case_id, at=now, kind=kind, data=dict(data)))
