"""The simulator's phones: what leaves them, what the platform can do to us, what reaches them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import uvicorn
from dingtalk_world import APP_KEY, PERSON, World
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect

from bot.core.clock import FixedClock
from bot.core.errors import ChannelUnavailable, NotFound
from bot.simulator.dingtalk_driver import DingtalkDriver
from bot.simulator.dingtalk_gateway import Gateway
from bot.simulator.dingtalk_phone import REFUSALS, DingtalkPhone
from bot.simulator.driver import WechatCredentials, WechatDriver
from bot.simulator.phones import Phones
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_phone import WechatPhone

CLASS = "demo-ding-group"
OPEN = "/v1.0/gateway/connections/open"


def make_phone(world: World, driver: DingtalkDriver | None = None, **more: Any) -> DingtalkPhone:
    options: dict[str, Any] = {"stream": True, "robot_name": "心晴", **more}
    return DingtalkPhone(driver or world.driver, world.dingtalk, **options)


class Line:
    """The service's end of a Stream connection, read by the test."""

    def __init__(self, world: World, base: str) -> None:
        self.world = world
        self._base = base.replace("http", "ws", 1)
        self._socket: ClientConnection | None = None

    async def open(self) -> None:
        opened = self.world.dingtalk.gateway.opened
        ticket = self.world.dingtalk.gateway.issue_ticket(APP_KEY)
        self._socket = await connect(f"{self._base}/connect?ticket={ticket}", proxy=None)
        await self.world.dingtalk.gateway.wait_connected(APP_KEY, opened=opened + 1)

    async def frame(self) -> dict[str, Any]:
        assert self._socket is not None
        async with asyncio.timeout(5):
            frame: dict[str, Any] = json.loads(await self._socket.recv())
        return frame

    async def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((await self.frame())["data"])
        return message

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = World(base=base)
        config = uvicorn.Config(world.app, ws="websockets-sansio", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        made = Line(world, base)
        yield made
        await made.close()
        await world.close()
        server.should_exit = True
        await serving


# DingTalk ---------------------------------------------------------------------------------------


async def test_one_to_one_and_in_a_group_words_leave_as_a_frame(line: Line) -> None:
    phone = make_phone(line.world)
    await line.open()
    await phone.say(PERSON, "在吗")
    frame = await line.frame()
    alone = json.loads(frame["data"])
    assert (frame["type"], frame["headers"]["topic"]) == ("CALLBACK", "/v1.0/im/bot/messages/get")
    assert (alone["senderStaffId"], alone["conversationType"]) == (PERSON, "1")
    assert alone["text"] == {"content": "在吗"}
    await phone.say(PERSON, "有作业吗", CLASS)
    together = await line.message()
    assert (together["conversationId"], together["conversationType"]) == (CLASS, "2")
    assert together["text"] == {"content": "@心晴 有作业吗"}


async def test_without_a_robots_name_nobody_is_called(line: Line) -> None:
    await line.open()
    await make_phone(line.world, robot_name="").say(PERSON, "有作业吗", CLASS)
    assert (await line.message())["text"] == {"content": "有作业吗"}


@pytest.mark.parametrize(("kind", "type_"), [("voice", "audio"), ("image", "picture")])
async def test_what_is_not_text_comes_without_words(line: Line, kind: str, type_: str) -> None:
    await line.open()
    await make_phone(line.world).send_kind(PERSON, kind)
    message = await line.message()
    assert message["msgtype"] == type_
    assert message["content"]["downloadCode"]
    assert "text" not in message


async def test_the_same_message_comes_again_under_its_id(line: Line) -> None:
    phone = make_phone(line.world)
    await line.open()
    with pytest.raises(NotFound):
        await phone.again(PERSON)
    await phone.say(PERSON, "在吗")
    await phone.say(PERSON, "有作业吗", CLASS)
    first, _ = await line.message(), await line.message()
    await phone.again(PERSON)
    assert await line.message() == first


async def test_beyond_the_quota_a_message_has_no_words(line: Line) -> None:
    await line.open()
    await make_phone(line.world).exhaust(PERSON, CLASS)
    message = await line.message()
    assert (message["errorCode"], message["conversationId"]) == ("20001", CLASS)
    assert "text" not in message


async def test_what_is_written_while_nobody_is_connected_comes_later(line: Line) -> None:
    phone = make_phone(line.world)
    before = phone.connected
    await phone.say(PERSON, "在吗")
    await line.open()
    assert (before, phone.connected) == (False, True)
    assert (await line.message())["text"] == {"content": "在吗"}


async def test_a_cut_is_seen_for_some_tries(line: Line) -> None:
    phone = make_phone(line.world)
    await phone.disconnect()
    assert line.world.platform.take_fault(OPEN) is None, "nothing to cut yet"
    await line.open()
    await phone.disconnect()
    assert not phone.connected
    subscriptions = [{"type": "EVENT", "topic": "*"}]
    for _ in range(REFUSALS):
        with pytest.raises(ChannelUnavailable):
            await line.world.client.open_stream(subscriptions)
    await line.world.client.open_stream(subscriptions)


async def test_an_idle_connection_is_pinged(line: Line) -> None:
    line.world.dingtalk.gateway._ping_seconds = 0.01
    await line.open()
    frame = await line.frame()
    assert (frame["type"], frame["headers"]["topic"]) == ("SYSTEM", "ping")


async def test_acknowledgements_of_weeks_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.simulator.dingtalk_gateway.KEPT", 2)
    gateway = Gateway()
    connection: Any = type("Connection", (), {"unacked": {}})()
    for number in range(4):
        await gateway._acknowledged(connection, {"headers": {"messageId": f"frame-{number}"}})
    assert list(gateway.acks) == ["frame-2", "frame-3"]


async def test_everybody_of_the_demo_is_known_from_the_start() -> None:
    world = World()
    make_phone(world, people=["teacher"], groups=["class"])
    assert world.platform.is_follower("teacher")
    assert "class" in world.dingtalk.groups
    await world.close()


@pytest.mark.parametrize("status", [200, 403])
async def test_without_stream_it_is_a_signed_callback(status: int) -> None:
    seen: list[str] = []

    async def callback(request: Any) -> Response:
        seen.append(request.headers["sign"])
        return PlainTextResponse("{}", status)

    route = Route("/callbacks/dingtalk/school1", callback, methods=["POST"])
    world = World()
    driver = DingtalkDriver(
        "http://house",
        world.driver.credentials,
        clock=world.clock,
        dingtalk=world.dingtalk,
        transport=httpx2.ASGITransport(Starlette(routes=[route])),
    )
    phone = make_phone(world, driver, stream=False)
    assert (phone.way, phone.connected) == ("http", True)
    if status == 200:
        await phone.say(PERSON, "在吗")
    else:
        with pytest.raises(ChannelUnavailable):
            await phone.say(PERSON, "在吗")
    await phone.disconnect()
    assert len(seen) == 1
    await driver.close()
    await world.close()


async def test_nobody_at_the_callback_is_said_as_such() -> None:
    def refuse(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    world = World()
    driver = DingtalkDriver(
        "http://house",
        world.driver.credentials,
        clock=world.clock,
        dingtalk=world.dingtalk,
        transport=httpx2.MockTransport(refuse),
    )
    with pytest.raises(ChannelUnavailable):
        await make_phone(world, driver, stream=False).say(PERSON, "在吗")
    await driver.close()
    await world.close()


# WeChat, and what reaches people ----------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda phone: phone.say("o1", "在吗"),
        lambda phone: phone.follow("o1", "s1"),
        lambda phone: phone.send_kind("o1", "voice"),
        lambda phone: phone.send_kind("o1", "sticker"),
    ],
)
async def test_an_error_page_is_an_error_for_every_act(
    clock: FixedClock, act: Callable[[WechatPhone], Awaitable[object]]
) -> None:
    credentials = WechatCredentials("school1", "wx01", "token", mode="plain")
    page = httpx2.MockTransport(lambda _: httpx2.Response(502, text="<html>"))
    async with WechatDriver("http://house", credentials, clock=clock, transport=page) as driver:
        with pytest.raises(ChannelUnavailable):
            await act(WechatPhone(driver))


async def test_only_what_reaches_the_people_shown_is_heard(clock: FixedClock) -> None:
    platform = FakePlatform(clock)
    phones = Phones(platform, wechat=None, dingtalk=None, robots=["duty"])
    heard = phones.events(["mother", "class"])
    platform.record("custom", "mother", "一", {})
    platform.record("custom", "somebody", "二", {})
    platform.record("wecom", "duty", "三", {})
    platform.record("dingtalk-session", "class", "四", {"at": {"atUserIds": ["mother"]}})
    first, second = await anext(heard), await anext(heard)
    assert (first.recipient, first.text, first.mentions) == ("mother", "一", ())
    assert (second.recipient, second.text, second.mentions) == ("class", "四", ("mother",))
    assert phones.alerts() == ["三"]
