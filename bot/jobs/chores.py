"""What has come due by the clock: timers, schedules, lost leases. Called by the worker."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, epoch_ms
from bot.core.errors import ConfigInvalid
from bot.db.models.job import READY
from bot.jobs.claim import IS_SCHED
from bot.jobs.cron import next_slot, slot_to_run
from bot.jobs.dialect import Dialect
from bot.jobs.leases import Lost, reap_leases
from bot.jobs.registry import JobRegistry
from bot.jobs.table import JOB, SCHEDULE, enqueue

TIMERS_AT_ONCE = 2_000
SCHEDULES_AT_ONCE = 200
_log = structlog.get_logger(__name__)


async def wake_timers(session: AsyncSession, now: int) -> None:
    """Make the timers ready whose time has come."""
    due = await session.scalars(
        select(JOB.c.id)
        .where(IS_SCHED, JOB.c.run_at <= now)
        .order_by(JOB.c.run_at)
        .limit(TIMERS_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    if ids := due.all():
        await session.execute(update(JOB).where(JOB.c.id.in_(ids)).values(state=READY))


async def run_schedules(session: AsyncSession, now: int) -> None:
    """Enqueue what the schedules are due for; each slot has one key, so it can't come twice."""
    due = await session.execute(
        select(SCHEDULE)
        .where(SCHEDULE.c.enabled, SCHEDULE.c.next_at <= now)
        .order_by(SCHEDULE.c.next_at)
        .limit(SCHEDULES_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    for row in due.all():
        await _run_schedule(session, row, _moment(now))


async def do_chores(
    session: AsyncSession,
    dialect: Dialect,
    clock: Clock,
    registry: JobRegistry,
    *,
    owner: str,
    held: Collection[int],
) -> Lost:
    """Do whatever the clock asks for, in the claiming transaction."""
    now = await dialect.now_ms(session, clock)
    await run_schedules(session, now)
    await wake_timers(session, now)
    return await reap_leases(session, registry, now, owner=owner, held=held)


async def _run_schedule(session: AsyncSession, row: Row[Any], now: datetime) -> None:
    try:
        slot = slot_to_run(row.cron, row.tz, _moment(row.next_at), now, row.misfire_seconds)
        following = epoch_ms(next_slot(row.cron, row.tz, now))
    except ConfigInvalid:
        # One that can't be read any more must not stop the others.
        _log.error("job_schedule_unreadable", schedule=row.name)
        await _change_schedule(session, row.name, enabled=False)
        return
    await _change_schedule(session, row.name, next_at=following)
    if slot is None:
        _log.warning("job_schedule_missed", schedule=row.name)
        return
    key = f"cron:{row.name}:{epoch_ms(slot)}"
    await enqueue(session, row.kind, row.payload, key=key, now=now, run_at=slot)


async def _change_schedule(session: AsyncSession, name: str, **values: object) -> None:
    await session.execute(update(SCHEDULE).where(SCHEDULE.c.name == name).values(**values))


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
