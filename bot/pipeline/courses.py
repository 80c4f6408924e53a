"""Course jobs: what changed is told, reminders, and the list that goes out every Friday.

`bot.wiring` registers them, `bot.upkeep` makes sure of the schedule. The weekly push is one job a
place and part of its contacts, so that a large district holds no lock for long and a worker that is
killed goes on where it was.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.db.models import Contact
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import JobRow, enqueue_many, ensure_schedule
from bot.services import course_news, courses, places
from bot.services.container import Services

WEEKLY, PART = "courses.weekly", "courses.weekly_part"
FRIDAY = "0 17 * * 5"
# Half a day late it would come at night.
MISFIRE_SECONDS = 3 * 3600
AHEAD = timedelta(days=14)
AT_ONCE = 200
# Behind every answer and every notice.
PRIO = 8


class CourseJobs:
    """Runs what was queued about courses."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def register(self, registry: JobRegistry) -> None:
        """Register the kinds."""
        registry.tx(course_news.TELL, self._tell)
        registry.tx(WEEKLY, self._weekly)
        registry.tx(PART, self._part)

    async def _tell(self, session: AsyncSession, run: JobRun) -> None:
        await course_news.tell(
            session,
            run.payload,
            key=run.key,
            now=self._services.clock.now(),
            templates=self._services.templates,
        )

    async def _weekly(self, session: AsyncSession, run: JobRun) -> None:
        """Queue a part for every place that has somebody who may be written to."""
        now = self._services.clock.now()
        found = await session.scalars(
            select(Contact.place_id).where(*_WILLING).distinct().order_by(Contact.place_id)
        )
        slot = f"{to_shanghai(now):%Y-%m-%d}"
        await enqueue_many(session, [_row(slot, place_id, 0, now) for place_id in found.all()])

    async def _part(self, session: AsyncSession, run: JobRun) -> None:
        """Send the list to some contacts of a place, and queue the next ones."""
        now = self._services.clock.now()
        place_id, after = run.payload["place"], int(str(run.payload["after"]))
        home = None if place_id is None else int(str(place_id))
        offered = await courses.for_place(session, home, now=now, until=now + AHEAD)
        sender = home or getattr(await places.root_district(session, None), "id", None)
        if not offered or sender is None:
            return
        rows = await session.scalars(
            select(Contact.id)
            .where(*_WILLING, Contact.place_id == home, Contact.id > after)
            .order_by(Contact.id)
            .limit(AT_ONCE)
        )
        ids = list(rows)
        if not ids:
            return
        await course_news.weekly(
            session,
            sender,
            offered,
            ids,
            key=run.key,
            now=now,
        )
        if len(ids) == AT_ONCE:
            row = _row(str(run.payload["slot"]), home, ids[-1], now)
            await enqueue_many(session, [row])


async def schedule_weekly(session: AsyncSession, now: datetime) -> None:
    """Make sure that the list goes out every Friday afternoon, China's time."""
    await ensure_schedule(
        session,
        WEEKLY,
        cron=FRIDAY,
        kind=WEEKLY,
        payload={},
        misfire_seconds=MISFIRE_SECONDS,
        now=now,
    )


_WILLING = (
    Contact.stopped_at.is_(None),
    Contact.courses_stopped_at.is_(None),
    Contact.following.is_(True),
)


def _row(slot: str, place_id: int | None, after: int, now: datetime) -> JobRow:
    return JobRow(
        kind=PART,
        payload={"slot": slot, "place": place_id, "after": after},
        key=f"{PART}:{slot}:{place_id or 0}:{after}",
        now=now,
        prio=PRIO,
    )
