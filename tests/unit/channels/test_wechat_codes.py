"""The address of a class's QR code, asked of the platform once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx2
import pytest

from bot.channels.http import make_http
from bot.channels.wechat.client import WechatClient
from bot.channels.wechat.codes import PATH, SceneCodes
from bot.core.clock import FixedClock
from bot.core.errors import ChannelRefused, ChannelUnavailable
from bot.services import class_codes
from bot.services.tokens import MemoryTokens
from bot.simulator.platform import FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

APP_ID, SECRET = "wx0123456789abcdef", "app-secret-9"


@pytest.fixture
def platform() -> FakePlatform:
    made = FakePlatform(FixedClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC)), slow_seconds=0)
    made.add_app(APP_ID, SECRET)
    return made


@pytest.fixture
async def codes(platform: FakePlatform) -> AsyncIterator[SceneCodes]:
    clock = FixedClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))
    client = WechatClient(
        "school1",
        app_id=APP_ID,
        app_secret=SECRET,
        api_base="https://api.test",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=make_http(httpx2.ASGITransport(make_fake_wechat(platform))),
    )
    yield SceneCodes(client)
    await client.close()


async def test_the_address_is_asked_for_once(codes: SceneCodes, platform: FakePlatform) -> None:
    assert await codes.address("p-1") == "http://weixin.qq.com/q/p-1"
    assert await codes.address("p-1") == "http://weixin.qq.com/q/p-1"
    assert platform.calls.count(PATH) == 1


async def test_a_passing_code_is_asked_for_each_time(
    codes: SceneCodes, platform: FakePlatform
) -> None:
    for _ in range(2):
        assert await codes.address("slip-1", 30) == "http://weixin.qq.com/q/slip-1"
    assert platform.calls.count(PATH) == 2
    with pytest.raises(ChannelRefused):
        await codes.address("slip-1", 31)


async def test_each_slip_has_a_code_of_its_own(codes: SceneCodes, platform: FakePlatform) -> None:
    found = await class_codes.passing({"school1": codes.address}, ["slip-1", "slip-2"], days=30)
    assert found["slip-2"] == [("school1", "http://weixin.qq.com/q/slip-2")]
    assert await class_codes.passing({"school1": codes.address}, [], days=30) == {}


async def test_a_refusal_is_a_refusal(codes: SceneCodes, platform: FakePlatform) -> None:
    platform.fail(PATH, Fault.DOWN)
    with pytest.raises((ChannelUnavailable, ChannelRefused)):
        await codes.address("p-1")
    assert await class_codes.addresses({"school1": codes.address}, "p-1")


@pytest.mark.parametrize("scene", ["", "x" * 65])
async def test_a_scene_has_its_length(codes: SceneCodes, scene: str) -> None:
    with pytest.raises(ValueError, match="scene"):
        await codes.address(scene)


async def test_a_silent_account_is_left_out_and_no_scene_asks_nobody(
    codes: SceneCodes, platform: FakePlatform
) -> None:
    platform.fail(PATH, Fault.DOWN)
    assert await class_codes.addresses({"school1": codes.address}, "p-2") == []
    assert await class_codes.addresses({"school1": codes.address}, "") == []


def test_the_drawing_is_an_svg() -> None:
    drawn = class_codes.svg("http://weixin.qq.com/q/p-1")
    assert drawn.startswith("<svg")
    assert "viewBox" in drawn, "whole at any size"
    assert "script" not in drawn
