"""The gate of the router: so many messages are answered at once, the others wait in line.

First come, first served, as long as the line is short. When more comes than can be answered, that
would answer nobody in time: each would reach the front just when its platform has given up. Then
the last come is served first, and whoever is no longer waited for when nobody else is. Called by
the router.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

# Who has waited longer than this will hardly be answered in time by coming first, and would take
# the place of one who will: platforms wait for five seconds, of which an answer needs one or two.
FAIR_SECONDS = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """One in line: whether its answer is still waited for, since when, and how it is called in."""

    wanted: Callable[[], bool]
    since: float
    called: asyncio.Future[None]


class Gate:
    """Lets so many in at once.

    Args:
        places: how many are inside at most.
    """

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._line: list[_Waiting] = []

    @property
    def crowded(self) -> bool:
        """Say whether more are in line than there are places."""
        return len(self._line) > self._places

    @asynccontextmanager
    async def place(self, wanted: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait for a place and hold it.

        Args:
            wanted: says whether somebody still waits for this one's answer.
        """
        await self._come_in(wanted)
        try:
            yield
        finally:
            self._leave()

    async def _come_in(self, wanted: Callable[[], bool]) -> None:
        if self._free:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        one = _Waiting(wanted, loop.time(), loop.create_future())
        self._line.append(one)
        try:
            await one.called
        except asyncio.CancelledError:
            if not one.called.cancelled():
                # Called in and cancelled in the same moment: the place goes to the next.
                self._leave()
            raise

    def _leave(self) -> None:
        """Hand the place on."""
        self._line = [one for one in self._line if not one.called.cancelled()]
        if not self._line:
            self._free += 1
            return
        one = self._next()
        self._line.remove(one)
        one.called.set_result(None)

    def _next(self) -> _Waiting:
        wanted = [one for one in self._line if one.wanted()]
        if not wanted:
            return self._line[0]
        now = asyncio.get_running_loop().time()
        return wanted[0] if now - wanted[0].since < FAIR_SECONDS else wanted[-1]
