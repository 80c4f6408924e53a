"""A database, its time and some handlers: what the contract suites of the job table share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, FixedClock, SystemClock
from bot.db.engine import Database
from bot.db.models import Alarm
from bot.db.models.job import (
    Job,
    Lane,
    Schedule,
)
from bot.jobs.registry import JobRegistry, JobRun, OnAck
from bot.jobs.table import (
    enqueue,
)
from bot.jobs.worker import Worker

LEASE_SECONDS = 60.0


class World:
    """A database, its time, and short ways to do what every test here does.

    On PostgreSQL the database's own clock counts: there time passes by moving the table back.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock: Clock = (
            FixedClock(datetime(2026, 3, 2, 4, 0, tzinfo=UTC))
            if database.is_sqlite
            else SystemClock()
        )
        self.registry = JobRegistry()
        self.seen: list[JobRun] = []

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def worker(self, **options: Any) -> Worker:
        values: dict[str, Any] = {"slots": 20, "lease_seconds": LEASE_SECONDS, "clock": self.clock}
        values |= options
        return Worker(self.database, self.registry, random=Random(1), **values)

    async def enqueue(self, kind: str, key: str, **options: Any) -> bool:
        async with self.database.write() as session:
            payload = options.pop("payload", {})
            return await enqueue(session, kind, payload, key=key, now=self.now, **options)

    async def job(self, key: str) -> Job:
        async with self.database.read() as session:
            return (await session.scalars(select(Job).where(Job.key == key))).one()

    async def states(self) -> dict[str, str]:
        async with self.database.read() as session:
            rows = await session.execute(select(Job.key, Job.state).order_by(Job.id))
            return {row.key: row.state for row in rows}

    async def pass_time(self, seconds: float) -> None:
        if isinstance(self.clock, FixedClock):
            self.clock.advance(seconds=seconds)
            return
        ms = int(seconds * 1000)
        async with self.database.write() as session:
            moved = {"run_at": Job.run_at - ms, "lease_until": Job.lease_until - ms}
            await session.execute(update(Job).values(**moved, done_at=Job.done_at - ms))
            await session.execute(
                update(Lane).values(tat=Lane.tat - ms, paused_until=Lane.paused_until - ms)
            )
            await session.execute(update(Schedule).values(next_at=Schedule.next_at - ms))

    async def see(self, run: JobRun) -> OnAck | None:
        self.seen.append(run)
        return None

    async def effects(self) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Alarm.key).order_by(Alarm.id)))


async def add_effect(session: AsyncSession, key: str) -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    await session.execute(
        insert(Alarm).values(key=key, kind="effect", first_at=moment, last_at=moment)
    )


def failing(error: Exception) -> Callable[[JobRun], Awaitable[OnAck | None]]:
    async def handle(run: JobRun) -> OnAck | None:
        raise error

    return handle


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (conditions of several kinds)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(5)
        await task
