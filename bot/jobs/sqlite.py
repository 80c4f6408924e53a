"""The job table on SQLite: one host, the process's clock, and a bell within the process."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

from sqlalchemy import BigInteger, ColumnElement, Table, event, literal
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from bot.core.clock import Clock, epoch_ms
from bot.db.engine import Database
from bot.jobs.dialect import Listener, Wake

_LISTENS, _ENQUEUED = "jobs_listens", "jobs_enqueued"
# By database address: the workers of this process. Those of others find new work by looking.
_workers: defaultdict[str, list[Wake]] = defaultdict(list)


class SqliteDialect:
    """SQLite's side of `bot.jobs.dialect.Dialect`."""

    # All writers of the process stand in one line: more handlers in it share more commits, and the
    # web's writes wait for more of them.
    tx_at_once = 4

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
        """Wake this process's workers when the session's transaction ends.

        That may be shortly before the commit, which several sessions share: the worker looks more
        than once. A rollback does no harm.
        """
        info = session.sync_session.info
        info[_ENQUEUED] = True
        if not info.get(_LISTENS):
            info[_LISTENS] = True
            event.listen(session.sync_session, "after_transaction_end", _ring)

    def listener(self, database: Database, wake: Wake) -> Listener:
        """Return a task that has the worker woken as long as it runs."""
        wakes = _workers[str(database.engine.url)]

        async def listen(alive: Callable[[], None]) -> None:
            wakes.append(wake)
            alive()
            try:
                await asyncio.Event().wait()
            finally:
                wakes.remove(wake)

        return listen


def _ring(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None and session.info.pop(_ENQUEUED, False):
        for wake in _workers[str(session.get_bind().engine.url)]:
            wake()
