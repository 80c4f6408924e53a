"""DingTalk Stream over real websockets on loopback: 50 disconnects, late stores, silence, rubbish.

Nobody sleeps here: backoff returns at once, and the long waits (silence, draining) are events that
the test lets go.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from dingtalk_world import APP_KEY, PERSON, World
from structlog.testing import capture_logs

from bot.channels.dingtalk import stream
from bot.channels.dingtalk.cards import read_click
from bot.channels.dingtalk.stream import (
    CARDS,
    DRAIN_SECONDS,
    SILENCE_SECONDS,
    StreamClient,
)
from bot.core.clock import Clock
from bot.core.messages import IncomingMessage, Kind
from bot.simulator.platform import Fault

OPEN = "/v1.0/gateway/connections/open"


class Sleeps:
    """Stands in for `asyncio.sleep`: short waits end at once, long ones when they are let go."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._long: dict[float, list[asyncio.Event]] = {}

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        if seconds not in (SILENCE_SECONDS, DRAIN_SECONDS):
            await asyncio.sleep(0)
            return
        event = asyncio.Event()
        self._long.setdefault(seconds, []).append(event)
        await event.wait()

    def let_go(self, seconds: float) -> None:
        for event in self._long.pop(seconds, []):
            event.set()

    @property
    def backoffs(self) -> list[float]:
        return [one for one in self.asked if one not in (SILENCE_SECONDS, DRAIN_SECONDS)]


class Store:
    """Stands in for the inbox: keeps a message once, counts what comes again."""

    def __init__(self) -> None:
        self.kept: dict[str, IncomingMessage] = {}
        self.again: Counter[str] = Counter()
        self.failures = 0
        self.gate: asyncio.Event | None = None
        self.changed = asyncio.Condition()

    async def accept(self, message: IncomingMessage) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError(message.text)
        async with self.changed:
            if message.platform_id in self.kept:
                self.again[message.platform_id] += 1
            self.kept.setdefault(message.platform_id, message)
            self.changed.notify_all()

    async def wait(self, count: int) -> None:
        async with self.changed:
            await self.changed.wait_for(lambda: len(self.kept) >= count)


