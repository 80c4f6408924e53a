"""Retention: what is over its time goes every night, a chunk at a time, and the night is proved.

The table of classes is `retention.toml`, what belongs to each is in `retention_rules.py`. Called by
the nightly job (registered in `bot.wiring`), by `xinqing retention run` and by `/admin/retention`.
Source: DOMAIN's retention table; Personal Information Protection Law, articles 19 and 47.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.core.errors import ConfigInvalid
from bot.db.models import RetentionRun
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue, ensure_schedule
from bot.services import alarms, audit
from bot.services.alerts import AlertPolicy
from bot.services.retention_rules import PARTS

KIND = "retention.night"
NIGHTLY = "40 2 * * *"
FINISHED, OVERDUE_ALARM = "finished", "retention_overdue"


@dataclass(frozen=True, slots=True)
class Class:
    """One class of data.

    Args:
        days: None where nothing is deleted here; then `note` says why.
        how: `delete`, `empty` or `keep`.
    """

    name: str
    what: str
    days: int | None
    since: str
    how: str
    basis: str
    note: str

    def cutoff(self, now: datetime) -> datetime:
        """Return the moment at and before which rows of this class are over their time.

        Raises:
            ValueError: the class is kept.
        """
        if self.days is None:
            raise ValueError(self.name)
        return now - timedelta(days=self.days)


@cache
def table() -> Mapping[str, Class]:
    """Return every class in the order of a night.

    Raises:
        ConfigInvalid: the packaged file is broken or does not fit the rules.
    """
    text = files("bot.services").joinpath("retention.toml").read_text("utf-8")
    found = {name: _class(name, row) for name, row in tomllib.loads(text).items()}
    if {name for name, one in found.items() if one.days is not None} != set(PARTS):
        raise ConfigInvalid("retention.toml: its classes are not those of the rules")
    return MappingProxyType(found)


def _class(name: str, row: Mapping[str, object]) -> Class:
    days, how = row.get("days"), row.get("how")
    timed = isinstance(days, int) and days > 0 and how in ("delete", "empty")
    kept = days is None and how == "keep" and bool(row.get("note"))
    if not (timed or kept) or not row.get("what") or not row.get("basis"):
        raise ConfigInvalid(f"retention.toml: {name} is no class")
    return Class(
        name=name,
        what=str(row["what"]),
        days=days if isinstance(days, int) else None,
        since=str(row.get("since", "")),
        how=str(how),
        basis=str(row["basis"]),
        note=str(row.get("note", "")),
    )


def timed() -> tuple[str, ...]:
    """Return the names of the classes that end, in the order of a night."""
    return tuple(name for name, one in table().items() if one.days is not None)


async def due(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Count by class what is over its time at a moment; after a night all of it is 0."""
    counts = {}
    for name in timed():
        cutoff = table()[name].cutoff(now)
        parts = [part.due(cutoff).subquery() for part in PARTS[name]]
        found = [await session.scalar(select(func.count()).select_from(one)) for one in parts]
        counts[name] = sum(one or 0 for one in found)
    return counts


async def forget_some(session: AsyncSession, name: str, now: datetime) -> int:
    """Forget one chunk of a class and return how many rows it was; 0: none is left."""
    cutoff = table()[name].cutoff(now)
    for part in PARTS[name]:
        ids = (await session.scalars(part.due(cutoff).limit(part.chunk))).all()
        if ids:
            await part.forget(session, ids, now)
            return len(ids)
    return 0


async def begin(session: AsyncSession, now: datetime) -> RetentionRun:
    """Open a night; the same moment again is the same night."""
    run = await session.scalar(select(RetentionRun).where(RetentionRun.at == now))
    if run is None:
        run = RetentionRun(at=now, counts={})
        session.add(run)
        await session.flush()
    return run


async def go_on(session: AsyncSession, run: RetentionRun, name: str) -> str:
    """Forget one chunk, from a class on, and return the class to go on with; empty at the end."""
    for here in timed()[timed().index(name) :]:
        gone = await forget_some(session, here, run.at)
        if gone:
            before = run.counts.get(here, 0)
            run.counts = {**run.counts, here: gone + (before if isinstance(before, int) else 0)}
            return here
    return ""


def gone_in(run: RetentionRun) -> dict[str, int]:
    """Return how many rows of each class went in a night."""
    classes = table()
    return {n: c for n, c in run.counts.items() if n in classes and isinstance(c, int)}


async def finish(
    session: AsyncSession, run: RetentionRun, *, now: datetime, policy: AlertPolicy | None
) -> int:
    """Prove the night: count what is still over its time, and raise an alarm if anything is."""
    run.overdue = sum((await due(session, run.at)).values())
    gone = sum(gone_in(run).values())
    run.counts = {**run.counts, FINISHED: True}
    await audit.record(
        session,
        staff_id=None,
        action="retention.run",
        object_kind="retention",
        object_id=run.id,
        now=now,
        data={"gone": gone, "overdue": run.overdue},
    )
    if run.overdue:
        await alarms.raise_alarm(session, OVERDUE_ALARM, now=now, policy=policy)
    return run.overdue


class Nights:
    """The nightly job: each chunk is a job of its own and enqueues the next one."""

    def __init__(self, clock: Clock, policy: AlertPolicy | None) -> None:
        self._clock = clock
        self._policy = policy

    def register(self, registry: JobRegistry) -> None:
        """Register the kind."""
        registry.tx(KIND, self._step)

    async def _step(self, session: AsyncSession, job: JobRun) -> None:
        now = self._clock.now()
        if "run" not in job.payload:
            run, name = await begin(session, now), timed()[0]
        else:
            run = await session.get_one(RetentionRun, int(str(job.payload["run"])))
            name = str(job.payload["class"])
        name = await go_on(session, run, name)
        if not name:
            await finish(session, run, now=now, policy=self._policy)
            return
        first, _, number = job.key.partition("#")
        payload = {"run": run.id, "class": name}
        await enqueue(session, KIND, payload, key=f"{first}#{int(number or 0) + 1}", now=now)


async def schedule_nights(session: AsyncSession, now: datetime) -> None:
    """Make sure that it runs every night."""
    await ensure_schedule(
        session, KIND, cron=NIGHTLY, kind=KIND, payload={}, misfire_seconds=43_200, now=now
    )


async def nights(session: AsyncSession, limit: int = 30) -> list[RetentionRun]:
    """Return the last nights, the newest first."""
    query = select(RetentionRun).order_by(RetentionRun.id.desc()).limit(limit)
    return list(await session.scalars(query))
