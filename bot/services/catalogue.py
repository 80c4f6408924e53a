"""The demonstration's courses and events, from `catalogue.toml`, on days that are to come.

Called once by `bot.services.demo` when a demonstration is set up.
"""

import tomllib
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from importlib.resources import files
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, to_shanghai
from bot.db.models import Course, Place
from bot.db.models.course import OPEN
from bot.services import course_news


def stock() -> list[Mapping[str, Any]]:
    """Return the rows of the catalogue."""
    source = files("bot.services").joinpath("catalogue.toml").read_text(encoding="utf-8")
    rows: list[Mapping[str, Any]] = tomllib.loads(source)["course"]
    return rows


async def seed(session: AsyncSession, *, now: datetime) -> None:
    """Add every course of the catalogue, open; those of a school that is not there to the first."""
    districts = await _places(session, "district")
    schools = await _places(session, "school")
    for row in stock():
        number = row.get("school", 0)
        place = schools[min(number, len(schools)) - 1] if number and schools else districts[0]
        course = _course(row, place, now)
        session.add(course)
        await session.flush()
        await course_news.plan_reminders(session, course, now=now)


def _course(row: Mapping[str, Any], place: Place, now: datetime) -> Course:
    starts_at = _first(row["weekday"], row["at"], now + timedelta(days=row["in_days"]))
    closes = row.get("closes_hours")
    return Course(
        kind=row["kind"],
        place_id=place.id,
        title=row["title"],
        summary=row["summary"].strip(),
        speaker=row["speaker"],
        stages=row["stages"],
        where=row["where"],
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=row["minutes"]),
        closes_at=starts_at - timedelta(hours=closes) if closes else None,
        places=row.get("places"),
        state=OPEN,
        created_at=now,
        updated_at=now,
    )


def _first(weekday: int, at: str, after: datetime) -> datetime:
    """Return the first moment on a weekday (1 is Monday) at or after a day, in China's time."""
    local = to_shanghai(after)
    day = local.date() + timedelta(days=(weekday - local.isoweekday()) % 7)
    return datetime.combine(day, time.fromisoformat(at), SHANGHAI)


async def _places(session: AsyncSession, kind: str) -> list[Place]:
    rows = await session.scalars(select(Place).where(Place.kind == kind).order_by(Place.id))
    return list(rows)
