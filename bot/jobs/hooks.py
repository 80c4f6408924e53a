"""Run a kind's hook without letting it break the transaction it runs in.

Called by `bot.jobs.leases` and `bot.jobs.acks`.
"""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.jobs.registry import Hook, JobRun

_log = structlog.get_logger(__name__)


async def call_hook(session: AsyncSession, hook: Hook | None, run: JobRun) -> None:
    """Run a hook so that its failure undoes only what the hook itself did."""
    if hook is None:
        return
    try:
        async with session.begin_nested():
            await hook(session, run)
    except Exception as error:
        _log.error("job_hook_failed", job=run.id, kind=run.kind, error=type(error).__name__)
