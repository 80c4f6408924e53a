"""The driver that plays WeChat, against a small service that answers as told."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.errors import XinqingError
from bot.core.messages import IncomingMessage, Kind, Reply, ReplyTo
from bot.core.ports import CallbackRequest
from bot.services.tokens import MemoryTokens
from bot.simulator.driver import ServiceBroken, WechatCredentials, WechatDriver
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_server import make_fake_wechat

KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
CREDENTIALS = {
    mode: WechatCredentials("school1", "wx0123456789abcdef", "tok_Parent2026", KEY, mode)
    for mode in ("plain", "compat", "safe")
}
OPENID = "oParent0001"


class Service:
    """Parses with the real channel, answers each platform id once, then the same again."""

    def __init__(self, mode: str, clock: FixedClock, platform: FakePlatform) -> None:
        self.received: list[IncomingMessage] = []
        self.posts = 0
        self.silent_posts = 0
        self.broken = False
        transport = httpx2.ASGITransport(make_fake_wechat(platform))
        self.channel = WechatChannel(
            "school1",
            app_id=CREDENTIALS[mode].app_id,
            token=CREDENTIALS[mode].token,
            encoding_aes_key=KEY,
            mode=mode,
            client=WechatClient(
                "school1",
                app_id=CREDENTIALS[mode].app_id,
                app_secret="secret",
                api_base="http://fake",
                tokens=MemoryTokens(clock),
                clock=clock,
                http=httpx2.AsyncClient(transport=transport),
            ),
            clock=clock,
        )
        self.app = Starlette(
            routes=[
                Route("/callbacks/wechat/school1", self._receive, methods=["GET", "POST"]),
            ]
        )

    async def _receive(self, request: Request) -> Response:
        query: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            query.setdefault(name, []).append(value)
        callback = CallbackRequest(query, dict(request.headers), await request.body())
        try:
            if request.method == "GET":
                return Response(self.channel.verify(callback).body)
            message = self.channel.parse(callback)
        except XinqingError as error:
            return Response(status_code=error.status)
        self.posts += 1
        if message.platform_id not in [known.platform_id for known in self.received]:
            self.received.append(message)
        if self.posts <= self.silent_posts:
            await asyncio.sleep(60)
        if self.broken:
            return Response('{"detail":"oops"}')
        answer = self.channel.passive(callback, message, self._reply(message))
        return Response(answer.body, answer.status)

    def _reply(self, message: IncomingMessage) -> Reply | None:
        return Reply(f"收到：{message.text}", "answer", "test@1") if message.text else None


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))


@pytest.fixture
def platform(clock: FixedClock) -> FakePlatform:
    platform = FakePlatform(clock)
    platform.add_app("wx0123456789abcdef", "secret")
    return platform


@pytest.fixture(params=["plain", "compat", "safe"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def service(mode: str, clock: FixedClock, platform: FakePlatform) -> Service:
    return Service(mode, clock, platform)


@pytest.fixture
async def driver(
    service: Service, mode: str, clock: FixedClock, platform: FakePlatform
) -> AsyncIterator[WechatDriver]:
    async with WechatDriver(
        "http://test",
        CREDENTIALS[mode],
        clock=clock,
        transport=httpx2.ASGITransport(service.app),
        platform=platform,
        give_up_seconds=0.05,
    ) as driver:
        yield driver


async def test_say_and_address_check(driver: WechatDriver, service: Service) -> None:
    assert await driver.say(OPENID, "孩子<不>肯上学 & 哭") == "收到：孩子<不>肯上学 & 哭"
    assert await driver.check_address("12345") == "12345"
    assert service.received[0].sender == OPENID


async def test_every_act_arrives_as_its_kind(driver: WechatDriver, service: Service) -> None:
    assert await driver.speak(OPENID, "听得清吗") == "收到：听得清吗"
    for act in (
        driver.speak(OPENID, None),
        driver.show(OPENID),
        driver.follow(OPENID, "class_301"),
        driver.scan(OPENID, "class_301"),
        driver.press(OPENID, "menu_talk"),
        driver.unfollow(OPENID),
    ):
        assert await act is None
    assert [(message.kind, message.scene) for message in service.received] == [
        (Kind.VOICE, ""),
        (Kind.VOICE, ""),
        (Kind.IMAGE, ""),
        (Kind.FOLLOW, "class_301"),
        (Kind.SCAN, "class_301"),
        (Kind.MENU, "menu_talk"),
        (Kind.UNFOLLOW, ""),
    ]


async def test_an_unanswered_callback_comes_again(driver: WechatDriver, service: Service) -> None:
    service.silent_posts = 3
    assert await driver.say(OPENID, "在吗") == "收到：在吗"
    assert service.posts == 4
    assert len(service.received) == 1
    service.silent_posts = 100
    with pytest.raises(ServiceBroken):
        await driver.say(OPENID, "还在吗")
    assert service.posts == 8


async def test_duplicates_and_bursts(driver: WechatDriver, service: Service) -> None:
    same = driver.prepare(OPENID, "一句话")
    answers = await driver.deliver_together([same] * 4)
    assert answers == ["收到：一句话"] * 4
    assert len(service.received) == 1
    burst = [driver.prepare(OPENID, str(number)) for number in range(10)]
    await driver.deliver_together(reversed(burst))
    assert len({message.platform_id for message in service.received}) == 11


async def test_what_wechat_cannot_show_is_broken(driver: WechatDriver, service: Service) -> None:
    service.broken = True
    with pytest.raises(ServiceBroken):
        await driver.say(OPENID, "你好")
    forged = driver.prepare(OPENID, "你好")
    url = forged.url.replace("signature=", "signature=0")
    with pytest.raises(ServiceBroken) as caught:
        await driver.deliver(type(forged)(url, forged.body))
    assert caught.value.status == 403


async def test_a_plaintext_answer_in_safe_mode_is_broken(
    clock: FixedClock, platform: FakePlatform
) -> None:
    answer = "<xml><MsgType>text</MsgType><Content>你好</Content></xml>"
    for mode, shown in (("plain", True), ("safe", False)):
        driver = WechatDriver(
            "http://test",
            CREDENTIALS[mode],
            clock=clock,
            transport=httpx2.MockTransport(lambda _: httpx2.Response(200, text=answer)),
            platform=platform,
        )
        async with driver:
            if shown:
                assert await driver.say(OPENID, "你好") == "你好"
            else:
                with pytest.raises(ServiceBroken):
                    await driver.say(OPENID, "你好")


async def test_the_window_opens_when_a_parent_writes(
    driver: WechatDriver, service: Service, platform: FakePlatform
) -> None:
    listener = platform.subscribe(OPENID)
    await driver.say(OPENID, "你好")
    await service.channel.send(ReplyTo(OPENID), "稍后的答复", key="delivery-1")
    async with asyncio.timeout(1):
        assert (await anext(listener)).text == "稍后的答复"
    await listener.aclose()
    assert platform.texts(OPENID) == ["稍后的答复"]


def test_a_prepared_callback_carries_the_platforms_parameters(clock: FixedClock) -> None:
    nobody = httpx2.MockTransport(lambda _: httpx2.Response(500))
    names = {}
    for mode, credentials in CREDENTIALS.items():
        driver = WechatDriver("http://test/", credentials, clock=clock, transport=nobody)
        prepared = driver.prepare(OPENID, "你好", message_id="77")
        address = urlsplit(prepared.url)
        assert address.path == "/callbacks/wechat/school1"
        names[mode] = set(parse_qs(address.query))
        assert (b"<MsgId>77</MsgId>" in prepared.body) == (mode != "safe")
    assert names["plain"] == {"signature", "timestamp", "nonce", "openid"}
    assert names["compat"] == names["safe"] == names["plain"] | {"encrypt_type", "msg_signature"}
