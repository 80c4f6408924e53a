"""Children and guardians put in and mended by hand: names, numbers, phones, who belongs to whom.

Called by `bot.web.people_edit`. Everything is undone by changing it back. What may be a slip (a
second child of one name, a phone that somebody else has) is refused until the caller says that it
is meant so; so a double click makes one child. Audit entries hold ids and the fields' names only.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import Child, Guardian, Guardianship, Place
from bot.db.models.person import ACTIVE
from bot.services import people, people_desk, rights
from bot.services.people_desk import CHANGE, record
from bot.services.people_parts import seen_key
from bot.services.staff import StaffView

_BORN = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])")


class PhoneShared(Conflict):
    """Somebody of another name has this phone already (`phone_shared`).

    Args:
        names: who it is, as far as they have a child in the same class.
    """

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__("phone_shared")
        self.names = tuple(names)


async def add_child(
    session: AsyncSession,
    by: StaffView,
    ring: KeyRing,
    *,
    place_id: int,
    name: str,
    student_no: str,
    born: str,
    same: bool,
    now: datetime,
) -> Child:
    """Add a child to a class.

    Args:
        born: year and month, `2016-09`, or empty.
        same: it is another child than the one of the class that has this name.

    Raises:
        NotFound: a class where the caller changes nothing.
        InputInvalid: name, number or month don't fit.
        Conflict: `place_closed`, `same_name`, or another child has the number (`number_taken`).
    """
    if place_id < 1:
        raise InputInvalid("place", field="place")
    if not rights.may(by, CHANGE, place_id):
        raise NotFound("no such class")
    # Two clicks on one button come one after the other, not both first.
    await session.get(Place, place_id, with_for_update=True)
    month = _month(born, now)
    await _number_free(session, ring, place_id, student_no)
    if not same and people.normalise_name(name):
        namesake = select(Child.id).where(
            Child.place_id == place_id,
            Child.name_key == people.name_key(ring, name),
            Child.state == ACTIVE,
        )
        if await session.scalar(namesake.limit(1)) is not None:
            raise Conflict("same_name")
    child = await people.add_child(
        session, place_id=place_id, name=name, student_no=student_no, born=month, now=now, ring=ring
    )
    await record(session, by, "people.child_added", "child", child.id, now, {"place": place_id})
    return child


async def change_child(
    session: AsyncSession,
    by: StaffView,
    ring: KeyRing,
    child_id: int,
    *,
    name: str,
    student_no: str,
    born: str,
    seen: str,
    now: datetime,
) -> None:
    """Change a child's name, number and month of birth; an empty number or month is taken away.

    Raises:
        NotFound, InputInvalid: as `add_child`.
        Conflict: somebody was faster (`row`), or another child has the number (`number_taken`).
    """
    child = await people_desk.reach_child(session, by, child_id, CHANGE, lock=True)
    if seen != seen_key(ring, child.name, child.student_no, child.born):
        raise Conflict("row")
    month = _month(born, now)
    fresh = people.new_child(
        place_id=child.place_id or 0,
        name=name,
        student_no=student_no,
        born=month,
        now=now,
        ring=ring,
    )
    if fresh.student_key != child.student_key:
        await _number_free(session, ring, child.place_id or 0, student_no)
    changed = [
        field
        for field in ("name", "student_no", "born")
        if getattr(fresh, field) != getattr(child, field)
    ]
    for field in ("name", "name_key", "student_no", "student_key", "born"):
        setattr(child, field, getattr(fresh, field))
    await session.flush()
    await record(session, by, "people.child_changed", "child", child.id, now, {"fields": changed})


async def add_guardian(
    session: AsyncSession,
    by: StaffView,
    ring: KeyRing,
    child_id: int,
    *,
    name: str,
    relation: str,
    phone: str,
    shared: bool,
    now: datetime,
) -> Guardianship:
    """Make somebody a guardian of a child; who is known by phone and name is the same person.

    Args:
        shared: two people do share this phone.

    Raises:
        NotFound
        InputInvalid: name, relation or phone don't fit.
        PhoneShared
        Conflict: they are the child's guardian already (`guardian_there`).
    """
    child = await people_desk.reach_child(session, by, child_id, CHANGE, lock=True)
    if child.state != ACTIVE:
        raise Conflict("child_left")
    fresh = people.new_guardian(name=name, phone=phone, now=now, ring=ring)
    plain = people.normalise_name(name)
    for one in await people.guardians_of_child(session, child.id):
        if people.normalise_name(one.name) == plain:
            raise Conflict("guardian_there")
    known, others = await _owners(session, child, fresh.phone_key, plain)
    if others and known is None and not shared:
        raise PhoneShared(await _of_class(session, others, child.place_id))
    if known is None:
        session.add(fresh)
        await session.flush()
    held = await people.tie(session, known or fresh, child, relation, now)
    await record(
        session,
        by,
        "people.guardian_added",
        "guardianship",
        held.id,
        now,
        {"child": child.id, "known": known is not None},
    )
    return held


async def change_guardian(
    session: AsyncSession,
    by: StaffView,
    ring: KeyRing,
    child_id: int,
    guardianship_id: int,
    *,
    name: str,
    phone: str,
    drop_phone: bool,
    shared: bool,
    seen: str,
    now: datetime,
) -> None:
    """Change a guardian's name and phone; an empty phone leaves it as it is.

    Args:
        drop_phone: take the phone away.
        shared: two people do share this phone.

    Raises:
        NotFound, InputInvalid, PhoneShared: as `add_guardian`.
        Conflict: somebody was faster (`row`), or they have a child where the caller changes nothing
            (`elsewhere`).
    """
    child, guardian = await _tied(session, by, child_id, guardianship_id)
    if seen != seen_key(ring, guardian.name, guardian.phone):
        raise Conflict("row")
    await _all_mine(session, by, guardian)
    kept = "" if drop_phone else phone.strip() or guardian.phone or ""
    fresh = people.new_guardian(name=name, phone=kept, now=now, ring=ring)
    if fresh.phone_key and fresh.phone_key != guardian.phone_key and not shared:
        _, others = await _owners(session, child, fresh.phone_key, "")
        others = [one for one in others if one.id != guardian.id]
        if others:
            raise PhoneShared(await _of_class(session, others, child.place_id))
    changed = [one for one in ("name", "phone") if getattr(fresh, one) != getattr(guardian, one)]
    guardian.name, guardian.phone = fresh.name, fresh.phone
    guardian.phone_key = fresh.phone_key
    await session.flush()
    data = {"fields": changed}
    await record(session, by, "people.guardian_mended", "guardian", guardian.id, now, data)


async def end_guardian(
    session: AsyncSession,
    by: StaffView,
    ring: KeyRing,
    child_id: int,
    guardianship_id: int,
    *,
    seen: str,
    now: datetime,
) -> None:
    """End what somebody is to a child; a custody block stays known. Adding them again undoes it.

    Raises:
        NotFound
        Conflict: somebody was faster (`row`).
    """
    _, guardian = await _tied(session, by, child_id, guardianship_id)
    if seen != seen_key(ring, guardian.name, guardian.phone):
        raise Conflict("row")
    held = await session.get_one(Guardianship, guardianship_id)
    await people.untie(session, held, now)
    await record(session, by, "people.guardian_ended", "guardianship", held.id, now, {})


def _month(born: str, now: datetime) -> str | None:
    wanted = born.strip()
    if wanted and (not _BORN.fullmatch(wanted) or wanted > f"{to_shanghai(now):%Y-%m}"):
        raise InputInvalid("born", field="born")
    return wanted or None


async def _number_free(
    session: AsyncSession, ring: KeyRing, place_id: int, student_no: str
) -> None:
    """Refuse a student number that another child of the school has."""
    if not people.normalise_number(student_no):
        return
    place = await session.get_one(Place, place_id)
    ids = [int(part) for part in place.path.split("/") if part]
    above = select(Place).where(Place.id.in_(ids), Place.kind == "school")
    school = await session.scalar(above) or place
    taken = (
        select(Child.id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Child.student_key == people.student_key(ring, student_no),
            Place.path.startswith(school.path),
        )
    )
    if await session.scalar(taken.limit(1)) is not None:
        raise Conflict("number_taken")


async def _tied(
    session: AsyncSession, by: StaffView, child_id: int, guardianship_id: int
) -> tuple[Child, Guardian]:
    """Return a child and one who is its guardian now, both locked.

    Raises:
        NotFound
    """
    child = await people_desk.reach_child(session, by, child_id, CHANGE, lock=True)
    held = await session.get(Guardianship, guardianship_id, populate_existing=True)
    if held is None or held.child_id != child.id or held.ended_at is not None:
        raise NotFound("no such guardian")
    guardian = await session.get(
        Guardian, held.guardian_id, with_for_update=True, populate_existing=True
    )
    if guardian is None or guardian.erased_at is not None:
        raise NotFound("no such guardian")
    return child, guardian


async def _all_mine(session: AsyncSession, by: StaffView, guardian: Guardian) -> None:
    places = await session.scalars(
        select(Child.place_id)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(Guardianship.guardian_id == guardian.id, Guardianship.ended_at.is_(None))
    )
    if not set(places) <= rights.places_for(by, CHANGE):
        raise Conflict("elsewhere")


async def _owners(
    session: AsyncSession, child: Child, phone_key: str | None, plain_name: str
) -> tuple[Guardian | None, list[Guardian]]:
    """Return who of the district has a phone: the one of that name, and those of other names."""
    place = await session.get_one(Place, child.place_id)
    if phone_key is None:
        return None, []
    district = place.path.split("/")[1]
    rows = await session.scalars(
        select(Guardian)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Guardian.phone_key == phone_key,
            Guardian.erased_at.is_(None),
            Place.path.startswith(f"/{district}/"),
        )
        .order_by(Guardian.id)
    )
    every = list(rows.unique())
    known = [one for one in every if people.normalise_name(one.name) == plain_name]
    others = [one for one in every if people.normalise_name(one.name) != plain_name]
    return (known[0] if known else None), others


async def _of_class(
    session: AsyncSession, guardians: Sequence[Guardian], place_id: int | None
) -> list[str]:
    """Return the names of those who have a child in a class; others' names are not told."""
    here = set(
        await session.scalars(
            select(Guardianship.guardian_id)
            .join(Child, Child.id == Guardianship.child_id)
            .where(
                Child.place_id == place_id,
                Guardianship.ended_at.is_(None),
                Guardianship.guardian_id.in_([one.id for one in guardians]),
            )
        )
    )
    return [one.name for one in guardians if one.id in here]
