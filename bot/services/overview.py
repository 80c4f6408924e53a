"""The overview of the desk: what waits at each school, how long, and who is there. Counts only.

Called by the page for leads and the district. A counselor sees the rows of their own schools; of a
case it shows nothing but that it is one (DOMAIN §4, row "Access").
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import OVERDUE, most_pressing
from bot.db.models import Case, Place, Shift, Staff
from bot.db.models.case import CLOSED, OPEN
from bot.services import case_times, level_words, places, presence, priority, rights, staff
from bot.services.case_rights import DISTRICT, SUMMARY_OF, WORK
from bot.services.staff import StaffView

# The columns; whatever is below has no clock and is counted with the lowest.
LEVELS = ("3!", "3", "2", "1")


@dataclass(frozen=True, slots=True)
class School:
    """One school, or the district's own desk, or what belongs to no school.

    Args:
        waiting, in_hand: how many cases, by level.
        longest: how long the one waits that waits longest; None: none waits.
        on_duty, online: names of members of staff.
        words: what the levels are called there, with the direction.
    """

    name: str
    kind: str
    waiting: Mapping[str, int]
    in_hand: Mapping[str, int]
    longest: timedelta | None
    overdue: int
    on_duty: tuple[str, ...]
    online: tuple[str, ...]
    words: Mapping[str, str]

    @property
    def urgency(self) -> tuple[int, ...]:
        """Return what the rows are sorted by: overdue, then what waits at the highest level."""
        return (-self.overdue, *(-self.waiting.get(level, 0) for level in LEVELS))


async def schools(session: AsyncSession, viewer: StaffView, *, now: datetime) -> list[School]:
    """Return a row for each school and district desk within reach, the most urgent first."""
    reach = rights.places_for(viewer, SUMMARY_OF)
    found = await session.scalars(
        select(Place).where(
            Place.id.in_(reach), Place.kind.in_((DISTRICT, "school")), Place.state == "open"
        )
    )
    desks = list(found)
    cases = await _cases(session, viewer, reach)
    home = await _home(session, {case.place_id for case in cases}, {desk.id for desk in desks})
    clocks = await case_times.of_cases(session, cases, now=now)
    late = {
        case_id
        for case_id, found in clocks.items()
        if (clock := most_pressing(found)) is not None and clock.state == OVERDUE
    }
    duty, online = await _on_duty(session, desks, now), await _online(session, now)
    words = await level_words.shown_many(session, [None, *(desk.id for desk in desks)])
    rows: list[School] = []
    for desk in desks:
        mine = [case for case in cases if home.get(case.place_id) == desk.id]
        there = tuple(name for name, at in online if desk.id in at)
        rows.append(_row(desk, words[desk.id], mine, late, duty[desk.id], there, now))
    nowhere = [case for case in cases if case.place_id is None]
    if nowhere:
        rows.append(_row(None, words[None], nowhere, late, (), (), now))
    return sorted(rows, key=lambda row: row.urgency)


async def _cases(session: AsyncSession, viewer: StaffView, reach: frozenset[int]) -> list[Case]:
    """Return the open cases that are counted: drills are left out, as in all figures."""
    own: list[ColumnElement[bool]] = [Case.place_id.in_(reach)]
    if DISTRICT in viewer.roles:
        own.append(Case.place_id.is_(None))
    counted = select(Case).where(Case.state != CLOSED, Case.drill.is_(False), or_(*own))
    return list(await session.scalars(counted))


async def _home(
    session: AsyncSession, ids: Iterable[int | None], desks: set[int]
) -> dict[int | None, int]:
    """Return for each place the school or district that counts its cases: itself or above."""
    wanted = [place_id for place_id in ids if place_id is not None]
    rows = await session.scalars(select(Place).where(Place.id.in_(wanted)))
    found: dict[int | None, int] = {}
    for place in rows:
        near = [part for part in places.path_ids(place) if part in desks]
        if near:
            found[place.id] = near[-1]
    return found


async def _on_duty(
    session: AsyncSession, desks: Sequence[Place], now: datetime
) -> dict[int, tuple[str, ...]]:
    """Return for each desk who has a shift at this moment, there or above."""
    rows = await session.execute(
        select(Shift.place_id, Staff.name)
        .join(Staff, Staff.id == Shift.staff_id)
        .where(Shift.wakes.is_(True), Shift.starts_at <= now, Shift.ends_at > now)
        .order_by(Staff.name)
    )
    at: dict[int, dict[str, None]] = {}
    for place_id, name in rows:
        at.setdefault(place_id, {})[name] = None
    return {
        desk.id: tuple({n: None for part in places.path_ids(desk) for n in at.get(part, ())})
        for desk in desks
    }


async def _online(session: AsyncSession, now: datetime) -> list[tuple[str, frozenset[int]]]:
    """Return who takes cases at this moment, each with the places at which they may."""
    found: list[tuple[str, frozenset[int]]] = []
    for staff_id in await presence.ready(session, now):
        person = await session.get_one(Staff, staff_id)
        view = await staff.view(session, person, now)
        found.append((person.name, rights.places_for(view, WORK)))
    return sorted(found, key=lambda row: row[0])


def _row(
    desk: Place | None,
    words: Mapping[str, str],
    cases: Sequence[Case],
    late: set[int],
    on_duty: tuple[str, ...],
    online: tuple[str, ...],
    now: datetime,
) -> School:
    waiting = [case for case in cases if case.state == OPEN]
    return School(
        name=desk.name if desk else "",
        kind=desk.kind if desk else "none",
        waiting=_counted(waiting),
        in_hand=_counted(case for case in cases if case.state != OPEN),
        longest=max((now - case.raised_at for case in waiting), default=None),
        overdue=sum(case.id in late for case in cases),
        on_duty=on_duty,
        online=online,
        words=words,
    )


def _counted(cases: Iterable[Case]) -> Counter[str]:
    levels = (priority.standing(case) for case in cases)
    return Counter(level if level in LEVELS else LEVELS[-1] for level in levels)
