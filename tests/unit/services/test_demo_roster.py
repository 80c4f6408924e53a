"""The demonstration's roster: patterns, somebody on duty at any moment, also much later."""

from datetime import timedelta
from itertools import pairwise

from sqlalchemy import func, select

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Place, Shift, ShiftPattern
from bot.services import demo, roster, roster_watch


async def test_somebody_is_on_duty_at_once_and_for_a_week(
    database: Database, clock: FixedClock, ring: KeyRing
) -> None:
    async with database.write() as session:
        await demo.seed(session, account="demo", now=clock.now())
    for _ in range(2):
        async with database.write() as session:
            await demo.prolong_roster(session, now=clock.now())
            schools = list(await session.scalars(select(Place).where(Place.kind == "school")))
            assert len(schools) == 2
            for school in schools:
                assert await roster.covered(session, school, clock.now())
            assert await roster_watch.gaps(session, now=clock.now()) == []
            shifts = await session.scalar(select(func.count(Shift.id)))
            assert await session.scalar(select(func.count(ShiftPattern.id))) == 4
        clock.advance(days=100)
    assert shifts
    async with database.read() as session:
        rows = list(await session.scalars(select(Shift).order_by(Shift.staff_id, Shift.starts_at)))
    for before, after in pairwise(rows):
        if before.staff_id == after.staff_id:
            assert before.ends_at <= after.starts_at, "nobody is on duty twice at once"
    assert max(row.ends_at - row.starts_at for row in rows) <= timedelta(hours=24)
