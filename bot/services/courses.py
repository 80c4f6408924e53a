"""Courses and events: staff write, change, open, close and cancel them; families are offered them.

Called by the teachers' pages, the chat's handler and the weekly push. Everything that changes one
asks `bot.services.rights` at the place of the course; two people at once meet in `row_version`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Place
from bot.db.models.contact import Contact
from bot.db.models.course import CANCELLED, CLOSED, COURSE, DRAFT, EVENT, OPEN, Course
from bot.db.models.person import ACTIVE, Child, Guardianship
from bot.services import audit, course_news, enrolments, places, rights
from bot.services.staff import StaffView

STAGES = "ABCDEF"
OFFERED_AT = ("district", "school", "grade", "class")
LONGEST = timedelta(days=31)
FARTHEST = timedelta(days=400)
MOST_PLACES = 10_000
DOUBLE_CLICK = timedelta(minutes=1)
# From which state each step leads on.
_STEPS = {
    OPEN: (DRAFT, CLOSED),
    CLOSED: (OPEN,),
    CANCELLED: (DRAFT, OPEN, CLOSED),
}


@dataclass(frozen=True, slots=True)
class CourseText:
    """What somebody writes about a course.

    Args:
        stages: letters of the handbook's stages, A…F; empty: for everybody.
        closes_at: the end of signing up; None: open until it begins.
        places: how many may come; None: no limit.
    """

    kind: str
    title: str
    summary: str
    starts_at: datetime
    ends_at: datetime
    speaker: str = ""
    stages: str = ""
    where: str = ""
    closes_at: datetime | None = None
    places: int | None = None


async def create(
    session: AsyncSession, by: StaffView, *, place_id: int, text: CourseText, now: datetime
) -> Course:
    """Write a new course as a draft, which no family sees.

    Raises:
        NotAllowed: not at this place.
        InputInvalid: something in the text makes no sense; the message is a code.
    """
    rights.require(by, "course.change", place_id)
    place = await places.get(session, place_id)
    if place is None or place.kind not in OFFERED_AT:
        raise InputInvalid("place", field="place")
    _check(text, now)
    twice = await _written_just_now(session, by, place_id, text, now)
    if twice is not None:
        return twice
    course = Course(place_id=place_id, author_id=by.id, created_at=now, updated_at=now)
    _write(course, text)
    session.add(course)
    await session.flush()
    await _record(session, by, course, "course.created", now)
    return course


async def change(
    session: AsyncSession,
    by: StaffView,
    course_id: int,
    *,
    text: CourseText,
    row_version: int,
    now: datetime,
) -> Course:
    """Change a course; who signed up is told of another time or place.

    Raises:
        NotFound: no such course within reach.
        NotAllowed: not at its place.
        Conflict: changed meanwhile (`row`), or cancelled or over (`state`).
        InputInvalid: something in the text makes no sense; the message is a code.
    """
    course = await _locked(session, by, course_id, row_version)
    if course.state == CANCELLED or course.ends_at <= now:
        raise Conflict("state")
    _check(text, now, started=course.starts_at <= now and text.starts_at == course.starts_at)
    if text.places is not None and text.places < course.taken:
        raise InputInvalid("places_taken", field="places")
    before = (course.starts_at, course.ends_at, course.where)
    _write(course, text)
    await _step(session, by, course, "course.changed", now)
    if course.state != DRAFT:
        if before != (course.starts_at, course.ends_at, course.where):
            await course_news.queue(session, course, course_news.MOVED, now=now)
            await course_news.plan_reminders(session, course, now=now)
        await enrolments.fill(session, course, now=now)
    return course


async def set_state(
    session: AsyncSession,
    by: StaffView,
    course_id: int,
    *,
    state: str,
    row_version: int,
    now: datetime,
) -> Course:
    """Open a course for families, close it for new ones, or cancel it and tell who signed up.

    Raises:
        NotFound: no such course within reach.
        NotAllowed: not at its place.
        Conflict: changed meanwhile (`row`), or the step leads nowhere from here (`state`).
        InputInvalid: opened although it has begun (`starts_past`) or its signing up is over
            (`closes_past`).
    """
    course = await _locked(session, by, course_id, row_version)
    if course.state not in _STEPS[state] or course.ends_at <= now:
        raise Conflict("state")
    if state == OPEN:
        _check_opens(course, now)
    was_draft = course.state == DRAFT
    course.state = state
    await _step(session, by, course, f"course.{state}", now)
    if state == OPEN:
        await course_news.plan_reminders(session, course, now=now)
    elif state == CANCELLED and not was_draft:
        await course_news.queue(session, course, course_news.CALLED_OFF, now=now)
    return course


async def seen_by(session: AsyncSession, by: StaffView, course_id: int) -> Course:
    """Return a course that a member of staff may look at.

    Raises:
        NotFound: there is none within their reach.
    """
    course = await session.get(Course, course_id, populate_existing=True)
    if course is None or course.place_id not in await _visible(session, by):
        raise NotFound(f"course {course_id}")
    if course.state == DRAFT and not rights.may(by, "course.read", course.place_id):
        raise NotFound(f"course {course_id}")
    return course


async def list_for_staff(
    session: AsyncSession, by: StaffView, *, now: datetime, past: bool = False
) -> list[Course]:
    """Return the courses at, below and above somebody's places: coming ones, or those over."""
    over = (Course.ends_at <= now) | (Course.state == CANCELLED)
    order = Course.starts_at.desc() if past else Course.starts_at
    rows = await session.scalars(
        select(Course)
        .where(Course.place_id.in_(await _visible(session, by)), over if past else ~over)
        .order_by(order, Course.id)
        .limit(200)
    )
    own = rights.places_for(by, "course.read")
    return [row for row in rows if row.state != DRAFT or row.place_id in own]


