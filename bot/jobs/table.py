"""Write jobs, lanes and schedules in the caller's transaction.

They stand or fall with the rows they belong to. Called by services, by handlers of other jobs, by
the jobs page and the command line.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NotRequired, Required, TypedDict, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CursorResult,
    Executable,
    Table,
    case,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.errors import ConfigInvalid
from bot.db.models.job import CANCELLED, DEAD, READY, SCHED, UNKNOWN, Job, Lane, Schedule
from bot.jobs.cron import next_slot
from bot.jobs.engines import dialect_of

MAIN_LANE = "main"
PRIO = 5
ROWS_PER_STATEMENT = 1_000
_HIGHEST_CHARACTER = "\U0010ffff"

JOB = cast(Table, Job.__table__)
LANE = cast(Table, Lane.__table__)
SCHEDULE = cast(Table, Schedule.__table__)


class JobRow(TypedDict):
    """One row for `enqueue_many`, with the names and meanings of `enqueue`."""

    kind: Required[str]
    payload: Required[Mapping[str, object]]
    key: Required[str]
    now: Required[datetime]
    lane: NotRequired[str]
    run_at: NotRequired[datetime | None]
    prio: NotRequired[int]


async def enqueue(
    session: AsyncSession,
    kind: str,
    payload: Mapping[str, object],
    *,
    key: str,
    now: datetime,
    lane: str = MAIN_LANE,
    run_at: datetime | None = None,
    prio: int = PRIO,
) -> bool:
    """Add a job, unless one with its key exists in whatever state.

    Args:
        payload: ids and codes; never a person's words.
        key: at most 160 characters; what must not happen twice has the same key.
        run_at: not before this moment (aware); None: at once.
        prio: lower goes first within its lane.

    Returns:
        Whether it is new.
    """
    row = JobRow(kind=kind, payload=payload, key=key, now=now, lane=lane, run_at=run_at, prio=prio)
    return await enqueue_many(session, [row]) == 1


async def enqueue_many(session: AsyncSession, rows: Iterable[JobRow]) -> int:
    """Add many jobs, a thousand at a time; those whose keys exist are left out.

    Returns:
        How many are new.
    """
    dialect = dialect_of(session)
    # RETURNING is how both drivers tell which rows of a many-row statement are new.
    statement = (
        dialect.insert(JOB).on_conflict_do_nothing(index_elements=["key"]).returning(JOB.c.id)
    )
    new = 0
    iterator = iter(rows)
    while chunk := [_values(row) for row in islice(iterator, ROWS_PER_STATEMENT)]:
        new += len((await session.execute(statement, chunk)).all())
    if new:
        await dialect.notify(session)
    return new


async def cancel(
    session: AsyncSession, *, key: str | None = None, prefix: str | None = None, now: datetime
) -> int:
    """Cancel jobs that have not started, by key or by the beginning of their keys.

    Returns:
        How many were cancelled; one that is running, or done, is not.
    """
    if (key is None) == (prefix is None) or not (key or prefix):
        raise ValueError("give either a key or a prefix")
    condition = (
        JOB.c.key == key
        if key is not None
        else JOB.c.key.between(prefix, f"{prefix}{_HIGHEST_CHARACTER}")
    )
    return await _rows_hit(
        session,
        update(JOB)
        .where(condition, JOB.c.state.in_((READY, SCHED)))
        .values(state=CANCELLED, done_at=epoch_ms(now)),
    )


async def ensure_lane(session: AsyncSession, name: str, *, per_second: float, burst: int) -> None:
    """Add a lane or change its limit; its pause and what it has used stay.

    In any window of W seconds at most `burst + per_second * W` jobs of the lane are started: choose
    both so that this is below the platform's limit (20 a minute: 0.25 and 5).
    """
    if per_second <= 0 or burst < 1:
        raise ConfigInvalid(f"lane {name}: per_second and burst must be positive")
    limit = {"per_second": per_second, "burst": burst}
    insert = dialect_of(session).insert(LANE).values(name=name, tat=0.0, paused_until=0, **limit)
    await session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=limit))


async def pause_lane(session: AsyncSession, name: str, until: datetime) -> None:
    """Start nothing in this lane until then; a longer pause that is already there stays."""
    await pause_lane_until(session, name, literal(epoch_ms(until), BigInteger))


async def pause_lane_until(session: AsyncSession, name: str, until: ColumnElement[int]) -> None:
    """Do the same for a moment in epoch milliseconds that the database may have to work out."""
    insert = dialect_of(session).insert(LANE)
    insert = insert.values(name=name, per_second=0.0, burst=0, tat=0.0, paused_until=until)
    longer = insert.excluded.paused_until
    later = case((longer > LANE.c.paused_until, longer), else_=LANE.c.paused_until)
    await session.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_={"paused_until": later})
    )


async def ensure_schedule(
    session: AsyncSession,
    name: str,
    *,
    cron: str,
    kind: str,
    payload: Mapping[str, object],
    tz: str = "Asia/Shanghai",
    misfire_seconds: int,
    now: datetime,
) -> None:
    """Add a recurring job or change it; its next slot is kept while the times stay the same.

    Args:
        cron: five fields, read in `tz`.
        misfire_seconds: how late a missed slot may still be run (only the last one is).

    Raises:
        ConfigInvalid: the expression or the zone makes no sense.
    """
    first = epoch_ms(next_slot(cron, tz, now))
    values: dict[str, Any] = {
        "cron": cron,
        "tz": tz,
        "kind": kind,
        "payload": dict(payload),
        "misfire_seconds": misfire_seconds,
        "enabled": True,
    }
    insert = dialect_of(session).insert(SCHEDULE).values(name=name, next_at=first, **values)
    same = (SCHEDULE.c.cron == cron) & (SCHEDULE.c.tz == tz) & SCHEDULE.c.enabled
    kept = case((same, SCHEDULE.c.next_at), else_=first)
    await session.execute(
        insert.on_conflict_do_update(index_elements=["name"], set_=values | {"next_at": kept})
    )


async def redrive(session: AsyncSession, job_id: int, now: datetime) -> bool:
    """Start a dead or unknown job over, with all its attempts.

    Returns:
        Whether there was such a job.
    """
    hit = await _rows_hit(
        session,
        update(JOB)
        .where(JOB.c.id == job_id, JOB.c.state.in_((DEAD, UNKNOWN)))
        .values(state=READY, attempts=0, run_at=epoch_ms(now), owner=None, lease_until=None),
    )
    if hit:
        await dialect_of(session).notify(session)
    return hit == 1


async def list_jobs(
    session: AsyncSession, state: str, limit: int = 50, after_id: int = 0
) -> Sequence[Job]:
    """Return jobs of one state in order of their ids, a page at a time."""
    # Written out, so that the partial index over dead and unknown jobs is used.
    buried = [text("state IN ('dead', 'unknown')")] if state in (DEAD, UNKNOWN) else []
    rows = await session.scalars(
        select(Job)
        .where(Job.state == state, Job.id > after_id, *buried)
        .order_by(Job.id)
        .limit(limit)
        .execution_options(populate_existing=True)
    )
    return rows.all()


def _values(row: JobRow) -> dict[str, object]:
    now = epoch_ms(row["now"])
    run_at = row.get("run_at")
    start = now if run_at is None else epoch_ms(run_at)
    return {
        "lane": row.get("lane", MAIN_LANE),
        "kind": row["kind"],
        "key": row["key"],
        "prio": row.get("prio", PRIO),
        "state": SCHED if start > now else READY,
        "run_at": start,
        "attempts": 0,
        "payload": dict(row["payload"]),
        "created_at": now,
    }


async def _rows_hit(session: AsyncSession, statement: Executable) -> int:
    return cast(CursorResult[Any], await session.execute(statement)).rowcount
