"""The day's clock, its line to the gateway, and its platforms with their outages."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from bot.simulator.day.clock import DayClock
from bot.simulator.day.line import Line
from bot.simulator.day.platform import DayPlatform, Door, Network
from bot.simulator.platform import Fault
from bot.simulator.wechat_server import make_fake_wechat

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SEND = "/cgi-bin/webhook/send"


async def test_who_sleeps_wakes_when_the_clock_has_been_moved() -> None:
    clock = DayClock(NOW)
    sleeper = asyncio.create_task(clock.sleep(60))
    await asyncio.sleep(0)
    assert clock.next_wake() == NOW + timedelta(seconds=60)
    clock.advance_to(NOW + timedelta(seconds=59))
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance_to(NOW + timedelta(seconds=60))
    await sleeper
    waking = clock.next_wake()
    assert waking is None


async def test_the_clock_never_goes_back() -> None:
    clock = DayClock(NOW)
    clock.advance_to(NOW - timedelta(hours=1))
    assert clock.now() == NOW


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    while True:
        words = await socket.receive_text()
        if words == "bye":
            await socket.close()
            return
        await socket.send_text(f"{socket.query_params['ticket']} {words}")


async def refuse(socket: WebSocket) -> None:
    await socket.close(code=4401)


SOCKETS = Starlette(routes=[WebSocketRoute("/connect", echo), WebSocketRoute("/no", refuse)])


async def test_a_line_carries_frames_both_ways_until_it_is_closed() -> None:
    line = await Line.open(SOCKETS, "ws://platform/connect?ticket=t1")
    await line.send("hello")
    was_idle = line.idle
    assert await line.recv() == "t1 hello"
    assert (was_idle, line.idle) == (False, True)
    await line.send("bye")
    with pytest.raises(ConnectionError):
        await line.recv()
    with pytest.raises(ConnectionError):
        await line.send("anybody?")
    await line.task


async def test_a_line_that_is_refused_is_an_error() -> None:
    with pytest.raises(ConnectionError):
        await Line.open(SOCKETS, "ws://platform/no?ticket=t1")


def make_client(platform: DayPlatform) -> httpx2.AsyncClient:
    inside = httpx2.ASGITransport(make_fake_wechat(platform))
    return httpx2.AsyncClient(transport=Network(inside, platform), base_url="http://platform")


async def post(client: httpx2.AsyncClient) -> httpx2.Response:
    return await client.post(SEND, params={"key": "duty"}, json={"text": {"content": "提醒"}})


async def test_an_outage_lasts_until_it_is_ended() -> None:
    platform = DayPlatform(DayClock(NOW))
    platform.add_robot("duty")
    async with make_client(platform) as client:
        platform.begin_outage([SEND], Fault.DOWN)
        assert [(await post(client)).status_code for _ in range(3)] == [503] * 3
        platform.end_outage([SEND])
        assert (await post(client)).json()["errcode"] == 0
    assert platform.hit == {"503": 3}
    assert platform.texts("duty") == ["提醒"]


async def test_what_is_slow_is_taken_but_nobody_hears_of_it() -> None:
    platform = DayPlatform(DayClock(NOW))
    platform.add_robot("duty")
    platform.begin_outage([SEND], Fault.SLOW)
    async with make_client(platform) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await post(client)
        platform.end_outage([SEND])
        await post(client)
    assert platform.texts("duty") == ["提醒", "提醒"]
    assert [one.recipient for one in platform.unheard] == ["duty"]
    assert platform.unheard[0] is platform.sent[0]


async def healthy(_request: Request) -> Response:
    return Response(status_code=204)


async def test_nobody_is_at_the_door_while_no_process_runs() -> None:
    door = Door()
    async with httpx2.AsyncClient(transport=door, base_url="http://house") as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("/health")
        door.inside = httpx2.ASGITransport(Starlette(routes=[Route("/health", healthy)]))
        assert (await client.get("/health")).status_code == 204
