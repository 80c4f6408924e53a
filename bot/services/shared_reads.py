"""One reading for many who ask at once. Called by `LoginReads` and, by `LiveEvents`, the queue.

Fifty open pages hear of a change at the same moment and all read the same queue. Whoever asks while
a reading runs waits for the next one, which begins after they asked and serves all who wait: nobody
is ever shown what was read before they asked, and fifty questions are two readings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
LISTED_FOR = timedelta(minutes=10)
_MOST_KEPT = 20_000


class SharedReads(Generic[T]):
    """Readings by key; whoever shares a key must be allowed to see the same."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}
        self._next: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """Return what a reading that begins from now on finds.

        Raises:
            Exception: whatever the reading raised, for all who waited for it.
        """
        running = self._running.get(key)
        if running is None:
            task = asyncio.create_task(self._run(key, read))
            self._running[key] = task
        elif key in self._next:
            task = self._next[key]
        else:
            task = asyncio.create_task(self._after(running, key, read))
            self._next[key] = task
        # A browser that leaves must not end the reading for the others.
        return await asyncio.shield(task)

    async def _run(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        try:
            return await read()
        finally:
            following = self._next.pop(key, None)
            if following is None:
                del self._running[key]
            else:
                self._running[key] = following

    async def _after(
        self, running: asyncio.Task[T], key: Hashable, read: Callable[[], Awaitable[T]]
    ) -> T:
        await asyncio.wait([running])
        return await self._run(key, read)


class GatheredReads(Generic[K, T]):
    """Single things by key: all that are asked for at one moment come from one reading.

    Args:
        read: returns what it finds of some keys; it begins after all of them were asked for.
    """

    def __init__(self, read: Callable[[Collection[K]], Awaitable[Mapping[K, T]]]) -> None:
        self._read = read
        self._asked: set[K] = set()
        self._running: asyncio.Task[Mapping[K, T]] | None = None
        self._next: asyncio.Task[Mapping[K, T]] | None = None

    async def get(self, key: K) -> T | None:
        """Return what a reading that begins from now on finds of a key, None for nothing.

        Raises:
            Exception: whatever the reading raised, for all who waited for it.
        """
        self._asked.add(key)
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        # A browser that leaves must not end the reading for the others.
        return (await asyncio.shield(self._next)).get(key)

    async def _after(self, running: asyncio.Task[Mapping[K, T]] | None) -> Mapping[K, T]:
        if running is not None:
            await asyncio.wait([running])
        asked, self._asked = self._asked, set()
        self._running, self._next = self._next, None
        return await self._read(asked)


class Lately:
    """What this process has just written into the audit trail, so that it need not look there.

    Only a shortcut: what is not here is looked up, and after `LISTED_FOR` it is not here.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, datetime] = {}

    def holds(self, key: Hashable, now: datetime) -> bool:
        """Say whether something was written within the last minutes, as this clock reads it."""
        at = self._kept.get(key)
        return at is not None and timedelta(0) <= now - at < LISTED_FOR

    def keep(self, key: Hashable, now: datetime) -> None:
        """Note that something is written; call it after the commit."""
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = now
