"""What families are told about courses without asking: changes, reminders, the weekly list.

A change queues a job in its own transaction (`queue`, `plan_reminders`); the job (`tell`, `weekly`,
run by `bot.pipeline.courses`) goes out through `bot.services.notices.announce`: the same delivery
rows and the same honest states as every notice. Nobody who stopped is told anything unasked; the
weekly list is advertising to WeChat and never leaves as a template message, what concerns one's own
booking may.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.phrases import load_phrases
from bot.db.models.course import CANCELLED, CLOSED, ENROLLED, OPEN, WAITING, Course, Enrolment
from bot.jobs.table import enqueue
from bot.services import course_words, notices

TELL = "courses.tell"
MOVED, CALLED_OFF, MOVED_UP = "moved", "called_off", "moved_up"
# What and how long before it begins.
REMINDERS = {"remind_day": timedelta(hours=24), "remind_hours": timedelta(hours=2)}
WEEKLY_MOST = 5


async def queue(
    session: AsyncSession,
    course: Course,
    what: str,
    *,
    now: datetime,
    run_at: datetime | None = None,
    contact_id: int | None = None,
) -> None:
    """Queue telling who signed up, or one contact.

    Args:
        what: `moved`, `called_off`, `moved_up` or one of `REMINDERS`.
    """
    starts = epoch_ms(course.starts_at)
    # A course that is moved to and fro is told of each time; a reminder once for each beginning.
    occasion = starts if what in REMINDERS else f"{course.row_version}.{epoch_ms(now)}"
    payload: dict[str, object] = {"course": course.id, "what": what, "starts": starts}
    if contact_id is not None:
        payload["contact"] = contact_id
    key = f"{TELL}:{course.id}:{what}:{occasion}:{contact_id or ''}"
    await enqueue(session, TELL, payload, key=key, now=now, run_at=run_at)


async def plan_reminders(session: AsyncSession, course: Course, *, now: datetime) -> None:
    """Queue the reminders that are still to come; those of an earlier time find that it moved."""
    for what, before in REMINDERS.items():
        if course.starts_at - before > now:
            await queue(session, course, what, now=now, run_at=course.starts_at - before)


async def tell(
    session: AsyncSession,
    payload: Mapping[str, object],
    *,
    key: str,
    now: datetime,
    templates: Collection[str] = (),
) -> None:
    """Do what `queue` asked for, unless it is no longer true.

    Args:
        key: of the job; the announcement has it too.
        templates: WeChat accounts with a template message.
    """
    course = await session.get(Course, int(str(payload["course"])))
    what = str(payload["what"])
    if course is None or course.ends_at <= now or not _still_true(course, what, payload, now):
        return
    people = await _people(session, course, what, payload)
    if not people:
        return
    book = load_phrases()
    await notices.announce(
        session,
        place_id=course.place_id,
        course_id=course.id,
        title=book.format(f"course.{what}_title"),
        body=book.format(
            f"course.{what}",
            title=course.title,
            span=course_words.span(course),
            where=course_words.where(course),
        ),
        key=key,
        to_contacts=people,
        now=now,
        templates=templates,
    )


async def weekly(
    session: AsyncSession,
    place_id: int,
    offered: Sequence[Course],
    to_contacts: Sequence[int],
    *,
    key: str,
    now: datetime,
) -> None:
    """Send what is offered in the next days to some contacts of a place."""
    book = load_phrases()
    lines = [
        course_words.line(number, course) for number, course in enumerate(offered[:WEEKLY_MOST], 1)
    ]
    await notices.announce(
        session,
        place_id=place_id,
        course_id=None,
        title=book.format("course.weekly_title"),
        body=book.format("course.weekly", lines="\n".join(lines)),
        key=key,
        to_contacts=to_contacts,
        now=now,
    )


def _still_true(course: Course, what: str, payload: Mapping[str, object], now: datetime) -> bool:
    if what == CALLED_OFF:
        return course.state == CANCELLED
    if course.state not in (OPEN, CLOSED):
        return False
    same = epoch_ms(course.starts_at) == payload["starts"]
    return what not in REMINDERS or (same and course.starts_at > now)


async def _people(
    session: AsyncSession, course: Course, what: str, payload: Mapping[str, object]
) -> list[int]:
    states = (ENROLLED, WAITING) if what in (MOVED, CALLED_OFF) else (ENROLLED,)
    query = select(Enrolment.contact_id).where(
        Enrolment.course_id == course.id, Enrolment.state.in_(states)
    )
    if "contact" in payload:
        query = query.where(Enrolment.contact_id == payload["contact"])
    return list(await session.scalars(query.order_by(Enrolment.id)))
