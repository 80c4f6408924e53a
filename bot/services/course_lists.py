"""Who comes to a course, and who was told what of it, as staff see it.

Called by the teachers' pages. Everybody who may see a course sees the numbers; names only of the
children of places where one may read the list of children.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Contact, Delivery, Guardian, Notice, Place
from bot.db.models.course import ENROLLED, WAITING, Course, Enrolment
from bot.db.models.person import ACTIVE, Child, Guardianship
from bot.services import audit, places, rights
from bot.services.staff import StaffView

TOLD_MOST = 20


@dataclass(frozen=True, slots=True)
class Comer:
    """One contact that has a place or waits.

    Args:
        guardian: empty where the reader may not know it, or the contact is not bound.
        children: the names of this guardian's children that the reader may know.
        where: the classes of these children.
        bound: it was proved whose contact it is.
    """

    state: str
    since: datetime
    channel: str
    guardian: str
    children: tuple[str, ...]
    where: tuple[str, ...]
    bound: bool


@dataclass(frozen=True, slots=True)
class Told:
    """One announcement about a course, and how many it reached, by the delivery's state."""

    title: str
    at: datetime | None
    counts: Counter[str]


async def comers(
    session: AsyncSession, by: StaffView, course: Course, *, action: str, now: datetime
) -> list[Comer]:
    """Return who has a place, then who waits, in their order; what is read is in the trail.

    Args:
        action: of the audit entry.
    """
    rows = await session.execute(
        select(Enrolment, Contact.guardian_id, Contact.channel, Guardian.name)
        .join(Contact, Contact.id == Enrolment.contact_id)
        .outerjoin(Guardian, Guardian.id == Contact.guardian_id)
        .where(Enrolment.course_id == course.id, Enrolment.state.in_((ENROLLED, WAITING)))
        .order_by(Enrolment.state, Enrolment.waits_from, Enrolment.changed_at, Enrolment.id)
    )
    found = rows.all()
    children = await _children(session, by, [row.guardian_id for row in found if row.guardian_id])
    listed = [
        _comer(row[0], row.channel, row.name, row.guardian_id, children.get(row.guardian_id, []))
        for row in found
    ]
    named = sum(1 for one in listed if one.children)
    if named:
        await audit.record(
            session,
            staff_id=by.id,
            action=action,
            object_kind="course",
            object_id=course.id,
            now=now,
            data={"place": course.place_id, "named": named},
        )
    return listed


async def place_names(session: AsyncSession, place_ids: Iterable[int]) -> dict[int, str]:
    """Return the names of places, a grade's and a class's with the school's before it."""
    rows = await session.scalars(select(Place).where(Place.id.in_(set(place_ids))))
    found = rows.all()
    above = {one for place in found for one in places.path_ids(place)}
    schools = await session.execute(
        select(Place.id, Place.name).where(Place.id.in_(above), Place.kind == "school")
    )
    named = {row.id: row.name for row in schools}
    return {
        place.id: " ".join(
            [*(named[one] for one in places.path_ids(place)[:-1] if one in named), place.name]
        )
        for place in found
    }


async def told(session: AsyncSession, course_id: int) -> list[Told]:
    """Return the announcements about a course, the newest first."""
    notices = await session.scalars(
        select(Notice)
        .where(Notice.course_id == course_id)
        .order_by(Notice.id.desc())
        .limit(TOLD_MOST)
    )
    found = notices.all()
    counts: dict[int, Counter[str]] = {notice.id: Counter() for notice in found}
    states = await session.execute(
        select(Delivery.notice_id, Delivery.state, func.count())
        .where(Delivery.notice_id.in_(counts))
        .group_by(Delivery.notice_id, Delivery.state)
    )
    for notice_id, state, count in states:
        counts[notice_id or 0][state] = count
    return [Told(notice.title, notice.sent_at, counts[notice.id]) for notice in found]


async def _children(
    session: AsyncSession, by: StaffView, guardian_ids: Iterable[int]
) -> dict[int, list[tuple[str, str]]]:
    """Return for each guardian name and class of the children that a reader may know."""
    rows = await session.execute(
        select(Guardianship.guardian_id, Child.name, Place.name)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Guardianship.guardian_id.in_(set(guardian_ids)),
            Guardianship.ended_at.is_(None),
            Child.state == ACTIVE,
            Child.place_id.in_(rights.places_for(by, "people.list")),
        )
        .order_by(Child.id)
    )
    found: dict[int, list[tuple[str, str]]] = {}
    for guardian_id, name, place in rows:
        found.setdefault(guardian_id, []).append((name, place))
    return found


def _comer(
    row: Enrolment,
    channel: str,
    guardian: str | None,
    guardian_id: int | None,
    children: list[tuple[str, str]],
) -> Comer:
    return Comer(
        state=row.state,
        since=row.waits_from or row.changed_at,
        channel=channel,
        guardian=(guardian or "") if children else "",
        children=tuple(name for name, _ in children),
        where=tuple(dict.fromkeys(place for _, place in children)),
        bound=guardian_id is not None,
    )