async def places_to_write(session: AsyncSession, by: StaffView) -> list[Place]:
    """Return the places at which somebody may offer a course, from the top down."""
    rows = await session.scalars(
        select(Place)
        .where(
            Place.id.in_(rights.places_for(by, "course.change")),
            Place.kind.in_(OFFERED_AT),
            Place.state == "open",
        )
        .order_by(Place.path)
    )
    return list(rows)


async def for_contact(
    session: AsyncSession, contact_id: int, *, now: datetime, kind: str | None = None
) -> list[Course]:
    """Return what a contact can sign up for now: first what fits the children's stage, by date."""
    homes = await _homes(session, contact_id)
    offered = await offered_at(session, {home for home, _ in homes}, now=now, kind=kind)
    return _fitting_first(offered, {stage for _, stage in homes if stage})


async def for_place(
    session: AsyncSession, place_id: int | None, *, now: datetime, until: datetime
) -> list[Course]:
    """Return what families of a place can sign up for, as far as it begins before a moment."""
    homes = await _above(session, place_id)
    offered = await offered_at(session, {home for home, _ in homes}, now=now)
    coming = [course for course in offered if course.starts_at < until]
    return _fitting_first(coming, {stage for _, stage in homes if stage})


async def offered_at(
    session: AsyncSession, place_ids: Collection[int], *, now: datetime, kind: str | None = None
) -> list[Course]:
    """Return the courses of some places that can be signed up for now, by date."""
    query = select(Course).where(
        Course.state == OPEN,
        Course.place_id.in_(place_ids),
        Course.starts_at > now,
        or_(Course.closes_at.is_(None), Course.closes_at > now),
    )
    if kind is not None:
        query = query.where(Course.kind == kind)
    rows = await session.scalars(query.order_by(Course.starts_at, Course.id))
    return list(rows)


async def of_ids(session: AsyncSession, course_ids: Sequence[int]) -> list[Course]:
    """Return courses by their ids, in the order of the ids."""
    rows = await session.scalars(select(Course).where(Course.id.in_(course_ids)))
    found = {course.id: course for course in rows}
    return [found[one] for one in course_ids if one in found]


def _fitting_first(offered: list[Course], stages: set[str]) -> list[Course]:
    def misses(course: Course) -> bool:
        return bool(stages and course.stages) and not stages & set(course.stages)

    return sorted(offered, key=lambda course: (misses(course), course.starts_at, course.id))


async def _homes(session: AsyncSession, contact_id: int) -> set[tuple[int, str | None]]:
    """Return the places above a contact and its children, with their stages."""
    contact = await session.get_one(Contact, contact_id)
    found = await _above(session, contact.place_id)
    if contact.guardian_id is None:
        return found
    classes = await session.scalars(
        select(Child.place_id)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .where(
            Guardianship.guardian_id == contact.guardian_id,
            Guardianship.ended_at.is_(None),
            Child.state == ACTIVE,
        )
    )
    for place_id in classes.all():
        found |= await _above(session, place_id)
    return found


