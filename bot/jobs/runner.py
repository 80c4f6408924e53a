"""Run one attempt at a job and say what became of it. Called by the worker, once per slot."""

import asyncio
from collections.abc import Awaitable
from random import Random
from typing import TypeVar

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.db.models.job import DONE, LEASED
from bot.jobs.dialect import Dialect
from bot.jobs.outcomes import (
    UNKNOWN_KIND_WAIT_SECONDS,
    Again,
    Done,
    Outcome,
    Unknown,
    judge,
    out_of_time,
    reason_of,
)
from bot.jobs.registry import JobKind, JobRun, SendKind, TxKind
from bot.jobs.table import JOB

_log = structlog.get_logger(__name__)


_Result = TypeVar("_Result")


class LeaseLost(Exception):
    """The job is somebody else's by now."""


class OutOfTime(Exception):
    """The handler took longer than its kind may."""


class Runner:
    """Runs handlers of both kinds, within their time."""

    def __init__(
        self, database: Database, dialect: Dialect, clock: Clock, owner: str, random: Random
    ) -> None:
        self._database = database
        self._dialect = dialect
        self._clock = clock
        self._owner = owner
        self._random = random
        self._tx_gate = asyncio.Semaphore(dialect.tx_at_once)

    async def attempt(self, run: JobRun, kind: JobKind | None) -> Outcome | None:
        """Run the handler.

        Returns:
            What has to be written down; None when the handler's own transaction has done so.

        Raises:
            LeaseLost: nothing is to be written, the job has another owner.
        """
        if kind is None:
            # Another release's: that worker will take it, or this one after its update.
            _log.warning("job_kind_unknown", job=run.id, kind=run.kind)
            return Again(int(UNKNOWN_KIND_WAIT_SECONDS * 1000), "kind unknown", count=False)
        try:
            if isinstance(kind, TxKind):
                await self._transact(run, kind)
                return None
            return Done(await _within(kind.timeout, kind.handler(run)))
        except LeaseLost:
            raise
        except OutOfTime:
            _log.warning("job_out_of_time", job=run.id, kind=run.kind)
            return out_of_time(kind, run, self._clock.now(), self._random)
        except Exception as error:
            _log.warning("job_attempt_failed", job=run.id, kind=run.kind, error=reason_of(error))
            return judge(error, run, self._clock.now(), self._random)

    async def _transact(self, run: JobRun, kind: TxKind) -> None:
        async with self._tx_gate, self._database.write() as session:
            # The ack comes first: its row lock keeps the job ours until the commit.
            await self._acknowledge(session, run)
            await _within(kind.timeout, kind.handler(session, run))

    async def _acknowledge(self, session: AsyncSession, run: JobRun) -> None:
        hit = await session.scalar(
            update(JOB)
            .where(JOB.c.id == run.id, JOB.c.owner == self._owner, JOB.c.state == LEASED)
            .values(
                state=DONE, done_at=self._dialect.now(self._clock), lease_until=None, error=None
            )
            .returning(JOB.c.id)
        )
        if hit is None:
            raise LeaseLost


async def _within(seconds: float, work: Awaitable[_Result]) -> _Result:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await work
    except TimeoutError as error:
        # A handler may raise its own TimeoutError; only ours means that its time is up.
        raise (OutOfTime() if limit.expired() else error) from error


def stopped(kind: JobKind | None) -> Outcome:
    """Say what becomes of a job that was cut off because its worker stops."""
    if isinstance(kind, SendKind) and kind.on_lost == "hold":
        return Unknown("stopped")
    return Again(0, "stopped", count=False)
