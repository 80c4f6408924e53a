"""Worries as they are shown: to the teacher who raised them, and in the case that came of them.

A teacher sees that it is in the queue, whether somebody has it, and what was answered to them;
nothing else of the case. Called by the teacher's pages and by the case's page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.db.models import Case, CaseEvent, Child, Place, Staff, Told, Worry
from bot.db.models.person import ACTIVE
from bot.db.models.place import OPEN
from bot.services import people_desk, rights, worries
from bot.services.staff import StaffView

LATEST = 50
WAITING, TAKEN, DONE = "waiting", "taken", "done"


@dataclass(frozen=True, slots=True)
class OwnWorry:
    """A worry as its author sees it.

    Args:
        state: `waiting`, `taken` or `done`.
        minutes: within how many an answer is due.
        uncovered: nobody was on duty when it came.
    """

    id: int
    case_id: int
    child: str
    place: str
    reason: str
    words: str
    at: datetime
    state: str
    minutes: int
    uncovered: bool
    answered_at: datetime | None
    answer: str


@dataclass(frozen=True, slots=True)
class CaseWorry:
    """A worry as the counselor sees it; `due`: until when the teacher should have an answer."""

    id: int
    child: str
    place: str
    author: str
    phone: str
    reason: str
    words: str
    at: datetime
    due: datetime
    answered_at: datetime | None
    answered_by: str
    answer: str


@dataclass(frozen=True, slots=True)
class Pupil:
    """A child to choose."""

    id: int
    name: str


async def classes(session: AsyncSession, by: StaffView) -> list[Place]:
    """Return the open classes whose children a person may raise a worry about."""
    here = rights.places_for(by, worries.RAISE)
    query = select(Place).where(Place.id.in_(here), Place.kind == "class", Place.state == OPEN)
    return list(await session.scalars(query.order_by(Place.path)))


async def pupils(
    session: AsyncSession, by: StaffView, class_id: int, *, now: datetime
) -> tuple[Place, list[Pupil]]:
    """Return a class with its children, and write down that they were listed.

    Raises:
        NotFound: no such class where this person may raise a worry.
    """
    place = await session.get(Place, class_id)
    known = place is not None and place.kind == "class" and place.state == OPEN
    if place is None or not known or not rights.may(by, worries.RAISE, class_id):
        raise NotFound("no such class")
    query = select(Child).where(Child.place_id == class_id, Child.state == ACTIVE)
    children = (await session.scalars(query.order_by(Child.student_no.is_(None), Child.id))).all()
    await people_desk.record(
        session, by, "people.listed", "place", class_id, now, {"rows": len(children)}
    )
    return place, [Pupil(child.id, child.name) for child in children]


async def own(session: AsyncSession, by: StaffView) -> list[OwnWorry]:
    """Return what a person has raised, newest first."""
    rows = (
        await session.execute(
            select(Worry, Case, Child, Place)
            .join(Case, Case.id == Worry.case_id)
            .join(Place, Place.id == Worry.place_id)
            .outerjoin(Child, Child.id == Worry.child_id)
            .where(Worry.author_id == by.id)
            .order_by(Worry.id.desc())
            .limit(LATEST)
        )
    ).all()
    chosen, said = await _told(session, {row.Worry.case_id for row in rows})
    return [
        OwnWorry(
            worry.id,
            worry.case_id,
            child.name if child else "",
            place.name,
            worries.reason_text(chosen.get(worry.id, "")),
            worry.words,
            worry.at,
            {"open": WAITING, "accepted": TAKEN}.get(case.state, DONE),
            worries.promised(case.level),
            case.uncovered,
            worry.answered_at,
            said.get(worry.id, ""),
        )
        for worry, case, child, place in rows
    ]


async def of_case(session: AsyncSession, case: Case) -> list[CaseWorry]:
    """Return the worries of a case, oldest first."""
    rows = (
        await session.execute(
            select(Worry, Child, Place, Staff)
            .join(Place, Place.id == Worry.place_id)
            .join(Staff, Staff.id == Worry.author_id)
            .outerjoin(Child, Child.id == Worry.child_id)
            .where(Worry.case_id == case.id)
            .order_by(Worry.id)
        )
    ).all()
    chosen, said = await _told(session, {case.id})
    names = await _names(session, [row.Worry.answered_by for row in rows])
    return [
        CaseWorry(
            worry.id,
            child.name if child else "",
            place.name,
            author.name,
            author.phone or "",
            worries.reason_text(chosen.get(worry.id, "")),
            worry.words,
            worry.at,
            worries.due(worry, case.level),
            worry.answered_at,
            names.get(worry.answered_by or 0, ""),
            said.get(worry.id, ""),
        )
        for worry, child, place, author in rows
    ]


async def _told(
    session: AsyncSession, case_ids: Iterable[int]
) -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Return, by worry, the reason that was chosen and what was answered to its author."""
    events = await session.scalars(
        select(CaseEvent).where(
            CaseEvent.case_id.in_(list(case_ids)), CaseEvent.kind.in_(("worry", "worry_answered"))
        )
    )
    chosen: dict[int, str] = {}
    rows: dict[int, int] = {}
    for event in events:
        worry = int(str(event.data["worry"]))
        if event.kind == "worry":
            chosen[worry] = str(event.data["reason"])
        else:
            rows[worry] = int(str(event.data["told"]))
    found = await session.scalars(select(Told).where(Told.id.in_(list(rows.values()))))
    words = {told.id: told.words for told in found}
    return chosen, {worry: words.get(told, "") for worry, told in rows.items()}


async def _names(session: AsyncSession, ids: Sequence[int | None]) -> Mapping[int, str]:
    found = await session.scalars(select(Staff).where(Staff.id.in_([i for i in ids if i])))
    return {person.id: person.name for person in found}
