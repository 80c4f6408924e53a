"""The reception: whoever waits for a message hangs up in time, and nothing stored is lost."""

import asyncio
from datetime import UTC, datetime

import pytest

from bot.channels.reception import Reception
from bot.core.messages import IncomingMessage, Kind, Receipt
from bot.pipeline.inbox import Inbox
from bot.pipeline.router import Routed, Router
from bot.pipeline.slot import PassiveSlot

MESSAGE = IncomingMessage(
    "wechat", "school1", "m1", "o1", Kind.TEXT, datetime(2026, 11, 22, tzinfo=UTC), text="您好"
)


class SlowInbox(Inbox):
    """Stores when it is let go."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.stored: list[IncomingMessage] = []
        self.failure: Exception | None = None

    async def accept(self, incoming: IncomingMessage) -> Receipt:
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.stored.append(incoming)
        return Receipt(1, 1, False, "0")


class Nobody(Router):
    """Routes nothing."""

    def __init__(self) -> None:
        self.routed: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def route(
        self,
        message_id: int,
        contact_id: int,
        slot: PassiveSlot | None = None,
        *,
        urgent: bool = False,
    ) -> Routed:
        await self.gate.wait()
        self.routed.append(message_id)
        return Routed(None)


async def test_a_store_that_stands_still_lets_the_caller_go_and_is_finished_later() -> None:
    inbox, router = SlowInbox(), Nobody()
    reception = Reception(inbox, router)
    with pytest.raises(TimeoutError):
        await reception.accept_within(MESSAGE, 0)
    assert inbox.stored == []
    inbox.gate.set()
    await reception.finish(5)
    assert inbox.stored == [MESSAGE]


async def test_a_store_that_fails_late_warns_nobody() -> None:
    inbox = SlowInbox()
    inbox.failure = OSError("gone")
    reception = Reception(inbox, Nobody())
    with pytest.raises(TimeoutError):
        await reception.accept_within(MESSAGE, 0)
    inbox.gate.set()
    await reception.finish(5)


async def test_in_time_it_gives_the_receipt_or_the_error() -> None:
    inbox, router = SlowInbox(), Nobody()
    inbox.gate.set()
    reception = Reception(inbox, router)
    assert (await reception.accept_within(MESSAGE, 5)).message_id == 1
    await reception.take(MESSAGE)
    await reception.finish(5)
    assert router.routed == [1]
    inbox.failure = OSError("gone")
    with pytest.raises(OSError, match="gone"):
        await reception.accept_within(MESSAGE, 5)
