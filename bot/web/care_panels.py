"""What a case's page shows of teachers: their worries, and the care tasks given to them."""

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import NotFound
from bot.db.models import Case
from bot.services import care_tasks, care_words, case_rights, case_steps, worries, worry_lists
from bot.web.guard import Call


async def worry(session: AsyncSession, _call: Call, case: Case) -> Mapping[str, object] | None:
    """Return the worries of a case; None where no teacher raised one."""
    rows = await worry_lists.of_case(session, case)
    return {"rows": rows, "answers": worries.answers()} if rows else None


async def care(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Return a case's care tasks and what a new one needs; None for who does not work on it."""
    try:
        await case_rights.to_work(session, call.staff, case)
    except NotFound:
        return None
    now = call.services.clock.now()
    rows = await care_tasks.of_case(session, case, now=now)
    if case.state != "accepted" and not rows:
        return None
    do, dont = care_words.suggestions()
    today = to_shanghai(now).date()
    return {
        "rows": rows,
        "children": await care_tasks.children(session, call.staff, case),
        "do": do,
        "dont": dont,
        "first_day": today + timedelta(days=1),
        "usual_day": today + timedelta(days=7),
        "last_day": today + timedelta(days=care_tasks.MOST_DAYS),
        "most": care_tasks.MOST,
        "delicate": case_steps.asks_report(case),
    }
