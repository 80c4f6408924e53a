"""Drills: a practice alarm through the real queue, ladder and clocks, and what came of it.

A drill is a case like any other, marked as one everywhere, about a contact to whom nothing can be
written. It has passed when somebody accepted within the time limit, at least one call is known to
have arrived, and a person closed the case. A machine ends no case: a drill that nobody accepts has
failed, its ladder stops, and its case stays until whoever started it ends it. Called by the pages
of the drills, by the case's page and by the job. Sources: DOMAIN §6, flow 15; §7, decision 11.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import ACK, CALLS
from bot.core.clock import Clock
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, CaseEvent, Drill, Place
from bot.db.models.case import ACCEPTED, CLOSED, OPEN
from bot.db.models.duty import FAILED, PASSED, RUNNING, STOPPED
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue
from bot.services import (
    audit,
    case_notes,
    case_rights,
    case_times,
    drill_report,
    ladder,
    offers,
    rights,
    shifts,
)
from bot.services.alerts import AlertPolicy
from bot.services.cases_by_hand import open_by_hand
from bot.services.live import publish
from bot.services.staff import StaffView

RIGHT = "drill.run"
REASON = "drill"
LEVELS = ("3!", "3", "2")
KIND = "drill.look"
# What is practised: somebody else's words about a child that wants to die.
CATEGORIES, WHO = ("SI-A",), "PC"
# So long after the ladder's last step, or the limit for accepting, nobody has come.
GRACE = timedelta(minutes=10)
# A drill that was accepted and is not closed by then has failed.
CLOSE_WITHIN = timedelta(hours=24)
# After closing, a call's receipt may still come.
RECEIPT_WAIT, RECEIPT_LOOKS = timedelta(seconds=30), 8


@dataclass(frozen=True, slots=True)
class Line:
    """A drill as the list and its own page show it.

    Args:
        report: as it is stored, or as it stands while the drill runs.
        may_end: the reader started it, or keeps the district, and its case is still there.
    """

    row: Drill
    place: Place
    case: Case | None
    report: dict[str, Any]
    may_end: bool = False


class DrillJobs:
    """The job that looks at a drill when its time is up, and after its case was closed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def register(self, registry: JobRegistry) -> None:
        """Register it."""
        registry.tx(KIND, self._look)

    async def _look(self, session: AsyncSession, run: JobRun) -> None:
        case_id, looks = run.payload["case"], run.payload.get("looks", 0)
        assert isinstance(case_id, int)
        await look(
            session,
            case_id,
            now=self._clock.now(),
            looks=looks if isinstance(looks, int) else 0,
        )


async def start(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView,
    *,
    place_id: int,
    level: str,
    mode: str,
    now: datetime,
) -> Drill:
    """Start a drill at a school or district: a case of this level, called out like any other.

    Args:
        mode: `demo` or `live`; only a drill in live mode lets a district go live.

    Raises:
        NotFound: no such place within their reach.
        InputInvalid: not one of `LEVELS`.
        Conflict: `drill_runs`; one runs here already.
    """
    if level not in LEVELS:
        raise InputInvalid("level", field="level")
    place = await shifts.place_to(session, by, RIGHT, place_id)
    # Two clicks on one button come one after the other, not both first.
    await session.get_one(Place, place.id, with_for_update=True)
    running = await session.scalar(
        select(Drill.id).where(Drill.place_id == place.id, Drill.state == RUNNING)
    )
    if running is not None:
        raise Conflict("drill_runs")
    case = await open_by_hand(
        session,
        policy,
        by,
        place_id=place.id,
        level=level,
        categories=CATEGORIES,
        who=WHO,
        origin=REASON,
        drill=True,
        now=now,
    )
    # There is nobody to ring.
    case.phone_now = False
    row = Drill(
        place_id=place.id,
        case_id=case.id,
        level=level,
        started_by=by.id,
        started_at=now,
        state=RUNNING,
        report={"mode": mode},
    )
    session.add(row)
    await session.flush()
    await _plan_look(session, case, now=now, run_at=await _given_up_at(session, case, now=now))
    await _note(session, by, "drill.started", row, now)
    return row


async def _given_up_at(session: AsyncSession, case: Case, *, now: datetime) -> datetime:
    """Return when it is certain that nobody comes: after the ladder's end and the time limit."""
    last = CALLS.get(case.level, (timedelta(),))[-1]
    limits = await case_times.of_case(session, case, now=now)
    due = next((clock.due for clock in limits if clock.name == ACK), case.raised_at)
    return max(case.raised_at + last, due) + GRACE


async def _plan_look(
    session: AsyncSession, case: Case, *, now: datetime, run_at: datetime, looks: int = 0
) -> None:
    key = f"{KIND}:{case.id}:{int(run_at.timestamp() * 1000)}:{looks}"
    payload: dict[str, object] = {"case": case.id, "looks": looks}
    await enqueue(session, KIND, payload, key=key, now=now, run_at=run_at, prio=5)


async def look(session: AsyncSession, case_id: int, *, now: datetime, looks: int = 0) -> None:
    """Judge a drill: its time is up, or its case was closed; a case is never ended by this.

    Args:
        looks: how often a receipt has been waited for.
    """
    row = await session.scalar(
        select(Drill).where(Drill.case_id == case_id, Drill.state == RUNNING).with_for_update()
    )
    case = await session.get(Case, case_id, populate_existing=True)
    if row is None or case is None:
        return
    report = await _report(session, row, case, now=now)
    if case.state == OPEN:
        if now >= await _given_up_at(session, case, now=now):
            await ladder.stop(session, case.id, now=now)
            await _settle(session, row, FAILED, report, now)
        return
    if case.state == ACCEPTED:
        if now >= row.started_at + CLOSE_WITHIN:
            await _settle(session, row, FAILED, report, now)
        else:
            await _plan_look(session, case, now=now, run_at=row.started_at + CLOSE_WITHIN)
        return
    if drill_report.waits(report) and looks < RECEIPT_LOOKS:
        await _plan_look(session, case, now=now, run_at=now + RECEIPT_WAIT, looks=looks + 1)
        return
    state = PASSED if drill_report.passed(report) else FAILED
    await _settle(session, row, state, report, now)


