"""The job table on PostgreSQL: many hosts, the database's clock, LISTEN and NOTIFY."""

import asyncio
from collections.abc import Callable

from sqlalchemy import BigInteger, ColumnElement, Table, cast, func, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, SystemClock, epoch_ms
from bot.db.engine import Database
from bot.db.notices import Topic, notify
from bot.jobs.dialect import Listener, Wake


class PostgresqlDialect:
    """PostgreSQL's side of `bot.jobs.dialect.Dialect`."""

    # The pool (10 + 10) is shared with the web when the worker runs inside it.
    tx_at_once = 8

    def now(self, clock: Clock) -> ColumnElement[int]:
        """Return the database's own moment: hosts' clocks may differ, leases must not.

        A clock other than the host's, which tests set by hand, counts as it is.
        """
        if not isinstance(clock, SystemClock):
            return literal(epoch_ms(clock.now()), BigInteger)
        return cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    async def now_ms(self, session: AsyncSession, clock: Clock) -> int:
        """Ask for that moment."""
        return int(await session.scalar(select(self.now(clock))) or 0)

    def insert(self, table: Table) -> postgresql.Insert:
        """Return PostgreSQL's insert."""
        return postgresql.insert(table)

    async def notify(self, session: AsyncSession) -> None:
        """Wake the workers of every process at commit."""
        await notify(session, Topic.JOB)

    def listener(self, database: Database, wake: Wake) -> Listener:
        """Return a task that has the worker woken at every notice.

        The worker looks by itself too, so it is alive with or without the listening connection.
        """

        async def listen(alive: Callable[[], None]) -> None:
            leave = database.notices.hear(Topic.JOB, wake)
            alive()
            try:
                await asyncio.Event().wait()
            finally:
                leave()

        return listen
