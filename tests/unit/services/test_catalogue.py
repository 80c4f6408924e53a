"""The demonstration's courses: whole, invented, free, and on days that are to come."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from course_world import as_staff
from factories import NIGHT, make_district
from sqlalchemy import select

from bot.core.clock import to_shanghai
from bot.core.phrases import load_phrases
from bot.db.engine import Database
from bot.db.models import Course, Job
from bot.services import catalogue, courses
from bot.services.courses import STAGES

STOCK = catalogue.stock()


def test_twelve_courses_and_six_events_for_every_stage() -> None:
    assert Counter(row["kind"] for row in STOCK) == {"course": 12, "event": 6}
    assert set("".join(row["stages"] for row in STOCK)) == set(STAGES)
    assert len({row["title"] for row in STOCK}) == len(STOCK)


@pytest.mark.parametrize("row", STOCK, ids=lambda row: row["title"])
def test_each_is_marked_as_invented_and_promises_nothing(row: dict[str, str]) -> None:
    assert row["title"].endswith("（演示）")
    words = row["title"] + row["summary"] + row["speaker"] + row["where"]
    assert not re.search(r"元|费|优惠|保证|治|诊断|\d{5,}", words)
    assert not any(word in words for word in load_phrases().forbidden)
    assert row["speaker"], "a role, never a name"
    assert row["summary"].strip()


@pytest.mark.parametrize("days", [0, 1, 2, 3, 4, 5, 6])
async def test_all_are_to_come_on_their_weekday_with_reminders(
    database: Database, days: int
) -> None:
    now = NIGHT + timedelta(days=days, hours=3)
    async with database.write() as session:
        await make_district(session, now=now)
        await catalogue.seed(session, now=now)
    async with database.read() as session:
        rows = list(await session.scalars(select(Course).order_by(Course.id)))
        jobs = list(await session.scalars(select(Job).where(Job.kind == "courses.tell")))
    for course, row in zip(rows, STOCK, strict=True):
        start = to_shanghai(course.starts_at)
        assert (start.isoweekday(), f"{start:%H:%M}") == (row["weekday"], row["at"])
        assert now < (course.closes_at or course.starts_at) <= course.starts_at < course.ends_at
        assert course.state == "open"
    assert len(jobs) == 2 * len(STOCK)


async def test_staff_of_the_district_sees_them_all(database: Database) -> None:
    async with database.write() as session:
        place = await make_district(session, now=NIGHT)
        await catalogue.seed(session, now=NIGHT)
    everything = as_staff("district", place.district, place.school, place.other_school)
    async with database.read() as session:
        assert len(await courses.list_for_staff(session, everything, now=NIGHT)) == len(STOCK)
