"""The clocks of stored cases: reads what `bot.core.case_clocks` needs, few queries for many cases.

Called by the queue, the case's page, the overdue board, drills and figures.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import Clock, Moments, Span, clocks
from bot.db.models import Case, Place, Shift
from bot.db.models.case import OPEN
from bot.services import places, roster, routing, workdays

# How far duty time is looked for after a case was raised.
LOOK_AHEAD = timedelta(days=4)
SCHOOL_DAYS = 5


async def of_case(session: AsyncSession, case: Case, *, now: datetime) -> tuple[Clock, ...]:
    """Return the clocks of one case."""
    return (await of_cases(session, [case], now=now))[case.id]


async def of_cases(
    session: AsyncSession, cases: Sequence[Case], *, now: datetime
) -> dict[int, tuple[Clock, ...]]:
    """Return the clocks of each case, by its id."""
    waiting = [case for case in cases if case.level == "2"]
    duty = await _duty(session, waiting) if waiting else {}
    return {
        case.id: clocks(
            case.level,
            moments(case),
            guardian=guardian_runs(case),
            now=now,
            duty=duty.get(case.id, ()),
            school_days=_school_days(case),
        )
        for case in cases
    }


def moments(case: Case) -> Moments:
    """Return what happened to a case; an open one has not been accepted (again)."""
    return Moments(
        case.raised_at,
        accepted_at=None if case.state == OPEN else case.accepted_at,
        words_at=case.first_words_at,
        guardian_at=case.guardian_at,
        closed_at=case.closed_at,
        judged_level=case.judged_level,
        judged_at=case.judged_at,
    )


def guardian_runs(case: Case) -> bool:
    """Say whether a clock for telling the guardian may run at all (DESIGN §4)."""
    who = "S" if case.speaker == "minor" else ""
    return not case.guardians_barred and routing.guardian_clock_allowed(
        case.family, subject=case.subject, who=who
    )


def _school_days(case: Case) -> Iterable[Span]:
    levels = {case.level, case.judged_level}
    if not levels & {"1", "2"}:
        return ()
    return workdays.school_days(case.raised_at, count=SCHOOL_DAYS)


async def _duty(session: AsyncSession, cases: Sequence[Case]) -> dict[int, list[Span]]:
    """Return the covered stretches from when each case was raised, by case."""
    above = await _above(session, {case.place_id for case in cases})
    start = min(case.raised_at for case in cases)
    end = max(case.raised_at for case in cases) + LOOK_AHEAD
    rows = await session.scalars(
        select(Shift).where(
            Shift.place_id.in_({place for chain in above.values() for place in chain}),
            Shift.wakes.is_(True),
            Shift.starts_at < end,
            Shift.ends_at > start,
        )
    )
    shifts = await roster.present(session, list(rows))
    return {
        case.id: [
            Span(shift.starts_at, shift.ends_at)
            for shift in shifts
            if shift.place_id in above.get(case.place_id, ())
            and shift.ends_at > case.raised_at
            and shift.starts_at < case.raised_at + LOOK_AHEAD
        ]
        for case in cases
    }


async def _above(
    session: AsyncSession, ids: Iterable[int | None]
) -> dict[int | None, frozenset[int]]:
    """Return for each place itself and the places above it."""
    wanted = [place_id for place_id in ids if place_id is not None]
    rows = await session.scalars(select(Place).where(Place.id.in_(wanted)))
    return {place.id: frozenset(places.path_ids(place)) for place in rows}
