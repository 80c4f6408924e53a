"""Leases: hold on to running jobs, and decide about those whose worker fell silent.

Called by the worker and, inside the claiming transaction, by `bot.jobs.chores`.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.models.job import DEAD, LEASED, READY, UNKNOWN
from bot.jobs.claim import IS_LEASED, make_run
from bot.jobs.dialect import Dialect
from bot.jobs.hooks import call_hook
from bot.jobs.owner import is_dead
from bot.jobs.registry import JobRegistry, SendKind
from bot.jobs.table import JOB

LEASES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Lost:
    """Leases that ran out, by what became of their jobs; ids."""

    retried: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    buried: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.retried) + len(self.held) + len(self.buried)


async def renew(
    session: AsyncSession,
    dialect: Dialect,
    clock: Clock,
    *,
    owner: str,
    ids: Collection[int],
    lease_ms: int,
) -> None:
    """Hold on to jobs that are still running.

    Rows that a handler's own transaction has locked are left out: nobody else can take those.
    """
    ours = await session.scalars(
        select(JOB.c.id)
        .where(JOB.c.id.in_(ids), JOB.c.owner == owner, JOB.c.state == LEASED)
        .with_for_update(skip_locked=True)
    )
    if found := ours.all():
        until = dialect.now(clock) + lease_ms
        await session.execute(update(JOB).where(JOB.c.id.in_(found)).values(lease_until=until))


async def reap_leases(
    session: AsyncSession, registry: JobRegistry, now: int, *, owner: str, held: Collection[int]
) -> Lost:
    """Decide about jobs whose worker fell silent.

    The owner stays in the row: if that worker is only late, its acknowledgement still counts as
    long as nobody took the job over.

    Args:
        held: ids that this worker (`owner`) is still at: its own renewal is late, nothing is lost.
    """
    expired = await session.execute(
        select(JOB)
        .where(IS_LEASED, JOB.c.lease_until < now)
        .order_by(JOB.c.lease_until)
        .limit(LEASES_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    rows = [row for row in expired if not (row.owner == owner and row.id in held)]
    lost = Lost(
        held=tuple(row.id for row in rows if _holds(row, registry)),
        buried=tuple(row.id for row in rows if _is_spent(row, registry)),
        retried=tuple(
            row.id for row in rows if not _holds(row, registry) and not _is_spent(row, registry)
        ),
    )
    await _set_state(session, lost.retried, READY, None)
    await _set_state(session, lost.held, UNKNOWN, "lease lost")
    await _set_state(session, lost.buried, DEAD, "lease lost")
    for row in rows:
        if row.id not in lost.retried:
            await _tell(session, row, registry)
    return lost


async def dead_owners(session: AsyncSession) -> list[str]:
    """Return those who hold leases and were processes of this host that are gone."""
    owners = await session.scalars(select(JOB.c.owner).where(IS_LEASED).distinct())
    return [owner for owner in owners if owner and is_dead(owner)]


async def give_back(session: AsyncSession, owners: Collection[str]) -> None:
    """Let the leases of dead workers run out now; the next claim decides about their jobs."""
    await session.execute(
        update(JOB).where(IS_LEASED, JOB.c.owner.in_(owners)).values(lease_until=0)
    )


async def _set_state(
    session: AsyncSession, ids: Collection[int], state: str, error: str | None
) -> None:
    if ids:
        values = {"state": state} | ({"error": error} if error else {})
        await session.execute(update(JOB).where(JOB.c.id.in_(ids)).values(**values))


def _holds(row: Row[Any], registry: JobRegistry) -> bool:
    kind = registry.get(row.kind)
    return isinstance(kind, SendKind) and kind.on_lost == "hold"


def _is_spent(row: Row[Any], registry: JobRegistry) -> bool:
    # A job that takes its process down with it must not do so for ever.
    kind = registry.get(row.kind)
    return kind is not None and not _holds(row, registry) and row.attempts >= kind.max_attempts


async def _tell(session: AsyncSession, row: Row[Any], registry: JobRegistry) -> None:
    kind = registry.get(row.kind)
    if kind is None:
        return
    hook = kind.on_unknown if isinstance(kind, SendKind) and _holds(row, registry) else kind.on_dead
    run = replace(make_run(row, row.attempts, registry), error="lease lost")
    await call_hook(session, hook, run)
