"""What a teacher's or a school lead's start page shows: classes, open questions, what comes next.

Called by `bot.web.teacher`. Counts only: no child's or guardian's name leaves through them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db.models import Binding, Child, Contact, Course, Guardian, Guardianship, Place
from bot.db.models import course as course_states
from bot.db.models.person import ACTIVE, ASKED
from bot.db.models.place import OPEN
from bot.services import binding_lists, people, places
from bot.services.rights import places_for, require
from bot.services.staff import StaffView

MOST_CLASSES = 60
NEXT_COURSES = 5
AUDIENCES = ("district", "school", "grade", "class")


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class, or one school where somebody has too many classes for a list.

    Args:
        school: name of the school above a class; empty for a school itself.
        guardians: who may be told of at least one of the children.
        bound: guardians with a proved contact.
        silent: children for whom no guardian can be reached by any contact.
    """

    id: int
    kind: str
    name: str
    school: str
    children: int
    guardians: int
    bound: int
    silent: int


@dataclass(frozen=True, slots=True)
class Audience:
    """A place that somebody may write a notice to; `school` is a school's own name too."""

    id: int
    kind: str
    name: str
    school: str


async def figures(session: AsyncSession, by: StaffView) -> tuple[ClassFigures, ...]:
    """Return the classes of a person with their counts, or schools where there are too many."""
    found = await _places(session, places_for(by, "notice.read"))
    classes = [place for place in found.values() if place.kind == "class"]
    counted = await _counts(session, [place.id for place in classes])
    if len(classes) <= MOST_CLASSES:
        groups = {place.id: [place.id] for place in classes}
    else:
        groups = {place.id: [] for place in found.values() if place.kind == "school"}
        for place in classes:
            above = next((one for one in places.path_ids(place) if one in groups), place.id)
            groups.setdefault(above, []).append(place.id)
    schools = await _schools(session, [found[one] for one in groups])
    rows = [
        _row(found[one], schools.get(one, ""), [counted[each] for each in inside])
        for one, inside in groups.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.school, row.id)))


async def audiences(
    session: AsyncSession, by: StaffView, *, within: int | None = None
) -> tuple[Audience, ...]:
    """Return the places that a person may write a notice to, school by school.

    Args:
        within: only this place and what is below it.
    """
    found = await _places(session, places_for(by, "notice.write"))
    chosen = [
        place
        for place in found.values()
        if place.kind in AUDIENCES and (within is None or within in places.path_ids(place))
    ]
    schools = await _schools(session, chosen)
    schools |= {place.id: place.name for place in chosen if place.kind == "school"}
    rows = [Audience(place.id, place.kind, place.name, schools[place.id]) for place in chosen]
    return tuple(sorted(rows, key=lambda row: (row.school, AUDIENCES.index(row.kind), row.id)))


async def require_audience(session: AsyncSession, by: StaffView, place_id: int) -> None:
    """Let a person pass who may write a notice to a place that has children.

    Raises:
        InputInvalid: there is no such open place (field `place`).
        NotAllowed: it is not theirs to write to.
    """
    place = await session.get(Place, place_id)
    if place is None or place.kind not in AUDIENCES:
        raise InputInvalid("place", field="place")
    require(by, "notice.write", place_id)
    if place.state != OPEN:
        raise InputInvalid("place", field="place")


async def pending_bindings(session: AsyncSession, by: StaffView) -> int:
    """Count the guardians who wait for this person's yes or no."""
    query = (
        select(func.count())
        .select_from(Binding)
        .join(Place, Place.id == Binding.place_id)
        .where(Binding.state == ASKED, binding_lists.listed_for(by))
    )
    return await session.scalar(query) or 0


async def next_courses(session: AsyncSession, by: StaffView, now: datetime) -> tuple[Course, ...]:
    """Return the next open courses and events that concern this person's places."""
    found = await _places(session, places_for(by, "course.read"))
    concerned = {one for place in found.values() for one in places.path_ids(place)}
    rows = await session.scalars(
        select(Course)
        .where(
            Course.state == course_states.OPEN,
            Course.starts_at > now,
            Course.place_id.in_(concerned),
        )
        .order_by(Course.starts_at, Course.id)
        .limit(NEXT_COURSES)
    )
    return tuple(rows)


async def _places(session: AsyncSession, ids: Iterable[int]) -> dict[int, Place]:
    rows = await session.scalars(
        select(Place).where(Place.id.in_(ids), Place.state == OPEN).order_by(Place.id)
    )
    return {place.id: place for place in rows}


async def _schools(session: AsyncSession, below: Iterable[Place]) -> dict[int, str]:
    """Return the name of the school above each place; a school itself has none."""
    paths = {place.id: places.path_ids(place)[:-1] for place in below}
    rows = await session.execute(
        select(Place.id, Place.name).where(
            Place.id.in_({one for path in paths.values() for one in path}), Place.kind == "school"
        )
    )
    names = {row.id: row.name for row in rows}
    return {
        place_id: next((names[one] for one in path if one in names), "")
        for place_id, path in paths.items()
    }


async def _counts(session: AsyncSession, ids: list[int]) -> dict[int, tuple[int, int, int, int]]:
    """Return children, guardians, bound guardians and reached children of each class."""
    children = await session.execute(
        select(Child.place_id, func.count())
        .where(Child.place_id.in_(ids), Child.state == ACTIVE)
        .group_by(Child.place_id)
    )
    told = (Child.place_id.in_(ids), *people.here(), Guardianship.custody_block.is_(False))
    guardians = await session.execute(
        select(
            Child.place_id,
            func.count(Guardianship.guardian_id.distinct()),
            func.count(Contact.guardian_id.distinct()),
        )
        .join(Guardianship, Guardianship.child_id == Child.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(Contact, Contact.guardian_id == Guardianship.guardian_id)
        .where(*told)
        .group_by(Child.place_id)
    )
    reached = await session.execute(
        select(Child.place_id, func.count(Child.id.distinct()))
        .join(Guardianship, Guardianship.child_id == Child.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .join(Contact, Contact.guardian_id == Guardianship.guardian_id)
        .where(
            *told,
            Contact.following.is_(True),
            Contact.stopped_at.is_(None),
            Contact.notices_stopped_at.is_(None),
        )
        .group_by(Child.place_id)
    )
    in_class: Mapping[int | None, int] = {row[0]: row[1] for row in children}
    adults = {row[0]: (row[1], row[2]) for row in guardians}
    heard: Mapping[int | None, int] = {row[0]: row[1] for row in reached}
    return {one: (in_class.get(one, 0), *adults.get(one, (0, 0)), heard.get(one, 0)) for one in ids}


def _row(place: Place, school: str, counted: Iterable[tuple[int, int, int, int]]) -> ClassFigures:
    rows = list(counted)
    children, guardians, bound, heard = (sum(row[at] for row in rows) for at in range(4))
    return ClassFigures(
        place.id, place.kind, place.name, school, children, guardians, bound, children - heard
    )
