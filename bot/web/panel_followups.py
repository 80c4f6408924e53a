"""The panels of a case's page about time: its clocks, its follow-ups and its plan.

Read by `bot.web.case_panels`; what is done on them is in `bot.web.followups`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import GUARDIAN
from bot.core.clock import to_shanghai
from bot.db.models import Case
from bot.services import care_plans, case_times, desk, follow_ups, transfers
from bot.web.guard import Call


async def clocks(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Return the clocks of a case."""
    found = await case_times.of_case(session, case, now=call.services.clock.now())
    barred = not case_times.guardian_runs(case)
    if not found:
        return None
    return {
        "clocks": found,
        "barred": barred and not any(clock.name == GUARDIAN for clock in found),
    }


def day_words(moment: datetime, now: datetime) -> str:
    """Return a moment to the minute, with its year where that is not this one."""
    local = to_shanghai(moment)
    same = local.year == to_shanghai(now).year
    return local.strftime("%m-%d %H:%M" if same else "%Y-%m-%d %H:%M")


async def follow_up_panel(
    session: AsyncSession, call: Call, case: Case
) -> Mapping[str, object] | None:
    """Return the follow-ups of a case, what is due first."""
    if case.drill:
        return None
    now = call.services.clock.now()
    rows = await follow_ups.of_case(session, case.id)
    people = {row.owner_id for row in rows} | {row.done_by for row in rows}
    colleagues = await transfers.colleagues(session, call.staff, case, now=now)
    return {
        "day": day_words,
        "due": [row for row in rows if row.state == "due"],
        "over": [row for row in rows if row.state != "due"],
        "names": await desk.staff_names(session, people),
        "colleagues": colleagues,
        "planned": follow_ups.PLANNED.get(case.judged_now or case.level, ()),
        "tomorrow": to_shanghai(now + timedelta(days=1)).date(),
        "overdue": [row.id for row in rows if row.state == "due" and row.due_at < now],
    }


async def care_plan_panel(
    session: AsyncSession, call: Call, case: Case
) -> Mapping[str, object] | None:
    """Return the running plan of a case and the versions before it."""
    if case.drill:
        return None
    now = call.services.clock.now()
    rows = await care_plans.of_case(session, case.id)
    running = next((row for row in rows if row.ended_at is None), None)
    return {
        "day": day_words,
        "plan": running,
        "earlier": [row for row in rows if row is not running],
        "names": await desk.staff_names(session, {row.owner_id for row in rows}),
        "colleagues": await transfers.colleagues(session, call.staff, case, now=now),
        "tomorrow": to_shanghai(now + timedelta(days=1)).date(),
        "review_day": to_shanghai(running.review_at).date() if running else "",
        "overdue": running is not None and running.review_at < now,
    }
