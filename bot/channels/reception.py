"""Reception: store a message, then have it routed once, whoever waits for it or does not.

Shared by the callback route and by connections that the service opens itself (DingTalk Stream).
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from bot.core.levels import ESCALATED
from bot.core.messages import IncomingMessage, Kind, Receipt
from bot.db.failures import kind_of
from bot.pipeline.inbox import Inbox
from bot.pipeline.router import Routed, Router
from bot.pipeline.slot import PassiveSlot, wait

log = structlog.get_logger(__name__)


class Reception:
    """Takes messages into the house and remembers what is being routed.

    Args:
        heard: told channel and account of every message, before it is stored.
        reported: told of what a platform reports by itself, once it is stored.
    """

    def __init__(
        self,
        inbox: Inbox,
        router: Router,
        *,
        heard: Callable[[str, str], object] = lambda _channel, _account: None,
        reported: Callable[[IncomingMessage], Awaitable[None]] | None = None,
    ) -> None:
        self._inbox = inbox
        self._router = router
        self._heard = heard
        self._reported = reported
        self._running: dict[int, asyncio.Task[Routed]] = {}
        self._storing: set[asyncio.Task[Receipt]] = set()

    async def accept(self, incoming: IncomingMessage) -> Receipt:
        """Store and screen a message."""
        self._heard(incoming.channel, incoming.account)
        receipt = await self._inbox.accept(incoming)
        if incoming.kind is Kind.RECEIPT and self._reported is not None:
            # Also for a repetition: the first time may have been cut off in between.
            await self._reported(incoming)
        return receipt

    async def accept_within(self, incoming: IncomingMessage, seconds: float) -> Receipt:
        """Store and screen a message for somebody who hangs up after a while.

        What is late goes on, since it may just be done: the platform sends the message again and
        finds it stored, or the sweep routes it.

        Raises:
            TimeoutError: not stored by then.
        """
        task = asyncio.create_task(self.accept(incoming))
        self._storing.add(task)
        task.add_done_callback(self._stored)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            raise TimeoutError
        return task.result()

    async def take(self, incoming: IncomingMessage) -> None:
        """Store and screen a message; its routing goes on after this returns."""
        self.start(await self.accept(incoming))

    async def answer(self, receipt: Receipt, seconds: float) -> Routed | None:
        """Route a stored message and wait as long as its platform does for words.

        Args:
            seconds: the platform's limit for an answer.
        """
        if not receipt.answerable:
            return None
        running = self._running.get(receipt.message_id)
        if running is not None:
            # The platform's retry while the first try is still being worked on.
            done, _ = await asyncio.wait({running}, timeout=seconds)
            return running.result() if done else None
        slot = PassiveSlot()
        return await wait(self._start(receipt, slot), slot, seconds)

    async def finish(self, seconds: float) -> None:
        """Wait for what is under way; what is not routed by then the sweep routes again."""
        under_way = {*self._storing, *self._running.values()}
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)

    def start(self, receipt: Receipt) -> None:
        """Route a stored message for which nobody waits; its replies leave through the API."""
        if receipt.answerable and receipt.message_id not in self._running:
            self._start(receipt, None)

    def _start(self, receipt: Receipt, slot: PassiveSlot | None) -> "asyncio.Task[Routed]":
        task = asyncio.create_task(
            self._router.route(
                receipt.message_id, receipt.contact_id, slot, urgent=receipt.level in ESCALATED
            )
        )
        self._running[receipt.message_id] = task
        task.add_done_callback(partial(self._finished, receipt.message_id))
        return task

    def _stored(self, task: "asyncio.Task[Receipt]") -> None:
        self._storing.discard(task)
        if not task.cancelled():
            # Whoever waited was told; for who has left it is asked for, so that nothing warns.
            task.exception()

    def _finished(self, message_id: int, task: "asyncio.Task[Routed]") -> None:
        self._running.pop(message_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Whoever waited may have left by now; the sweep routes the message again.
            log.error("route_failed", message=message_id, error=kind_of(error))
