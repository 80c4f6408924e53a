"""The ways in: how each platform hands a message to the service, and what it does when that fails.

WeChat drops a callback after five seconds and sends the same message again, four times in all.
DingTalk over HTTP waits 2.5 s; how often it sends again it doesn't say, and four times in all is
assumed. Over Stream the gateway keeps what was not acknowledged and sends it on the next
connection. Called by `bench loss` and `bench stream`.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx2

from bot.bench.stage import Stage
from bot.bench.tally import Planned, Seen
from bot.core.clock import SystemClock
from bot.simulator.dingtalk_gateway import Gateway
from bot.simulator.driver import DELIVERIES, GIVE_UP_SECONDS, ServiceBroken

WECHAT, HTTP, STREAM = "wechat", "dingtalk-http", "dingtalk-stream"
STALE_BY = timedelta(hours=1)
DINGTALK_SECONDS = 2.5
# Longer than any restart: by then the gateway has sent the frame again itself.
UNACKNOWLEDGED_SECONDS = 30.0
BROKEN = (TimeoutError, ServiceBroken, httpx2.TransportError)

# One try at handing a message over; returns the words that came back, where the platform takes any.
Try = Callable[[], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way in.

    Args:
        prepare: makes the message.
        tries: how often the platform sends it in all.
        seconds: how long the platform waits for each.
        dated: whether a message can come so late that it is stale.
    """

    prepare: Callable[[Stage, Planned], Try]
    tries: int
    seconds: float
    dated: bool


class TimedGateway(Gateway):
    """A gateway that knows how long each acknowledgement took, from the frame's last sending."""

    def __init__(self) -> None:
        super().__init__()
        self.ack_seconds: list[float] = []
        self.codes: Counter[int] = Counter()
        self._sent_at: dict[str, float] = {}

    async def acknowledged(self, frame_id: str) -> None:
        """Wait until a frame is acknowledged.

        Raises:
            ServiceBroken: it was refused.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: frame_id in self.acks)
        if self.acks[frame_id].get("code") != 200:
            raise ServiceBroken("the frame was refused")

    async def _send(self, connection: Any, frame: dict[str, Any]) -> None:
        self._sent_at[frame["headers"]["messageId"]] = time.perf_counter()
        await super()._send(connection, frame)

    async def _acknowledged(self, connection: Any, ack: dict[str, Any]) -> None:
        sent_at = self._sent_at.pop(str(ack.get("headers", {}).get("messageId", "")), None)
        if sent_at is not None:
            self.ack_seconds.append(time.perf_counter() - sent_at)
        self.codes[int(ack.get("code", 0))] += 1
        await super()._acknowledged(connection, ack)


async def send(stage: Stage, way: Way, plan: Sequence[Planned]) -> list[Seen]:
    """Send every message of a plan when it is due, and return what the platform saw."""
    seen = [Seen(planned) for planned in plan]
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for one in seen:
            wait = start + one.planned.after - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            attempt = way.prepare(stage, one.planned)
            for _ in range(one.planned.copies):
                group.create_task(deliver(way, attempt, one))
    return seen


async def deliver(way: Way, attempt: Try, seen: Seen) -> None:
    """Hand a message over as the platform does: give up after a while, send again."""
    for _ in range(way.tries):
        start = time.perf_counter()
        seen.posted += 1
        try:
            async with asyncio.timeout(way.seconds):
                words = await attempt()
        except BROKEN:
            await asyncio.sleep(max(0.0, start + way.seconds - time.perf_counter()))
            continue
        seen.taken = True
        seen.words |= {words} if words else set()
        return


def _wechat(stage: Stage, planned: Planned) -> Try:
    stage.platform.wrote(planned.openid)
    number, at = planned.number, _moment(planned)
    prepared = stage.wechat.prepare(planned.openid, planned.text, message_id=number, at=at)

    async def attempt() -> str | None:
        return stage.wechat.read_answer(await stage.wechat.post(prepared))

    return attempt


def _dingtalk_http(stage: Stage, planned: Planned) -> Try:
    at = _moment(planned)
    prepared = stage.robot.wrap(_robot_message(stage, planned, at), at=at)

    async def attempt() -> str | None:
        response = await stage.robot.post(prepared)
        if response.status_code != 200:
            raise ServiceBroken(f"answered {response.status_code}")
        return None

    return attempt


def _dingtalk_stream(stage: Stage, planned: Planned) -> Try:
    gateway = stage.dingtalk.gateway
    assert isinstance(gateway, TimedGateway), "the stage was opened without it"
    message = _robot_message(stage, planned, None)

    async def attempt() -> str | None:
        frame = await gateway.push(stage.house.robot.app_key, message)
        await gateway.acknowledged(frame)
        return None

    return attempt


def _robot_message(stage: Stage, planned: Planned, at: datetime | None) -> dict[str, Any]:
    fields = {"msgId": planned.number}
    return stage.robot.message(planned.openid, planned.text, at=at, fields=fields)


def _moment(planned: Planned) -> datetime | None:
    return SystemClock().now() - STALE_BY if planned.stale else None


WAYS = {
    WECHAT: Way(_wechat, DELIVERIES, GIVE_UP_SECONDS, dated=True),
    HTTP: Way(_dingtalk_http, DELIVERIES, DINGTALK_SECONDS, dated=True),
    STREAM: Way(_dingtalk_stream, DELIVERIES, UNACKNOWLEDGED_SECONDS, dated=False),
}