async def _report(
    session: AsyncSession, row: Drill, case: Case, *, now: datetime
) -> dict[str, Any]:
    return {"mode": row.report.get("mode", "")} | await drill_report.make(session, case, now=now)


async def _settle(
    session: AsyncSession, row: Drill, state: str, report: dict[str, Any], now: datetime
) -> None:
    row.state, row.report, row.ended_at = state, report, now
    await session.flush()
    await publish(session, "case", place_id=row.place_id, case_id=row.case_id, now=now)


async def plan_look_at_closed(session: AsyncSession, case: Case, *, now: datetime) -> None:
    """Have a drill judged whose case was just closed; called in that transaction."""
    await _plan_look(session, case, now=now, run_at=now)


async def end(session: AsyncSession, by: StaffView, drill_id: int, *, now: datetime) -> Drill:
    """End a drill and close its case: whoever started it, or the district.

    What nobody accepted yet is stopped; what was accepted is judged as it stands.

    Raises:
        NotFound: no such drill within their reach, or somebody else's.
        Conflict: `drill_over`; its case is closed already.
    """
    row = await session.get(Drill, drill_id, with_for_update=True, populate_existing=True)
    if row is None or not _may_end(by, row):
        raise NotFound("no such drill of theirs")
    case = await session.get(Case, row.case_id or 0, with_for_update=True, populate_existing=True)
    if case is None or case.state == CLOSED:
        raise Conflict("drill_over")
    unaccepted = case.state == OPEN
    case.state, case.closed_by, case.closed_at, case.close_reason = CLOSED, by.id, now, REASON
    await ladder.stop(session, case.id, now=now)
    await offers.over(session, case.id, by_id=None, now=now)
    data: dict[str, object] = {"reason": REASON, "level": case.level}
    session.add(CaseEvent(case_id=case.id, at=now, kind="closed", staff_id=by.id, data=data))
    await session.flush()
    await _note(session, by, "drill.ended", row, now)
    if row.state == RUNNING and unaccepted:
        await _settle(session, row, STOPPED, await _report(session, row, case, now=now), now)
    elif row.state == RUNNING:
        await plan_look_at_closed(session, case, now=now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return row


def _may_end(by: StaffView, row: Drill) -> bool:
    if not rights.may(by, RIGHT, row.place_id):
        return False
    return row.started_by == by.id or row.place_id in by.at(case_rights.DISTRICT)


async def write_words(
    session: AsyncSession, by: StaffView, case: Case, text: str, *, now: datetime
) -> None:
    """Keep what somebody would say first; it goes to nobody, and stops the clock of first words.

    Raises:
        NotFound: the case is out of their reach.
        InputInvalid: nothing was written, or too much.
        Conflict: `no_drill`, or `drill_open`: nobody has accepted it, or it is closed.
    """
    await case_rights.to_work(session, by, case)
    if not case.drill:
        raise Conflict("no_drill")
    if case.state != ACCEPTED:
        raise Conflict("drill_open")
    await case_notes.write(session, by, case, text, now=now)
    if case.first_words_at is None or case.first_words_at < case.raised_at:
        case.first_words_at = now
    await session.flush()


async def listed(session: AsyncSession, by: StaffView) -> list[Line]:
    """Return the drills at the places a person covers, the newest first."""
    rows = await session.execute(
        select(Drill, Place)
        .join(Place, Place.id == Drill.place_id)
        .where(Drill.place_id.in_(rights.places_for(by, RIGHT)))
        .order_by(Drill.id.desc())
        .limit(100)
    )
    return [Line(row, place, None, dict(row.report)) for row, place in rows]


async def one(session: AsyncSession, by: StaffView, drill_id: int, *, now: datetime) -> Line:
    """Return a drill with its report, as it stands while it runs.

    Raises:
        NotFound: there is none within their reach.
    """
    row = await session.get(Drill, drill_id)
    if row is None or not rights.may(by, RIGHT, row.place_id):
        raise NotFound("no such drill here")
    place = await session.get_one(Place, row.place_id)
    case = await session.get(Case, row.case_id) if row.case_id else None
    report = dict(row.report)
    if row.state == RUNNING and case is not None:
        report = await _report(session, row, case, now=now)
    ends = case is not None and case.state != CLOSED and _may_end(by, row)
    return Line(row, place, case, report, may_end=ends)


async def of_case(session: AsyncSession, case_id: int) -> Drill | None:
    """Return the drill that a case belongs to."""
    return await session.scalar(select(Drill).where(Drill.case_id == case_id))


async def log_read(session: AsyncSession, by: StaffView, row: Drill, *, now: datetime) -> None:
    """Write into the audit trail that somebody read a report."""
    await _note(session, by, "drill.read", row, now)


def people_in(lines: Sequence[Line]) -> set[int]:
    """Return the ids of the staff that some reports name."""
    found = {line.row.started_by for line in lines}
    for line in lines:
        named = (line.report.get("accepted_by"), line.report.get("closed_by"))
        found |= {one for one in named if isinstance(one, int)}
    return found


async def _note(
    session: AsyncSession, by: StaffView, action: str, row: Drill, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="drill",
        object_id=row.id,
        now=now,
        data={"place": row.place_id, "level": row.level},
    )
