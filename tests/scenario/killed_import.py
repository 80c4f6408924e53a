"""A worker process for test_import_kill.py: `python killed_import.py URL KEYS`; ends when idle."""

import asyncio
import sys

from sqlalchemy import text

from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.jobs.registry import JobRegistry
from bot.jobs.worker import Worker
from bot.services.importing import work

LEASE_SECONDS = 2.0
_LEFT = text("SELECT count(*) FROM job WHERE state IN ('ready', 'sched', 'leased')")


async def main(url: str, keys: str) -> None:
    """Work until nothing is left, in small chunks."""
    work.CHUNK = 10
    ring = crypto.KeyRing.parse(keys)
    crypto.install(ring)
    database = Database(make_engine(url, synchronous="OFF"))  # kill -9 takes no written page away
    registry, clock = JobRegistry(), SystemClock()
    work.Imports(database, clock, ring).register(registry)
    worker = Worker(database, registry, slots=2, lease_seconds=LEASE_SECONDS, clock=clock)
    running = asyncio.create_task(worker.run())
    while True:
        await asyncio.sleep(0.1)
        async with database.read() as session:
            if await session.scalar(_LEFT) == 0:
                break
    await worker.stop(5)
    await running
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
