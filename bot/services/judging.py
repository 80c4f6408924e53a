"""A person judges how serious a case is, and whether its guardians may be told.

Called by the case's page. The machine's level only rises; a person's stands beside it, with their
reason. One that is higher raises the case at once and calls the people whom that level calls; one
that is lower changes nothing of what the machine said.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid
from bot.core.levels import LEVELS, rank
from bot.db.models import Case, CaseEvent
from bot.db.models.case import ACCEPTED
from bot.services import case_notes, case_rights, cases, follow_ups
from bot.services.alerts import AlertPolicy
from bot.services.live import publish
from bot.services.staff import StaffView


async def judge(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView,
    case: Case,
    *,
    level: str,
    reason: str,
    now: datetime,
) -> None:
    """Keep a person's judgement of a level with its reason.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no such level (`no_level`), or no reason.
        Conflict: nobody has accepted the case (`judge_first_accept`), or it is closed.
    """
    await case_rights.to_work(session, by, case)
    await session.refresh(case, with_for_update=True)
    if case.state != ACCEPTED:
        raise Conflict("judge_first_accept")
    if level not in LEVELS:
        raise InputInvalid("no_level", field="level")
    await case_notes.put(session, by, case, case_notes.JUDGED, reason, now=now)
    was = case.judged_level or case.level
    case.judged_level, case.judged_by, case.judged_at = level, by.id, now
    session.add(
        CaseEvent(
            case_id=case.id,
            at=now,
            kind="judged",
            staff_id=by.id,
            data={"level": level, "was": was},
        )
    )
    if rank(level) > rank(case.level):
        await cases.raise_by_person(session, policy, by, case, level=level, now=now)
    await follow_ups.plan(session, case, by=by.id, now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def bar(
    session: AsyncSession, by: StaffView, case: Case, *, barred: bool, reason: str, now: datetime
) -> None:
    """Say that no guardian may be told of a case, or that they may again, with the reason.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no reason was written.
        Conflict: it stands like that already (`bar_same`).
    """
    await case_rights.to_work(session, by, case)
    await session.refresh(case, with_for_update=True)
    if case.guardians_barred == barred:
        raise Conflict("bar_same")
    kind = case_notes.BARRED if barred else case_notes.UNBARRED
    await case_notes.put(session, by, case, kind, reason, now=now)
    case.guardians_barred = barred
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data={}))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
