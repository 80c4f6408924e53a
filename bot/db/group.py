"""Group commit for SQLite: writers that wait for one another share one transaction on the disk.

A commit costs some milliseconds of disk, whatever is in it. The first writer begins the
transaction; those that were waiting by then follow, each in a savepoint of its own, so that one
that fails takes only its own rows along; then all are committed at once. Every writer returns only
after the commit: what has been said to be stored is stored. Called by `bot.db.engine`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, AsyncTransaction


@dataclass(frozen=True, slots=True)
class _Group:
    """An open transaction and the word of its end."""

    connection: AsyncConnection
    transaction: AsyncTransaction
    committed: "asyncio.Future[None]"


class GroupCommit:
    """The one writer of a process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # First come, first served: the commit queues behind the writers it is for.
        self._turn = asyncio.Lock()
        self._group: _Group | None = None
        self._committing: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """Open a savepoint in the current group; return once the group is on the disk."""
        async with self._turn:
            group = self._group or await self._begin()
            async with (
                AsyncSession(
                    bind=group.connection,
                    expire_on_commit=False,
                    join_transaction_mode="create_savepoint",
                ) as session,
                session.begin(),
            ):
                yield session
        await asyncio.shield(group.committed)

    async def close(self) -> None:
        """Wait for the last commit."""
        if self._committing is not None:
            await asyncio.wait({self._committing})

    async def _begin(self) -> _Group:
        connection = await self._engine.connect()
        try:
            transaction = await connection.begin()
        except BaseException:
            await connection.close()
            raise
        committed = asyncio.get_running_loop().create_future()
        # Writers that failed don't wait; that nobody hears of a failed commit is then no mistake.
        committed.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._group = _Group(connection, transaction, committed)
        self._committing = asyncio.create_task(self._commit(self._group), name="commit")
        return self._group

    async def _commit(self, group: _Group) -> None:
        try:
            async with self._turn:
                self._group = None
                try:
                    await group.transaction.commit()
                except BaseException:
                    # Nobody knows what state it is in; the next group begins on a fresh one.
                    await group.connection.invalidate()
                    raise
                finally:
                    await group.connection.close()
        except asyncio.CancelledError:
            group.committed.cancel()
            raise
        except Exception as error:
            group.committed.set_exception(error)
        else:
            group.committed.set_result(None)