class Line:
    """A fake gateway on loopback, and a client connected to it."""

    def __init__(self, world: World, sleeps: Sleeps) -> None:
        self.world = world
        self.sleeps = sleeps
        self.store = Store()
        self.troubles: list[str] = []
        self.client: StreamClient | None = None
        self.running: asyncio.Task[None] | None = None

    @property
    def gateway(self) -> Any:
        return self.world.dingtalk.gateway

    def start(self, *, secret: str = "", **more: Any) -> StreamClient:
        clock: Clock = self.world.clock
        self.client = StreamClient(
            "school1",
            client=self.world.client,
            accept=self.store.accept,
            clock=clock,
            on_trouble=self.troubles.append,
            sleep=self.sleeps,
            jitter=lambda: 1.0,
            **more,
        )
        self.running = asyncio.create_task(self.client.run())
        return self.client

    async def stop(self) -> None:
        if self.client is not None and self.running is not None:
            await self.client.stop()
            await self.running

    async def say(self, text: str) -> str:
        message = self.world.driver.message(PERSON, text)
        await self.gateway.push(APP_KEY, message)
        return str(message["msgId"])


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    world = World(base=base)
    config = uvicorn.Config(world.app, ws="websockets-sansio", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    made = Line(world, Sleeps())
    yield made
    await made.stop()
    await world.close()
    server.should_exit = True
    await serving


async def test_fifty_disconnects_lose_nothing_and_double_nothing(line: Line) -> None:
    client = line.start()
    gateway = line.gateway
    sent: list[str] = []
    ends: list[Callable[[], Awaitable[None]]] = [
        lambda: gateway.disconnect(APP_KEY),
        lambda: gateway.disconnect(APP_KEY, hang_up=True),
        lambda: gateway.drop(APP_KEY),
    ]
    for number in range(50):
        await gateway.wait_connected(APP_KEY, opened=number + 1)
        before = [line.say(f"before {number} {one}") for one in range(5)]
        sent += await asyncio.gather(*before)
        await ends[number % 3]()
        # Nobody may be connected now: the platform keeps these for whoever comes.
        sent += [await line.say(f"after {number} {one}") for one in range(5)]
    await line.store.wait(len(sent))
    await gateway.wait_acks(len(sent))
    lost = set(sent) - set(line.store.kept)
    assert (len(sent), lost) == (500, set())
    assert set(line.store.kept) == set(sent)
    # What came twice came twice from the platform, and is known by its id.
    assert sum(line.store.again.values()) <= gateway.redelivered
    assert client.connections == gateway.opened >= 50


async def test_nothing_is_acknowledged_before_it_is_stored(line: Line) -> None:
    line.store.gate = asyncio.Event()
    line.start()
    frame = await line.world.driver.say_stream(PERSON, "不想活了")
    await line.gateway.wait_connected(APP_KEY)
    ping = await line.gateway.ping(APP_KEY)
    await line.gateway.wait_acks(1)
    # A later ping was answered while the store hung: the message waits, the line does not.
    assert ping in line.gateway.acks
    assert frame not in line.gateway.acks
    line.store.gate.set()
    await line.gateway.wait_acks(2)
    ack = line.gateway.acks[frame]
    assert (ack["code"], json.loads(ack["data"])) == (200, {"response": {}})
    assert [message.text for message in line.store.kept.values()] == ["不想活了"]


async def test_what_failed_is_not_acknowledged_and_comes_again(line: Line) -> None:
    line.store.failures = 1
    client = line.start()
    await line.gateway.wait_connected(APP_KEY)
    with capture_logs() as logs:
        frame = await line.world.driver.say_stream(PERSON, "孩子在楼顶")
        await line.gateway.ping(APP_KEY)
        await line.gateway.wait_acks(1)
        assert frame not in line.gateway.acks
        await line.gateway.drop(APP_KEY)
        await line.store.wait(1)
    await line.gateway.wait_acks(2)
    assert frame in line.gateway.acks
    assert client.connections == 2
    assert "楼顶" not in repr(logs)
    assert any(entry.get("error") == "RuntimeError" for entry in logs)


async def test_what_is_stored_too_late_is_stored_and_not_acknowledged(line: Line) -> None:
    line.store.gate = asyncio.Event()
    line.start(ack_seconds=0.0)
    await line.gateway.wait_connected(APP_KEY)
    frame = await line.world.driver.say_stream(PERSON, "不想活了")
    await line.gateway.ping(APP_KEY)
    await line.gateway.wait_acks(1)
    line.store.gate.set()
    await line.store.wait(1)
    await line.gateway.ping(APP_KEY)
    await line.gateway.wait_acks(2)
    assert frame not in line.gateway.acks


async def test_a_duplicate_frame_is_acknowledged_again(line: Line) -> None:
    line.start()
    message = line.world.driver.message(PERSON, "睡不着")
    for _ in range(3):
        await line.gateway.push(APP_KEY, message)
    await line.gateway.wait_acks(3)
    assert list(line.store.kept) == [message["msgId"]]
    assert line.store.again[message["msgId"]] == 2


async def test_a_silent_connection_is_left(line: Line) -> None:
    client = line.start()
    await line.gateway.wait_connected(APP_KEY)
    frame = await line.gateway.ping(APP_KEY)
    await line.gateway.wait_acks(1)
    assert json.loads(line.gateway.acks[frame]["data"])["opaque"]
    assert client.connected
    assert client.last_frame_at == line.world.clock.now()
    line.sleeps.let_go(SILENCE_SECONDS)
    await line.gateway.wait_connected(APP_KEY, opened=2)
    await line.say("还在吗")
    await line.store.wait(1)


async def test_an_old_connection_is_read_until_it_is_drained(line: Line) -> None:
    client = line.start()
    gateway = line.gateway
    await gateway.wait_connected(APP_KEY)
    (old,) = gateway._connections
    await gateway.disconnect(APP_KEY)
    await gateway.wait_connected(APP_KEY, opened=2)
    frame = {"type": "CALLBACK", "headers": {"messageId": "late", "topic": "x"}, "data": "{}"}
    await gateway._send(old, frame)
    await gateway.wait_acks(1)
    assert gateway.acks["late"]["code"] == 404
    line.sleeps.let_go(DRAIN_SECONDS)
    async with gateway._changed:
        await gateway._changed.wait_for(lambda: old not in gateway._connections)
    await gateway.ping(APP_KEY)
    await gateway.wait_acks(2)
    assert client.connected
    assert client.connections == 2


async def test_backoff_doubles_has_no_end_and_starts_anew(line: Line) -> None:
    line.world.platform.fail(OPEN, Fault.DOWN, times=12)
    client = line.start()
    await line.gateway.wait_connected(APP_KEY)
    assert line.sleeps.backoffs == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
    await line.say("在")
    await line.store.wait(1)
    line.sleeps.asked.clear()
    await line.gateway.drop(APP_KEY)
    await line.gateway.wait_connected(APP_KEY, opened=2)
    assert line.sleeps.backoffs == [0.5]
    await line.say("还在")
    await line.store.wait(2)
    assert client.connections == 2


async def test_neither_ticket_nor_secret_is_logged(line: Line) -> None:
    line.world.platform.fail(OPEN, Fault.TOKEN_INVALID)
    with capture_logs() as logs:
        line.start()
        await line.gateway.wait_connected(APP_KEY)
    assert next(entry["event"] for entry in logs) == "stream_not_open"
    assert "ticket" not in repr(logs)
    assert "test_app_secret" not in repr(logs)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"type":"CALLBACK"}', '{"type":1,"headers":{"messageId":"m"}}'],
)
async def test_what_is_no_frame_is_passed_over(line: Line, text: str) -> None:
    client = line.start()
    await line.gateway.wait_connected(APP_KEY)
    await line.gateway.say_raw(APP_KEY, text)
    await line.say("后面的话")
    await line.store.wait(1)
    assert line.troubles == ["malformed"]
    assert client.connections == 1


