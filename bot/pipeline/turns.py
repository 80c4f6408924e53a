"""One sender's messages one after the other, as they came; different senders side by side.

Called by the inbox. Reading a text takes another thread as long as the text is long: without this
a short message overtook the long one before it, and the screen read a person's turns in the wrong
order. Messages that come to two processes at once are not held in order.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Turns:
    """Who comes first is served first, by key."""

    def __init__(self) -> None:
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Wait for those with the same key who came before; they wait who come after."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            yield
