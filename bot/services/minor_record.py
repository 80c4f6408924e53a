"""What stands of one child in the tables, for whoever has leave to read it.

Called by `bot.web.permits`, after `bot.services.permits.read` has let the reader pass. Cases are
listed without any words: those are read in the case's own record, with a permit of its own. A case
on the district's desk (a teacher's misconduct, an adult's own risk) is no line for the school.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, Child, ChildPlace, Contact, Guardianship
from bot.services import people
from bot.services.desk import place_names


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a child was, from when until when."""

    place: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One case that came from a guardian of the child."""

    id: int
    level: str
    family: str
    state: str
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChildRecord:
    """One child: classes, who cares for it, and the cases of those people."""

    child: Child
    stays: tuple[Stay, ...]
    guardians: tuple[people.GuardianRow, ...]
    cases: tuple[CaseLine, ...]


async def child_record(session: AsyncSession, child_id: int, desks: Collection[int]) -> ChildRecord:
    """Collect what is kept of a child.

    Args:
        desks: the places whose cases the reader may know of.
    """
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
        cases=tuple(await _cases(session, child_id, desks)),
    )


async def _cases(session: AsyncSession, child_id: int, desks: Collection[int]) -> list[CaseLine]:
    found = await session.scalars(
        select(Case)
        .join(Contact, Contact.id == Case.contact_id)
        .join(Guardianship, Guardianship.guardian_id == Contact.guardian_id)
        .where(Guardianship.child_id == child_id, Case.place_id.in_(desks))
        .order_by(Case.id.desc())
    )
    return [
        CaseLine(case.id, case.level, case.family, case.state, case.opened_at, case.closed_at)
        for case in found.unique()
    ]
