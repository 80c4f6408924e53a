"""The job table on PostgreSQL: many hosts, the database's clock, LISTEN and NOTIFY."""

from collections.abc import Awaitable, Callable

from sqlalchemy import BigInteger, ColumnElement, Table, cast, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bot.core.clock import Clock
from bot.jobs.dialect import Wake

CHANNEL = "xinqing_job"


class PostgresqlDialect:
    """PostgreSQL's side of `bot.jobs.dialect.Dialect`."""

    # The pool (10 + 10) is shared with the web when the worker runs inside it.
    tx_at_once = 8

    def now(self, clock: Clock) -> ColumnElement[int]:
        """Return the database's own moment: hosts' clocks may differ, leases must not."""
        return cast(func.extract("epoch", func.clock_timestamp()) * 1000, BigInteger)

    async def now_ms(self, session: AsyncSession, clock: Clock) -> int:
        """Ask the database for its moment."""
        return int(await session.scalar(select(self.now(clock))) or 0)

    def insert(self, table: Table) -> postgresql.Insert:
        """Return PostgreSQL's insert."""
        return postgresql.insert(table)

    async def notify(self, session: AsyncSession) -> None:
        """Send one notification at commit; equal ones of a transaction are folded into one."""
        await session.execute(select(func.pg_notify(CHANNEL, "")))

    def listener(
        self, engine: AsyncEngine, wake: Wake
    ) -> Callable[[Callable[[], None]], Awaitable[None]] | None:
        """Return a task that keeps a connection of its own open and wakes the worker.

        Source: https://www.psycopg.org/psycopg3/docs/advanced/async.html (notifications).
        """
        url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)

        async def listen(alive: Callable[[], None]) -> None:
            from psycopg import AsyncConnection

            async with await AsyncConnection.connect(url, autocommit=True) as connection:
                await connection.execute(f"LISTEN {CHANNEL}")
                alive()
                wake()
                async for _ in connection.notifies():
                    wake()
            raise ConnectionError("the listening connection ended")

        return listen
