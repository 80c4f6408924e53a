"""Marking passive replies as given to the platform, many in one commit.

A reply that left in a callback's answer has no receipt of its own; the answer's bytes having been
written to the socket is all that can be known. What is not marked within a few seconds is sent
again through the channel's own interface (`bot.pipeline.delivery`).
"""

import asyncio

import structlog
from starlette.background import BackgroundTask

from bot.services import deliveries
from bot.services.container import Services

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.02


class Handover:
    """Collect delivery ids and mark them in batches."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: list[int] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def after_answer(self, delivery_id: int) -> BackgroundTask:
        """Return what the web server runs once the answer's bytes are written."""
        return BackgroundTask(self._note, delivery_id)

    async def _note(self, delivery_id: int) -> None:
        self._waiting.append(delivery_id)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush_soon())

    async def _flush_soon(self) -> None:
        await asyncio.sleep(PAUSE_SECONDS)
        await self.flush()

    async def flush(self) -> None:
        """Write down every waiting reply and wait for what is being written already.

        A failure leaves it to the sweep. Who stops the process calls this last: what is not marked
        is sent a second time.
        """
        async with self._turn:
            while self._waiting:
                ids, self._waiting = self._waiting, []
                await self._mark(ids)

    async def _mark(self, ids: list[int]) -> None:
        try:
            async with self._services.database.write() as session:
                await deliveries.handed_over(session, ids, now=self._services.clock.now())
        except Exception as error:
            log.error("handover_failed", n=len(ids), error=type(error).__name__)
