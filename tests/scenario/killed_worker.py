"""A worker process for test_jobs_kill.py: `python killed_worker.py URL PROVIDER SLOTS LEASE`.

A `tx` job writes one row. A `send` job writes one line to the provider's file (O_APPEND, so that it
survives kill -9) and a receipt with its ack. Ends when nothing is left to do.
"""

import asyncio
import os
import sys
from datetime import UTC, datetime

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SystemClock
from bot.db.engine import Database, make_engine
from bot.db.models import Alarm
from bot.jobs.registry import JobRegistry, JobRun, OnAck
from bot.jobs.worker import Worker

_MOMENT = datetime(2026, 3, 2, tzinfo=UTC)
_LEFT = text("SELECT count(*) FROM job WHERE state IN ('ready', 'sched', 'leased')")


async def _add_row(session: AsyncSession, key: str) -> None:
    row = {"key": key, "kind": "row", "first_at": _MOMENT, "last_at": _MOMENT}
    await session.execute(insert(Alarm).values(**row))


def _registry(provider: int) -> JobRegistry:
    async def work(session: AsyncSession, run: JobRun) -> None:
        # Not unique by key: a job that ran twice leaves two rows.
        await _add_row(session, f"{run.key}|{os.urandom(8).hex()}")

    async def send(run: JobRun) -> OnAck | None:
        await asyncio.sleep(0.005)
        os.write(provider, f"{run.key}\n".encode())

        async def store(session: AsyncSession) -> None:
            await _add_row(session, f"receipt|{run.key}")

        return store

    registry = JobRegistry()
    registry.tx("work", work)
    registry.send("send", send)
    return registry


async def main(url: str, provider: str, slots: int, lease_seconds: float) -> None:
    """Work until nothing is left."""
    database = Database(make_engine(url, synchronous="OFF"))  # kill -9 takes no written page away
    file = os.open(provider, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    worker = Worker(
        database, _registry(file), slots=slots, lease_seconds=lease_seconds, clock=SystemClock()
    )
    running = asyncio.create_task(worker.run())
    while True:
        await asyncio.sleep(0.2)
        async with database.read() as session:
            if await session.scalar(_LEFT) == 0:
                break
    await worker.stop(5)
    await running
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
