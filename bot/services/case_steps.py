"""The steps of a case in their order, and what is still missing before it may be closed.

Called by the case's page, which shows the list, and by `bot.services.cases.close`, which refuses.
The order: accept, judge; for level 3 and above tell somebody, agree on a safety plan, plan
follow-ups, decide on a report where the law asks for one; close. A step may be left out, but only
with a written reason (`leave_out`). Source: DOMAIN §2.2, §2.6, §4 row "Counselor record".
"""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.core.levels import rank
from bot.db.models import Case, CaseEvent, CaseForm, FollowUp, Report, Told
from bot.db.models.case import OPEN
from bot.db.models.file import CANCELLED, SIGNED
from bot.services import case_notes, case_rights
from bot.services.live import publish
from bot.services.staff import StaffView

ACCEPT, JUDGE, TOLD, SAFETY_PLAN, FOLLOW_UPS, REPORT = (
    "accept",
    "judge",
    "told",
    "safety_plan",
    "follow_ups",
    "report",
)
# Families for which the law asks schools to report (Law on the Protection of Minors, article 11).
REPORTED = frozenset({"abuse"})
_PLAN = "safety_plan"


def asks_report(case: Case) -> bool:
    """Say whether the law may ask for a report of a case.

    A case keeps the family of its worst danger only: violence at home beside a plan of suicide is
    seen by what it bars.
    """
    return case.family in REPORTED or case.guardians_barred


async def missing(session: AsyncSession, case: Case) -> list[str]:
    """Return the codes of the steps that a case still needs before it may be closed, in order.

    A level below 3 needs none but accepting; what counts is the person's judgement, and without
    one since the case was raised the last time, the machine's level asks for it first. A drill is
    closed without a file.
    """
    if case.state == OPEN:
        return [ACCEPT]
    if case.drill:
        return []
    if rank(case.level) >= rank("3") and case.judged_now is None:
        return [JUDGE]
    if rank(case.judged_now or case.level) < rank("3"):
        return []
    done = await _done(session, case)
    asked = [TOLD, SAFETY_PLAN, FOLLOW_UPS]
    if asks_report(case):
        asked.append(REPORT)
    return [step for step in asked if step not in done]


async def _done(session: AsyncSession, case: Case) -> set[str]:
    done: set[str] = set()
    kinds = await session.scalars(
        select(CaseForm.kind).where(CaseForm.case_id == case.id, CaseForm.state == SIGNED)
    )
    for kind in kinds:
        if kind == _PLAN:
            done.add(SAFETY_PLAN)
        elif kind.startswith(case_notes.LEFT_OUT):
            done.add(kind.removeprefix(case_notes.LEFT_OUT))
    told = select(Told.id).where(Told.case_id == case.id, Told.reached.is_(True))
    planned = select(FollowUp.id).where(FollowUp.case_id == case.id, FollowUp.state != CANCELLED)
    # Decided on is not enough: the call has to be made, or the decision is not to report.
    settled = or_(Report.made_at.is_not(None), Report.refused.is_(True))
    reported = select(Report.id).where(Report.case_id == case.id, settled)
    for step, query in ((TOLD, told), (FOLLOW_UPS, planned), (REPORT, reported)):
        if await session.scalar(query.limit(1)) is not None:
            done.add(step)
    return done


async def leave_out(
    session: AsyncSession, by: StaffView, case: Case, *, step: str, reason: str, now: datetime
) -> None:
    """Leave a step out, with the reason that then stands in the file.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: a step that can't be left out (`no_step`), or no reason.
    """
    await case_rights.to_work(session, by, case)
    if step not in case_notes.STEPS_LEFT_OUT:
        raise InputInvalid("no_step", field="step")
    await case_notes.put(session, by, case, case_notes.LEFT_OUT + step, reason, now=now)
    data: dict[str, object] = {"what": step}
    session.add(CaseEvent(case_id=case.id, at=now, kind="left_out", staff_id=by.id, data=data))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
