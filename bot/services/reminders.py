"""Reminders of follow-ups and plan reviews: durable jobs, before they are due and when overdue.

Planned by `bot.services.follow_ups` and `bot.services.care_plans`; the job is registered by
`bot.pipeline.reminders`. Before something is due, the open desks are told; once it is overdue, the
nearest group of the place gets one post a day that says how many there are, without any words. That
goes on every working day until somebody has done it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, epoch_ms, to_shanghai
from bot.core.messages import Reply
from bot.db.models import CarePlan, Case, CaseEvent, Delivery, FollowUp
from bot.db.models.file import DUE
from bot.jobs.table import cancel, enqueue
from bot.services import workdays
from bot.services.alerts import PLAIN, AlertPolicy, first_tier, policy_of, post, softly
from bot.services.live import publish

KIND = "follow_up.remind"
FOLLOW_UP, CARE_PLAN = "follow_up", "care_plan"
_AGAIN_AT = time(8, 30)
_SHORT_BEFORE = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Planned:
    """One reminder, as its job carries it.

    Args:
        what: `follow_up` or `care_plan`, and the id of its row.
        due: when it is due, in epoch milliseconds; one that was moved since is left alone.
        version: of the row when the reminder was planned.
        round: 0 before it is due; one more each time it is overdue.
    """

    what: str
    id: int
    due: int
    version: int
    round: int

    @classmethod
    def of(cls, payload: Mapping[str, object]) -> "Planned":
        """Read a job's payload."""
        what, *numbers = (str(payload[name]) for name in cls.__slots__)
        return cls(what, *(int(number) for number in numbers))


async def plan(
    session: AsyncSession, what: str, row_id: int, due_at: datetime, *, version: int, now: datetime
) -> None:
    """Plan the reminder of one follow-up or plan; an earlier reminder of it is cancelled.

    Args:
        version: of the row; moved away and back again it is a new reminder.
    """
    await stop(session, what, row_id, now=now)
    first = Planned(what, row_id, epoch_ms(due_at), version, 0)
    await _enqueue(session, first, max(now, remind_at(due_at)), now)


async def stop(session: AsyncSession, what: str, row_id: int, *, now: datetime) -> None:
    """Cancel the reminders of one follow-up or plan."""
    await cancel(session, prefix=f"remind:{what}:{row_id}:", now=now)


def remind_at(due_at: datetime) -> datetime:
    """Return when people are reminded: the morning of its day, or two hours before."""
    local = to_shanghai(due_at)
    morning = datetime.combine(local.date(), workdays.SCHOOL_OPENS, SHANGHAI)
    return min(morning.astimezone(UTC), due_at - _SHORT_BEFORE)


async def remind(
    session: AsyncSession,
    policy: AlertPolicy,
    planned: Planned,
    *,
    now: datetime,
) -> None:
    """Do one planned reminder, unless it was done, called off, moved or replaced meanwhile."""
    found = await _still_due(session, planned.what, planned.id)
    if found is None or epoch_ms(found[1]) != planned.due:
        return
    case = await session.get_one(Case, found[0])
    following = replace(planned, round=planned.round + 1)
    if now < found[1]:
        _note(session, case, "reminded", now, planned.what)
        await _enqueue(session, following, found[1], now)
    else:
        _note(session, case, "follow_up_overdue", now, planned.what)
        await _post(session, policy, case, now)
        await _enqueue(session, following, _next_morning(now), now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def _still_due(session: AsyncSession, what: str, row_id: int) -> tuple[int, datetime] | None:
    """Return case and due time of what is still to be done."""
    if what == FOLLOW_UP:
        row = await session.get(FollowUp, row_id)
        return (row.case_id, row.due_at) if row is not None and row.state == DUE else None
    care = await session.get(CarePlan, row_id)
    return (care.case_id, care.review_at) if care is not None and care.ended_at is None else None


async def overdue_at(session: AsyncSession, place_id: int | None, now: datetime) -> int:
    """Return how many follow-ups and plan reviews of a place's cases are overdue."""
    follow_ups = select(func.count(FollowUp.id)).join(Case, Case.id == FollowUp.case_id)
    plans = select(func.count(CarePlan.id)).join(Case, Case.id == CarePlan.case_id)
    here = Case.place_id == place_id if place_id is not None else Case.place_id.is_(None)
    late = await session.scalar(
        follow_ups.where(here, FollowUp.state == DUE, FollowUp.due_at < now)
    )
    old = await session.scalar(
        plans.where(here, CarePlan.ended_at.is_(None), CarePlan.review_at < now)
    )
    return (late or 0) + (old or 0)


async def _post(session: AsyncSession, policy: AlertPolicy, case: Case, now: datetime) -> None:
    """Tell the nearest group, once a day for each place."""
    day = to_shanghai(now).date().isoformat()
    count = await overdue_at(session, case.place_id, now)
    phrase = policy.phrases.get("alert.follow_up")
    text = phrase.format(n=max(1, count), url=f"{policy.desk_url}/overdue")
    groups = (await policy_of(session, policy, case)).to_groups()
    for target in softly(groups.called_at(0, first_tier(case))):
        key = f"overdue:{case.place_id or 0}:{day}:{target.name}"
        if await session.scalar(select(Delivery.id).where(Delivery.key == key)) is None:
            reply = Reply(text, "alert", phrase.source)
            await post(session, target, reply, key=key, prio=PLAIN, now=now)


def _next_morning(now: datetime) -> datetime:
    day = workdays.next_workday(to_shanghai(now).date() + timedelta(days=1))
    return datetime.combine(day, _AGAIN_AT, SHANGHAI).astimezone(UTC)


async def _enqueue(
    session: AsyncSession, planned: Planned, run_at: datetime, now: datetime
) -> None:
    values = asdict(planned)
    key = ":".join(["remind", planned.what, str(planned.id), str(planned.version)])
    await enqueue(session, KIND, values, key=f"{key}:{planned.round}", now=now, run_at=run_at)


def _note(session: AsyncSession, case: Case, kind: str, now: datetime, what: str) -> None:
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, data={"what": what}))
