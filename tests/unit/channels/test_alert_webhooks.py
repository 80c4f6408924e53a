"""The alert webhooks against the fake robots."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from bot.channels.alerts import (
    DingtalkWebhook,
    WecomWebhook,
    make_alert_sender,
)
from bot.channels.dingtalk.channel import sign_robot
from bot.channels.http import make_http
from bot.core.clock import FixedClock
from bot.core.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConfigInvalid
from bot.simulator.platform import FakePlatform, Fault
from bot.simulator.wechat_server import make_fake_wechat

SECRET = "SECtest" + "0" * 58
ALERT = "有一条高关注来信，请打开工作台。"
WECOM_URL = "https://qyapi.test/cgi-bin/webhook/send?key=robot-1"
DINGTALK_URL = "https://oapi.test/robot/send?access_token=robot-2"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromtimestamp(1767225600, UTC))


@pytest.fixture
def platform(clock: FixedClock) -> FakePlatform:
    platform = FakePlatform(clock)
    platform.add_robot("robot-1")
    platform.add_robot("robot-2", SECRET)
    return platform


@pytest.fixture
def transport(platform: FakePlatform) -> httpx2.ASGITransport:
    return httpx2.ASGITransport(make_fake_wechat(platform))


@pytest.fixture
async def wecom(transport: httpx2.ASGITransport, clock: FixedClock) -> AsyncIterator[WecomWebhook]:
    sender = WecomWebhook("district", WECOM_URL, http=make_http(transport), clock=clock)
    yield sender
    await sender.close()


@pytest.fixture
async def dingtalk(
    transport: httpx2.ASGITransport, clock: FixedClock
) -> AsyncIterator[DingtalkWebhook]:
    sender = DingtalkWebhook(
        "school", DINGTALK_URL, secret=SECRET, http=make_http(transport), clock=clock
    )
    yield sender
    await sender.close()


def test_v9_signature() -> None:
    assert sign_robot(SECRET, "1767225600000") == "G63NpdhjkhhAFVFzso6tcp7zuY41sn2sn4dtDVrj408="


async def test_v9_address_form(clock: FixedClock) -> None:
    addresses: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        addresses.append(str(request.url))
        return httpx2.Response(200, json={"errcode": 0})

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    sender = DingtalkWebhook("s", DINGTALK_URL, secret=SECRET, http=http, clock=clock)
    await sender.send(ALERT, mention_all=False, key="k")
    await sender.close()
    assert "sign=G63NpdhjkhhAFVFzso6tcp7zuY41sn2sn4dtDVrj408%3D" in addresses[0]
    query = parse_qs(urlsplit(addresses[0]).query)
    assert query["access_token"] == ["robot-2"]
    assert query["timestamp"] == ["1767225600000"]


@pytest.mark.parametrize("moment", range(40))
async def test_a_signature_with_plus_or_slash_survives_the_address(
    dingtalk: DingtalkWebhook, clock: FixedClock, platform: FakePlatform, moment: int
) -> None:
    clock.advance(seconds=moment)
    await dingtalk.send(ALERT, mention_all=False, key="k")
    assert platform.texts("robot-2") == [ALERT]


async def test_wecom_body(wecom: WecomWebhook, platform: FakePlatform) -> None:
    await wecom.send(ALERT, mention_all=True, key="k")
    await wecom.send(ALERT, mention_all=False, key="k")
    assert [sent.payload for sent in platform.sent] == [
        {"msgtype": "text", "text": {"content": ALERT, "mentioned_list": ["@all"]}},
        {"msgtype": "text", "text": {"content": ALERT}},
    ]


async def test_dingtalk_body(dingtalk: DingtalkWebhook, platform: FakePlatform) -> None:
    await dingtalk.send(ALERT, mention_all=True, key="alert-7")
    assert platform.sent[0].payload == {
        "msgtype": "text",
        "text": {"content": ALERT},
        "at": {"isAtAll": True},
        "msgUuid": "alert-7",
    }


async def test_wecom_opens_again_after_a_minute(
    wecom: WecomWebhook, platform: FakePlatform, clock: FixedClock
) -> None:
    for number in range(20):
        await wecom.send(str(number), mention_all=False, key="k")
    with pytest.raises(ChannelRateLimited) as caught:
        await wecom.send(ALERT, mention_all=False, key="k")
    assert caught.value.retry_at == clock.now() + timedelta(minutes=1)
    clock.advance(minutes=1)
    await wecom.send(ALERT, mention_all=False, key="k")
    assert len(platform.sent) == 21


async def test_dingtalk_blocks_for_ten_minutes(
    dingtalk: DingtalkWebhook, platform: FakePlatform, clock: FixedClock
) -> None:
    for number in range(20):
        await dingtalk.send(str(number), mention_all=False, key=str(number))
    for wait in (0, 9):
        clock.advance(minutes=wait)
        with pytest.raises(ChannelRateLimited) as caught:
            await dingtalk.send(ALERT, mention_all=False, key="k")
        assert caught.value.retry_at == clock.now() + timedelta(minutes=10)
    clock.advance(minutes=1)
    await dingtalk.send(ALERT, mention_all=False, key="k")
    assert len(platform.sent) == 21


async def test_a_wrong_secret_and_an_unknown_robot_are_final(
    transport: httpx2.ASGITransport, clock: FixedClock
) -> None:
    http = make_http(transport)
    wrong = DingtalkWebhook("s", DINGTALK_URL, secret="SECwrong", http=http, clock=clock)
    with pytest.raises(ChannelRefused, match="310000"):
        await wrong.send(ALERT, mention_all=False, key="k")
    unsigned = DingtalkWebhook("s", DINGTALK_URL, secret="", http=http, clock=clock)
    with pytest.raises(ChannelRefused, match="310000"):
        await unsigned.send(ALERT, mention_all=False, key="k")
    stranger = WecomWebhook("w", WECOM_URL + "x", http=http, clock=clock)
    with pytest.raises(ChannelRefused, match="93000"):
        await stranger.send(ALERT, mention_all=False, key="k")


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.HTML, Fault.TRUNCATED, Fault.NOT_JSON,
                                   Fault.BUSY])  # fmt: skip
async def test_nonsense_is_unavailable(
    dingtalk: DingtalkWebhook, wecom: WecomWebhook, platform: FakePlatform, fault: Fault
) -> None:
    platform.fail("/robot/send", fault)
    platform.fail("/cgi-bin/webhook/send", fault)
    for sender in (dingtalk, wecom):
        with pytest.raises(ChannelUnavailable):
            await sender.send(ALERT, mention_all=False, key="k")


async def test_codes_wrapped_in_88_are_unwrapped(clock: FixedClock) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"errcode": 88, "sub_code": "90018", "sub_msg": "qps"})

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    sender = DingtalkWebhook("s", DINGTALK_URL, secret="", http=http, clock=clock)
    with pytest.raises(ChannelRateLimited, match="90018"):
        await sender.send(ALERT, mention_all=False, key="k")
    await sender.close()


@pytest.mark.parametrize(
    ("code", "wait"),
    [
        (130101, timedelta(minutes=10)),
        (302033, timedelta(minutes=10)),
        (410100, timedelta(minutes=10)),
        (90018, timedelta(seconds=1)),
        (90002, timedelta(seconds=1)),
    ],
)
async def test_a_closed_robot_says_when_it_opens(
    clock: FixedClock, code: int, wait: timedelta
) -> None:
    http = httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={"errcode": code}))
    )
    sender = DingtalkWebhook("s", DINGTALK_URL, secret="", http=http, clock=clock)
    with pytest.raises(ChannelRateLimited) as caught:
        await sender.send(ALERT, mention_all=False, key="k")
    assert caught.value.retry_at == clock.now() + wait
    assert caught.value.code == str(code)
    await sender.close()


async def test_a_used_up_month_is_told_from_other_limits_and_every_post_is_counted(
    clock: FixedClock,
) -> None:
    http = httpx2.AsyncClient(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, json={"errcode": 90020}))
    )
    spent: list[str] = []
    sender = make_alert_sender(
        "s",
        kind="dingtalk",
        url=DINGTALK_URL,
        secret="",
        http=http,
        clock=clock,
        on_call=spent.append,
    )
    with pytest.raises(ChannelRateLimited) as caught:
        await sender.send(ALERT, mention_all=False, key="k")
    assert caught.value.code == "quota"
    assert spent == ["robot/send"]
    await sender.close()


async def test_the_address_is_never_said(clock: FixedClock) -> None:
    def answer(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError(f"no route to {WECOM_URL}")

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    sender = WecomWebhook("w", WECOM_URL, http=http, clock=clock)
    with pytest.raises(ChannelUnavailable) as caught:
        await sender.send(ALERT, mention_all=False, key="k")
    await sender.close()
    assert "robot-1" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["", "qyapi.test/x", "ftp://qyapi.test", "http://"])
def test_an_address_that_is_none_is_refused(url: str, clock: FixedClock) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    with pytest.raises(ConfigInvalid, match="XINQING_ALERT__HALL__URL"):
        make_alert_sender("hall", kind="wecom", url=url, secret="", http=http, clock=clock)


def test_kinds(clock: FixedClock) -> None:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200)))
    made = make_alert_sender(
        "a", kind="dingtalk", url=DINGTALK_URL, secret=SECRET, http=http, clock=clock
    )
    assert isinstance(made, DingtalkWebhook)
    with pytest.raises(ConfigInvalid):
        make_alert_sender("a", kind="fax", url=WECOM_URL, secret="", http=http, clock=clock)
