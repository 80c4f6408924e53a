"""Imports as people start, read, apply and undo them: from a file or from DingTalk's directory.

Called by the import pages and by `xinqing people import`. What takes long is done by the
jobs of `work`; every step that may happen once is guarded by the batch's state and `row_version`.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db import field_keys
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import ImportBatch, ImportRow, Place
from bot.db.models.imports import (
    APPLIED,
    APPLYING,
    CHECKED,
    FAILED,
    READING,
    UNDOING,
)
from bot.jobs.table import enqueue
from bot.services import audit, rights
from bot.services.excel import FILE_BYTES
from bot.services.importing.reading import read_excel
from bot.services.importing.rows import ASK, CHOSEN, RAW, READY, WARN, Raw, Read, state_of
from bot.services.staff import StaffView

RIGHT = "people.import"
EXCEL, DINGTALK = "excel", "dingtalk"
CHECK, FETCH, APPLY, UNDO = "import.check", "import.fetch", "import.apply", "import.undo"
# Behind everything that anybody waits for.
PRIO = 8
ROWS_PER_WRITE = 500
PLACES = ("school", "grade", "class")
READING_LASTS = timedelta(minutes=15)
# Reading a large file takes a core for seconds; one after the other leaves the rest of it free.
_one_file = asyncio.Semaphore(1)


async def start_excel(
    database: Database,
    ring: KeyRing,
    by: StaffView | None,
    *,
    place_id: int,
    name: str,
    content: bytes,
    now: datetime,
) -> int:
    """Read a file, store its rows and have them checked; return the batch's id.

    The same file for the same place that is not yet applied is the same batch, so that a double
    click makes one.

    Args:
        by: None: the operator at the command line.

    Raises:
        NotAllowed: no right to import there.
        InputInvalid: no place for an import.
    """
    digest = ring.fingerprint(hashlib.sha256(content).hexdigest(), purpose="import.file")
    async with database.write() as session:
        place = await _place(session, by, place_id)
        query = select(ImportBatch.id).where(
            ImportBatch.place_id == place_id,
            ImportBatch.digest == digest,
            ImportBatch.state.in_((READING, CHECKED)),
            ImportBatch.created_at > now - READING_LASTS,
        )
        earlier = await session.scalar(query.limit(1))
        if earlier is not None:
            return earlier
        batch = await _begin(session, EXCEL, by, place, name[:120] or "-", digest, now)
        class_known = place.kind == "class"
    if len(content) > FILE_BYTES:
        read = Read(problem="too_big")
    else:
        async with _one_file:
            read = await asyncio.to_thread(read_excel, content, class_known=class_known)
    if read.problem:
        async with database.write() as session:
            await fail(session, batch.id, read.problem)
        return batch.id
    await store_rows(database, batch.id, place_id, read.rows)
    async with database.write() as session:
        await ready_to_check(session, batch.id, len(read.rows), now)
    return batch.id


async def start_directory(
    session: AsyncSession, by: StaffView, *, place_id: int, robot: str, now: datetime
) -> int:
    """Have DingTalk's directory of families read; return the batch's id.

    Args:
        robot: the name of a configured robot of the school's organisation.

    Raises:
        NotAllowed, InputInvalid: as `start_excel`.
        Conflict: the same directory is being read for this place (`import_runs`).
    """
    place = await _place(session, by, place_id)
    query = select(ImportBatch.id).where(
        ImportBatch.place_id == place_id,
        ImportBatch.kind == DINGTALK,
        ImportBatch.state == READING,
    )
    if await session.scalar(query.limit(1)) is not None:
        raise Conflict("import_runs")
    batch = await _begin(session, DINGTALK, by, place, robot, "", now)
    await enqueue(
        session,
        FETCH,
        {"batch": batch.id, "robot": robot},
        key=f"{FETCH}:{batch.id}",
        now=now,
        prio=PRIO,
    )
    return batch.id


async def store_rows(database: Database, batch_id: int, place_id: int, rows: Sequence[Raw]) -> None:
    """Store rows as they were read, in short transactions, under the key of their district."""
    left = iter(rows)
    while part := list(islice(left, ROWS_PER_WRITE)):
        with field_keys.of_place(place_id):
            await _store(database, batch_id, part)


async def _store(database: Database, batch_id: int, rows: Sequence[Raw]) -> None:
    async with database.write() as session:
        await session.execute(
            insert(ImportRow),
            [
                {
                    "batch_id": batch_id,
                    "number": row.number,
                    "state": RAW,
                    "codes": list(row.codes),
                    "data": dict(row.data),
                    "made": {},
                }
                for row in rows
            ],
        )


async def ready_to_check(session: AsyncSession, batch_id: int, total: int, now: datetime) -> None:
    """Say that every row is stored, and have them checked."""
    batch = await _locked(session, batch_id)
    batch.total = total
    await enqueue(
        session, CHECK, {"batch": batch_id}, key=f"{CHECK}:{batch_id}", now=now, prio=PRIO
    )


async def fail(session: AsyncSession, batch_id: int, problem: str) -> None:
    """Say that a batch came to nothing, or stopped on its way."""
    batch = await _locked(session, batch_id)
    batch.state, batch.problem = FAILED, problem
    batch.row_version += 1


async def stop(session: AsyncSession, batch: ImportBatch, now: datetime) -> None:
    """Stop a batch whose starter may not import any more; somebody else can go on or undo."""
    batch.state, batch.problem = FAILED, "rights"
    batch.counts = await count(session, batch.id)
    batch.row_version += 1
    await _record(session, "import.stopped", batch, None, now)


async def choose(
    session: AsyncSession,
    by: StaffView,
    batch_id: int,
    numbers: Collection[int],
    *,
    row_version: int,
) -> int:
    """Take rows that were asked about into the import; without any: take none of them.

    Args:
        numbers: the rows' numbers.

    Returns:
        How many are taken now.

    Raises:
        NotFound
        NotAllowed: a teacher's account, and the caller may change none there.
        Conflict: as `apply`.
    """
    batch = await _for_change(session, by, batch_id, row_version)
    if batch.state != CHECKED:
        raise Conflict("state")
    states = (ASK,) if numbers else (READY, WARN)
    query = select(ImportRow).where(ImportRow.batch_id == batch_id, ImportRow.state.in_(states))
    if numbers:
        query = query.where(ImportRow.number.in_(numbers))
    changed = 0
    for row in (await session.scalars(query)).all():
        if not numbers and CHOSEN not in row.codes:
            continue
        if numbers and "teacher" in row.data:
            rights.require(by, "staff.change", batch.place_id)
        row.codes = (
            [*row.codes, CHOSEN] if numbers else [code for code in row.codes if code != CHOSEN]
        )
        row.state = state_of(tuple(row.codes))
        changed += 1
    await session.flush()
    batch.counts = await count(session, batch_id)
    return changed


async def apply(
    session: AsyncSession,
    by: StaffView | None,
    batch_id: int,
    *,
    row_version: int | None,
    now: datetime,
) -> None:
    """Begin to put a checked batch into the school; one that broke off goes on where it was.

    Raises:
        NotFound, NotAllowed
        Conflict: somebody was faster (`row`), another import of this school runs (`import_runs`),
            or the batch is not checked (`state`).
    """
    batch = await _for_change(session, by, batch_id, row_version)
    again = batch.state == FAILED and batch.applied_at is not None and batch.undone_at is None
    if batch.state != CHECKED and not again:
        raise Conflict("state")
    await _alone(session, batch)
    if not again:
        batch.done = 0
    batch.state, batch.problem = APPLYING, ""
    batch.applied_at = now
    await next_chunk(session, batch, APPLY, now, by=by.id if by else None)
    await _record(session, "import.applied", batch, by, now)


async def undo(
    session: AsyncSession,
    by: StaffView | None,
    batch_id: int,
    *,
    row_version: int | None,
    now: datetime,
) -> None:
    """Begin to take back what a batch made.

    Raises:
        NotFound, NotAllowed, Conflict: as `apply`.
    """
    batch = await _for_change(session, by, batch_id, row_version)
    if batch.state != APPLIED and not (batch.state == FAILED and batch.applied_at is not None):
        raise Conflict("state")
    await _alone(session, batch)
    batch.state, batch.problem, batch.done = UNDOING, "", 0
    batch.undone_at = now
    await next_chunk(session, batch, UNDO, now, by=by.id if by else None)
    await _record(session, "import.undone", batch, by, now)


async def next_chunk(
    session: AsyncSession, batch: ImportBatch, kind: str, now: datetime, *, by: int | None
) -> None:
    """Have the next rows worked through, as long as who asked for it may."""
    key = f"{kind}:{batch.id}:{batch.row_version}:{batch.done}"
    payload = {"batch": batch.id, "done": batch.done, "by": by}
    await enqueue(session, kind, payload, key=key, now=now, prio=PRIO)


async def get(session: AsyncSession, by: StaffView, batch_id: int) -> ImportBatch:
    """Return a batch that somebody may see.

    Raises:
        NotFound: there is none, or it is of a place that is not theirs.
    """
    batch = await session.get(ImportBatch, batch_id)
    if batch is None or not rights.may(by, RIGHT, batch.place_id):
        raise NotFound("no such import")
    return batch


async def count(session: AsyncSession, batch_id: int) -> dict[str, int]:
    """Return how many rows there are of each state, and with each code."""
    found: dict[str, int] = {}
    query = select(ImportRow.state, ImportRow.codes).where(ImportRow.batch_id == batch_id)
    for state, codes in await session.execute(query):
        for key in (state, *{f"code.{code.partition(':')[0]}" for code in codes}):
            found[key] = found.get(key, 0) + 1
    return found


async def _place(session: AsyncSession, by: StaffView | None, place_id: int) -> Place:
    if by is not None:
        rights.require(by, RIGHT, place_id)
    place = await session.get(Place, place_id)
    if place is None or place.kind not in PLACES:
        raise InputInvalid("place", field="place")
    return place


async def _begin(
    session: AsyncSession,
    kind: str,
    by: StaffView | None,
    place: Place,
    name: str,
    digest: str,
    now: datetime,
) -> ImportBatch:
    batch = ImportBatch(
        kind=kind,
        place_id=place.id,
        name=name,
        digest=digest,
        counts={},
        staff_id=by.id if by else None,
        created_at=now,
    )
    session.add(batch)
    await session.flush()
    await _record(session, "import.started", batch, by, now)
    return batch


async def _locked(session: AsyncSession, batch_id: int) -> ImportBatch:
    return await session.get_one(
        ImportBatch, batch_id, with_for_update=True, populate_existing=True
    )


async def _for_change(
    session: AsyncSession, by: StaffView | None, batch_id: int, row_version: int | None
) -> ImportBatch:
    if by is not None:
        await get(session, by, batch_id)
    batch = await _locked(session, batch_id)
    if row_version is not None and batch.row_version != row_version:
        raise Conflict("row")
    batch.row_version += 1
    return batch


async def _alone(session: AsyncSession, batch: ImportBatch) -> None:
    """Refuse while another import of the same school runs."""
    place = await session.get_one(Place, batch.place_id)
    ids = [int(part) for part in place.path.split("/") if part]
    above = select(Place).where(Place.id.in_(ids), Place.kind == "school")
    school = await session.scalar(above) or place
    running = (
        select(ImportBatch.id)
        .join(Place, Place.id == ImportBatch.place_id)
        .where(
            ImportBatch.state.in_((APPLYING, UNDOING)),
            ImportBatch.id != batch.id,
            Place.path.startswith(school.path),
        )
    )
    if await session.scalar(running.limit(1)) is not None:
        raise Conflict("import_runs")


async def _record(
    session: AsyncSession, action: str, batch: ImportBatch, by: StaffView | None, now: datetime
) -> None:
    data: Mapping[str, object] = {"place": batch.place_id, "kind": batch.kind, "rows": batch.total}
    await audit.record(
        session,
        staff_id=by.id if by else None,
        action=action,
        object_kind="import",
        object_id=batch.id,
        now=now,
        data=data,
    )
