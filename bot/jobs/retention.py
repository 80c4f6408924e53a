"""Forget jobs that are long done, a batch at a time. `bot.wiring` installs it once.

Done and cancelled jobs are kept for a month, and with them the keys that keep the same work from
being enqueued twice. Dead and unknown ones stay until a person has decided.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, epoch_ms
from bot.db.models.job import CANCELLED, DONE
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import JOB, enqueue, ensure_schedule

KIND = "jobs.forget"
KEEP = timedelta(days=30)
ROWS_AT_ONCE = 2_000
NIGHTLY = "17 3 * * *"


async def forget(session: AsyncSession, before: datetime, limit: int = ROWS_AT_ONCE) -> int:
    """Delete the oldest jobs that were done or cancelled before a moment.

    Returns:
        How many were deleted; fewer than `limit` means that none is left.
    """
    old = await session.scalars(
        select(JOB.c.id)
        .where(
            JOB.c.done_at.is_not(None),
            JOB.c.done_at < epoch_ms(before),
            JOB.c.state.in_((DONE, CANCELLED)),
        )
        .order_by(JOB.c.done_at)
        .limit(limit)
    )
    ids = old.all()
    if ids:
        await session.execute(delete(JOB).where(JOB.c.id.in_(ids)))
    return len(ids)


def register_forgetting(registry: JobRegistry, clock: Clock) -> None:
    """Register the nightly job; each batch is a job of its own and enqueues the next one."""

    async def handle(session: AsyncSession, run: JobRun) -> None:
        now = clock.now()
        if await forget(session, now - KEEP) == ROWS_AT_ONCE:
            first, _, number = run.key.partition("#")
            await enqueue(session, KIND, {}, key=f"{first}#{int(number or 0) + 1}", now=now)

    registry.tx(KIND, handle)


async def schedule_forgetting(session: AsyncSession, now: datetime) -> None:
    """Make sure that it runs every night."""
    await ensure_schedule(
        session, KIND, cron=NIGHTLY, kind=KIND, payload={}, misfire_seconds=43_200, now=now
    )
