"""The panel of a case's page that shows who was called, step by step, and whether it arrived.

Read by `bot.web.case_panels`; the one place of the page that does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, CaseEvent
from bot.services import alert_next
from bot.services.alert_next import CallRow
from bot.web.guard import Call

# A step and its first calls are written in one transaction.
_TOGETHER = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder, and the calls that were made at it or passed on from it."""

    at: datetime
    number: int
    calls: Sequence[CallRow]


async def panel(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Return the steps of a case's ladder with their calls, and the calls beside the ladder."""
    rows = list(reversed(await alert_next.calls_of(session, case.id)))
    steps = await _steps(session, case.id, rows)
    shown = {id(row) for step in steps for row in step.calls}
    unsent = case.id in await alert_next.unsent(session, call.staff)
    if not rows and not steps and not unsent:
        return None
    others = [row for row in rows if id(row) not in shown]
    return {"steps": steps, "others": others, "count": len(rows), "unsent": unsent}


async def _steps(session: AsyncSession, case_id: int, rows: Sequence[CallRow]) -> list[Step]:
    events = await session.scalars(
        select(CaseEvent)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind == "alerted")
        .order_by(CaseEvent.id)
    )
    by_step: dict[str, list[CallRow]] = {}
    for row in rows:
        if row.step:
            by_step.setdefault(row.step, []).append(row)
    groups = list(by_step.values())
    return [
        Step(event.at, _number(event.data.get("step")), _calls(groups, event.at))
        for event in events
    ]


def _calls(groups: Sequence[Sequence[CallRow]], at: datetime) -> Sequence[CallRow]:
    return next((calls for calls in groups if abs(calls[0].at - at) < _TOGETHER), ())


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
