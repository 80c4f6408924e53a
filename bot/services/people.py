"""Children and guardians: who belongs to which class, who cares for whom, how a phone finds them.

The ground under imports, bindings, notices and courses. Nothing here asks for rights or writes the
audit trail: pages go through `bot.services.people_desk`, imports through `bot.services.importing`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid
from bot.db.crypto import KeyRing
from bot.db.models import Child, ChildPlace, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ACTIVE, LEFT, RELATIONS
from bot.db.models.place import OPEN
from bot.services.people_parts import (
    HAND,
    NAME_LENGTH,
    NUMBER_LENGTH,
    name_key,
    new_child,
    new_guardian,
    normalise_name,
    normalise_number,
    normalise_phone,
    phone_key,
    student_key,
)

__all__ = [
    "GRANDPARENTS",
    "HAND",
    "NAME_LENGTH",
    "NUMBER_LENGTH",
    "ChildRow",
    "GuardianRow",
    "add_child",
    "add_guardian",
    "child_rows",
    "children_of",
    "children_of_guardian",
    "come_back",
    "find_by_phone",
    "guardians_of_child",
    "here",
    "history",
    "leave",
    "move_child",
    "name_key",
    "new_child",
    "new_guardian",
    "normalise_name",
    "normalise_number",
    "normalise_phone",
    "open_class",
    "phone_key",
    "student_key",
    "tie",
    "untie",
]

GRANDPARENTS = frozenset({"GF", "GM", "GFA", "GMA"})


@dataclass(frozen=True, slots=True)
class GuardianRow:
    """What a guardian is to one child, without the phone.

    Args:
        unreachable: a code; empty when they can be reached.
        channels: where a contact of theirs is bound; empty: not bound.
    """

    guardianship_id: int
    guardian_id: int
    child_id: int
    name: str
    relation: str
    custody_block: bool
    unreachable: str
    large_type: bool
    has_phone: bool
    channels: tuple[str, ...] = ()

    @property
    def bound(self) -> bool:
        """Say whether any contact was proved to be theirs."""
        return bool(self.channels)


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A child of a class with those who care for it."""

    id: int
    place_id: int | None
    name: str
    student_no: str | None
    guardians: tuple[GuardianRow, ...]

    @property
    def bound(self) -> bool:
        """Say whether anybody who may be told of the child is bound."""
        return any(one.bound for one in self.guardians if not one.custody_block)


def here() -> tuple[ColumnElement[bool], ...]:
    """Return what holds of a guardianship that counts now, in a query over all three tables."""
    return (
        Guardianship.ended_at.is_(None),
        Guardian.erased_at.is_(None),
        Child.state == ACTIVE,
    )


async def open_class(session: AsyncSession, place_id: int) -> Place:
    """Return a class that takes children.

    Raises:
        InputInvalid: it is no class.
        Conflict: it was closed, merged or has graduated (`place_closed`).
    """
    place = await session.get(Place, place_id)
    if place is None or place.kind != "class":
        raise InputInvalid("place", field="place")
    if place.state != OPEN:
        raise Conflict("place_closed")
    return place


async def add_child(
    session: AsyncSession,
    *,
    place_id: int,
    name: str,
    now: datetime,
    ring: KeyRing,
    student_no: str = "",
    born: str | None = None,
    external_id: str | None = None,
    source: str = HAND,
) -> Child:
    """Add a child to a class and begin its history.

    Args:
        born: year and month, `2016-09`.
        source: who brought it: `hand`, `excel`, `dingtalk`, `demo`.

    Raises:
        InputInvalid: no name, or one that is too long; no class.
        Conflict: the class is closed.
    """
    await open_class(session, place_id)
    child = new_child(
        place_id=place_id,
        name=name,
        now=now,
        ring=ring,
        student_no=student_no,
        born=born,
        external_id=external_id,
        source=source,
    )
    session.add(child)
    await session.flush()
    session.add(ChildPlace(child_id=child.id, place_id=place_id, started_at=now))
    await session.flush()
    return child


