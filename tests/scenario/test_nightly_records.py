"""The night in a running house: forgetting goes through the job table, and the day is anchored."""

from datetime import timedelta

from factories import make_contact, make_message
from house import Home
from sqlalchemy import func, select

from bot.db.models import AuditEntry, Message, RetentionRun, Schedule
from bot.jobs.table import enqueue
from bot.services import anchors, retention, retention_parts
from bot.services.anchors import Anchors, first_missing


async def test_a_night_deletes_in_chunks_proves_it_and_anchors_the_trail(home: Home) -> None:
    services = home.house.services
    database, now = services.database, services.clock.now()
    old = now - timedelta(days=91)
    async with database.write() as session:
        contact = await make_contact(session, now=now)
        for _ in range(retention_parts.CHUNK + 1):
            await make_message(session, contact, now=old, state="done")
        await make_message(session, contact, now=now, state="done")
        names = set(await session.scalars(select(Schedule.name)))
        assert {retention.KIND, anchors.KIND} <= names
        await enqueue(session, retention.KIND, {}, key="night", now=now)
    await home.work()
    async with database.read() as session:
        run = (await session.scalars(select(RetentionRun))).one()
        assert retention.gone_in(run) == {"chat": retention_parts.CHUNK + 1}
        assert (run.overdue, run.counts["finished"]) == (0, True)
        assert await session.scalar(select(func.count(Message.id))) == 1
        entry = (
            await session.scalars(select(AuditEntry).where(AuditEntry.action == "retention.run"))
        ).one()
        assert entry.data == {"gone": retention_parts.CHUNK + 1, "overdue": 0}
    async with database.write() as session:
        await enqueue(session, anchors.KIND, {}, key="anchor", now=now)
    await home.work()
    kept = Anchors(home.house.settings.data_dir)
    assert [anchor.entry_id for anchor in kept] == [entry.id]
    async with database.read() as session:
        assert await first_missing(session, kept) is None
