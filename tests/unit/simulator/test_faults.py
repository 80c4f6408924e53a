"""Faults that need more than a line in a channel's tests: a slow answer, and a clock that is off.

Every other fault runs against every channel in `tests/contract/test_channels.py`.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx2
import pytest
import uvicorn
from dingtalk_world import CREDENTIALS, PERSON, World, as_request, reply_to
from house import APP_ID, APP_SECRET, GROUP, PARENT, Home
from starlette.types import ASGIApp

from bot.channels.alerts import make_alert_sender
from bot.channels.http import make_http
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.errors import UNKNOWN, ChannelError, ChannelUnavailable
from bot.services.tokens import MemoryTokens
from bot.simulator.dingtalk_driver import DingtalkDriver
from bot.simulator.faults import SkewedClock
from bot.simulator.platform import FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

PATIENCE = httpx2.Timeout(0.2, connect=5.0, pool=5.0)
BATCH = "/v1.0/robot/oToMessages/batchSend"


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


# A slow answer ----------------------------------------------------------------------------------


async def test_dingtalk_took_it_but_its_answer_hangs() -> None:
    world = World()
    async with serving(world.app) as base:
        client = world.make_client(base)
        client._http.timeout = PATIENCE
        world.platform.follow(PERSON)
        world.platform.slow_seconds = 30
        world.platform.fail(BATCH, Fault.SLOW)
        with pytest.raises(ChannelUnavailable) as raised:
            await client.send_person(PERSON, "您好")
        await client.close()
    assert raised.value.code == UNKNOWN
    assert world.platform.texts(PERSON) == ["您好"], "nobody but the platform knows"
    await world.close()


async def test_wechat_took_it_but_its_answer_hangs(clock: FixedClock) -> None:
    platform = FakePlatform(clock, slow_seconds=30)
    platform.add_app(APP_ID, APP_SECRET)
    platform.wrote(PARENT)
    platform.fail("/cgi-bin/message/custom/send", Fault.SLOW)
    async with serving(make_fake_wechat(platform)) as base:
        http = make_http()
        http.timeout = PATIENCE
        client = WechatClient(
            "school1",
            app_id=APP_ID,
            app_secret=APP_SECRET,
            api_base=base,
            tokens=MemoryTokens(clock),
            clock=clock,
            http=http,
        )
        with pytest.raises(ChannelUnavailable) as raised:
            await client.send_custom(PARENT, "您好")
        await client.close()
    assert raised.value.code == UNKNOWN
    assert platform.texts(PARENT) == ["您好"]


async def test_a_slow_answer_is_a_whole_one_for_who_waits() -> None:
    world = World()
    world.platform.follow(PERSON)
    world.platform.fail(BATCH, Fault.SLOW)
    assert (await world.client.send_person(PERSON, "您好")).receipt
    await world.close()


# A clock that is off ----------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [20, -20])
async def test_wechats_clock_is_off_so_it_is_stored_and_not_answered(
    home: Home, minutes: int
) -> None:
    home.driver._clock = SkewedClock(home.clock, timedelta(minutes=minutes))
    assert await home.say("孩子不爱吃青菜") == ""
    (message,) = await home.messages()
    assert (message.text, message.answerable) == ("孩子不爱吃青菜", False)


@pytest.mark.parametrize("minutes", [6, -6])
async def test_dingtalks_clock_is_off_so_a_callback_is_stale(minutes: int) -> None:
    world = World()
    driver = DingtalkDriver(
        "http://house",
        CREDENTIALS,
        clock=SkewedClock(world.clock, timedelta(minutes=minutes)),
        dingtalk=world.dingtalk,
    )
    assert world.channel.parse(as_request(driver.prepare(PERSON, "在吗"))).stale
    await driver.close()
    await world.close()


async def test_dingtalks_clock_is_ahead_so_its_address_has_ended_and_the_api_is_used() -> None:
    world = World()
    message = world.channel.parse(as_request(world.driver.prepare(PERSON, "在吗")))
    world.platform.clock = SkewedClock(world.clock, timedelta(minutes=91))
    await world.channel.send(reply_to(message), "您好", key="delivery-1")
    (sent,) = world.platform.sent
    assert (sent.kind, sent.text) == ("dingtalk-person", "您好")
    await world.close()


async def test_a_group_robots_signature_of_another_hour_is_refused(clock: FixedClock) -> None:
    platform = FakePlatform(SkewedClock(clock, timedelta(minutes=61)))
    platform.add_robot(GROUP, "SECabc")
    sender = make_alert_sender(
        "duty",
        kind="dingtalk",
        url=f"http://platform/robot/send?access_token={GROUP}",
        secret="SECabc",
        http=make_http(httpx2.ASGITransport(make_fake_wechat(platform))),
        clock=clock,
    )
    with pytest.raises(ChannelError):
        await sender.send("个案1等待接手", mention_all=False, key="delivery-1")
    assert list(platform.sent) == []
    await sender.close()
