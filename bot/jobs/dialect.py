"""What the two database engines do differently, as one small port; used all over `bot.jobs`.

Row locks need no difference: SQLAlchemy leaves `FOR UPDATE SKIP LOCKED` out on SQLite, where
BEGIN IMMEDIATE already lets only one writer in.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from sqlalchemy import ColumnElement, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.engine import Database

Wake: TypeAlias = Callable[[], None]
Listener: TypeAlias = Callable[[Callable[[], None]], Awaitable[None]]
Insert: TypeAlias = sqlite.Insert | postgresql.Insert


class Dialect(Protocol):
    """One database engine, as far as the job table is concerned."""

    tx_at_once: int
    """How many transactional handlers of one worker may be inside their transaction at once."""

    def now(self, clock: Clock) -> ColumnElement[int]:
        """Return the present moment in epoch milliseconds, for use in a statement."""
        ...

    async def now_ms(self, session: AsyncSession, clock: Clock) -> int:
        """Return the present moment in epoch milliseconds."""
        ...

    def insert(self, table: Table) -> Insert:
        """Return an insert that knows ON CONFLICT."""
        ...

    async def notify(self, session: AsyncSession) -> None:
        """Wake the workers when this transaction commits: on PostgreSQL those of every process."""
        ...

    def listener(self, database: Database, wake: Wake) -> Listener:
        """Return a task that calls `wake` at every `notify`.

        The task is handed a function to call once it listens.
        """
        ...
