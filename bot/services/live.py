"""Live changes for the desk: rows written with the change, pushed to every open page.

`publish` is called by services inside their transaction; `LiveEvents` is one hub per process, for
the desk's event stream. Whoever commits calls `wake()`; of changes made by other processes
PostgreSQL sends a notice (`bot.db.notices`), and a short poll finds what no notice told of. Both
run only while somebody listens.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from anyio import CancelScope
from sqlalchemy import delete, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.db.models import DeskEvent
from bot.db.notices import Topic, notify
from bot.services.login_reads import LoginReads
from bot.services.shared_reads import Lately, SharedReads

POLL_SECONDS = 0.3
QUEUE_SIZE = 500
REPLAY_LIMIT = 500
KEPT = timedelta(days=1)
# PostgreSQL hands out ids before the commit: a lower id may become visible after a higher one.
LATE_IDS = 64

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One change; it carries ids only, the page fetches what it may see."""

    id: int
    kind: str
    place_id: int | None
    case_id: int | None


async def publish(
    session: AsyncSession, kind: str, *, place_id: int | None, case_id: int | None, now: datetime
) -> None:
    """Write a change that open pages are to be told of, in the caller's transaction."""
    session.add(DeskEvent(at=now, kind=kind, place_id=place_id, case_id=case_id))
    await notify(session, Topic.DESK)


async def newest_id(session: AsyncSession) -> int:
    """Return the id of the newest change, 0 for none; a page starts listening after it."""
    return await session.scalar(select(func.max(DeskEvent.id))) or 0


async def forget(session: AsyncSession, *, before: datetime) -> None:
    """Delete changes older than a moment (a day is kept, for replay)."""
    await session.execute(delete(DeskEvent).where(DeskEvent.at < before))


class LiveEvents:
    """The hub of one process; its pages share `reads` and `logins`, and `listed` for the trail."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listeners: set[asyncio.Queue[LiveEvent | None]] = set()
        self._woken = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._cursor = 0
        self._seen: deque[int] = deque(maxlen=4 * LATE_IDS)
        self._starting = asyncio.Lock()
        self.closed = False
        self.reads: SharedReads[Any] = SharedReads()
        self.logins = LoginReads(database, clock)
        self.listed = Lately()

    @property
    def listeners(self) -> int:
        """Return how many streams are open."""
        return len(self._listeners)

    def wake(self) -> None:
        """Look for new rows at once; called after a commit."""
        self._woken.set()

    async def close(self) -> None:
        """End all streams and the poll."""
        self.closed = True
        for queue in self._listeners:
            _put(queue, None)
        self._woken.set()
        if self._poller is not None:
            await self._poller
            self._poller = None

    async def subscribe(self, last_event_id: int | None = None) -> AsyncGenerator[LiveEvent]:
        """Yield changes one by one until the hub closes.

        Args:
            last_event_id: the newest change the page knows; what came after it is replayed.
        """
        async with aclosing(self.batches(last_event_id)) as batches:
            async for batch in batches:
                for event in batch:
                    yield event

    async def batches(
        self, last_event_id: int | None = None, *, gather: float = 0
    ) -> AsyncGenerator[list[LiveEvent]]:
        """Yield changes until the hub closes: all of a moment together, never an empty list.

        What comes while the caller is busy with one batch is in the next one, so that a page that
        reads slowly, or pauses, is not told the same again and again.

        Args:
            last_event_id: the newest change the page knows; what came after it is replayed.
            gather: seconds for which more is waited for after the first of a batch.
        """
        queue: asyncio.Queue[LiveEvent | None] = asyncio.Queue(QUEUE_SIZE)
        self._listeners.add(queue)
        try:
            # A browser that leaves at this moment must not tear a connection out of its read.
            with CancelScope(shield=True):
                await self._start()
                replayed = [] if last_event_id is None else await self._after(last_event_id)
            if replayed:
                yield replayed
            known = {event.id for event in replayed}
            while not self.closed and (first := await queue.get()) is not None:
                if gather:
                    await asyncio.sleep(gather)
                found = [first, *_waiting(queue)]
                if batch := [event for event in found if event.id not in known]:
                    yield batch
        finally:
            self._listeners.discard(queue)

    async def _start(self) -> None:
        async with self._starting:
            if self._poller is not None and not self._poller.done():
                return
            async with self._database.read() as session:
                self._cursor = await newest_id(session)
            late = range(max(1, self._cursor - LATE_IDS), self._cursor + 1)
            self._seen.extend(late)
            self._poller = asyncio.create_task(self._keep_looking(), name="desk-events")

    async def _after(self, event_id: int) -> list[LiveEvent]:
        async with self._database.read() as session:
            rows = await session.scalars(
                select(DeskEvent)
                .where(DeskEvent.id > event_id, DeskEvent.at > self._clock.now() - KEPT)
                .order_by(DeskEvent.id.desc())
                .limit(REPLAY_LIMIT)
            )
            return [_event(row) for row in reversed(rows.all())]

    async def _keep_looking(self) -> None:
        leave = self._database.notices.hear(Topic.DESK, self.wake)
        try:
            await self._poll()
        finally:
            leave()

    async def _poll(self) -> None:
        while self._listeners and not self.closed:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._distribute()
            except SQLAlchemyError as error:
                _log.warning("desk.events.poll_failed", error=type(error).__name__)

    async def _distribute(self) -> None:
        floor = self._cursor if self._database.is_sqlite else self._cursor - LATE_IDS
        for event in await self._after(floor):
            if event.id in self._seen:
                continue
            self._seen.append(event.id)
            self._cursor = max(self._cursor, event.id)
            for queue in self._listeners:
                _put(queue, event)


def _put(queue: asyncio.Queue[LiveEvent | None], event: LiveEvent | None) -> None:
    """Add an event; a page that does not read loses its oldest (each one only says: look again)."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)


def _waiting(queue: asyncio.Queue[LiveEvent | None]) -> list[LiveEvent]:
    """Return what stands in a queue already, without waiting."""
    found: list[LiveEvent] = []
    while not queue.empty():
        if (event := queue.get_nowait()) is not None:
            found.append(event)
    return found


def _event(row: DeskEvent) -> LiveEvent:
    return LiveEvent(row.id, row.kind, row.place_id, row.case_id)
