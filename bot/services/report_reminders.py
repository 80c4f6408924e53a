"""A decision about a report that waits for its second person: a word to those who may agree.

Planned and called off by `bot.services.reports`; the job is registered by `bot.pipeline.reminders`.
Ten minutes after the decision, five before the second person has to have agreed, the case's nearest
group and those on duty who may agree are told once, without any words of the case.
"""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Reply
from bot.db.models import Case, CaseEvent, Place, Report, Staff
from bot.jobs.table import cancel, enqueue
from bot.services import alert_people, alerts, case_rights, staff
from bot.services.alerts import FIRST, AlertPolicy, AlertTarget
from bot.services.live import publish

KIND = "report.remind"
AFTER = timedelta(minutes=10)
AGREE = "report.agree"
# A decision against a report is written to the same table, addressed to nobody.
NOBODY = "nobody"
# The counselors on duty and the tier above them: whoever decided is often the only counselor.
_STEP = 1


async def plan(session: AsyncSession, report: Report, *, now: datetime) -> None:
    """Plan the one reminder of a decision."""
    payload = {"report": report.id}
    await enqueue(session, KIND, payload, key=_key(report.id), now=now, run_at=now + AFTER)


async def stop(session: AsyncSession, report_id: int, *, now: datetime) -> None:
    """Call the reminder off: somebody agreed, or the decision was taken back."""
    await cancel(session, key=_key(report_id), now=now)


async def remind(
    session: AsyncSession, policy: AlertPolicy, report_id: int, *, now: datetime
) -> None:
    """Tell the case's people that a report waits, unless it no longer does."""
    report = await session.get(Report, report_id)
    if report is None or not waits(report):
        return
    case = await session.get_one(Case, report.case_id)
    here = await alerts.policy_of(session, policy, case)
    sent = 0
    for target in alerts.softly(here.called_at(_STEP, alerts.first_tier(case))):
        sent += await _tell(session, here, case, report, target, now)
    data: dict[str, object] = {"report": report.id, "n": sent}
    session.add(CaseEvent(case_id=case.id, at=now, kind="report_reminded", data=data))
    await publish(session, "report", place_id=case.place_id, case_id=case.id, now=now)


def waits(report: Report) -> bool:
    """Say whether a second person is still asked: one that was taken back needs none."""
    return report.agreed_by is None and not (report.refused and report.addressee != NOBODY)


async def _tell(
    session: AsyncSession,
    policy: AlertPolicy,
    case: Case,
    report: Report,
    target: AlertTarget,
    now: datetime,
) -> int:
    """Queue the post of one way: to its group, or to each who is on duty and may agree."""
    words = ("alert.report_push", "alert.report_push_drill")
    if target.personal != alert_people.PUSH:
        words = ("alert.report", "alert.report_drill")
    phrase = policy.phrases.get(words[case.drill])
    values = {"case": case.id, "url": f"{policy.desk_url}/reports"}
    text = phrase.format(**{name: values[name] for name in phrase.fields})
    people: list[int | None] = [None]
    if target.personal:
        people = list(await _second_people(session, case, report, target.personal, now))
    for person in people:
        await alerts.post(
            session,
            target,
            Reply(text, "alert", phrase.source),
            key=f"{_key(report.id)}:{target.name}" + (f":{person}" if person else ""),
            prio=FIRST,
            now=now,
            staff_id=person,
        )
    return len(people)


async def _second_people(
    session: AsyncSession, case: Case, report: Report, way: str, now: datetime
) -> list[int]:
    """Return who on duty may agree: not the one who decided, and within reach of the case."""
    place = await session.get(Place, case.place_id) if case.place_id else None
    kind = place.kind if place else None
    found = []
    for staff_id in await alert_people.callees(session, case, way, _STEP, now=now):
        viewer = await staff.view(session, await session.get_one(Staff, staff_id), now)
        if staff_id != report.decided_by and case_rights.reaches(viewer, AGREE, case, kind):
            found.append(staff_id)
    return found


def _key(report_id: int) -> str:
    return f"report-remind:{report_id}"