async def test_broken_json_inside_a_frame_is_refused_and_said(line: Line) -> None:
    line.start()
    frame = await line.gateway.push(APP_KEY, '{"msgId": "1", ')
    await line.gateway.wait_acks(1)
    assert line.gateway.acks[frame]["code"] == 400
    assert line.troubles == ["malformed"]


async def test_a_frame_of_a_mebibyte_is_read_whole(line: Line) -> None:
    line.start()
    words = "不想活了" + "啊" * 350_000
    await line.say(words)
    await line.store.wait(1)
    assert [message.text for message in line.store.kept.values()] == [words]


@pytest.mark.parametrize("kind", ["CALLBACK", "SOMETHING"])
async def test_an_unknown_topic_is_refused(line: Line, kind: str) -> None:
    line.start()
    for topic in ("/v9/new", CARDS):
        await line.gateway.push(APP_KEY, "{}", topic=topic, kind=kind)
    await line.gateway.wait_acks(2)
    assert {ack["code"] for ack in line.gateway.acks.values()} == {404}


async def test_events_are_done_or_come_later(line: Line) -> None:
    events: list[IncomingMessage] = []

    async def take(event: IncomingMessage) -> None:
        events.append(event)
        if len(events) == 1:
            raise RuntimeError("not now")

    line.start(on_event=take)
    frames = []
    for _ in range(2):
        data = {"userId": PERSON, "processQueryKey": "query-1", "name": "某某"}
        frames.append(await line.gateway.event(APP_KEY, "robot_msg_read", data))
        await line.gateway.wait_acks(len(frames))
    states = [json.loads(line.gateway.acks[frame]["data"])["status"] for frame in frames]
    assert states == ["LATER", "SUCCESS"]
    assert events[1].kind is Kind.RECEIPT
    assert events[1].extra == {"event": "robot_msg_read", "receipt": "query-1"}


async def test_a_card_click_is_answered(line: Line) -> None:
    async def click(data: dict[str, Any]) -> dict[str, Any]:
        return {"cardData": {"cardParamMap": {"confirmed": data["outTrackId"]}}}

    line.start(on_card=click)
    frame = await line.gateway.push(APP_KEY, {"outTrackId": "notice-42"}, topic=CARDS)
    await line.gateway.wait_acks(1)
    response = json.loads(line.gateway.acks[frame]["data"])["response"]
    assert response == {"cardData": {"cardParamMap": {"confirmed": "notice-42"}}}


@pytest.mark.parametrize("data", ['{"outTrackId": ', "[]", '{"userId": "u001"}'])
async def test_a_click_that_can_not_be_read_is_refused(line: Line, data: str) -> None:
    async def click(data: dict[str, Any]) -> dict[str, Any]:
        read_click(data)
        return {}

    line.start(on_card=click)
    frame = await line.gateway.push(APP_KEY, data, topic=CARDS)
    await line.gateway.wait_acks(1)
    assert line.gateway.acks[frame]["code"] == 400


async def test_a_frame_over_the_limit_is_told_and_does_not_end_the_service(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "MAX_FRAME", 5_000)
    line.start()
    await line.gateway.wait_connected(APP_KEY)
    await line.say("字" * 5_000)
    async with asyncio.timeout(10):
        while not line.troubles:  # noqa: ASYNC110 (the gateway has no event for a broken connection)
            await asyncio.sleep(0.01)
    monkeypatch.undo()
    await line.say("后面的话")
    await line.store.wait(1)
    assert set(line.troubles) == {"too large"}


async def test_a_click_on_an_unknown_card_stops_nothing_and_says_nothing(line: Line) -> None:
    async def click(data: dict[str, Any]) -> dict[str, Any]:
        """Answer as `Cards.click` does a card that is not ours."""
        assert read_click(data).card == "notice-of-nobody"
        return {}

    line.start(on_card=click)
    data = {"outTrackId": "notice-of-nobody", "userId": PERSON, "content": "{}"}
    with capture_logs() as logs:
        frame = await line.gateway.push(APP_KEY, data, topic=CARDS)
        await line.say("后面的话")
        await line.store.wait(1)
        await line.gateway.wait_acks(2)
    assert line.gateway.acks[frame]["code"] == 200
    assert json.loads(line.gateway.acks[frame]["data"]) == {"response": {}}
    assert "notice-of-nobody" not in repr(logs)


async def test_stopping_finishes_what_is_under_way(line: Line) -> None:
    line.store.gate = asyncio.Event()
    client = line.start()
    await line.gateway.wait_connected(APP_KEY)
    frame = await line.world.driver.say_stream(PERSON, "等一下")
    await line.gateway.ping(APP_KEY)
    await line.gateway.wait_acks(1)
    stopping = asyncio.create_task(client.stop())
    await asyncio.sleep(0)
    line.store.gate.set()
    await stopping
    await line.gateway.wait_acks(2)
    assert frame in line.gateway.acks
    assert not client.connected
    assert line.running is not None
    await line.running
