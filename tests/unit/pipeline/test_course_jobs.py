"""The Friday list: every place its own courses, a part of the people at a time, nobody twice."""

from collections import Counter
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from course_world import make_course
from factories import make_contact, make_district
from sqlalchemy import select

from bot.core.clock import SHANGHAI, FixedClock
from bot.db.engine import Database
from bot.db.models import Delivery, Job, Notice, Schedule
from bot.jobs.cron import next_slot
from bot.jobs.registry import JobRegistry, JobRun, TxKind
from bot.pipeline import courses as course_jobs
from bot.pipeline.courses import FRIDAY, PART, WEEKLY, CourseJobs, schedule_weekly

FRIDAY_AT_FIVE = datetime(2026, 11, 27, 17, 0, tzinfo=SHANGHAI)


async def run(database: Database, registry: JobRegistry, kind: str, job: Job | None = None) -> None:
    """Run one job as the worker would, without its acknowledgement."""
    known = registry.get(kind)
    assert isinstance(known, TxKind)
    details: dict[str, Any] = {"payload": job.payload, "key": job.key} if job else {}
    attempt = JobRun(
        **{"id": 1, "payload": {}, "key": "weekly", **details},
        kind=kind,
        attempts=1,
        lane="main",
        first_queued=FRIDAY_AT_FIVE,
        last_attempt=False,
    )
    async with database.write() as session:
        await known.handler(session, attempt)


async def parts(database: Database) -> list[Job]:
    async with database.read() as session:
        rows = await session.scalars(select(Job).where(Job.kind == PART).order_by(Job.id))
        return list(rows)


@pytest.fixture
def registry(database: Database, monkeypatch: pytest.MonkeyPatch) -> JobRegistry:
    monkeypatch.setattr(course_jobs, "AT_ONCE", 2)
    services = SimpleNamespace(
        database=database, clock=FixedClock(FRIDAY_AT_FIVE), templates=frozenset()
    )
    made = JobRegistry()
    CourseJobs(cast(Any, services)).register(made)
    return made


async def test_each_place_gets_its_list_in_parts_and_a_second_run_sends_nothing(
    database: Database, registry: JobRegistry
) -> None:
    now = FRIDAY_AT_FIVE
    async with database.write() as session:
        place = await make_district(session, now=now)
        await make_course(
            session, place.school, starts=now + timedelta(days=2), now=now, title="一小的课"
        )
        await make_course(
            session, place.district, starts=now + timedelta(days=40), now=now, title="很久以后"
        )
        for _ in range(5):
            await make_contact(session, now=now, place=place.class_)
        await make_contact(session, now=now, place=place.other_school)
        await make_contact(session, now=now)
        stopped = await make_contact(session, now=now, place=place.class_)
        stopped.stopped_at = now
        gone = await make_contact(session, now=now, place=place.class_)
        gone.following = False
        closed = await make_contact(session, now=now, place=place.class_)
        closed.window_until = now - timedelta(hours=1)
    for _ in range(2):
        await run(database, registry, WEEKLY)
        done = 0
        while done < len(jobs := await parts(database)):
            await run(database, registry, PART, jobs[done])
            done += 1
    async with database.read() as session:
        notices = list(await session.scalars(select(Notice)))
        told = list(await session.scalars(select(Delivery)))
    assert len(notices) == 3, "six people of one class, two at a time"
    assert {notice.place_id for notice in notices} == {place.class_.id}
    assert all("一小的课" in notice.body and "很久以后" not in notice.body for notice in notices)
    assert Counter(row.state for row in told) == {"queued": 5, "unreachable": 1}
    assert {row.reason for row in told if row.state == "unreachable"} == {"window_closed"}
    assert {stopped.id, gone.id}.isdisjoint(row.contact_id for row in told)


async def test_it_is_planned_for_friday_at_five_in_china(database: Database) -> None:
    sunday = datetime(2026, 11, 22, 12, 0, tzinfo=SHANGHAI)
    for _ in range(2):
        async with database.write() as session:
            await schedule_weekly(session, sunday)
    async with database.read() as session:
        (planned,) = await session.scalars(select(Schedule).where(Schedule.name == WEEKLY))
    assert next_slot(FRIDAY, planned.tz, sunday) == FRIDAY_AT_FIVE
    assert planned.next_at == int(FRIDAY_AT_FIVE.timestamp() * 1000)
