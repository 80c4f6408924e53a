"""Courses for tests; everybody and everything in them is invented."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Course, Place
from bot.services.staff import StaffView


async def make_course(
    session: AsyncSession,
    place: Place,
    *,
    starts: datetime,
    now: datetime,
    title: str = "写作业不再拉锯",
    kind: str = "course",
    places: int | None = None,
    state: str = "open",
    stages: str = "",
    closes: datetime | None = None,
) -> Course:
    """Add a course of ninety minutes."""
    course = Course(
        kind=kind,
        place_id=place.id,
        title=title,
        summary="一句话说完。",
        speaker="学校心理老师",
        stages=stages,
        where="多功能厅",
        starts_at=starts,
        ends_at=starts + timedelta(minutes=90),
        closes_at=closes,
        places=places,
        state=state,
        created_at=now,
        updated_at=now,
    )
    session.add(course)
    await session.flush()
    return course


def as_staff(role: str, *places: Place, staff_id: int = 1) -> StaffView:
    """Return somebody with a role at exactly these places."""
    ids = frozenset(place.id for place in places)
    return StaffView(staff_id, "somebody", "某老师", False, {role: ids})
