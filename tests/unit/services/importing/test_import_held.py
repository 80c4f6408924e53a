"""The rows of an import outlive their time while a legal hold stands; everybody is invented."""

from datetime import timedelta

from factories import make_district, make_staff
from import_world import Importer, phone
from retention_world import run_night
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, ImportBatch, ImportRow, LegalHold, Place
from bot.services import places

MONTHS = timedelta(days=60)


async def test_rows_stay_while_a_child_of_theirs_is_held(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
        other = await places.add(session, kind="class", name="初一1班", parent=made.other_school)
    first = Importer(database, clock, ring, made.school.id)
    held = await first.done([("1", "甲一", "三年级2班", "甲一妈", "妈妈", phone(1))])
    second = Importer(database, clock, ring, other.id)
    free = await second.done([("2", "甲二", "", "甲二妈", "妈妈", phone(2))])
    async with database.write() as session:
        child = await session.scalar(select(Child).order_by(Child.id))
        assert child is not None
        person = await make_staff(session, now=clock.now())
        hold = LegalHold(
            kind="child",
            object_id=child.id,
            reason="公安来函",
            staff_id=person.id,
            created_at=clock.now(),
        )
        session.add(hold)
        # What the child was is in its history, wherever it is now.
        elsewhere = await session.scalar(select(Place.id).where(Place.name == "初一1班"))
        child.place_id = elsewhere
    await run_night(database, clock.now() + MONTHS)
    assert await _left(database) == {held}
    async with database.write() as session:
        (await session.get_one(LegalHold, hold.id)).released_at = clock.now()
    await run_night(database, clock.now() + MONTHS)
    assert await _left(database) == set()
    async with database.read() as session:
        assert set(await session.scalars(select(ImportBatch.id))) == {held, free}


async def _left(database: Database) -> set[int]:
    async with database.read() as session:
        return set(await session.scalars(select(ImportRow.batch_id)))
