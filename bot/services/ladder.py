"""The ladder: a case climbs from step to step until a person accepts it (DESIGN §4).

3! climbs at 3, 6 and 10 minutes, 3 at 5, 10 and 15, day and night; 2 after 30 minutes of duty
time: `bot.core.case_clocks` holds the minutes. After the last step the district's 24-hour contact
is called again and again until somebody accepts. The steps are jobs, so they survive a restart;
accepting cancels them in the same transaction and each step looks at the case again before it acts.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import CALLS, Span, next_call
from bot.core.levels import rank
from bot.db.models import Case, CaseEvent
from bot.db.models.case import OPEN
from bot.jobs.table import cancel, enqueue
from bot.services import places, roster
from bot.services.alerts import AlertPolicy, raise_alerts
from bot.services.live import publish

LOOK_AHEAD = timedelta(days=4)


def round_key(case: Case) -> str:
    """Return what tells this climb of a case from an earlier one, before its level was raised.

    Both can begin in one millisecond; only the level is sure to differ.
    """
    return f"{case.id}:{int(case.raised_at.timestamp() * 1000)}:{case.level}"


async def start(session: AsyncSession, policy: AlertPolicy, case: Case, *, now: datetime) -> int:
    """Call the first step at once, plan the next, and return how many alerts are under way."""
    case.step = 0
    return await _act(session, policy, case, step=0, now=now)


async def stop(session: AsyncSession, case_id: int, *, now: datetime) -> None:
    """Cancel every planned step; called in the transaction in which somebody accepts."""
    await cancel(session, prefix=f"ladder:{case_id}:", now=now)


async def climb(
    session: AsyncSession,
    policy: AlertPolicy,
    *,
    case_id: int,
    round_: str,
    step: int,
    now: datetime,
) -> None:
    """Do one planned step, unless the case was accepted, closed or raised meanwhile."""
    case = await session.get(Case, case_id)
    if case is None or case.state != OPEN or round_key(case) != round_:
        return
    case.step = step
    session.add(CaseEvent(case_id=case.id, at=now, kind="climbed", data={"step": step}))
    await _act(session, policy, case, step=step, now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def _act(
    session: AsyncSession, policy: AlertPolicy, case: Case, *, step: int, now: datetime
) -> int:
    round_ = round_key(case)
    sent = await raise_alerts(session, policy, case, step=step, key=f"{round_}:{step}", now=now)
    await enqueue(
        session,
        "ladder.step",
        {"case": case.id, "round": round_, "step": step + 1},
        key=f"ladder:{round_}:{step + 1}",
        now=now,
        run_at=await _due(session, case, step + 1, now),
        prio=0,
    )
    return sent


async def _due(session: AsyncSession, case: Case, step: int, now: datetime) -> datetime:
    spans: list[Span] = []
    if case.level not in CALLS:
        place = await places.get(session, case.place_id)
        rows = await roster.shifts(session, place, start=now, end=now + LOOK_AHEAD)
        spans = [Span(shift.starts_at, shift.ends_at) for shift in rows]
    return next_call(case.level, step, raised_at=case.raised_at, now=now, duty=spans)


def climbs(level: str) -> bool:
    """Say whether a case of this level has a ladder; a plain hand-off (below 2) has none."""
    return rank(level) >= rank("2")
