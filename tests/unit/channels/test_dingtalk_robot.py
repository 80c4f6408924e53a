"""The DingTalk channel: published signatures, the event envelope, and where answers go."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from dingtalk_world import (
    APP_KEY,
    APP_SECRET,
    GROUP,
    KEY,
    NOW,
    OLD_KEY,
    PERSON,
    STAMP,
    TOKEN,
    World,
    as_request,
    reply_to,
)

from bot.channels.dingtalk.cards import check_card, sign_card
from bot.channels.dingtalk.channel import DingtalkChannel, sign_robot
from bot.channels.envelope import Envelope
from bot.core.clock import epoch_ms
from bot.core.errors import (
    CallbackRejected,
    ChannelRefused,
    ChannelUnavailable,
    ConfigInvalid,
)
from bot.core.messages import IncomingMessage, Kind, ReplyTo
from bot.core.ports import CallbackRequest
from bot.simulator.dingtalk_driver import DingtalkDriver, PreparedPost
from bot.simulator.platform import FOREVER, Fault

STAMP_MS = str(STAMP * 1000)
NONCE = "586720413"
PREFIX = b"0123456789abcdef"
WORDS = "您好，慢慢说。"
# PLATFORMS V12: {"EventType": "check_url"} for this app key.
CHECK = (
    "4j/AuRx71kQlxVlzbpsMWF/NwF2NPWMm1b9X8OO4xiH56f7HKdTGgDzXNU+u7EDWLsMbt5JPwG4YUMEyPEARgyz8qPq3"
    "OIK7s5+2y/z6Vm7YqEULDF1TKtbLRJANtuHS"
)
CHECK_SIGNATURE = "a8305d6981087699f49b001ad9169dafada7feb3"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


def event_request(**changes: str) -> CallbackRequest:
    query = {
        "signature": CHECK_SIGNATURE,
        "timestamp": str(STAMP),
        "nonce": NONCE,
        "encrypt": CHECK,
        **changes,
    }
    body = json.dumps({"encrypt": query.pop("encrypt")}).encode()
    return CallbackRequest({name: [value] for name, value in query.items() if value}, {}, body)


# Vectors ----------------------------------------------------------------------------------------


def test_published_signatures() -> None:
    robot = "jxWgg0YbB8Wxliy4OrNjNgWgVQlpLD0bAP4pg/xOUXw="
    assert sign_robot(APP_SECRET, STAMP_MS) == robot
    custom = sign_robot("SECtest" + "0" * 58, STAMP_MS)
    assert custom == "G63NpdhjkhhAFVFzso6tcp7zuY41sn2sn4dtDVrj408="
    card = "KAqni92sZ8lx0pYJeADklz72lOdyX4OsbA+PzFQ0Bgc="
    assert sign_card("card_api_secret", STAMP_MS) == card


def test_the_answer_to_an_event_is_the_published_one() -> None:
    sealed = Envelope(TOKEN, KEY, APP_KEY).seal(
        "success", timestamp=str(STAMP), nonce=NONCE, prefix=PREFIX
    )
    assert sealed.encrypt == (
        "4j/AuRx71kQlxVlzbpsMWKaJxGU5vH319VGXg8mDEWtPcYp5hJuafBrVYV7l2x/dpBmgg5xKZAuQifRggJhyyA=="
    )
    assert sealed.signature == "71a8b27130f316996ab4b6beb5e23d46c65e4156"


def test_the_platforms_own_sample_opens() -> None:
    envelope = Envelope(
        "123456", "1234567890123456789012345678901234567890123", "dingsnotzck6pm5veliw"
    )
    opened = envelope.open(
        "YvkvaGe4hQxd3VxRmEty0dVlnCOAqwf56xwTRHDHoOURqhalbmBJQk5FNcRk42Gl5T0YQXZNwpwWSm1xAFJ5ZA==",
        signature="9a95a004dd16f5c307e849b994173f76aa26e5eb",
        timestamp="1614767836",
        nonce="A7Co0cJLMzIDtMMI",
    )
    assert opened.text == "success"


def card_headers(stamp: str) -> dict[str, str]:
    signature = sign_card("card_api_secret", stamp)
    return {"x-ddpaas-signature-timestamp": stamp, "x-ddpaas-signature": signature}


def test_card_callbacks_need_their_signature() -> None:
    good = card_headers(STAMP_MS)
    check_card(good, "card_api_secret", now=NOW, freshness_seconds=300)
    for headers, secret in ((good, ""), (good, "other"), ({}, "card_api_secret"), ({}, "")):
        with pytest.raises(CallbackRejected):
            check_card(headers, secret, now=NOW, freshness_seconds=300)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clicks_signature_is_good_for_the_window_only(sign: int) -> None:
    good = card_headers(STAMP_MS)
    edge = NOW + sign * timedelta(seconds=300)
    check_card(good, "card_api_secret", now=edge, freshness_seconds=300)
    beyond = NOW + sign * timedelta(seconds=300, milliseconds=1)
    with pytest.raises(CallbackRejected, match="window"):
        check_card(good, "card_api_secret", now=beyond, freshness_seconds=300)


@pytest.mark.parametrize(
    "stamp",
    ["now", "-1", "1e12", " 1767225600000", "１７６７２２５６００", "1" * 16, "\ud800", "é"],
)
def test_a_clicks_time_has_to_be_one(stamp: str) -> None:
    with pytest.raises(CallbackRejected):
        check_card(card_headers(stamp), "card_api_secret", now=NOW, freshness_seconds=10**12)


# Coming in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", ["", "  "])
def test_without_a_secret_there_is_no_channel(world: World, secret: str) -> None:
    with pytest.raises(ConfigInvalid):
        DingtalkChannel(
            "school1", app_key=APP_KEY, app_secret=secret, client=world.client, clock=world.clock
        )


@pytest.mark.parametrize(("seconds", "stale"), [(0, False), (300, False), (301, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_window_is_narrow_on_both_sides(
    world: World, seconds: int, stale: bool, sign: int
) -> None:
    prepared = world.driver.prepare(PERSON, WORDS, at=NOW + timedelta(seconds=sign * seconds))
    assert world.channel.parse(as_request(prepared)).stale is stale


def test_a_clock_ten_minutes_off_marks_but_keeps(world: World) -> None:
    prepared = world.driver.prepare(PERSON, "不想活了")
    world.clock.advance(minutes=10)
    message = world.channel.parse(as_request(prepared))
    assert (message.stale, message.text) == (True, "不想活了")


def test_the_check_of_an_address_is_answered_encrypted(world: World) -> None:
    request = event_request()
    message = world.channel.parse(request)
    assert (message.kind, message.extra) == (Kind.RECEIPT, {"event": "check_url"})
    answer = world.channel.passive(request, message, None)
    assert answer.status == 200
    assert world.driver.read_event_answer(answer.body) == "success"
    assert set(json.loads(answer.body)) == {"msg_signature", "timeStamp", "nonce", "encrypt"}


def test_both_names_of_the_signature_are_read(world: World) -> None:
    named = event_request(signature="", msg_signature=CHECK_SIGNATURE)
    assert world.channel.parse(named).extra["event"] == "check_url"


@pytest.mark.parametrize(
    "request_",
    [
        event_request(signature="0" * 40),
        event_request(encrypt="5" + CHECK[1:]),
        event_request(timestamp=str(STAMP + 1)),
        event_request(nonce=""),
        event_request(timestamp=""),
        CallbackRequest({"signature": ["a", "b"]}, {}, b'{"encrypt":"x"}'),
    ],
)
def test_a_forged_event_is_refused(world: World, request_: CallbackRequest) -> None:
    with pytest.raises(CallbackRejected):
        world.channel.parse(request_)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"encrypt":1}', b'{"encrypt":""}', b"\xff"])
def test_an_event_without_an_envelope_is_refused_like_any_stranger(
    world: World, body: bytes
) -> None:
    """It was 400 once, so that anybody could raise the alarm for unreadable messages."""
    with pytest.raises(CallbackRejected):
        world.channel.parse(CallbackRequest(event_request().query, {}, body))


def test_the_previous_key_opens_and_answers(world: World) -> None:
    channel = DingtalkChannel(
        "school1",
        app_key=APP_KEY,
        app_secret=APP_SECRET,
        client=world.client,
        clock=world.clock,
        token=TOKEN,
        aes_key=OLD_KEY,
        previous_aes_key=KEY,
    )
    request = as_request(world.driver.prepare_event({"EventType": "user_add_org"}))
    message = channel.parse(request)
    answer = channel.passive(request, message, None)
    assert world.driver.read_event_answer(answer.body) == "success"


def test_events_without_keys_are_refused(world: World) -> None:
    channel = DingtalkChannel(
        "school1", app_key=APP_KEY, app_secret=APP_SECRET, client=world.client, clock=world.clock
    )
    with pytest.raises(CallbackRejected):
        channel.parse(event_request())


# Going out --------------------------------------------------------------------------------------


def incoming(
    world: World, *, group: str = "", person: str = PERSON, **fields: object
) -> IncomingMessage:
    made = world.driver.message(person, WORDS, group=group, fields=fields)
    return world.channel.parse(as_request(world.driver.wrap(made)))


async def test_a_group_is_answered_where_it_asked(world: World) -> None:
    message = incoming(world, group=GROUP)
    await world.channel.send(reply_to(message), WORDS, key="1")
    (sent,) = world.platform.sent
    assert (sent.kind, sent.recipient, sent.text) == ("dingtalk-session", GROUP, WORDS)
    assert sent.payload["at"] == {"atUserIds": [PERSON], "isAtAll": False}
    assert world.spent == []


async def test_an_ended_address_falls_back_to_the_api(world: World) -> None:
    in_group, alone = incoming(world, group=GROUP), incoming(world)
    world.clock.advance(minutes=91)
    await world.channel.send(reply_to(in_group), WORDS, key="1")
    await world.channel.send(reply_to(alone), WORDS, key="2")
    assert [(sent.kind, sent.recipient) for sent in world.platform.sent] == [
        ("dingtalk-group", GROUP),
        ("dingtalk-person", PERSON),
    ]


@pytest.mark.parametrize(
    "webhook",
    [
        "http://127.0.0.1:5432/robot/sendBySession?session=a",
        "http://169.254.169.254/latest/meta-data",
        "http://fake.evil.example/robot/sendBySession?session=a",
        "http://fake@evil.example/robot/sendBySession?session=a",
        "http://evil@fake/robot/sendBySession?session=a",
        "http://fake:8080/robot/sendBySession?session=a",
        "https://fake/robot/sendBySession?session=a",
        "http://fake/robot/../admin?session=a",
        "http://fake/robot/send?access_token=a",
        "file:///etc/passwd",
        "//fake/robot/sendBySession",
        "http://fake\\@evil/robot/sendBySession",
        "http://127.0.0.1/robot/sendBySession?session=a",
        "http://[::1]/robot/sendBySession?session=a",
        "http://2130706433/robot/sendBySession?session=a",
        "http://localhost/robot/sendBySession?session=a",
        "http://fake.:80/robot/sendBySession?session=a",
        "http://f\u0430ke/robot/sendBySession?session=a",
        "http://xn--fke-8cd/robot/sendBySession?session=a",
        "http://fake\u3002evil.example/robot/sendBySession?session=a",
        "http://fake:@evil.example/robot/sendBySession?session=a",
        "http://fake%2eevil.example/robot/sendBySession?session=a",
        "http://evil.example#@fake/robot/sendBySession?session=a",
        "http://evil.example?@fake/robot/sendBySession?session=a",
        "http://fake:0/robot/sendBySession?session=a",
        "http://fake:443/robot/sendBySession?session=a",
        "http://fake:99999/robot/sendBySession?session=a",
        "http://fake/robot/sendBySession/../../admin?session=a",
        "http://fake/robot/sendBySession%2f..%2fsend?session=a",
        "http://fake//robot/sendBySession?session=a",
        "http://fake/robot/sendbysession?session=a",
        "http://fake/robot/sendBySession?session=a\r\nHost: evil",
        "gopher://fake/robot/sendBySession?session=a",
        "not an address",
        "http://[",
        "",
    ],
)
async def test_a_foreign_address_is_never_called(world: World, webhook: str) -> None:
    ends = epoch_ms(NOW + timedelta(hours=1))
    with pytest.raises(ChannelRefused) as caught:
        await world.client.answer_session(webhook, WORDS, expires_ms=ends)
    assert caught.value.code == "webhook_host"
    assert list(world.platform.calls) == []
    message = incoming(world, group=GROUP, sessionWebhook=webhook)
    await world.channel.send(reply_to(message), WORDS, key="1")
    assert [sent.kind for sent in world.platform.sent] == ["dingtalk-group"]


@pytest.mark.parametrize("seconds", [-3600, -1, 0])
async def test_an_address_that_is_over_is_never_called(world: World, seconds: int) -> None:
    address, _ = world.dingtalk.open_session(PERSON, "http://fake")
    with pytest.raises(ChannelRefused) as caught:
        await world.client.answer_session(
            address, WORDS, expires_ms=epoch_ms(NOW + timedelta(seconds=seconds))
        )
    assert caught.value.code == "webhook_expired"
    assert list(world.platform.calls) == []


async def test_an_address_that_hangs_is_not_answered_twice(world: World) -> None:
    world.platform.fail("/robot/sendBySession", Fault.HTML, times=FOREVER)
    with pytest.raises(Exception, match="sendBySession") as caught:
        await world.channel.send(reply_to(incoming(world, group=GROUP)), WORDS, key="1")
    assert getattr(caught.value, "retryable", False)
    world.platform.heal()
    world.platform.fail("/robot/sendBySession", Fault.TRUNCATED)
    with pytest.raises(ChannelUnavailable):
        await world.channel.send(reply_to(incoming(world, group=GROUP)), WORDS, key="1")
    assert list(world.platform.sent) == []


async def test_who_is_outside_can_not_be_written_to(world: World) -> None:
    message = incoming(world, person="$:LWCP_v1:$s1")
    with pytest.raises(ChannelRefused) as caught:
        await world.channel.send(ReplyTo(message.sender), WORDS, key="1")
    assert caught.value.code == "outside"
    await world.channel.send(reply_to(message), WORDS, key="1")
    assert [sent.kind for sent in world.platform.sent] == ["dingtalk-session"]


async def test_the_driver_posts_signed_callbacks(world: World) -> None:
    seen: list[CallbackRequest] = []

    def take(request: httpx2.Request) -> httpx2.Response:
        seen.append(
            as_request(PreparedPost(str(request.url), dict(request.headers), request.content))
        )
        return httpx2.Response(200, text="{}")

    driver = DingtalkDriver(
        "http://house",
        world.driver.credentials,
        clock=world.clock,
        dingtalk=world.dingtalk,
        transport=httpx2.MockTransport(take),
    )
    assert (await driver.say(PERSON, WORDS, group=GROUP)).status_code == 200
    await driver.close()
    message = world.channel.parse(seen[0])
    assert (message.text, message.group) == (WORDS, GROUP)
    spent = world.channel.parse(as_request(driver.wrap(driver.exhausted(PERSON))))
    assert spent.kind is Kind.UNREADABLE
