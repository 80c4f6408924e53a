"""What the database knows of the people in some rows: loaded for a chunk, kept up while applying.

The checker and the applier ask the same world, so that what the dry run said is what happens unless
somebody changed the school in between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.crypto import KeyRing
from bot.db.models import Child, Guardian, Guardianship, Place, Staff
from bot.db.models.place import OPEN
from bot.services import people, staff_ids
from bot.services.importing.rows import Parsed
from bot.services.importing.words import class_key

PER_QUERY = 500


@dataclass
class Tied:
    """A guardian of a child; `held` is None while it is not stored yet."""

    guardian: Guardian
    relation: str
    held: Guardianship | None = None

    @property
    def blocked(self) -> bool:
        """Say whether a custody block stands."""
        return self.held is not None and self.held.custody_block


@dataclass
class Kid:
    """A child with everybody who was ever tied to it."""

    child: Child
    tied: list[Tied] = field(default_factory=list)

    @property
    def plain_name(self) -> str:
        """Return the name as it is compared."""
        return people.normalise_name(self.child.name)

    @property
    def open(self) -> list[Tied]:
        """Return those who are tied to it now."""
        return [one for one in self.tied if one.held is None or one.held.ended_at is None]

    @property
    def phones(self) -> set[str]:
        """Return the phones of those who are tied to it now."""
        return {one.guardian.phone for one in self.open if one.guardian.phone}


@dataclass
class World:
    """The classes of a school, and the children and guardians that some rows may mean.

    Args:
        home: the class that rows without one belong to; None: the import is for more than one.
        elsewhere: ids of guardians who have children in other schools too.
        staff: the school's accounts by name, where rows are of teachers.
        staff_ids: which of the teachers' ids some account has.
    """

    home: Place | None
    classes: dict[str, list[Place]]
    numbers: dict[str, Kid] = field(default_factory=dict)
    external: dict[str, Kid] = field(default_factory=dict)
    names: dict[str, list[Kid]] = field(default_factory=dict)
    phones: dict[str, list[Kid]] = field(default_factory=dict)
    owners: dict[str, list[Guardian]] = field(default_factory=dict)
    known: dict[str, Guardian] = field(default_factory=dict)
    elsewhere: frozenset[int] = frozenset()
    staff: dict[str, list[Staff]] = field(default_factory=dict)
    staff_ids: set[str] = field(default_factory=set)

    def add(self, kid: Kid) -> None:
        """Put a child where it is looked for."""
        if kid.child.student_no:
            self.numbers.setdefault(kid.child.student_no, kid)
        if kid.child.external_id:
            self.external.setdefault(kid.child.external_id, kid)
        self.names.setdefault(kid.plain_name, []).append(kid)
        for tied in kid.tied:
            self.add_tied(kid, tied)

    def add_tied(self, kid: Kid, tied: Tied) -> None:
        """Put a guardian of a child where both are looked for."""
        self.add_guardian(tied.guardian)
        phone = tied.guardian.phone
        if phone and kid not in self.phones.setdefault(phone, []):
            self.phones[phone].append(kid)

    def add_guardian(self, guardian: Guardian) -> None:
        """Put a guardian where they are looked for."""
        if guardian.external_id:
            self.known.setdefault(guardian.external_id, guardian)
        if guardian.phone and guardian not in self.owners.setdefault(guardian.phone, []):
            self.owners[guardian.phone].append(guardian)

    def class_of(self, row: Parsed) -> tuple[Place | None, str]:
        """Return the class that a row names, or a code."""
        if not row.class_text and self.home is not None:
            return self.home, ""
        found = self.classes.get(class_key(row.class_text), [])
        taking = [place for place in found if place.state == OPEN]
        if len(taking) == 1:
            return taking[0], ""
        if not found:
            return None, "class_unknown"
        return None, "class_twice" if taking else "class_closed"


async def classes_of(session: AsyncSession, place: Place) -> dict[str, list[Place]]:
    """Return the classes at or below a place by their compared names, with and without grade."""
    below = (await session.scalars(select(Place).where(Place.path.startswith(place.path)))).all()
    by_id = {one.id: one for one in below}
    found: dict[str, list[Place]] = {}
    for one in below:
        if one.kind != "class":
            continue
        parent = by_id.get(one.parent_id or 0)
        names = {class_key(one.name)}
        if parent is not None and parent.kind == "grade":
            names.add(class_key(parent.name + one.name))
        for name in names:
            found.setdefault(name, []).append(one)
    return found


async def load(
    session: AsyncSession, ring: KeyRing, place: Place, every: Sequence[Parsed], now: datetime
) -> World:
    """Return what the database knows of the people in some rows."""
    rows = [row for row in every if not row.teacher]
    teachers = [row.external_id for row in every if row.teacher]
    home = place if place.kind == "class" else None
    world = World(home, await classes_of(session, place))
    school = await _school(session, place)
    phones = {people.phone_key(ring, phone) for row in rows for phone in row.phones} - {None}
    externals = {carer.external_id for row in rows for carer in row.carers} - {""}
    guardians = await _guardians(session, school, [str(key) for key in phones], externals)
    children = await _children(session, ring, school, rows, guardians)
    kids = {child.id: Kid(child) for child in children}
    for held, guardian in await _ties(session, list(kids)):
        kids[held.child_id].tied.append(Tied(guardian, held.relation, held))
    for kid in kids.values():
        world.add(kid)
    for guardian in guardians:
        world.add_guardian(guardian)
    theirs = {tied.guardian.id for kid in kids.values() for tied in kid.tied}
    world.elsewhere = await _elsewhere(session, school, theirs)
    if teachers:
        world.staff_ids = await staff_ids.known(session, teachers)
        for person in await staff_ids.of_school(session, school, now):
            world.staff.setdefault(people.normalise_name(person.name), []).append(person)
    return world


async def _elsewhere(session: AsyncSession, school: Place, ids: Iterable[int]) -> frozenset[int]:
    """Return the guardians who have children outside a school."""
    found: set[int] = set()
    for part in _parts(sorted(ids)):
        query = (
            select(Guardianship.guardian_id)
            .join(Child, Child.id == Guardianship.child_id)
            .join(Place, Place.id == Child.place_id)
            .where(
                Guardianship.guardian_id.in_(part),
                Guardianship.ended_at.is_(None),
                ~Place.path.startswith(school.path),
            )
        )
        found |= set(await session.scalars(query))
    return frozenset(found)


async def _school(session: AsyncSession, place: Place) -> Place:
    """Return the school that a place belongs to: its children are the ones to compare with."""
    ids = [int(part) for part in place.path.split("/") if part]
    query = select(Place).where(Place.id.in_(ids), Place.kind == "school")
    return await session.scalar(query) or place


async def _guardians(
    session: AsyncSession, school: Place, phones: Sequence[str], externals: Iterable[str]
) -> list[Guardian]:
    """Return those of the district who have one of the phones, or one of the platform's ids."""
    district = school.path.split("/")[1]
    found: dict[int, Guardian] = {}
    for column, keys in (
        (Guardian.phone_key, phones),
        (Guardian.external_id, list(externals)),
    ):
        for part in _parts(keys):
            query = (
                select(Guardian)
                .join(Guardianship, Guardianship.guardian_id == Guardian.id)
                .join(Child, Child.id == Guardianship.child_id)
                .join(Place, Place.id == Child.place_id)
                .where(
                    column.in_(part),
                    Guardian.erased_at.is_(None),
                    Place.path.startswith(f"/{district}/"),
                )
            )
            found |= {one.id: one for one in await session.scalars(query)}
    return [found[key] for key in sorted(found)]


