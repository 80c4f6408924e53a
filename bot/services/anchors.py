"""Anchors: the audit trail's newest hash, kept in a file per day outside of the database.

Whoever cuts entries off at the end of the trail leaves a chain that fits. An anchor names an entry
that has to be there with its hash; so does the hash that is printed for a backup. Written by the
nightly job and by `xinqing audit verify`, read by `xinqing audit verify`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, to_shanghai
from bot.db.models import AuditEntry
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import ensure_schedule
from bot.services.audit import GENESIS, Newest, newest

FOLDER = "audit"
KIND = "audit.anchor"
# After the nightly forgetting, which is in the trail itself.
DAILY = "55 3 * * *"


@dataclass(frozen=True, slots=True)
class Anchor:
    """What stood at the end of the trail on one day.

    Args:
        entry_id: 0 where the file can't be read, which no entry fits.
    """

    day: date
    entry_id: int
    hash: str


class Anchors:
    """The anchor files of one data folder."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / FOLDER

    def write(self, end: Newest, now: datetime) -> Path:
        """Keep the end of the trail for today; the day's last one counts."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{to_shanghai(now).date().isoformat()}.json"
        text = json.dumps({"entry": end.entry_id, "hash": end.hash})
        fresh = path.with_suffix(".new")
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.replace(path)
        return path

    def register(self, registry: JobRegistry, clock: Clock) -> None:
        """Register the daily job; a file is written by whichever process runs it."""

        async def handle(session: AsyncSession, _run: JobRun) -> None:
            self.write(await newest(session), clock.now())

        registry.tx(KIND, handle)

    def __iter__(self) -> Iterator[Anchor]:
        """Iterate over all anchors, the oldest first."""
        for path in sorted(self._folder.glob("????-??-??.json")):
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                yield Anchor(date.fromisoformat(path.stem), int(kept["entry"]), str(kept["hash"]))
            except (ValueError, KeyError, TypeError):
                yield Anchor(_day(path), 0, "")


async def schedule_anchors(session: AsyncSession, now: datetime) -> None:
    """Make sure that one is written every day."""
    await ensure_schedule(
        session, KIND, cron=DAILY, kind=KIND, payload={}, misfire_seconds=43_200, now=now
    )


def _day(path: Path) -> date:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return date.min


async def first_missing(session: AsyncSession, anchors: Iterable[Anchor]) -> Anchor | None:
    """Return the oldest anchor whose entry is gone or has another hash; None when all are there."""
    for anchor in anchors:
        query = select(AuditEntry.hash).where(AuditEntry.id == anchor.entry_id)
        empty_then = anchor.entry_id == 0 and anchor.hash == GENESIS
        if not empty_then and await session.scalar(query) != anchor.hash:
            return anchor
    return None
