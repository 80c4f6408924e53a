"""The audit trail: append-only, each entry's hash covers the one before it.

Called by services and pages in the transaction of the action; `verify` by the operator's command.
A changed, removed or slipped-in entry breaks the chain from its id on. Entries cut off at the end
leave no trace in the table itself: `bot.services.anchors` keeps the newest hash of each day outside
of it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.locks import Turn, take_turn
from bot.db.models import AuditEntry

GENESIS = "0" * 64
VERIFY_BATCH = 500
Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Newest:
    """The end of the trail: what a backup and the anchors keep.

    Args:
        entry_id: 0 for an empty trail.
    """

    entry_id: int
    hash: str


def _digest(entry: AuditEntry) -> str:
    """Hash a canonical text of the entry (a JSON column would reorder its keys)."""
    fields = [
        entry.previous_hash,
        entry.at.isoformat(timespec="microseconds"),
        entry.staff_id,
        entry.action,
        entry.object_kind,
        entry.object_id,
        entry.data,
    ]
    canonical = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


async def newest(session: AsyncSession) -> Newest:
    """Return the last entry's id and hash."""
    query = select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)
    found = (await session.execute(query)).first()
    return Newest(0, GENESIS) if found is None else Newest(found[0], found[1])


async def record(
    session: AsyncSession,
    *,
    staff_id: int | None,
    action: str,
    object_kind: str,
    object_id: int | None,
    now: datetime,
    data: Mapping[str, object] | None = None,
) -> AuditEntry:
    """Append one entry to the trail.

    Args:
        staff_id: who acted; None for the service itself.
        data: codes and ids only, never a person's words.
    """
    # Two writers must not both continue from the same entry.
    await take_turn(session, Turn.AUDIT_CHAIN)
    entry = AuditEntry(
        at=now,
        staff_id=staff_id,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        data=dict(data or {}),
        previous_hash=(await newest(session)).hash,
    )
    entry.hash = _digest(entry)
    session.add(entry)
    await session.flush()
    return entry


async def record_each(
    session: AsyncSession,
    *,
    staff_id: int,
    action: str,
    object_kind: str,
    objects: Mapping[int, Mapping[str, object]],
    now: datetime,
) -> None:
    """Append one entry for each object, in one turn: a page may show a hundred cases at once.

    Args:
        objects: for each id what its entry carries: codes and ids only.
    """
    await take_turn(session, Turn.AUDIT_CHAIN)
    previous = (await newest(session)).hash
    for object_id, data in objects.items():
        entry = AuditEntry(
            at=now,
            staff_id=staff_id,
            action=action,
            object_kind=object_kind,
            object_id=object_id,
            data=dict(data),
            previous_hash=previous,
        )
        previous = entry.hash = _digest(entry)
        session.add(entry)
    await session.flush()


async def verify(session: AsyncSession, progress: Progress | None = None) -> int | None:
    """Return the id of the first entry that does not fit the chain; None when all fit.

    Args:
        progress: is told how many entries are read, and how many there are.
    """
    previous, last_id, done = GENESIS, 0, 0
    total = await session.scalar(select(func.count(AuditEntry.id))) or 0
    while True:
        query = select(AuditEntry).where(AuditEntry.id > last_id).order_by(AuditEntry.id)
        entries = (await session.scalars(query.limit(VERIFY_BATCH))).all()
        for entry in entries:
            if entry.previous_hash != previous or entry.hash != _digest(entry):
                return entry.id
            previous, last_id = entry.hash, entry.id
        done += len(entries)
        if progress is not None:
            progress(done, total)
        if len(entries) < VERIFY_BATCH:
            return None
        session.expunge_all()