async def _children(
    session: AsyncSession,
    ring: KeyRing,
    school: Place,
    rows: Sequence[Parsed],
    guardians: Iterable[Guardian],
) -> list[Child]:
    numbers = {people.student_key(ring, row.student_no) for row in rows if row.student_no}
    names = {people.name_key(ring, row.name) for row in rows if row.name}
    externals = {row.external_id for row in rows} - {""}
    theirs = select(Guardianship.child_id)
    wanted: list[ColumnElement[bool]] = [
        column.in_(part)
        for column, keys in (
            (Child.student_key, numbers),
            (Child.name_key, names),
            (Child.external_id, externals),
        )
        for part in _parts(sorted(keys))
    ]
    wanted += [
        Child.id.in_(theirs.where(Guardianship.guardian_id.in_(part)))
        for part in _parts([guardian.id for guardian in guardians])
    ]
    found: dict[int, Child] = {}
    for condition in wanted:
        query = (
            select(Child)
            .join(Place, Place.id == Child.place_id)
            .where(or_(condition), Place.path.startswith(school.path))
        )
        found |= {one.id: one for one in await session.scalars(query)}
    return [found[key] for key in sorted(found)]


async def _ties(
    session: AsyncSession, child_ids: Sequence[int]
) -> list[tuple[Guardianship, Guardian]]:
    found: list[tuple[Guardianship, Guardian]] = []
    for part in _parts(child_ids):
        query = (
            select(Guardianship, Guardian)
            .join(Guardian, Guardian.id == Guardianship.guardian_id)
            .where(Guardianship.child_id.in_(part), Guardian.erased_at.is_(None))
            .order_by(Guardianship.id)
        )
        found += [(held, guardian) for held, guardian in await session.execute(query)]
    return found


def _parts(keys: Iterable[object]) -> list[list[object]]:
    listed = list(keys)
    return [listed[start : start + PER_QUERY] for start in range(0, len(listed), PER_QUERY)]