async def add_guardian(
    session: AsyncSession,
    *,
    name: str,
    now: datetime,
    ring: KeyRing,
    phone: str = "",
    external_id: str | None = None,
    large_type: bool = False,
    source: str = HAND,
) -> Guardian:
    """Add a guardian, not yet of any child; two of them may share a phone.

    Raises:
        InputInvalid: no name, or a phone that is none.
    """
    guardian = new_guardian(
        name=name,
        now=now,
        ring=ring,
        phone=phone,
        external_id=external_id,
        large_type=large_type,
        source=source,
    )
    session.add(guardian)
    await session.flush()
    return guardian


async def tie(
    session: AsyncSession, guardian: Guardian, child: Child, relation: str, now: datetime
) -> Guardianship:
    """Make somebody a guardian of a child; who is one already stays what they are.

    A tie that had ended is taken up again, with its custody block. A grandparent's pages are set
    large from then on.

    Raises:
        InputInvalid: no such relation.
    """
    if relation not in RELATIONS:
        raise InputInvalid("relation", field="relation")
    query = select(Guardianship).where(
        Guardianship.guardian_id == guardian.id, Guardianship.child_id == child.id
    )
    found = await session.scalar(query)
    if found is None:
        found = Guardianship(
            guardian_id=guardian.id, child_id=child.id, relation=relation, created_at=now
        )
        session.add(found)
    elif found.ended_at is not None:
        found.ended_at, found.relation = None, relation
    if found.relation in GRANDPARENTS:
        guardian.large_type = True
    await session.flush()
    return found


async def untie(session: AsyncSession, guardianship: Guardianship, now: datetime) -> None:
    """End what a guardian is to a child; the row stays, with its custody block."""
    guardianship.ended_at = guardianship.ended_at or now
    await session.flush()


async def move_child(session: AsyncSession, child: Child, place_id: int, now: datetime) -> None:
    """Move a child into another class; the class it leaves stays in its history.

    Raises:
        InputInvalid: no class.
        Conflict: the class is closed (`place_closed`), or the child has left (`child_left`).
    """
    if child.state != ACTIVE:
        raise Conflict("child_left")
    await open_class(session, place_id)
    if child.place_id == place_id:
        return
    await _end_stay(session, child, now)
    child.place_id = place_id
    session.add(ChildPlace(child_id=child.id, place_id=place_id, started_at=now))
    await session.flush()


async def leave(session: AsyncSession, child: Child, now: datetime) -> None:
    """Let a child leave its school; its last class stays known."""
    if child.state == ACTIVE:
        await _end_stay(session, child, now)
        child.state, child.left_at = LEFT, now
        await session.flush()


async def come_back(session: AsyncSession, child: Child, place_id: int, now: datetime) -> None:
    """Take a child that had left into a class again.

    Raises:
        InputInvalid, Conflict: as `move_child`.
    """
    await open_class(session, place_id)
    if child.state == LEFT:
        child.state, child.left_at, child.place_id = ACTIVE, None, place_id
        session.add(ChildPlace(child_id=child.id, place_id=place_id, started_at=now))
        await session.flush()


async def history(session: AsyncSession, child_id: int) -> Sequence[ChildPlace]:
    """Return in which classes a child was, the newest first."""
    query = select(ChildPlace).where(ChildPlace.child_id == child_id)
    return (await session.scalars(query.order_by(ChildPlace.id.desc()))).all()


async def children_of(session: AsyncSession, place_id: int) -> list[ChildRow]:
    """Return the children at a place and below it, with their guardians, by name."""
    place = await session.get(Place, place_id)
    if place is None:
        return []
    query = (
        select(Child)
        .join(Place, Place.id == Child.place_id)
        .where(Place.path.startswith(place.path), Child.state == ACTIVE)
    )
    children = (await session.scalars(query)).all()
    rows = await child_rows(session, children)
    return sorted(rows, key=lambda row: (row.place_id or 0, row.name, row.id))


