"""What stands of one child in the tables, for whoever has leave to read it.

Called by `bot.web.permits`, with the permit that `bot.services.permits.read` has let pass. Cases
are listed without any words: those are read in the case's record, with a permit of its own. A case
on the district's desk (a teacher's misconduct, an adult's own risk) is no line for the school. A
case is a contact's, not a child's: of a guardian with several children those of this child's own
schools are listed, and said to be another's perhaps where the other child is there too.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotAllowed
from bot.db.models import Case, Child, ChildPlace, Contact, Guardianship, Place, ReadPermit
from bot.services import people, permits
from bot.services.desk import place_names
from bot.services.staff import StaffView


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a child was, from when until when."""

    place: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case that came from a guardian of the child.

    Args:
        shared: the same guardian has another child there, about whom it may be.
    """

    id: int
    level: str
    family: str
    state: str
    opened_at: datetime
    closed_at: datetime | None
    shared: bool


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child: classes, who cares for it, and the cases of those people."""

    child: Child
    stays: tuple[Stay, ...]
    guardians: tuple[people.GuardianRow, ...]
    cases: tuple[CaseLine, ...]


async def child_record(
    session: AsyncSession, by: StaffView, permit: ReadPermit, *, now: datetime
) -> ChildRecord:
    """Collect what is kept of the child that a permit is for.

    Raises:
        NotAllowed: the permit is not theirs, not for a child, or not open.
    """
    child_id = permit.object_id
    if not permits.covers(by, permit, permits.CHILD, child_id, now):
        raise NotAllowed("no permit is open")
    child = await session.get_one(Child, child_id)
    stays = (
        await session.scalars(
            select(ChildPlace).where(ChildPlace.child_id == child_id).order_by(ChildPlace.id)
        )
    ).all()
    names = await place_names(session, {stay.place_id for stay in stays})
    return ChildRecord(
        child=child,
        stays=tuple(
            Stay(names.get(stay.place_id, ("", ""))[1], stay.started_at, stay.ended_at)
            for stay in stays
        ),
        guardians=tuple(await people.guardians_of_child(session, child_id)),
        cases=tuple(await _cases(session, child_id, permits.reach(by, permit))),
    )


async def _cases(session: AsyncSession, child_id: int, desks: frozenset[int]) -> list[CaseLine]:
    found = await session.execute(
        select(Case, Contact.guardian_id, Place.path)
        .join(Contact, Contact.id == Case.contact_id)
        .join(Place, Place.id == Case.place_id)
        .where(Contact.guardian_id.in_(_guardians(child_id)), Case.place_id.in_(desks))
        .order_by(Case.id.desc())
    )
    rows = found.all()
    wards = await _wards(session, {row.guardian_id for row in rows if row.guardian_id})
    here = await _paths(session, {child_id, *(one for few in wards.values() for one in few)})
    lines = []
    for case, guardian_id, path in rows:
        theirs = wards.get(guardian_id or 0, set())
        about = {one for one in theirs if any(p.startswith(path) for p in here[one])}
        if child_id in about:
            lines.append(_line(case, shared=len(about) > 1))
    return lines


def _guardians(child_id: int) -> Select[int]:
    return select(Guardianship.guardian_id).where(Guardianship.child_id == child_id)


async def _wards(session: AsyncSession, guardians: set[int]) -> dict[int, set[int]]:
    """Return the children of each guardian, those that were theirs once too."""
    rows = await session.execute(
        select(Guardianship.guardian_id, Guardianship.child_id).where(
            Guardianship.guardian_id.in_(guardians)
        )
    )
    found: dict[int, set[int]] = {}
    for guardian_id, child_id in rows:
        found.setdefault(guardian_id, set()).add(child_id)
    return found


async def _paths(session: AsyncSession, children: set[int]) -> dict[int, set[str]]:
    """Return the paths of the places where each child is or was."""
    now_at = select(Child.id, Place.path).join(Place, Place.id == Child.place_id)
    once_at = select(ChildPlace.child_id, Place.path).join(Place, Place.id == ChildPlace.place_id)
    rows = await session.execute(
        union(
            now_at.where(Child.id.in_(children)), once_at.where(ChildPlace.child_id.in_(children))
        )
    )
    found: dict[int, set[str]] = {child_id: set() for child_id in children}
    for child_id, path in rows:
        found[child_id].add(path)
    return found


def _line(case: Case, *, shared: bool) -> CaseLine:
    return CaseLine(
        case.id, case.level, case.family, case.state, case.opened_at, case.closed_at, shared
    )
