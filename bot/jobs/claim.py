"""Find out what is due, and take it: the two statements' worth of work behind every poll.

`look` only reads, so that an idle worker never takes a lock; `take` is one write transaction. Both
are called by `bot.jobs.worker`. Row locks are taken with SKIP LOCKED only: a worker never waits for
another one, and neither takes what the other holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from sqlalchemy import Row, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.models.job import LEASED
from bot.jobs.dialect import Dialect
from bot.jobs.gcra import Limit
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import JOB, LANE, SCHEDULE

LANES_PER_CLAIM = 50
# Written out, not bound: only so do both planners use the partial indexes.
IS_READY = text("state = 'ready'")
IS_SCHED = text("state = 'sched'")
IS_LEASED = text("state = 'leased'")

# Steps from lane to lane through ix_job_ready, however long the backlog of each lane is.
_LANES = text(
    """
    WITH RECURSIVE walk(lane) AS (
      SELECT min(job.lane) FROM job WHERE job.state = 'ready'
      UNION ALL
      SELECT (SELECT min(job.lane) FROM job WHERE job.state = 'ready' AND job.lane > walk.lane)
      FROM walk WHERE walk.lane IS NOT NULL
    )
    SELECT walk.lane AS name, lane.per_second, lane.burst, lane.tat, lane.paused_until,
      (SELECT job.prio FROM job WHERE job.state = 'ready' AND job.lane = walk.lane
       ORDER BY job.prio, job.id LIMIT 1) AS prio
    FROM walk LEFT JOIN lane ON lane.name = walk.lane WHERE walk.lane IS NOT NULL
    """
)


@dataclass(frozen=True, slots=True)
class ReadyLane:
    """A lane with jobs that wait; `limit` None where it has none, `prio` of its first job."""

    name: str
    prio: int
    limit: Limit | None

    def free_at(self, now: int) -> int:
        """Return when its next job may start."""
        return self.limit.free_at(now) if self.limit else now


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due, and when to look again.

    Args:
        chores: timers, lost leases or schedules are due.
        lanes: lanes whose next job may start now.
        waiting: how many lanes wait for their limit.
        next_in_ms: until something else is due; None when nothing is.
    """

    chores: bool
    lanes: Sequence[ReadyLane]
    waiting: int
    next_in_ms: int | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that this worker holds; `late_ms` is how long after its due time it was taken."""

    run: JobRun
    late_ms: int


async def look(session: AsyncSession, dialect: Dialect, clock: Clock) -> Plan:
    """Read what is due."""
    row = (await session.execute(_due_times(dialect, clock))).one()
    now = int(row.now)
    due = [int(moment) for moment in row[1:] if moment is not None]
    lanes = await ready_lanes(session)
    free = [lane.free_at(now) for lane in lanes]
    later = [moment for moment in (*due, *free) if moment > now]
    return Plan(
        chores=any(moment <= now for moment in due),
        lanes=[lane for lane, moment in zip(lanes, free, strict=True) if moment <= now],
        waiting=sum(moment > now for moment in free),
        next_in_ms=min(later) - now if later else None,
    )


async def ready_lanes(session: AsyncSession) -> list[ReadyLane]:
    """Return every lane in which a job waits."""
    return [
        ReadyLane(row.name, row.prio, None if row.per_second is None else _limit(row))
        for row in await session.execute(_LANES)
    ]


async def take(
    session: AsyncSession,
    dialect: Dialect,
    clock: Clock,
    *,
    lanes: Sequence[ReadyLane],
    want: int,
    owner: str,
    lease_ms: int,
    registry: JobRegistry,
    random: Random,
) -> list[Claimed]:
    """Lease up to `want` jobs: urgent lanes first, then by chance, each lane its fair share."""
    now = await dialect.now_ms(session, clock)
    open_lanes = [lane for lane in lanes if lane.free_at(now) <= now]
    chosen = sorted(open_lanes, key=lambda lane: (lane.prio, random.random()))[:LANES_PER_CLAIM]
    limits = await _lock_limits(session, chosen)
    rows: list[Row[Any]] = []
    while chosen and len(rows) < want:
        hungry = []
        for position, lane in enumerate(chosen):
            share = -(-(want - len(rows)) // (len(chosen) - position))
            got = await _take_lane(session, lane, limits, now, share, rows)
            rows += got
            if len(got) == share:
                hungry.append(lane)  # it gets what other lanes have left of their shares
        chosen = hungry
    await _store_leases(session, rows, owner, now + lease_ms)
    await _store_limits(session, rows, limits, now)
    return [_claimed(row, registry, now) for row in rows]


def _due_times(dialect: Dialect, clock: Clock) -> Any:
    return select(
        dialect.now(clock).label("now"),
        select(func.min(JOB.c.run_at)).where(IS_SCHED).scalar_subquery().label("timer"),
        select(func.min(JOB.c.lease_until)).where(IS_LEASED).scalar_subquery().label("lease"),
        select(func.min(SCHEDULE.c.next_at))
        .where(SCHEDULE.c.enabled)
        .scalar_subquery()
        .label("slot"),
    )


async def _lock_limits(session: AsyncSession, lanes: Sequence[ReadyLane]) -> dict[str, Limit]:
    names = [lane.name for lane in lanes if lane.limit]
    if not names:
        return {}
    rows = await session.execute(
        select(LANE).where(LANE.c.name.in_(names)).with_for_update(skip_locked=True)
    )
    return {row.name: _limit(row) for row in rows}


async def _take_lane(
    session: AsyncSession,
    lane: ReadyLane,
    limits: dict[str, Limit],
    now: int,
    share: int,
    taken: Sequence[Row[Any]],
) -> Sequence[Row[Any]]:
    if lane.limit and lane.name not in limits:
        return []  # another worker is at this lane
    mine = [row.id for row in taken if row.lane == lane.name]
    count = share
    if lane.limit:
        count = limits[lane.name].allowed(now, share + len(mine)) - len(mine)
    if count <= 0:
        return []
    # Selected first and updated by id after: an UPDATE whose subquery has LIMIT and SKIP LOCKED may
    # take more rows than its limit when PostgreSQL runs the subquery more than once.
    jobs = await session.execute(
        select(JOB)
        .where(IS_READY, JOB.c.lane == lane.name, *([JOB.c.id.not_in(mine)] if mine else []))
        .order_by(JOB.c.prio, JOB.c.id)
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    return jobs.all()


async def _store_leases(
    session: AsyncSession, rows: Sequence[Row[Any]], owner: str, until: int
) -> None:
    if rows:
        await session.execute(
            update(JOB)
            .where(JOB.c.id.in_([row.id for row in rows]))
            .values(state=LEASED, attempts=JOB.c.attempts + 1, owner=owner, lease_until=until)
        )


async def _store_limits(
    session: AsyncSession, rows: Sequence[Row[Any]], limits: dict[str, Limit], now: int
) -> None:
    counts = {name: sum(row.lane == name for row in rows) for name in limits}
    used = [
        {"lane_name": name, "new_tat": limits[name].used(now, count)}
        for name, count in counts.items()
        if count
    ]
    if used:
        await session.execute(
            update(LANE)
            .where(LANE.c.name == bindparam("lane_name"))
            .values(tat=bindparam("new_tat")),
            used,
        )


def _limit(row: Row[Any]) -> Limit:
    return Limit(row.per_second, row.burst, row.tat, row.paused_until)


def _claimed(row: Row[Any], registry: JobRegistry, now: int) -> Claimed:
    return Claimed(make_run(row, row.attempts + 1, registry), max(0, now - row.run_at))


def make_run(row: Row[Any], attempts: int, registry: JobRegistry) -> JobRun:
    """Turn a row of the job table into what handlers see."""
    kind = registry.get(row.kind)
    return JobRun(
        id=row.id,
        kind=row.kind,
        key=row.key,
        payload=row.payload,
        attempts=attempts,
        lane=row.lane,
        first_queued=datetime.fromtimestamp(row.created_at / 1000, UTC),
        last_attempt=kind is not None and attempts >= kind.max_attempts,
    )