async def child_rows(session: AsyncSession, children: Iterable[Child]) -> list[ChildRow]:
    """Return children with their guardians, in the order they were given in."""
    listed = list(children)
    ties = await _ties(session, [child.id for child in listed])
    return [
        ChildRow(
            child.id, child.place_id, child.name, child.student_no, tuple(ties.get(child.id, ()))
        )
        for child in listed
    ]


async def guardians_of_child(session: AsyncSession, child_id: int) -> list[GuardianRow]:
    """Return who cares for a child now, those with a custody block too."""
    return (await _ties(session, [child_id])).get(child_id, [])


async def children_of_guardian(session: AsyncSession, guardian_id: int) -> list[Child]:
    """Return the children that a guardian may be told of, in whatever class or school."""
    query = (
        select(Child)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(Guardian.id == guardian_id, ~Guardianship.custody_block, *here())
    )
    return list((await session.scalars(query.order_by(Child.id))).all())


async def find_by_phone(
    session: AsyncSession, ring: KeyRing, place_id: int, phone: str
) -> list[tuple[Guardian, Child]]:
    """Return who at a place or below it is registered with a phone, and for which child.

    Several rows are several children or people who share the phone. A custody block is left out:
    who may not be told of a child is not bound to it.
    """
    key, place = phone_key(ring, phone), await session.get(Place, place_id)
    if key is None or place is None:
        return []
    query = (
        select(Guardian, Child)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Guardian.phone_key == key,
            Place.path.startswith(place.path),
            ~Guardianship.custody_block,
            *here(),
        )
        .order_by(Child.id, Guardian.id)
    )
    return [(guardian, child) for guardian, child in await session.execute(query)]


async def _ties(session: AsyncSession, child_ids: Sequence[int]) -> Mapping[int, list[GuardianRow]]:
    found: dict[int, list[GuardianRow]] = {}
    for start in range(0, len(child_ids), 500):
        part = child_ids[start : start + 500]
        query = (
            select(Guardianship, Guardian)
            .join(Guardian, Guardian.id == Guardianship.guardian_id)
            .where(
                Guardianship.child_id.in_(part),
                Guardianship.ended_at.is_(None),
                Guardian.erased_at.is_(None),
            )
            .order_by(Guardianship.id)
        )
        pairs = [(held, guardian) for held, guardian in await session.execute(query)]
        channels = await _channels(session, {guardian.id for _, guardian in pairs})
        for held, guardian in pairs:
            row = _row(held, guardian, channels.get(guardian.id, ()))
            found.setdefault(held.child_id, []).append(row)
    return found


def _row(held: Guardianship, guardian: Guardian, channels: tuple[str, ...]) -> GuardianRow:
    return GuardianRow(
        guardianship_id=held.id,
        guardian_id=guardian.id,
        child_id=held.child_id,
        name=guardian.name,
        relation=held.relation,
        custody_block=held.custody_block,
        unreachable=held.unreachable,
        large_type=guardian.large_type,
        has_phone=guardian.phone_key is not None,
        channels=channels,
    )


async def _channels(session: AsyncSession, ids: Iterable[int]) -> dict[int, tuple[str, ...]]:
    query = select(Contact.guardian_id, Contact.channel).where(Contact.guardian_id.in_(list(ids)))
    found: dict[int, tuple[str, ...]] = {}
    for guardian_id, channel in await session.execute(query.order_by(Contact.id)):
        if guardian_id is not None:
            found[guardian_id] = (*found.get(guardian_id, ()), channel)
    return found


async def _end_stay(session: AsyncSession, child: Child, now: datetime) -> None:
    stay = await session.scalar(
        select(ChildPlace).where(ChildPlace.child_id == child.id, ChildPlace.ended_at.is_(None))
    )
    if stay is not None:
        stay.ended_at = now
        await session.flush()
