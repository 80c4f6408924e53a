"""Children and guardians as the school's staff see and change them: rights, audit, pages of rows.

Called by `bot.web.people`. Every read of names is an audit entry, with ids and counts only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import Child, ChildPlace, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ACTIVE, RELATIONS
from bot.services import audit, binding_guard, people, rights
from bot.services.people import ChildRow
from bot.services.people_parts import seen_key
from bot.services.staff import StaffView

READ, CHANGE, PHONE = "people.list", "people.change", "people.phone"
PAGE = 40
ONLY = ("unbound", "unreachable", "blocked")
UNREACHABLE = ("", "wrong_phone", "no_phone", "away", "refuses", "other")
# Why a custody block is set or lifted; the paper itself is kept by the school.
BLOCK_REASONS = ("court", "protection_order", "agreement", "guardian_proof")
LIFT_REASONS = ("court", "agreement", "mistake")


@dataclass(frozen=True, slots=True)
class ClassCount:
    """A class with its numbers."""

    place: Place
    school: str
    children: int
    unbound: int
    unreachable: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Some children of a place, and how many there are that fit."""

    rows: Sequence[ChildRow]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return max(1, -(-self.total // PAGE))


@dataclass(frozen=True, slots=True)
class Detail:
    """One child with everything the page shows.

    Args:
        phones: by guardian; only for who may see them.
        seen: what the page shows of each guardian's name and phone, to come back with a change.
        child_seen: the same of the child's own.
        elsewhere: guardians who have further children, with how many.
    """

    child: Child
    row: ChildRow
    place: Place
    stays: Sequence[ChildPlace]
    places: Mapping[int, str]
    phones: Mapping[int, str]
    elsewhere: Mapping[int, int]
    seen: Mapping[int, str]
    child_seen: str


async def classes(session: AsyncSession, by: StaffView) -> list[ClassCount]:
    """Return the classes whose people somebody may see, with their numbers."""
    here = rights.places_for(by, READ)
    query = select(Place).where(Place.kind == "class", Place.id.in_(here)).order_by(Place.path)
    listed = (await session.scalars(query)).all()
    names = await _school_names(session, listed)
    everyone = await _count(session, here)
    unbound = await _count(session, here, _condition("unbound"))
    unreachable = await _count(session, here, _condition("unreachable"))
    return [
        ClassCount(
            place,
            names.get(place.id, ""),
            everyone.get(place.id, 0),
            unbound.get(place.id, 0),
            unreachable.get(place.id, 0),
        )
        for place in listed
        if place.state == "open" or everyone.get(place.id)
    ]


async def listing(
    session: AsyncSession,
    by: StaffView,
    place_id: int,
    *,
    only: str = "",
    page: int = 1,
    now: datetime,
) -> Listing:
    """Return a page of the children of a class, and write down that they were read.

    Raises:
        NotFound: a place whose people the caller may not see.
    """
    if not rights.may(by, READ, place_id):
        raise NotFound("no such class")
    wanted = [Child.place_id == place_id, Child.state == ACTIVE]
    if only in ONLY:
        wanted.append(_condition(only))
    total = await session.scalar(select(func.count(Child.id)).where(*wanted)) or 0
    page = max(1, min(page, -(-total // PAGE) or 1))
    query = select(Child).where(*wanted).order_by(Child.student_no.is_(None), Child.id)
    children = await session.scalars(query.offset((page - 1) * PAGE).limit(PAGE))
    rows = await people.child_rows(session, children.all())
    await record(session, by, "people.listed", "place", place_id, now, {"rows": len(rows)})
    return Listing(rows, total, page)


async def search(
    session: AsyncSession, by: StaffView, ring: KeyRing, text: str, *, now: datetime
) -> list[ChildRow]:
    """Return the children of exactly this name or student number whom somebody may see."""
    here = rights.places_for(by, READ)
    if not text.strip() or len(text) > people.NAME_LENGTH:
        return []
    query = (
        select(Child)
        .where(
            (Child.name_key == people.name_key(ring, text))
            | (Child.student_key == people.student_key(ring, text)),
            Child.place_id.in_(here),
        )
        .order_by(Child.id)
        .limit(PAGE)
    )
    rows = await people.child_rows(session, (await session.scalars(query)).all())
    await record(session, by, "people.searched", "place", None, now, {"rows": len(rows)})
    return rows


async def detail(
    session: AsyncSession, by: StaffView, ring: KeyRing, child_id: int, now: datetime
) -> Detail:
    """Return one child, and write down that it was read.

    Raises:
        NotFound: no such child where the caller may see people.
    """
    child = await reach_child(session, by, child_id, READ)
    place = await session.get_one(Place, child.place_id)
    row = (await people.child_rows(session, [child]))[0]
    stays = await people.history(session, child.id)
    ids = [one.guardian_id for one in row.guardians]
    query = select(Guardian.id, Guardian.name, Guardian.phone).where(Guardian.id.in_(ids))
    known = {one: (name, phone) for one, name, phone in await session.execute(query)}
    may_phone = rights.may(by, PHONE, child.place_id)
    phones = {one: phone for one, (_, phone) in known.items() if phone and may_phone}
    names = select(Place.id, Place.name).where(Place.id.in_({stay.place_id for stay in stays}))
    await record(session, by, "people.read", "child", child.id, now, {"phones": len(phones)})
    return Detail(
        child,
        row,
        place,
        stays,
        {row[0]: row[1] for row in await session.execute(names)},
        phones,
        await _elsewhere(session, ids, child.id),
        {one: seen_key(ring, *values) for one, values in known.items()},
        seen_key(ring, child.name, child.student_no, child.born),
    )


async def change_guardian(
    session: AsyncSession,
    by: StaffView,
    guardianship_id: int,
    *,
    relation: str,
    unreachable: str,
    large_type: bool,
    seen: str,
    now: datetime,
) -> Guardianship:
    """Change what a guardian is to a child, and whether they can be reached.

    Args:
        seen: what the page showed (`seen_of`).

    Raises:
        NotFound, InputInvalid
        Conflict: somebody changed it meanwhile.
    """
    held, guardian = await _held(session, by, guardianship_id, seen)
    if relation not in RELATIONS:
        raise InputInvalid("relation", field="relation")
    if unreachable not in UNREACHABLE:
        raise InputInvalid("unreachable", field="unreachable")
    before = {"relation": held.relation, "unreachable": held.unreachable}
    held.relation, held.unreachable = relation, unreachable
    guardian.large_type = large_type
    await session.flush()
    data = {"before": before, "after": {"relation": relation, "unreachable": unreachable}}
    await record(session, by, "people.guardian_changed", "guardianship", held.id, now, data)
    return held


async def set_block(
    session: AsyncSession,
    by: StaffView,
    guardianship_id: int,
    *,
    block: bool,
    reason: str,
    seen: str,
    now: datetime,
) -> Guardianship:
    """Set or lift a custody block: with it, a guardian is told nothing of this child.

    Raises:
        NotFound
        InputInvalid: no reason of the list.
        Conflict: somebody changed it meanwhile.
    """
    held, _ = await _held(session, by, guardianship_id, seen)
    if reason not in (BLOCK_REASONS if block else LIFT_REASONS):
        raise InputInvalid("reason", field="reason")
    held.custody_block = block
    await session.flush()
    if block:
        await binding_guard.recheck(session, held.child_id, now=now)
    action = "people.custody_block_set" if block else "people.custody_block_lifted"
    await record(session, by, action, "guardianship", held.id, now, {"reason": reason})
    return held


async def move(
    session: AsyncSession, by: StaffView, child_id: int, place_id: int, *, seen: int, now: datetime
) -> None:
    """Move a child into another class; the caller needs the right at both.

    Args:
        seen: the class that the page showed.

    Raises:
        NotFound, NotAllowed, InputInvalid
        Conflict: the child was moved meanwhile, or the class is closed.
    """
    child = await reach_child(session, by, child_id, CHANGE, lock=True)
    if child.place_id != seen:
        raise Conflict("row")
    rights.require(by, CHANGE, place_id)
    await people.move_child(session, child, place_id, now)
    await record(
        session, by, "people.child_moved", "child", child.id, now, {"from": seen, "to": place_id}
    )


async def leave(
    session: AsyncSession, by: StaffView, child_id: int, *, seen: int, now: datetime
) -> None:
    """Let a child leave the school.

    Raises:
        NotFound
        Conflict: the child was moved meanwhile.
    """
    child = await reach_child(session, by, child_id, CHANGE, lock=True)
    if child.place_id != seen or child.state != ACTIVE:
        raise Conflict("row")
    await people.leave(session, child, now)
    await record(session, by, "people.child_left", "child", child.id, now, {"from": seen})


def seen_of(relation: str, block: bool, unreachable: str, large_type: bool) -> str:
    """Return what a page showed of a guardian, to be sent back with a change of it."""
    return f"{relation}.{int(block)}.{unreachable}.{int(large_type)}"


def places_to_change(by: StaffView) -> frozenset[int]:
    """Return the ids of the places whose people somebody may change."""
    return rights.places_for(by, CHANGE)


async def reach_child(
    session: AsyncSession, by: StaffView, child_id: int, action: str, *, lock: bool = False
) -> Child:
    """Return a child within somebody's reach.

    Raises:
        NotFound: no such child where they may do this.
    """
    child = await session.get(Child, child_id, with_for_update=lock or None, populate_existing=lock)
    if child is None or child.place_id is None or not rights.may(by, action, child.place_id):
        raise NotFound("no such child")
    return child


async def _held(
    session: AsyncSession, by: StaffView, guardianship_id: int, seen: str
) -> tuple[Guardianship, Guardian]:
    held = await session.get(
        Guardianship, guardianship_id, with_for_update=True, populate_existing=True
    )
    if held is None or held.ended_at is not None:
        raise NotFound("no such guardian")
    await reach_child(session, by, held.child_id, CHANGE)
    guardian = await session.get_one(Guardian, held.guardian_id)
    now = seen_of(held.relation, held.custody_block, held.unreachable, guardian.large_type)
    if now != seen:
        raise Conflict("row")
    return held, guardian


def _condition(only: str) -> ColumnElement[bool]:
    ties = (
        select(Guardianship.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(
            Guardianship.child_id == Child.id,
            Guardianship.ended_at.is_(None),
            Guardian.erased_at.is_(None),
        )
    )
    if only == "unreachable":
        return ties.where(Guardianship.unreachable != "").exists()
    if only == "blocked":
        return ties.where(Guardianship.custody_block).exists()
    bound = ties.join(Contact, Contact.guardian_id == Guardian.id)
    return ~bound.where(~Guardianship.custody_block).exists()


async def _count(
    session: AsyncSession, places: frozenset[int], *conditions: ColumnElement[bool]
) -> dict[int, int]:
    query = (
        select(Child.place_id, func.count(Child.id))
        .where(Child.place_id.in_(places), Child.state == ACTIVE, *conditions)
        .group_by(Child.place_id)
    )
    return {place: count for place, count in await session.execute(query) if place is not None}


async def _school_names(session: AsyncSession, listed: Sequence[Place]) -> dict[int, str]:
    """Return for each class the names of the places above it, below the district."""
    above = {int(part) for place in listed for part in place.path.split("/") if part}
    query = select(Place.id, Place.name).where(Place.id.in_(above), Place.kind != "district")
    names = {row[0]: row[1] for row in await session.execute(query)}
    return {
        place.id: " ".join(
            names[int(part)]
            for part in place.path.split("/")
            if part and int(part) in names and int(part) != place.id
        )
        for place in listed
    }


async def _elsewhere(
    session: AsyncSession, guardian_ids: Sequence[int], child_id: int
) -> dict[int, int]:
    query = (
        select(Guardianship.guardian_id, func.count(Guardianship.id))
        .where(
            Guardianship.guardian_id.in_(guardian_ids),
            Guardianship.child_id != child_id,
            Guardianship.ended_at.is_(None),
        )
        .group_by(Guardianship.guardian_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def record(
    session: AsyncSession,
    by: StaffView,
    action: str,
    kind: str,
    object_id: int | None,
    now: datetime,
    data: Mapping[str, object],
) -> None:
    """Write down what a person looked at or changed among children and guardians; ids only."""
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind=kind,
        object_id=object_id,
        now=now,
        data=data,
    )