async def _above(session: AsyncSession, place_id: int | None) -> set[tuple[int, str | None]]:
    """Return a place and those above it; without a place the district, which has everybody."""
    place = await places.get(session, place_id) or await places.root_district(session, None)
    if place is None:
        return set()
    rows = await session.execute(
        select(Place.id, Place.stage).where(Place.id.in_(places.path_ids(place)))
    )
    return {(row.id, row.stage) for row in rows}


async def _visible(session: AsyncSession, by: StaffView) -> set[int]:
    """Return somebody's places and those above them, whose courses their families are offered."""
    own = rights.places_for(by, "course.read")
    paths = await session.scalars(select(Place.path).where(Place.id.in_(own)))
    return {int(part) for path in paths for part in path.split("/") if part}


async def _written_just_now(
    session: AsyncSession, by: StaffView, place_id: int, text: CourseText, now: datetime
) -> Course | None:
    """Return the draft that a first click has made already."""
    return await session.scalar(
        select(Course).where(
            Course.author_id == by.id,
            Course.place_id == place_id,
            Course.title == text.title.strip(),
            Course.starts_at == text.starts_at,
            Course.state == DRAFT,
            Course.created_at > now - DOUBLE_CLICK,
        )
    )


async def _locked(session: AsyncSession, by: StaffView, course_id: int, row_version: int) -> Course:
    await seen_by(session, by, course_id)
    course = await session.get_one(Course, course_id, with_for_update=True, populate_existing=True)
    rights.require(by, "course.change", course.place_id)
    if course.row_version != row_version:
        raise Conflict("row")
    return course


async def _step(
    session: AsyncSession, by: StaffView, course: Course, action: str, now: datetime
) -> None:
    course.updated_at = now
    course.row_version += 1
    await session.flush()
    await _record(session, by, course, action, now)


async def _record(
    session: AsyncSession, by: StaffView, course: Course, action: str, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="course",
        object_id=course.id,
        now=now,
        data={"place": course.place_id},
    )


def _write(course: Course, text: CourseText) -> None:
    course.kind, course.title, course.summary = text.kind, text.title.strip(), text.summary.strip()
    course.speaker, course.where = text.speaker.strip(), text.where.strip()
    course.stages = "".join(sorted(set(text.stages)))
    course.starts_at, course.ends_at = text.starts_at, text.ends_at
    course.closes_at, course.places = text.closes_at, text.places


def _check(text: CourseText, now: datetime, *, started: bool = False) -> None:
    """Refuse what makes no sense; each code has its Chinese words in `bot/web/courses.toml`."""
    for field, most in (("title", 80), ("speaker", 80), ("where", 120), ("summary", 2_000)):
        if len(getattr(text, field).strip()) > most:
            raise InputInvalid(f"{field}_long", field=field)
    for field in ("title", "summary"):
        if not getattr(text, field).strip():
            raise InputInvalid(f"{field}_missing", field=field)
    if text.kind not in (COURSE, EVENT):
        raise InputInvalid("kind", field="kind")
    if set(text.stages) - set(STAGES):
        raise InputInvalid("stages", field="stages")
    _check_times(text, now, started)
    if text.places is not None and not 1 <= text.places <= MOST_PLACES:
        raise InputInvalid("places", field="places")


def _check_times(text: CourseText, now: datetime, started: bool) -> None:
    if text.starts_at <= now and not started:
        raise InputInvalid("starts_past", field="starts_at")
    if text.starts_at > now + FARTHEST:
        raise InputInvalid("starts_far", field="starts_at")
    if text.ends_at <= text.starts_at:
        raise InputInvalid("ends_before", field="ends_at")
    if text.ends_at - text.starts_at > LONGEST:
        raise InputInvalid("ends_far", field="ends_at")
    if text.closes_at is not None and text.closes_at > text.starts_at:
        raise InputInvalid("closes_after", field="closes_at")


def _check_opens(course: Course, now: datetime) -> None:
    if course.starts_at <= now:
        raise InputInvalid("starts_past", field="starts_at")
    if course.closes_at is not None and course.closes_at <= now:
        raise InputInvalid("closes_past", field="closes_at")
