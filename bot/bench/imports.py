"""`xinqing bench imports`: a school's Excel file from its reading to its undoing.

Called by `bot.cli.bench`. The file is read and stored as the page does it; a real worker process
checks, applies and undoes the rows, and its progress is read from outside with plain SQL.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO

from openpyxl import load_workbook
from sqlalchemy import text

from bot.bench.databases import SQLITE, engine_version, plain_engine
from bot.bench.import_file import ImportFile, make_file
from bot.bench.measure import load, machine
from bot.bench.processes import BenchHouse, NotStarted, Process
from bot.bench.stage import open_stage
from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.models.imports import APPLIED, APPLYING, CHECKED, FAILED, READING, UNDOING, UNDONE
from bot.db.opening import open_database
from bot.services import places
from bot.services.importing import batches
from bot.services.importing.report import lines, report

SEED = 20261122
LOOK_SECONDS = 0.05
UP_SECONDS = 120.0
# A machine that others use too, and what every batch takes however small it is.
SECONDS_PER_ROW, SECONDS_AT_LEAST = 0.1, 120.0
_UP = text("SELECT count(*) FROM lane WHERE name = 'wechat:demo'")
_BATCH = text("SELECT state, done, total FROM import_batch WHERE id = :id")
_PEOPLE = text(
    "SELECT (SELECT count(*) FROM child), (SELECT count(*) FROM guardian),"
    " (SELECT count(*) FROM guardianship)"
)


@dataclass(slots=True)
class Step:
    """One step as somebody sees it who looks at its progress all the time.

    Args:
        seen: the different numbers of finished rows, in the order in which they were seen.
    """

    seconds: float = 0.0
    seen: list[int] = field(default_factory=list)
    went_back: int = 0

    def look(self, done: int) -> None:
        """Note how many rows are finished."""
        if not self.seen or done != self.seen[-1]:
            self.went_back += bool(self.seen) and done < self.seen[-1]
            self.seen.append(done)

    def figures(self, rows: int) -> dict[str, object]:
        """Return what came of it."""
        return {
            "seconds": round(self.seconds, 2),
            "rows_per_second": round(rows / self.seconds, 1) if self.seconds else 0.0,
            "progress_values": len(set(self.seen)),
            "progress_went_back": self.went_back,
        }


@dataclass(frozen=True, slots=True)
class _Run:
    """One import under way."""

    house: BenchHouse
    database: Database
    file: ImportFile
    place_id: int

    async def step(self, batch_id: int, during: str, end: str) -> Step:
        """Watch a step to its end.

        Raises:
            NotStarted: it failed or took too long.
        """
        step, start = Step(), time.perf_counter()
        longest = SECONDS_AT_LEAST + SECONDS_PER_ROW * self.file.rows
        while True:
            state, done = self._batch(batch_id)
            step.seconds = time.perf_counter() - start
            if state == FAILED or step.seconds > longest:
                raise NotStarted(f"the import came to no end while {during}: {state}")
            if state in (during, end):
                step.look(done)
            if state == end:
                return step
            await asyncio.sleep(LOOK_SECONDS)

    def people(self) -> dict[str, int]:
        """Count children, guardians and ties."""
        with plain_engine(self.house.database).connect() as connection:
            row = connection.execute(_PEOPLE).one()
        return dict(zip(("children", "guardians", "ties"), map(int, row), strict=True))

    def _batch(self, batch_id: int) -> tuple[str, int]:
        with plain_engine(self.house.database).connect() as connection:
            row = connection.execute(_BATCH, {"id": batch_id}).one()
        return str(row[0]), int(row[1])


async def bench_imports(*, rows: int, database: str = SQLITE) -> dict[str, object]:
    """Import so many rows, take them back, and return how long each part took.

    Args:
        database: `sqlite`, or the address of a PostgreSQL server.
    """
    before = load()
    start = time.perf_counter()
    file = await asyncio.to_thread(make_file, rows, SEED)
    made = time.perf_counter() - start
    async with open_stage(database=database, stream=False) as stage:
        worker = stage.house.make_worker(0, XINQING_ENCODER="none", XINQING_RISK_MODEL="none")
        worker.start()
        opened = Database(make_engine(stage.house.database))
        try:
            await _until_up(stage.house)
            crypto.install(crypto.KeyRing.parse(stage.house.secret_keys))
            await open_database(opened)
            run = _Run(stage.house, opened, file, await _school(opened, file))
            found = await _measure(run, worker)
        finally:
            worker.kill()
            await opened.close()
    return {
        "bench": "imports",
        "engine": engine_version(database),
        "rows": rows,
        "file_bytes": len(file.content),
        "file_made_seconds": round(made, 2),
        **found,
        "load_before_and_after": [before, load()],
        "machine": machine(),
    }


async def _measure(run: _Run, worker: Process) -> dict[str, object]:
    rows, people = run.file.rows, run.people()
    start = time.perf_counter()
    batch_id = await _upload(run)
    read = time.perf_counter() - start
    checked = await run.step(batch_id, READING, CHECKED)
    dry = run.people()
    applied = await _begin(run, batches.apply, batch_id, APPLYING, APPLIED)
    there = run.people()
    start = time.perf_counter()
    reported = await _report(run, batch_id)
    written = time.perf_counter() - start
    memory = worker.memory_mb()
    undone = await _begin(run, batches.undo, batch_id, UNDOING, UNDONE)
    whole = read + checked.seconds + applied.seconds
    return {
        "rows_that_can_be_put_in": run.file.good,
        "read_and_stored": {
            "seconds": round(read, 2),
            "rows_per_second": round(rows / read, 1),
        },
        "dry_run": checked.figures(rows),
        "apply": applied.figures(rows),
        "report": {"seconds": round(written, 2), "rows": reported},
        "undo": undone.figures(rows),
        "until_imported_seconds": round(whole, 2),
        "until_imported_rows_per_second": round(rows / whole, 1),
        "dry_run_changed_nothing": dry == people,
        "children_put_in": there["children"] - people["children"],
        "guardians_put_in": there["guardians"] - people["guardians"],
        "left_after_undo": sum(run.people().values()) - sum(people.values()),
        "worker_memory_mb": memory,
    }


async def _upload(run: _Run) -> int:
    clock = SystemClock()
    return await batches.start_excel(
        run.database,
        crypto.installed(),
        None,
        place_id=run.place_id,
        name="bench.xlsx",
        content=run.file.content,
        now=clock.now(),
    )


async def _begin(
    run: _Run, begin: Callable[..., Awaitable[None]], batch_id: int, during: str, end: str
) -> Step:
    """Press the button and watch what comes of it."""
    async with run.database.write() as session:
        await begin(session, None, batch_id, row_version=None, now=SystemClock().now())
    return await run.step(batch_id, during, end)


async def _report(run: _Run, batch_id: int) -> int:
    """Write the report, read it again, and return its rows."""
    async with run.database.read() as session:
        found = await lines(session, batch_id)
    content = await asyncio.to_thread(report, found)
    book = load_workbook(BytesIO(content), read_only=True)
    return sum(1 for _ in book.worksheets[0].iter_rows()) - 1


async def _school(database: Database, file: ImportFile) -> int:
    """Add a school with the classes of the file."""
    async with database.write() as session:
        district = await places.root_district(session, None)
        school = await places.add(session, kind="school", name="演示学校", parent=district)
        for name in file.classes:
            await places.add(session, kind="class", name=name, parent=school)
    return school.id


async def _until_up(house: BenchHouse) -> None:
    end = time.perf_counter() + UP_SECONDS
    while time.perf_counter() < end:
        with plain_engine(house.database).connect() as connection:
            if connection.scalar(_UP):
                return
        await asyncio.sleep(LOOK_SECONDS)
    raise NotStarted("the worker did not start; see its log")
