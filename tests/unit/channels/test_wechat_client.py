"""The WeChat client against the fake platform: tokens, faults, codes, and what it never says."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
import stamina
from structlog.testing import capture_logs

from bot.channels.http import make_http
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.errors import ChannelError, ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.core.ports import SendResult
from bot.services.tokens import MemoryTokens, SharedToken, TokenStore
from bot.simulator.platform import FOREVER, FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

APP_ID, SECRET, OPENID = "wx0123456789abcdef", "app-secret-9", "oParent0001"
WORDS = "您好，关于孩子拒学……"
SEND, TOKEN = "/cgi-bin/message/custom/send", "/cgi-bin/stable_token"


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 2, 1, 0, tzinfo=UTC))


@pytest.fixture
def platform(clock: FixedClock) -> FakePlatform:
    platform = FakePlatform(clock, slow_seconds=0)
    platform.add_app(APP_ID, SECRET)
    platform.wrote(OPENID)
    return platform


def make_client(
    transport: httpx2.AsyncBaseTransport,
    clock: FixedClock,
    tokens: TokenStore | None = None,
    secret: str = SECRET,
) -> WechatClient:
    async def no_sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    return WechatClient(
        "school1",
        app_id=APP_ID,
        app_secret=secret,
        api_base="https://api.test/",
        tokens=tokens or MemoryTokens(clock),
        clock=clock,
        http=make_http(transport),
        sleep=no_sleep,
    )


@pytest.fixture
async def client(platform: FakePlatform, clock: FixedClock) -> AsyncIterator[WechatClient]:
    client = make_client(httpx2.ASGITransport(make_fake_wechat(platform)), clock)
    yield client
    await client.close()


async def test_words_arrive_as_they_are(client: WechatClient, platform: FakePlatform) -> None:
    assert await client.send_custom(OPENID, WORDS) == SendResult()
    assert platform.texts(OPENID) == [WORDS]
    assert platform.sent[0].payload == {
        "touser": OPENID,
        "msgtype": "text",
        "text": {"content": WORDS},
    }


async def test_json_is_not_escaped(clock: FixedClock) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        bodies.append(request.content)
        if request.url.path == TOKEN:
            return httpx2.Response(200, json={"access_token": "T", "expires_in": 7200})
        return httpx2.Response(200, json={"errcode": 0, "errmsg": "ok"})

    client = make_client(httpx2.MockTransport(answer), clock)
    await client.send_custom(OPENID, WORDS)
    await client.close()
    assert WORDS.encode() in bodies[-1]


async def test_the_token_is_fetched_once_and_five_minutes_early(
    client: WechatClient, platform: FakePlatform, clock: FixedClock
) -> None:
    await asyncio.gather(*(client.access_token() for _ in range(20)))
    assert platform.calls.count(TOKEN) == 1
    clock.advance(hours=1, minutes=54)
    await client.access_token()
    assert platform.calls.count(TOKEN) == 1
    clock.advance(minutes=2)
    await client.access_token()
    assert platform.calls.count(TOKEN) == 2


@pytest.mark.parametrize("fault", [Fault.TOKEN_INVALID, Fault.TOKEN_EXPIRED])
async def test_a_token_refused_once_is_replaced_once(
    client: WechatClient, platform: FakePlatform, fault: Fault
) -> None:
    platform.fail(SEND, fault)
    await client.send_custom(OPENID, WORDS)
    assert platform.texts(OPENID) == [WORDS]
    assert platform.calls.count(TOKEN) == 2
    assert platform.calls.count(SEND) == 2


async def test_a_token_that_the_platform_forgot_is_replaced(
    client: WechatClient, platform: FakePlatform
) -> None:
    await client.access_token()
    platform.revoke_tokens()
    await client.send_custom(OPENID, WORDS)
    assert platform.texts(OPENID) == [WORDS]


@pytest.mark.parametrize("fault", [Fault.TOKEN_INVALID, Fault.TOKEN_EXPIRED])
async def test_a_token_refused_for_ever_costs_two_calls(
    client: WechatClient, platform: FakePlatform, fault: Fault
) -> None:
    platform.fail(SEND, fault, times=FOREVER)
    with pytest.raises(ChannelUnavailable) as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.code in ("40001", "42001")
    assert platform.calls.count(SEND) == 2
    assert platform.calls.count(TOKEN) == 2


async def test_forced_refreshes_stay_far_below_twenty_a_day(clock: FixedClock) -> None:
    forced: list[datetime] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == TOKEN:
            if b'"force_refresh": true' in request.content:
                forced.append(clock.now())
            return httpx2.Response(200, json={"access_token": "same", "expires_in": 7200})
        return httpx2.Response(200, json={"errcode": 40001})

    client = make_client(httpx2.MockTransport(answer), clock)
    for _ in range(24 * 6):
        with pytest.raises(ChannelUnavailable):
            await client.send_custom(OPENID, WORDS)
        clock.advance(minutes=10)
    await client.close()
    assert 10 <= len(forced) <= 20


async def test_many_sends_with_a_refused_token_refresh_it_once(
    client: WechatClient, platform: FakePlatform
) -> None:
    await client.access_token()
    platform.revoke_tokens()
    await asyncio.gather(*(client.send_custom(OPENID, str(n)) for n in range(5)))
    assert len(platform.texts(OPENID)) == 5
    assert platform.calls.count(TOKEN) == 2


async def test_two_processes_share_one_token(platform: FakePlatform, clock: FixedClock) -> None:
    tokens = MemoryTokens(clock)
    transport = httpx2.ASGITransport(make_fake_wechat(platform))
    pair = [make_client(transport, clock, tokens) for _ in range(2)]
    await asyncio.gather(*(one.access_token() for one in pair))
    assert platform.calls.count(TOKEN) == 1
    platform.revoke_tokens()
    for one in pair:
        await one.send_custom(OPENID, WORDS)
    assert platform.calls.count(TOKEN) == 2


async def test_a_claim_that_never_comes_free_is_not_waited_for_for_ever(
    platform: FakePlatform, clock: FixedClock
) -> None:
    tokens = MemoryTokens(clock)
    assert await tokens.claim("wechat:school1", seconds=1000)
    client = make_client(httpx2.ASGITransport(make_fake_wechat(platform)), clock, tokens)
    assert await client.access_token()


async def test_a_failed_fetch_gives_the_claim_back(
    client: WechatClient, platform: FakePlatform
) -> None:
    platform.fail(TOKEN, Fault.DOWN)
    with pytest.raises(ChannelUnavailable):
        await client.access_token()
    assert await client.access_token()


async def test_a_wrong_app_secret_is_for_the_operator(
    platform: FakePlatform, clock: FixedClock
) -> None:
    transport = httpx2.ASGITransport(make_fake_wechat(platform))
    client = make_client(transport, clock, secret="wrong")
    with pytest.raises(ChannelUnavailable, match="40125") as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.retryable
    assert SEND not in platform.calls


async def test_busy_is_tried_three_times_in_all(
    client: WechatClient, platform: FakePlatform
) -> None:
    platform.fail(SEND, Fault.BUSY, times=2)
    await client.send_custom(OPENID, WORDS)
    assert platform.calls.count(SEND) == 3
    platform.fail(SEND, Fault.BUSY, times=FOREVER)
    with pytest.raises(ChannelUnavailable, match="busy"):
        await client.send_custom(OPENID, WORDS)
    assert platform.calls.count(SEND) == 6


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Fault.DOWN, "http503"), (Fault.HTML, "unknown"), (Fault.TRUNCATED, "unknown"),
     (Fault.NOT_JSON, "unknown")],
)  # fmt: skip
@pytest.mark.parametrize("path", [SEND, TOKEN])
async def test_nonsense_is_unavailable(
    client: WechatClient, platform: FakePlatform, path: str, fault: Fault, code: str
) -> None:
    platform.fail(path, fault)
    with pytest.raises(ChannelUnavailable) as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.code == code
    assert platform.calls.count(path) == 1
    await client.send_custom(OPENID, WORDS)


async def test_429_says_when(
    client: WechatClient, platform: FakePlatform, clock: FixedClock
) -> None:
    platform.fail(SEND, Fault.TOO_MANY)
    with pytest.raises(ChannelRateLimited) as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.retry_at == clock.now() + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (httpx2.ConnectError("x"), "not_sent"),
        (httpx2.ConnectTimeout("x"), "not_sent"),
        (httpx2.ReadTimeout("x"), "unknown"),
        (httpx2.RemoteProtocolError("x"), "unknown"),
    ],
)
async def test_a_broken_line_tells_sent_from_unsent(
    clock: FixedClock, error: Exception, code: str
) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        raise error

    client = make_client(httpx2.MockTransport(answer), clock)
    with pytest.raises(ChannelUnavailable) as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [
        *((code, ChannelRefused) for code in (40003, 43004, 43101, 45002, 45008, 45015, 45047)),
        *((code, ChannelRefused) for code in (40037, 47003, 48001, 48002, 87014, 99999)),
        *((code, ChannelUnavailable) for code in (40164, 48004)),
        *((code, ChannelRateLimited) for code in (45009, 45011)),
    ],
)
async def test_every_code_has_its_kind(
    clock: FixedClock, errcode: int, kind: type[ChannelError]
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == TOKEN:
            return httpx2.Response(200, json={"access_token": "T", "expires_in": 7200})
        return httpx2.Response(200, json={"errcode": errcode, "errmsg": f"hint {WORDS}"})

    client = make_client(httpx2.MockTransport(answer), clock)
    with pytest.raises(kind) as caught:
        await client.send_custom(OPENID, WORDS)
    await client.close()
    assert caught.value.code == str(errcode)
    if isinstance(caught.value, ChannelRateLimited):
        # 09:00 in Shanghai: the daily limit lasts until the next midnight there.
        midnight = datetime(2026, 3, 2, 16, tzinfo=UTC)
        expected = {45009: midnight, 45011: clock.now() + timedelta(minutes=1)}
        assert caught.value.retry_at == expected[errcode]


@pytest.mark.parametrize(
    "answer", [[], "ok", 5, {}, {"errcode": None}, {"errcode": "0"}, {"errcode": True}]
)
async def test_odd_json_is_unavailable(clock: FixedClock, answer: object) -> None:
    def respond(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == TOKEN:
            return httpx2.Response(200, json={"access_token": "T", "expires_in": 7200})
        return httpx2.Response(200, json=answer)

    client = make_client(httpx2.MockTransport(respond), clock)
    with pytest.raises(ChannelUnavailable) as caught:
        await client.send_custom(OPENID, WORDS)
    assert caught.value.code == "unknown"


async def test_the_window_holds_five_and_a_new_message_opens_it_again(
    client: WechatClient, platform: FakePlatform, clock: FixedClock
) -> None:
    for number in range(5):
        await client.send_custom(OPENID, str(number))
    with pytest.raises(ChannelRefused, match="45047"):
        await client.send_custom(OPENID, WORDS)
    platform.wrote(OPENID)
    await client.send_custom(OPENID, WORDS)
    clock.advance(hours=49)
    with pytest.raises(ChannelRefused, match="45015"):
        await client.send_custom(OPENID, WORDS)
    with pytest.raises(ChannelRefused, match="40003"):
        await client.send_custom("oStranger", WORDS)


async def test_neither_words_nor_token_nor_secret_are_ever_said(
    platform: FakePlatform, clock: FixedClock, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = MemoryTokens(clock)
    client = make_client(httpx2.ASGITransport(make_fake_wechat(platform)), clock, tokens)
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    with capture_logs() as logs:
        token = await client.access_token()
        for fault in (Fault.BUSY, Fault.HTML, Fault.DOWN, Fault.TOO_MANY, Fault.TOKEN_INVALID):
            platform.fail(SEND, fault, times=6)
            with pytest.raises(ChannelError) as caught:
                await client.send_custom(OPENID, WORDS)
            platform.heal()
            said.append(f"{caught.value!r} {caught.value.__cause__!r}")
            assert caught.value.__suppress_context__ or caught.value.__context__ is None
    said += [caplog.text, str(logs), repr(await tokens.read("wechat:school1"))]
    for secret in (token, WORDS, SECRET, OPENID):
        assert secret not in "\n".join(said)


def test_a_shared_token_hides_its_value() -> None:
    assert "T0KEN" not in repr(SharedToken("T0KEN", datetime(2026, 1, 1, tzinfo=UTC)))


@pytest.mark.parametrize(
    ("path", "stranger"), [("template/send", "43004"), ("subscribe/bizsend", "40003")]
)
async def test_the_fake_takes_template_and_subscription_messages(
    client: WechatClient, platform: FakePlatform, path: str, stranger: str
) -> None:
    payload = {"touser": OPENID, "template_id": "tpl-1", "data": {"thing1": {"value": "家长课堂"}}}
    answer = await client.call(f"/cgi-bin/message/{path}", payload)
    assert answer["msgid"] > 0
    assert platform.sent[0].payload == payload
    for change, code in (
        ({"touser": "oStranger"}, stranger),
        ({"template_id": ""}, "40037"),
        ({"data": "x"}, "47003"),
    ):
        with pytest.raises(ChannelRefused, match=code):
            await client.call(f"/cgi-bin/message/{path}", payload | change)
