"""One suite for every channel and every alert sender: what the pipeline may rely on.

A new channel joins by adding a `Bench` to `BENCHES`.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import stamina

from bot.channels.alerts import make_alert_sender
from bot.channels.http import make_http
from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.core.clock import FixedClock
from bot.core.errors import CallbackMalformed, CallbackRejected, ChannelError, ChannelRefused
from bot.core.messages import Kind, Reply
from bot.core.ports import AlertSender, CallbackAnswer, CallbackRequest, Channel, SendResult
from bot.services.tokens import MemoryTokens
from bot.simulator.driver import WechatCredentials, WechatDriver
from bot.simulator.platform import FOREVER, FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
PERSON = "oParent0001"
WORDS = "孩子不肯上学 😀 <b>&amp;"
REPLY = Reply("您好，慢慢说。]]> <a&b>", "answer", "entry:T06-01@1")


@dataclass
class Bench:
    """A channel, and its platform's side.

    Args:
        ask: makes a signed callback with these words at a moment.
        read: what the platform shows of an answer; None for a bare acknowledgement.
        send_path: the call that `send` makes.
    """

    channel: Channel
    platform: FakePlatform
    ask: Callable[[str, datetime], CallbackRequest]
    read: Callable[[CallbackAnswer], str | None]
    send_path: str


def wechat_bench(mode: str) -> Bench:
    clock = FixedClock(NOW)
    platform = FakePlatform(clock)
    platform.add_app("wx0123456789abcdef", "secret")
    key = base64.b64encode(bytes(range(32))).decode().rstrip("=")
    transport = httpx2.ASGITransport(make_fake_wechat(platform))
    credentials = WechatCredentials("school1", "wx0123456789abcdef", "token", key, mode)
    driver = WechatDriver("http://test", credentials, clock=clock, transport=transport)
    client = WechatClient(
        "school1",
        app_id=credentials.app_id,
        app_secret="secret",
        api_base="http://fake",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=make_http(transport),
    )
    channel = WechatChannel(
        "school1",
        app_id=credentials.app_id,
        token=credentials.token,
        encoding_aes_key=key,
        mode=mode,
        client=client,
        clock=clock,
    )

    def ask(text: str, at: datetime) -> CallbackRequest:
        prepared = driver.prepare(PERSON, text, at=at)
        return CallbackRequest(parse_qs(urlsplit(prepared.url).query), {}, prepared.body)

    def read(answer: CallbackAnswer) -> str | None:
        return driver.read_answer(httpx2.Response(answer.status, text=answer.body))

    return Bench(channel, platform, ask, read, "/cgi-bin/message/custom/send")


BENCHES: dict[str, Callable[[], Bench]] = {
    f"wechat-{mode}": partial(wechat_bench, mode) for mode in ("plain", "compat", "safe")
}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=10, cap=True)
    yield
    stamina.set_testing(False)


@pytest.fixture(params=list(BENCHES))
def bench(request: pytest.FixtureRequest) -> Bench:
    return BENCHES[request.param]()


def test_the_name_and_the_time_limit_are_known(bench: Bench) -> None:
    assert bench.channel.name in ("wechat", "dingtalk")
    assert bench.channel.account == bench.channel.account.lower() != ""
    assert 0 < bench.channel.passive_seconds < 5


def test_a_message_is_translated_whole(bench: Bench) -> None:
    message = bench.channel.parse(bench.ask(WORDS, NOW))
    assert (message.kind, message.text, message.sender) == (Kind.TEXT, WORDS, PERSON)
    assert (message.channel, message.account) == (bench.channel.name, bench.channel.account)
    assert message.sent_at == NOW
    assert message.sent_at.tzinfo is not None
    assert 0 < len(message.platform_id) <= 200
    assert not message.stale


def test_the_same_callback_has_the_same_key_and_another_has_not(bench: Bench) -> None:
    one, two = bench.ask(WORDS, NOW), bench.ask(WORDS, NOW)
    key = bench.channel.parse(one).platform_id
    assert bench.channel.parse(one).platform_id == key
    assert bench.channel.parse(two).platform_id != key


def test_a_late_message_is_kept_and_marked(bench: Bench) -> None:
    message = bench.channel.parse(bench.ask("不想活了", NOW - timedelta(days=1)))
    assert message.stale
    assert message.text == "不想活了"


def test_dirty_words_are_cleaned(bench: Bench) -> None:
    assert bench.channel.parse(bench.ask("想死\ud83d\x00了", NOW)).text == "想死\ufffd了"


def test_nobody_gets_in_without_a_signature(bench: Bench) -> None:
    signed = bench.ask(WORDS, NOW)
    for query in ({}, {name: ["0"] for name in signed.query}):
        with pytest.raises(CallbackRejected):
            bench.channel.parse(CallbackRequest(query, signed.headers, signed.body))
        with pytest.raises(CallbackRejected):
            bench.channel.verify(CallbackRequest(query, signed.headers, b""))


@pytest.mark.parametrize("body", [b"", b"{}", b"<xml></xml>", b"\xff\xfe", b"<a>" * 100_000])
def test_rubbish_is_refused_without_a_traceback(bench: Bench, body: bytes) -> None:
    signed = bench.ask(WORDS, NOW)
    with pytest.raises((CallbackRejected, CallbackMalformed)):
        bench.channel.parse(CallbackRequest(signed.query, signed.headers, body))


def test_the_passive_answer_is_shown_word_for_word(bench: Bench) -> None:
    request = bench.ask(WORDS, NOW)
    message = bench.channel.parse(request)
    assert bench.read(bench.channel.passive(request, message, REPLY)) == REPLY.text
    silence = bench.channel.passive(request, message, None)
    assert silence.status == 200
    assert bench.read(silence) is None


async def test_sending_delivers_the_words(bench: Bench) -> None:
    bench.platform.wrote(PERSON)
    result = await bench.channel.send(PERSON, REPLY.text, key="delivery-1")
    assert isinstance(result, SendResult)
    assert bench.platform.texts(PERSON) == [REPLY.text]
    await bench.channel.close()


async def test_sending_to_a_stranger_is_final(bench: Bench) -> None:
    with pytest.raises(ChannelRefused) as caught:
        await bench.channel.send("oStranger", REPLY.text, key="delivery-1")
    assert not caught.value.retryable
    assert REPLY.text not in str(caught.value)
    await bench.channel.close()


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.SLOW])
async def test_every_fault_becomes_a_retryable_channel_error(bench: Bench, fault: Fault) -> None:
    bench.platform.wrote(PERSON)
    bench.platform.fail(bench.send_path, fault, times=FOREVER)
    with pytest.raises(ChannelError) as caught:
        await bench.channel.send(PERSON, REPLY.text, key="delivery-1")
    assert caught.value.retryable
    bench.platform.heal()
    await bench.channel.send(PERSON, REPLY.text, key="delivery-1")
    assert bench.platform.texts(PERSON) == [REPLY.text]
    await bench.channel.close()


@pytest.fixture(params=["wecom", "dingtalk"])
def alert(request: pytest.FixtureRequest) -> tuple[AlertSender, FakePlatform, str]:
    clock = FixedClock(NOW)
    platform = FakePlatform(clock)
    platform.add_robot("robot", "SECx" if request.param == "dingtalk" else "")
    path, query = {
        "wecom": ("/cgi-bin/webhook/send", "key=robot"),
        "dingtalk": ("/robot/send", "access_token=robot"),
    }[request.param]
    sender = make_alert_sender(
        "hall",
        kind=request.param,
        url=f"http://fake{path}?{query}",
        secret="SECx",
        http=make_http(httpx2.ASGITransport(make_fake_wechat(platform))),
        clock=clock,
    )
    return sender, platform, path


async def test_an_alert_arrives(alert: tuple[AlertSender, FakePlatform, str]) -> None:
    sender, platform, _ = alert
    assert sender.name == "hall"
    await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert platform.texts("robot") == ["请打开工作台。"]
    await sender.close()


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.TOO_MANY, Fault.HTML, Fault.BUSY])
async def test_an_alert_that_failed_may_be_tried_again(
    alert: tuple[AlertSender, FakePlatform, str], fault: Fault
) -> None:
    sender, platform, path = alert
    platform.fail(path, fault)
    with pytest.raises(ChannelError) as caught:
        await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert caught.value.retryable
    await sender.send("请打开工作台。", mention_all=True, key="alert-1")
    assert platform.texts("robot") == ["请打开工作台。"]
    await sender.close()
