"""What has to be done and by when: follow-ups, plan reviews, missed clocks, reports that wait.

Read by the list of follow-ups and by the overdue board. A person finds what stands in cases whose
words they may read (`case_rights`); nobody's name and no words of a case are shown in a list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import OVERDUE
from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.levels import rank
from bot.db.models import CarePlan, Case, FollowUp, Report
from bot.db.models.case import CLOSED
from bot.db.models.file import DUE
from bot.services import case_rights, case_times, desk, level_words, rights
from bot.services.case_rights import DISTRICT, READ
from bot.services.staff import StaffView

MINE, HERE, LATE = "mine", "here", "late"
VIEWS = (MINE, HERE, LATE)
PAGE = 50
# DOMAIN §6.6: counselor and supervisor confirm at once, 15 minutes at most.
REPORT_WITHIN = timedelta(minutes=15)
FOLLOW_UP, REVIEW, CLOCK, REPORT = "follow_up", "care_plan", "clock", "report"
_NOW = frozenset({CLOCK, REPORT})


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to do.

    Args:
        sort: `follow_up`, `care_plan`, `clock` or `report`.
        kind: which of its sort: `1w`, `ack`, `agree` …
        owner: who answers for it; empty: nobody by name.
    """

    sort: str
    kind: str
    case_id: int
    level: str
    level_text: str
    place: str
    due_at: datetime
    owner_id: int | None
    owner: str
    drill: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list.

    Args:
        counts: how many there are in each view.
    """

    rows: Sequence[Item]
    total: int
    number: int
    more: bool
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Due:
    """One thing to do before its case's names are read."""

    sort: str
    kind: str
    case: Case
    due_at: datetime
    owner_id: int | None


def soon(now: datetime) -> datetime:
    """Return the end of today, as China reads it: what is due before it is due today."""
    day = to_shanghai(now).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).astimezone(UTC)


async def page(
    session: AsyncSession, viewer: StaffView, *, view: str, number: int, now: datetime
) -> Page:
    """Return a page of follow-ups and plan reviews, the first due first."""
    found = await _reached(session, viewer, await _planned(session, viewer))
    views: Mapping[str, list[_Due]] = {
        MINE: [due for due in found if due.owner_id == viewer.id],
        HERE: found,
        LATE: [due for due in found if due.due_at < now],
    }
    chosen = sorted(views[view], key=lambda due: (due.due_at, due.case.id))
    last = max(1, -(-len(chosen) // PAGE))
    number = min(max(1, number), last)
    rows = await _items(session, chosen[(number - 1) * PAGE : number * PAGE])
    counts = {name: len(rows) for name, rows in views.items()}
    return Page(rows, len(chosen), number, number < last, counts)


async def overdue(session: AsyncSession, viewer: StaffView, *, now: datetime) -> Sequence[Item]:
    """Return everything in a person's reach that is overdue, the worst first.

    What stands on a lead's summary is listed too, for they answer for the school; the page of the
    case itself stays closed to them.
    """
    planned = [due for due in await _planned(session, viewer) if due.due_at < now]
    found = [*planned, *await _clocks(session, viewer, now), *await _reports(session, viewer, now)]
    reached = await _reached(session, viewer, found, summaries=True)
    return await _items(session, sorted(reached, key=_worst))


def _worst(due: _Due) -> tuple[int, bool, datetime, int]:
    """Return what the board is sorted by: level, then what is urgent now, then the longest."""
    return -rank(_level(due.case)), due.sort not in _NOW, due.due_at, due.case.id


def _level(case: Case) -> str:
    return case.judged_now or case.level


def _near(viewer: StaffView) -> ColumnElement[bool]:
    """Return what narrows cases to the places with which a person has anything to do."""
    here = Case.place_id.in_(rights.places_for(viewer, case_rights.SUMMARY_OF))
    return or_(here, Case.place_id.is_(None)) if DISTRICT in viewer.roles else here


async def _planned(session: AsyncSession, viewer: StaffView) -> list[_Due]:
    follow_ups = await session.execute(
        select(Case, FollowUp)
        .join(FollowUp, FollowUp.case_id == Case.id)
        .where(_near(viewer), FollowUp.state == DUE)
    )
    plans = await session.execute(
        select(Case, CarePlan)
        .join(CarePlan, CarePlan.case_id == Case.id)
        .where(_near(viewer), CarePlan.ended_at.is_(None))
    )
    return [
        *(_Due(FOLLOW_UP, f.kind, case, f.due_at, f.owner_id) for case, f in follow_ups),
        *(_Due(REVIEW, REVIEW, case, p.review_at, p.owner_id) for case, p in plans),
    ]


async def _clocks(session: AsyncSession, viewer: StaffView, now: datetime) -> list[_Due]:
    rows = await session.scalars(select(Case).where(_near(viewer), Case.state != CLOSED))
    cases = list(rows)
    clocks = await case_times.of_cases(session, cases, now=now)
    return [
        _Due(CLOCK, clock.name, case, clock.due, case.accepted_by)
        for case in cases
        for clock in clocks[case.id]
        if clock.state == OVERDUE
    ]


async def _reports(session: AsyncSession, viewer: StaffView, now: datetime) -> list[_Due]:
    """Return reports that were decided on and that nobody has made."""
    rows = await session.execute(
        select(Case, Report)
        .join(Report, Report.case_id == Case.id)
        .where(_near(viewer), Report.made_at.is_(None), Report.refused.is_(False))
    )
    return [
        _Due(REPORT, "agree" if row.agreed_at is None else "make", case, due_at, row.decided_by)
        for case, row in rows
        if (due_at := row.decided_at + REPORT_WITHIN) < now
    ]


async def _reached(
    session: AsyncSession,
    viewer: StaffView,
    found: Sequence[_Due],
    *,
    summaries: bool = False,
) -> list[_Due]:
    kinds = await desk.place_names(session, {due.case.place_id for due in found})

    def reaches(case: Case) -> bool:
        kind = kinds.get(case.place_id, ("", ""))[0]
        if summaries:
            return case_rights.scope_of(viewer, case, kind) is not None
        return case_rights.reaches(viewer, READ, case, kind)

    return [due for due in found if reaches(due.case)]


async def _items(session: AsyncSession, found: Sequence[_Due]) -> list[Item]:
    named = await desk.place_names(session, {due.case.place_id for due in found})
    people = await desk.staff_names(session, {due.owner_id for due in found})
    words = await level_words.shown_many(session, {due.case.place_id for due in found})
    return [
        Item(
            sort=due.sort,
            kind=due.kind,
            case_id=due.case.id,
            level=_level(due.case),
            level_text=words[due.case.place_id][_level(due.case)],
            place=named.get(due.case.place_id, ("", ""))[1],
            due_at=due.due_at,
            owner_id=due.owner_id,
            owner=people.get(due.owner_id or 0, ""),
            drill=due.case.drill,
        )
        for due in found
    ]
