"""The job table on SQLite: one host, the process's clock, nobody to notify."""

from collections.abc import Awaitable, Callable

from sqlalchemy import BigInteger, ColumnElement, Table, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bot.core.clock import Clock, epoch_ms
from bot.jobs.dialect import Wake


class SqliteDialect:
    """SQLite's side of `bot.jobs.dialect.Dialect`."""

    # Writers queue on one lock; a second handler in that queue would only delay the web's writes.
    tx_at_once = 1

    def now(self, clock: Clock) -> ColumnElement[int]:
        """Return the clock's moment as a value."""
        return literal(epoch_ms(clock.now()), BigInteger)

    async def now_ms(self, session: AsyncSession, clock: Clock) -> int:
        """Return the clock's moment."""
        return epoch_ms(clock.now())

    def insert(self, table: Table) -> sqlite.Insert:
        """Return SQLite's insert."""
        return sqlite.insert(table)

    async def notify(self, session: AsyncSession) -> None:
        """Do nothing: the enqueuing process calls `Worker.wake`."""

    def listener(
        self, engine: AsyncEngine, wake: Wake
    ) -> Callable[[Callable[[], None]], Awaitable[None]] | None:
        """Return None."""
        return None
