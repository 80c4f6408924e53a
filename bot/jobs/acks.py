"""Write down what became of jobs, many in one transaction, and forget none of it.

`Flusher` gathers outcomes for some 20 ms and settles them together; a slot is free only when its
job is settled, so a database that is down holds new work back. Every statement is guarded by the
owner: a job that somebody else has taken over meanwhile is left alone. Called by the worker.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import exc, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.db.models.job import DEAD, DONE, LEASED, READY, SCHED, UNKNOWN
from bot.jobs.dialect import Dialect
from bot.jobs.hooks import call_hook
from bot.jobs.outcomes import Again, Dead, Done, Outcome, Unknown
from bot.jobs.registry import JobKind, JobRun, OnAck, SendKind
from bot.jobs.supervise import Alive
from bot.jobs.table import JOB, pause_lane_until

GATHER_SECONDS = 0.02
LARGEST_BATCH = 500
CAREFUL_AFTER = 5
_TRANSIENT = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settlement:
    """One outcome on its way to the table; `written` tells whether the job was still ours."""

    run: JobRun
    kind: JobKind | None
    outcome: Outcome
    written: asyncio.Future[bool] = field(compare=False)


class Flusher:
    """Gathers settlements and writes them, in order, until they are written.

    Args:
        in_flight: how many jobs hold a slot; when all of them wait here, nothing is gained by
            waiting for more.
    """

    def __init__(
        self,
        database: Database,
        dialect: Dialect,
        clock: Clock,
        owner: str,
        in_flight: Callable[[], int],
    ) -> None:
        self._database = database
        self._dialect = dialect
        self._clock = clock
        self._owner = owner
        self._in_flight = in_flight
        self._pending: list[Settlement] = []
        self._some = asyncio.Event()
        self._all = asyncio.Event()
        self._failures = 0

    async def settle(self, run: JobRun, kind: JobKind | None, outcome: Outcome) -> bool:
        """Hand in an outcome and wait until it is committed.

        Returns:
            Whether the job was still this worker's.
        """
        written = asyncio.get_running_loop().create_future()
        self._pending.append(Settlement(run, kind, outcome, written))
        self._some.set()
        if len(self._pending) >= min(self._in_flight(), LARGEST_BATCH):
            self._all.set()
        return bool(await written)

    async def run(self, alive: Alive) -> None:
        """Write batches for ever; a batch that fails stays first in line for the next run."""
        if not self._pending:
            alive()
        while True:
            await self._some.wait()
            await self._gather()
            await self._write()
            alive()

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._all.wait()
        self._all.clear()

    async def _write(self) -> None:
        batch = self._pending[:LARGEST_BATCH]
        ours = await self._commit(batch)
        self._failures = 0
        del self._pending[: len(batch)]
        if not self._pending:
            self._some.clear()
        for settlement in batch:
            if not settlement.written.done():
                settlement.written.set_result(settlement.run.id in ours)

    async def _commit(self, batch: Sequence[Settlement]) -> Collection[int]:
        try:
            return await self._commit_once(batch, careful=self._failures >= CAREFUL_AFTER)
        except _TRANSIENT:
            self._failures += 1
            raise
        except Exception as error:
            # Somebody's receipt can't be stored. It must not hold up the others.
            _log.error("job_batch_failed", jobs=len(batch), error=type(error).__name__)
            return await self._commit_once(batch, careful=True)

    async def _commit_once(self, batch: Sequence[Settlement], *, careful: bool) -> Collection[int]:
        async with self._database.write() as session:
            ours = await self._settle_rows(session, batch)
            for settlement in batch:
                if settlement.run.id in ours:
                    await self._follow_up(session, settlement, careful)
        return ours

    async def _settle_rows(
        self, session: AsyncSession, batch: Sequence[Settlement]
    ) -> Collection[int]:
        now = self._dialect.now(self._clock)
        done = [item.run.id for item in batch if isinstance(item.outcome, Done)]
        ours = await self._mark(
            session,
            done,
            # One whose lease ran out counts as done too, as long as nobody has taken it over.
            (LEASED, READY, UNKNOWN),
            {"state": DONE, "done_at": now, "lease_until": None, "error": None},
        )
        for item in batch:
            ours |= await self._settle_other(session, item, now)
        return ours

    async def _settle_other(self, session: AsyncSession, item: Settlement, now: Any) -> set[int]:
        match item.outcome:
            case Again(delay_ms, reason, count, pause_ms):
                values = {
                    "state": SCHED,
                    "run_at": now + delay_ms,
                    "attempts": JOB.c.attempts - (0 if count else 1),
                    "owner": None,
                    "error": reason,
                }
                if pause_ms:
                    await pause_lane_until(session, item.run.lane, now + pause_ms)
            case Dead(reason):
                values = {"state": DEAD, "error": reason}
            case Unknown(reason):
                values = {"state": UNKNOWN, "error": reason}
            case Done():
                return set()
        return await self._mark(session, [item.run.id], (LEASED,), values)

    async def _mark(
        self,
        session: AsyncSession,
        ids: Sequence[int],
        states: Sequence[str],
        values: dict[str, Any],
    ) -> set[int]:
        if not ids:
            return set()
        mine = (JOB.c.id.in_(ids), JOB.c.owner == self._owner, JOB.c.state.in_(states))
        rows = await session.scalars(update(JOB).where(*mine).values(**values).returning(JOB.c.id))
        return set(rows)

    async def _follow_up(self, session: AsyncSession, item: Settlement, careful: bool) -> None:
        match item.outcome:
            case Done(after) if after is not None:
                await self._run_after(session, item, after, careful)
            case Dead(reason) if item.kind is not None:
                run = replace(item.run, error=reason)
                await call_hook(session, item.kind.on_dead, run)
            case Unknown(reason) if isinstance(item.kind, SendKind):
                run = replace(item.run, error=reason)
                await call_hook(session, item.kind.on_unknown, run)

    async def _run_after(
        self, session: AsyncSession, item: Settlement, after: OnAck, careful: bool
    ) -> None:
        if not careful:
            await after(session)
            return
        try:
            async with session.begin_nested():
                await after(session)
        except Exception as error:
            # The effect has happened and can't be recorded: neither done nor to be done again.
            reason = f"ack: {type(error).__name__}"
            _log.error("job_ack_failed", job=item.run.id, kind=item.run.kind, error=reason)
            await self._mark(session, [item.run.id], (DONE,), {"state": UNKNOWN, "error": reason})
            if isinstance(item.kind, SendKind):
                run = replace(item.run, error=reason)
                await call_hook(session, item.kind.on_unknown, run)
