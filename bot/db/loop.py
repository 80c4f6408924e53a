"""SQLite on the event loop: only what may wait goes to a thread.

aiosqlite sends every call to a thread, some thirty hand-overs for one stored message; under load
each of them waits for the interpreter's lock. A statement on a local file in WAL mode takes some
microseconds, so it runs where it is. BEGIN IMMEDIATE (another process may hold the write lock),
COMMIT (the disk) and PRAGMA still go to aiosqlite's thread. Called by `bot.db.engine`.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

import aiosqlite

P = ParamSpec("P")
T = TypeVar("T")

BEGIN_WRITE = "BEGIN IMMEDIATE"
_WAITING_SQL = (BEGIN_WRITE, "PRAGMA")
CHUNK = 64
JOIN_SECONDS = 1.0


class LoopConnection(aiosqlite.Connection):
    """A connection whose statements run on the loop's own thread."""

    _writing = False
    # Each is counted by one thread only. They differ while the thread works, which goes on when
    # whoever waited is cancelled: touching the connection meanwhile, above all closing it, would
    # end the whole process.
    _handed_over = 0
    _come_back = 0

    async def _execute(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        sql = args[0] if args and isinstance(args[0], str) else ""
        if sql.startswith(_WAITING_SQL):
            found = await self._in_thread(fn, *args, **kwargs)
            self._writing = self._writing or sql == BEGIN_WRITE
            return found
        if self._handed_over != self._come_back:
            return await self._in_thread(fn, *args, **kwargs)
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        return fn(*args, **kwargs)

    async def _in_thread(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def work() -> T:
            try:
                return fn(*args, **kwargs)
            finally:
                self._come_back += 1

        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        self._handed_over += 1
        # aiosqlite leaves this method without types.
        found: T = await super()._execute(work)  # type: ignore[no-untyped-call]  # the library has no types here
        return found

    async def commit(self) -> None:
        """Commit; a write that SQLite itself has rolled back (a full disk) is an error.

        Raises:
            sqlite3.OperationalError: nothing was committed.
        """
        if not self._writing:
            await self._execute(self._conn.commit)
            return
        self._writing = False
        if not self._conn.in_transaction:
            raise sqlite3.OperationalError("the transaction was rolled back before its commit")
        await self._in_thread(self._conn.commit)

    async def rollback(self) -> None:
        """Roll back what is open."""
        self._writing = False
        await self._execute(self._conn.rollback)


async def connect(database: str, **options: Any) -> LoopConnection:
    """Open a file; called by SQLAlchemy's dialect with its own arguments."""
    options["check_same_thread"] = False
    connection = LoopConnection(partial(sqlite3.connect, database, **options), CHUNK)
    connection._thread.daemon = True
    try:
        await connection
    except BaseException:
        # aiosqlite has told its thread to end and waits for nothing; it must not report to a loop
        # that is closed by then. Opening a file fails at once, so this doesn't wait either.
        connection._thread.join(JOIN_SECONDS)
        raise
    return connection
