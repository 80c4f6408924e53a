"""kill -9 at any moment: no job is lost, no effect in the database happens twice.

A send may happen twice, but no more often than a killed worker had slots.
"""

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import func, select

from bot.db.engine import Database, make_engine
from bot.db.models import Alarm
from bot.db.models.job import DONE, Job
from bot.jobs.table import JobRow, enqueue_many

SLOTS = 10
LEASE_SECONDS = 2.0
SCRIPT = Path(__file__).with_name("killed_worker.py")
pytestmark = pytest.mark.slow


async def _enqueue(url: str, kind: str, count: int) -> None:
    database = Database(make_engine(url))
    now = datetime.now(UTC)
    rows: list[JobRow] = [
        {"kind": kind, "payload": {}, "key": f"{kind}:{n}", "now": now} for n in range(count)
    ]
    async with database.write() as session:
        await enqueue_many(session, rows)
    await database.close()


async def _done(url: str) -> int:
    database = Database(make_engine(url))
    async with database.read() as session:
        done = await session.scalar(select(func.count()).where(Job.state == DONE))
    await database.close()
    return done or 0


async def _rows(url: str) -> list[str]:
    database = Database(make_engine(url))
    async with database.read() as session:
        keys = list(await session.scalars(select(Alarm.key)))
    await database.close()
    return keys


class Crew:
    """Two worker processes; a killed one is replaced at once."""

    def __init__(self, url: str, provider: Path) -> None:
        self._command = [
            sys.executable, str(SCRIPT), url, str(provider), str(SLOTS), str(LEASE_SECONDS)
        ]  # fmt: skip
        self.processes = [self._start(), self._start()]

    def kill_one(self, number: int) -> None:
        victim = self.processes[number % 2]
        victim.kill()
        victim.wait()
        self.processes[number % 2] = self._start()

    def finish(self) -> None:
        for process in self.processes:
            assert process.wait(timeout=40) == 0

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL)


@contextmanager
def crew(url: str, provider: Path) -> Iterator[Crew]:
    workers = Crew(url, provider)
    try:
        yield workers
    finally:
        for process in workers.processes:
            process.kill()
            process.wait()


def kill_during(workers: Crew, url: str, total: int, kills: int) -> int:
    """Kill a worker each time another share of the jobs is done; return how many were killed."""
    killed, random = 0, Random(7)
    while killed < kills:
        time.sleep(random.uniform(0.01, 0.06))  # processes: no clock of ours moves them
        done = asyncio.run(_done(url))
        if done >= total:
            break
        if done > total * (killed + 1) // (kills + 2):
            workers.kill_one(killed)
            killed += 1
    return killed


def test_effects_in_the_database_happen_exactly_once(database_url: str, tmp_path: Path) -> None:
    asyncio.run(_enqueue(database_url, "work", 3_000))
    with crew(database_url, tmp_path / "provider") as workers:
        assert kill_during(workers, database_url, 3_000, 6) == 6
        workers.finish()
    keys = [row.split("|")[0] for row in asyncio.run(_rows(database_url))]
    assert len(keys) == len(set(keys)) == 3_000
    assert asyncio.run(_done(database_url)) == 3_000


def test_no_send_is_lost_and_few_are_doubled(database_url: str, tmp_path: Path) -> None:
    provider = tmp_path / "provider"
    asyncio.run(_enqueue(database_url, "send", 3_000))
    with crew(database_url, provider) as workers:
        killed = kill_during(workers, database_url, 3_000, 3)
        workers.finish()
    assert killed == 3
    sent = Counter(provider.read_text().split())
    assert len(sent) == 3_000
    assert sum(sent.values()) - len(sent) <= killed * SLOTS
    receipts = [row for row in asyncio.run(_rows(database_url)) if row.startswith("receipt|")]
    assert len(receipts) == 3_000
