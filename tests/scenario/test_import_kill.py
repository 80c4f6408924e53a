"""kill -9 in the middle of an import and of its undoing: nothing twice, nothing lost."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from factories import make_district
from house import KEYS
from import_world import excel, phone
from sqlalchemy import func, select

from bot.core.clock import SystemClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, Guardian, Guardianship, ImportBatch
from bot.db.models.imports import APPLIED, APPLYING, CHECKED, UNDOING, UNDONE
from bot.services.importing import batches

SCRIPT = Path(__file__).with_name("killed_import.py")
ROWS = 200
pytestmark = pytest.mark.slow


def _rows() -> list[tuple[object, ...]]:
    """Return children in pairs of brothers and sisters with one mother."""
    return [
        (f"D{n}", f"甲{n}", "三年级2班", f"妈{n // 2}", "妈妈", phone(n // 2)) for n in range(ROWS)
    ]


async def _count(database: Database) -> tuple[int, int, int]:
    async with database.read() as session:
        counts = [
            await session.scalar(select(func.count()).select_from(model)) or 0
            for model in (Child, Guardian, Guardianship)
        ]
    return counts[0], counts[1], counts[2]


def _start(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(SCRIPT), url, KEYS])


async def _run(database: Database, url: str, batch_id: int, *, during: str, end: str) -> int:
    """Work with a worker that is killed whenever it has got on a little; return how often."""
    kills = 0
    process = _start(url)
    last = 0
    try:
        async with asyncio.timeout(90):
            while True:
                async with database.read() as session:
                    batch = await session.get_one(ImportBatch, batch_id)
                if batch.state == end:
                    return kills
                if batch.state == during and kills < 2 and batch.done > last:
                    last = batch.done
                    process.kill()
                    process.wait()
                    kills += 1
                    process = _start(url)
                await asyncio.sleep(0.01)
    finally:
        process.kill()
        process.wait()


async def test_a_killed_import_goes_on_where_it_was(
    database: Database, database_url: str, ring: KeyRing
) -> None:
    clock = SystemClock()
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
    batch_id = await batches.start_excel(
        database,
        ring,
        None,
        place_id=made.school.id,
        name="名单.xlsx",
        content=excel(_rows()),
        now=clock.now(),
    )
    await _run(database, database_url, batch_id, during="", end=CHECKED)
    async with database.write() as session:
        await batches.apply(session, None, batch_id, row_version=None, now=clock.now())
    assert await _run(database, database_url, batch_id, during=APPLYING, end=APPLIED) == 2
    assert await _count(database) == (ROWS, ROWS // 2, ROWS)
    async with database.write() as session:
        await batches.undo(session, None, batch_id, row_version=None, now=clock.now())
    assert await _run(database, database_url, batch_id, during=UNDOING, end=UNDONE) == 2
    assert await _count(database) == (0, 0, 0)
