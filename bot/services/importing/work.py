"""The jobs of imports: fetch a directory, check rows, apply them, undo them, chunk by chunk.

Registered by `bot.wiring`. A chunk's rows, its progress and the next chunk's job are one commit, so
a worker that is killed goes on where it was and nothing is put in twice. The command line runs the
same steps one after the other, without a worker.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.core.errors import ChannelError, ChannelRefused
from bot.db import field_keys
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import ImportBatch, ImportRow, Place, Staff
from bot.db.models.imports import APPLIED, APPLYING, CHECKED, READING, UNDOING, UNDONE
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobRegistry, JobRun, OnAck
from bot.services import rights, staff
from bot.services.importing import batches
from bot.services.importing.applying import apply_rows
from bot.services.importing.directory import Directory, fetch
from bot.services.importing.duplicates import compare
from bot.services.importing.planning import decide
from bot.services.importing.rows import MOST_ROWS, Parsed, Raw, parse
from bot.services.importing.undoing import undo_rows
from bot.services.importing.world import load
from bot.services.staff import StaffView

CHUNK = 250
# Each row of a directory binds contacts, which takes longer; others who write must not wait.
DIRECTORY_CHUNK = 40
CHECK_CHUNK = 500
READ_SECONDS, CHUNK_SECONDS = 600.0, 60.0
ATTEMPTS = 5
BUSY_SECONDS = 60.0


class Imports:
    """Does the work of imports.

    Args:
        directories: DingTalk's directory of families by the robot's name.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ring: KeyRing,
        directories: Mapping[str, Directory] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ring = ring
        self._directories = directories or {}

    def register(self, registry: JobRegistry) -> None:
        """Register the jobs."""
        for kind, handler in ((batches.FETCH, self.fetch), (batches.CHECK, self.check)):
            registry.send(
                kind,
                handler,
                timeout=READ_SECONDS,
                max_attempts=ATTEMPTS,
                on_dead=self._give_up,
                on_unknown=self._give_up,
            )
        for kind, chunk in ((batches.APPLY, self.apply_chunk), (batches.UNDO, self.undo_chunk)):
            registry.tx(
                kind,
                chunk,
                timeout=CHUNK_SECONDS,
                max_attempts=ATTEMPTS,
                on_dead=self._give_up,
            )

    async def fetch(self, run: JobRun) -> OnAck | None:
        """Read a directory into rows; a second try begins anew."""
        batch_id, robot = int(str(run.payload["batch"])), str(run.payload["robot"])
        directory = self._directories.get(robot)
        async with self._database.write() as session:
            batch = await session.get(ImportBatch, batch_id)
            if batch is None or batch.state != READING or batch.total:
                return None
            place_id = batch.place_id
            await session.execute(delete(ImportRow).where(ImportRow.batch_id == batch_id))
        if directory is None:
            raise Bury("no_such_robot")
        try:
            rows = await fetch(directory, MOST_ROWS)
        except ChannelRefused as error:
            raise Bury(error.code or "refused") from None
        except ChannelError as error:
            raise Retry(BUSY_SECONDS, reason=error.code or "unavailable") from None
        if not rows or len(rows) > MOST_ROWS:
            problem = "too_many" if rows else "directory_empty"
            return lambda session: batches.fail(session, batch_id, problem)
        await batches.store_rows(self._database, batch_id, place_id, rows)
        now = self._clock.now()
        return lambda session: batches.ready_to_check(session, batch_id, len(rows), now)

    async def check(self, run: JobRun) -> OnAck | None:
        """Check every row of a batch; a second try does the same again."""
        batch_id = int(str(run.payload["batch"]))
        async with self._database.read() as session:
            batch = await session.get(ImportBatch, batch_id)
            if batch is None or batch.state != READING:
                return None
            place = await session.get_one(Place, batch.place_id)
        class_known = place.kind == "class"
        ids, raws = await self._raw_rows(batch_id)
        parsed = await asyncio.to_thread(
            lambda: compare(parse(raw, class_known=class_known) for raw in raws)
        )
        for start in range(0, len(parsed), CHECK_CHUNK):
            part = parsed[start : start + CHECK_CHUNK]
            await self._judge(batch_id, place, ids[start : start + CHECK_CHUNK], part, start)

        async def write(session: AsyncSession) -> None:
            counts = await batches.count(session, batch_id)
            row = await session.get_one(ImportBatch, batch_id, with_for_update=True)
            if row.state == READING:
                row.state, row.counts, row.done = CHECKED, counts, len(parsed)
                row.row_version += 1

        return write

    async def apply_chunk(self, session: AsyncSession, run: JobRun) -> None:
        """Put the next rows in, and enqueue those after them."""
        await self._chunk(session, run, APPLYING)

    async def undo_chunk(self, session: AsyncSession, run: JobRun) -> None:
        """Take the next rows back, the last ones first, and enqueue those before them."""
        await self._chunk(session, run, UNDOING)

    async def to_the_end(self, batch_id: int) -> None:
        """Do every step that waits, one after the other: for the command line, where no worker is.

        What the steps enqueue is done by then and does nothing when a worker comes to it.
        """
        while True:
            async with self._database.read() as session:
                batch = await session.get_one(ImportBatch, batch_id)
            run = _run(batch)
            if batch.state == READING:
                done = await self.check(run)
                if done is None:
                    return
                async with self._database.write() as session:
                    await done(session)
            elif batch.state in (APPLYING, UNDOING):
                async with self._database.write() as session:
                    await self._chunk(session, run, batch.state)
            else:
                return

    async def _chunk(self, session: AsyncSession, run: JobRun, state: str) -> None:
        batch_id, done = int(str(run.payload["batch"])), int(str(run.payload["done"]))
        batch = await session.get(
            ImportBatch, batch_id, with_for_update=True, populate_existing=True
        )
        if batch is None or batch.state != state or batch.done != done:
            return
        now = self._clock.now()
        by, allowed = await _by(session, run, batch.place_id, now)
        if not allowed:
            await batches.stop(session, batch, now)
            return
        place = await session.get_one(Place, batch.place_id)
        order = ImportRow.number.desc() if state == UNDOING else ImportRow.number
        query = select(ImportRow).where(ImportRow.batch_id == batch_id).order_by(order)
        size = DIRECTORY_CHUNK if batch.kind == batches.DINGTALK else CHUNK
        rows = (await session.scalars(query.offset(done).limit(size))).all()
        with field_keys.of_place(place.id):
            if state == UNDOING:
                by_id = by.id if by else None
                await undo_rows(session, self._ring, rows, by=by_id, now=now)
            else:
                await apply_rows(
                    session,
                    self._ring,
                    place,
                    rows,
                    source=batch.kind,
                    now=now,
                    by=by,
                    account=batch.name if batch.kind == batches.DINGTALK else "",
                )
        batch.done += len(rows)
        if len(rows) == size:
            kind = batches.UNDO if state == UNDOING else batches.APPLY
            await batches.next_chunk(session, batch, kind, now, by=by.id if by else None)
            return
        await session.flush()
        batch.state = UNDONE if state == UNDOING else APPLIED
        batch.counts = await batches.count(session, batch_id)
        batch.row_version += 1

    async def _raw_rows(self, batch_id: int) -> tuple[list[int], list[Raw]]:
        ids: list[int] = []
        raws: list[Raw] = []
        last = 0
        while True:
            async with self._database.read() as session:
                query = (
                    select(ImportRow.id, ImportRow.number, ImportRow.data, ImportRow.codes)
                    .where(ImportRow.batch_id == batch_id, ImportRow.number > last)
                    .order_by(ImportRow.number)
                    .limit(2 * CHECK_CHUNK)
                )
                found = (await session.execute(query)).all()
            if not found:
                return ids, raws
            for row_id, number, data, codes in found:
                ids.append(row_id)
                raws.append(Raw(number, data, tuple(c for c in codes if c in _FROM_READER)))
                last = number

    async def _judge(
        self,
        batch_id: int,
        place: Place,
        ids: Sequence[int],
        rows: Sequence[Parsed],
        start: int,
    ) -> None:
        async with self._database.read() as session:
            fine = [row for row in rows if not row.wrong]
            world = await load(session, self._ring, place, fine, self._clock.now())
        plans = await asyncio.to_thread(lambda: [decide(row, world) for row in rows])
        values = [
            {"id": row_id, "state": plan.state, "codes": list(plan.row.codes)}
            for row_id, plan in zip(ids, plans, strict=True)
        ]
        async with self._database.write() as session:
            await session.execute(update(ImportRow), values)
            await session.execute(
                update(ImportBatch)
                .where(ImportBatch.id == batch_id)
                .values(done=start + len(rows))
                .execution_options(synchronize_session=False)
            )

    async def _give_up(self, session: AsyncSession, run: JobRun) -> None:
        problem = "directory" if run.kind == batches.FETCH else "job"
        batch_id = int(str(run.payload["batch"]))
        if await session.get(ImportBatch, batch_id) is not None:
            await batches.fail(session, batch_id, problem)


async def _by(
    session: AsyncSession, run: JobRun, place_id: int, now: datetime
) -> tuple[StaffView | None, bool]:
    """Return who has the chunk done (None: the operator), and whether they still may."""
    if run.payload.get("by") is None:
        return None, True
    person = await session.get(Staff, int(str(run.payload["by"])))
    if person is None or not person.active:
        return None, False
    seen = await staff.view(session, person, now)
    return seen, rights.may(seen, batches.RIGHT, place_id)


_FROM_READER = frozenset({"formula", "merged", "more_guardians"})


def _run(batch: ImportBatch) -> JobRun:
    return JobRun(
        id=0,
        kind="import",
        key="",
        payload={"batch": batch.id, "done": batch.done},
        attempts=1,
        lane="main",
        first_queued=batch.created_at,
        last_attempt=False,
    )
