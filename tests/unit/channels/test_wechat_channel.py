"""The WeChat channel: recorded callbacks in three modes, and everything that must be refused."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.envelope import Envelope, sign
from bot.channels.wechat.channel import WechatChannel
from bot.channels.wechat.client import WechatClient
from bot.channels.xml import parse_fields
from bot.config import load_settings
from bot.core.clock import FixedClock
from bot.core.errors import CallbackMalformed, CallbackRejected, ConfigInvalid
from bot.core.messages import IncomingMessage, Kind, Reply
from bot.core.ports import CallbackRequest
from bot.services.tokens import MemoryTokens
from bot.simulator.driver import PreparedCallback, WechatCredentials, WechatDriver

TOKEN, APP_ID = "tok_Parent2026", "wx0123456789abcdef"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
OLD_KEY = base64.b64encode(bytes(range(1, 33))).decode().rstrip("=")
TIMESTAMP, NONCE = "1767225600", "586720413"
NOW = datetime.fromtimestamp(int(TIMESTAMP), UTC)
PAYLOADS = Path(__file__).parents[2] / "channels" / "wechat" / "payloads"
MODES = ["plain", "compat", "safe"]
NOBODY = httpx2.MockTransport(lambda _: httpx2.Response(500))
ANSWER = Reply("您好，孩子不肯上学……", "answer", "entry:T06-01@1")


def make_channel(
    mode: str = "safe", *, app_id: str = APP_ID, key: str = KEY, previous: str = ""
) -> WechatChannel:
    clock = FixedClock(NOW)
    client = WechatClient(
        "school1",
        app_id=APP_ID,
        app_secret="secret",
        api_base="https://api.invalid",
        tokens=MemoryTokens(clock),
        clock=clock,
        http=httpx2.AsyncClient(transport=NOBODY),
    )
    return WechatChannel(
        "school1",
        app_id=app_id,
        token=TOKEN,
        encoding_aes_key=key,
        mode=mode,
        client=client,
        clock=clock,
        freshness_seconds=600,
        previous_encoding_aes_key=previous,
    )


def make_driver(mode: str = "safe", *, key: str = KEY, app_id: str = APP_ID) -> WechatDriver:
    credentials = WechatCredentials("school1", app_id, TOKEN, key, mode, gh_id="gh_school001")
    return WechatDriver("http://test", credentials, clock=FixedClock(NOW), transport=NOBODY)


def as_request(prepared: PreparedCallback) -> CallbackRequest:
    query = parse_qs(urlsplit(prepared.url).query, keep_blank_values=True)
    return CallbackRequest(query, {}, prepared.body)


def plain_request(body: bytes, *, timestamp: str = TIMESTAMP, **query: str) -> CallbackRequest:
    parameters = {
        "signature": sign(TOKEN, timestamp, NONCE),
        "timestamp": timestamp,
        "nonce": NONCE,
        **query,
    }
    return CallbackRequest({name: [value] for name, value in parameters.items()}, {}, body)


def parse_payload(name: str) -> IncomingMessage:
    return make_channel("plain").parse(plain_request((PAYLOADS / f"{name}.xml").read_bytes()))


def text_xml(content: str, *, message_id: str = "1") -> str:
    return (
        "<xml><ToUserName>gh_school001</ToUserName><FromUserName>oParent0001</FromUserName>"
        f"<CreateTime>{TIMESTAMP}</CreateTime><MsgType>text</MsgType>"
        f"<Content><![CDATA[{content}]]></Content><MsgId>{message_id}</MsgId></xml>"
    )


# What is sent ------------------------------------------------------------------------------------


def test_vector_v2_is_read() -> None:
    vector = json.loads((PAYLOADS / "vectors.json").read_text("utf-8"))[0]
    body = (
        "<xml><ToUserName><![CDATA[gh_school001]]></ToUserName>"
        f"<Encrypt><![CDATA[{vector['encrypt']}]]></Encrypt></xml>"
    )
    request = plain_request(
        body.encode(), encrypt_type="aes", msg_signature=vector["signature"], openid="oParent0001"
    )
    assert make_channel("safe").parse(request) == IncomingMessage(
        channel="wechat",
        account="school1",
        platform_id="24000000000000001",
        sender="oParent0001",
        kind=Kind.TEXT,
        sent_at=NOW,
        text="孩子不肯上学怎么办",
        recipient="gh_school001",
    )


@pytest.mark.parametrize(
    ("name", "kind", "platform_id", "text", "scene", "media_id", "extra"),
    [
        ("text", Kind.TEXT, "24000000000000001", "孩子不肯上学怎么办", "", "", {}),
        ("voice", Kind.VOICE, "24000000000000002", "孩子最近不愿意去学校。", "", "media-voice-1",
         {}),
        ("voice_plain", Kind.VOICE, "24000000000000003", "", "", "media-voice-2", {}),
        ("image", Kind.IMAGE, "24000000000000004", "", "", "media-image-1", {}),
        ("video", Kind.VIDEO, "24000000000000005", "", "", "media-video-1", {}),
        ("shortvideo", Kind.VIDEO, "24000000000000006", "", "", "media-video-2", {}),
        ("location", Kind.LOCATION, "24000000000000007", "海陵区示例路1号", "", "", {}),
        ("link", Kind.LINK, "24000000000000008", "家长课堂\n如何陪孩子过渡到新学期", "", "", {}),
        ("unknown_type", Kind.OTHER, "24000000000000009", "不认识的类型里的话", "", "", {}),
        ("empty_text", Kind.TEXT, "24000000000000010", "", "", "", {}),
        ("subscribe", Kind.FOLLOW, "oParent0001+1767225600+subscribe", "", "", "",
         {"event": "subscribe"}),
        ("subscribe_scene", Kind.FOLLOW, "oParent0001+1767225600+subscribe+qrscene_class_301",
         "", "class_301", "", {"event": "subscribe"}),
        ("unsubscribe", Kind.UNFOLLOW, "oParent0001+1767225600+unsubscribe", "", "", "",
         {"event": "unsubscribe"}),
        ("scan", Kind.SCAN, "oParent0001+1767225600+SCAN+class_301", "", "class_301", "",
         {"event": "scan"}),
        ("click", Kind.MENU, "oParent0001+1767225600+CLICK+menu_talk", "", "menu_talk", "",
         {"event": "click"}),
        ("view", Kind.RECEIPT, "oParent0001+1767225600+VIEW+https://example.org/p/about", "",
         "https://example.org/p/about", "", {"event": "view"}),
        ("location_event", Kind.RECEIPT, "oParent0001+1767225600+LOCATION", "", "", "",
         {"event": "location"}),
        ("template_finish", Kind.RECEIPT, "oParent0001+1767225600+TEMPLATESENDJOBFINISH", "", "",
         "", {"event": "templatesendjobfinish", "receipt": "200163836", "status": "success"}),
        ("subscribe_msg_popup", Kind.RECEIPT, "oParent0001+1767225600+subscribe_msg_popup_event",
         "", "", "", {"event": "subscribe_msg_popup_event", "template": "tpl-1",
                      "status": "accept"}),
        ("subscribe_msg_change", Kind.RECEIPT, "oParent0001+1767225600+subscribe_msg_change_event",
         "", "", "", {"event": "subscribe_msg_change_event", "template": "tpl-1",
                      "status": "reject"}),
        ("subscribe_msg_sent", Kind.RECEIPT, "oParent0001+1767225600+subscribe_msg_sent_event",
         "", "", "", {"event": "subscribe_msg_sent_event", "receipt": "1700827132819554304",
                      "status": "success"}),
        ("unknown_event", Kind.RECEIPT, "oParent0001+1767225600+some_new_event+x", "", "x", "",
         {"event": "some_new_event"}),
    ],
)  # fmt: skip
def test_recorded_payload(
    name: str,
    kind: Kind,
    platform_id: str,
    text: str,
    scene: str,
    media_id: str,
    extra: dict[str, str],
) -> None:
    message = parse_payload(name)
    assert (message.kind, message.platform_id, message.text) == (kind, platform_id, text)
    assert (message.scene, message.media_id, message.extra) == (scene, media_id, extra)
    assert (message.sender, message.recipient) == ("oParent0001", "gh_school001")
    assert message.sent_at == NOW
    assert not message.stale


def test_every_recorded_payload_is_listed_above() -> None:
    listed = {
        row[0]
        for mark in test_recorded_payload.pytestmark  # type: ignore[attr-defined]
        for row in mark.args[1]
    }
    assert listed == {path.stem for path in PAYLOADS.glob("*.xml")}


@pytest.mark.parametrize("mode", MODES)
@given(text=st.text(max_size=120))
def test_round_trip_in_every_mode(mode: str, text: str) -> None:
    channel, driver = make_channel(mode), make_driver(mode)
    message = channel.parse(as_request(driver.prepare("oParent0001", text)))
    # A parser of XML sees "\r" as "\n"; what XML can't hold is gone, the rest is untouched.
    drop = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])
    kept = text.translate(drop).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert message.text == kept.replace("\r\n", "\n").replace("\r", "\n")
    assert message.kind is Kind.TEXT


def test_compat_mode_believes_the_encrypted_half_only() -> None:
    channel, driver = make_channel("compat"), make_driver("compat")
    prepared = driver.prepare("oParent0001", "真话")
    forged = PreparedCallback(prepared.url, prepared.body.replace("真话".encode(), "假话".encode()))
    assert forged.body != prepared.body
    assert channel.parse(as_request(forged)).text == "真话"


def test_a_long_event_key_still_gives_a_short_platform_id() -> None:
    driver = make_driver("plain")
    one = driver.prepare_event("oParent0001", "VIEW", "https://example.org/" + "a" * 500)
    two = driver.prepare_event("oParent0001", "VIEW", "https://example.org/" + "a" * 501)
    channel = make_channel("plain")
    first, second = channel.parse(as_request(one)), channel.parse(as_request(two))
    assert len(first.platform_id) == 64
    assert first.platform_id != second.platform_id
    assert len(first.scene) == 128


@pytest.mark.parametrize(
    ("offset", "stale"), [(0, False), (600, False), (-600, False), (601, True), (-86_400, True),
                          (86_400, True)]
)  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_time_outside_the_window_is_marked_not_refused(mode: str, offset: int, stale: bool) -> None:
    at = datetime.fromtimestamp(int(TIMESTAMP) + offset, UTC)
    request = as_request(make_driver(mode).prepare("oParent0001", "不想活了", at=at))
    message = make_channel(mode).parse(request)
    assert (message.text, message.stale, message.sent_at) == ("不想活了", stale, at)


@pytest.mark.parametrize("timestamp", ["soon", "nan", "1" * 400, "-1"])
def test_a_signed_timestamp_that_is_no_time_is_stale(timestamp: str) -> None:
    body = text_xml("你好").encode()
    assert make_channel("plain").parse(plain_request(body, timestamp=timestamp)).stale


def test_the_previous_key_is_accepted_and_answered_with() -> None:
    rotating = make_channel("safe", previous=OLD_KEY)
    driver = make_driver("safe", key=OLD_KEY)
    request = as_request(driver.prepare("oParent0001", "你好"))
    message = rotating.parse(request)
    answer = rotating.passive(request, message, ANSWER)
    assert driver.read_answer(httpx2.Response(200, text=answer.body)) == ANSWER.text


# What is refused ---------------------------------------------------------------------------------


NEEDED = [("plain", name) for name in ("signature", "timestamp", "nonce")] + [
    (mode, name) for mode in ("compat", "safe") for name in ("msg_signature", "timestamp", "nonce")
]


def with_parameter(request: CallbackRequest, name: str, values: list[str]) -> CallbackRequest:
    query = {key: list(held) for key, held in request.query.items() if key != name}
    return CallbackRequest(query | ({name: values} if values else {}), {}, request.body)


def wrong(value: str) -> str:
    return value[:-1] + ("0" if value[-1] != "0" else "1")


@pytest.mark.parametrize(("mode", "name"), NEEDED)
def test_query_parameters_are_needed_once(mode: str, name: str) -> None:
    request = as_request(make_driver(mode).prepare("oParent0001", "你好"))
    (value,) = request.query[name]
    for values in ([], [""], [value, value], [value, "x"], [wrong(value)]):
        with pytest.raises(CallbackRejected):
            make_channel(mode).parse(with_parameter(request, name, values))


@pytest.mark.parametrize("mode", ["compat", "safe"])
def test_the_plain_signature_is_checked_beside_the_other_one(mode: str) -> None:
    request = as_request(make_driver(mode).prepare("oParent0001", "你好"))
    (value,) = request.query["signature"]
    for values in ([""], [value, value], [wrong(value)]):
        with pytest.raises(CallbackRejected):
            make_channel(mode).parse(with_parameter(request, "signature", values))
    # `msg_signature` covers the same parameters and the message as well.
    assert make_channel(mode).parse(with_parameter(request, "signature", [])).text == "你好"


def test_plaintext_is_refused_in_safe_mode() -> None:
    request = as_request(make_driver("plain").prepare("oParent0001", "你好"))
    with pytest.raises(CallbackRejected, match="safe mode"):
        make_channel("safe").parse(request)
    for query in ({"encrypt_type": "raw"}, {"encrypt_type": "aes"}, {"msg_signature": "0" * 40}):
        with pytest.raises(CallbackRejected):
            make_channel("safe").parse(plain_request(text_xml("你好").encode(), **query))


def test_encrypt_type_twice_is_refused() -> None:
    request = as_request(make_driver("safe").prepare("oParent0001", "你好"))
    query = {**request.query, "encrypt_type": ["raw", "aes"]}
    with pytest.raises(CallbackRejected):
        make_channel("compat").parse(CallbackRequest(query, {}, request.body))


def test_a_message_for_another_account_is_refused() -> None:
    request = as_request(make_driver("safe", app_id="wxffffffffffffffff").prepare("o1", "你好"))
    with pytest.raises(CallbackRejected):
        make_channel("safe").parse(request)


def test_encrypted_without_a_key_is_refused() -> None:
    request = as_request(make_driver("safe").prepare("oParent0001", "你好"))
    with pytest.raises(CallbackRejected):
        make_channel("plain", key="").parse(request)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"<xml></xml>", b"<xml><Encrypt></Encrypt></xml>",
     b"<xml><Encrypt>AAAA</Encrypt><Encrypt>BBBB</Encrypt></xml>",
     b'<!DOCTYPE x [<!ENTITY e "x">]><xml><Encrypt>&e;</Encrypt></xml>',
     b"<xml><Encrypt><a>AAAA</a></Encrypt></xml>", b"<a>" * 100_000],
)  # fmt: skip
def test_a_broken_envelope_is_refused_like_any_stranger(body: bytes) -> None:
    request = plain_request(body, encrypt_type="aes", msg_signature="0" * 40)
    with pytest.raises(CallbackRejected):
        make_channel("safe").parse(request)


@pytest.mark.parametrize("tag", ["ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId",
                                 "Content"])  # fmt: skip
@pytest.mark.parametrize("damage", ["missing", "twice", "nested"])
def test_a_signed_message_with_a_broken_field_is_malformed(tag: str, damage: str) -> None:
    text = text_xml("你好")
    start, end = text.index(f"<{tag}>"), text.index(f"</{tag}>") + len(f"</{tag}>")
    field = text[start:end]
    inner = field.replace(f"<{tag}>", f"<{tag}><b>").replace(f"</{tag}>", f"</b></{tag}>")
    new = {"missing": "", "twice": field * 2, "nested": inner}[damage]
    body = text[:start] + new + text[end:]
    with pytest.raises(CallbackMalformed):
        make_channel("plain").parse(plain_request(body.encode()))
    envelope = Envelope(TOKEN, KEY, APP_ID)
    sealed = envelope.seal(body, timestamp=TIMESTAMP, nonce=NONCE)
    outer = f"<xml><Encrypt>{sealed.encrypt}</Encrypt></xml>".encode()
    request = plain_request(outer, encrypt_type="aes", msg_signature=sealed.signature)
    with pytest.raises(CallbackMalformed):
        make_channel("safe").parse(request)


@pytest.mark.parametrize("created", ["soon", "9" * 30, "-" + "9" * 30])
def test_an_impossible_time_is_malformed(created: str) -> None:
    body = text_xml("你好").replace(f"<CreateTime>{TIMESTAMP}", f"<CreateTime>{created}")
    with pytest.raises(CallbackMalformed):
        make_channel("plain").parse(plain_request(body.encode()))


def test_an_endless_openid_is_malformed() -> None:
    body = text_xml("你好").replace("oParent0001", "o" * 201)
    with pytest.raises(CallbackMalformed):
        make_channel("plain").parse(plain_request(body.encode()))


def test_broken_bytes_do_not_hide_the_words() -> None:
    body = text_xml("我不想活了@@").encode().replace(b"@@", b"\xff\x00\x08\xed\xa0\xbd")
    text = make_channel("plain").parse(plain_request(body)).text
    assert text.startswith("我不想活了\ufffd")


def test_a_mebibyte_is_read_whole() -> None:
    words = "啊" * 250_000 + "不想活了"
    request = as_request(make_driver("safe").prepare("oParent0001", words))
    assert len(request.body) <= 1024 * 1024
    assert make_channel("safe").parse(request).text == words


@given(body=st.binary(max_size=400), encrypted=st.booleans())
def test_random_bytes_raise_nothing_unforeseen(body: bytes, encrypted: bool) -> None:
    channel = make_channel("compat")
    query = {"encrypt_type": "aes", "msg_signature": "0" * 40} if encrypted else {}
    with pytest.raises((CallbackRejected, CallbackMalformed)):
        channel.parse(plain_request(body, **query))


@given(inner=st.text(max_size=300))
def test_random_encrypted_text_raises_nothing_unforeseen(inner: str) -> None:
    prepared = make_driver("safe").wrap(inner, {}, TIMESTAMP, "oParent0001")
    with pytest.raises((CallbackRejected, CallbackMalformed)):
        make_channel("safe").parse(as_request(prepared))


# What is answered --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_address_check(mode: str) -> None:
    channel = make_channel(mode)
    request = plain_request(b"", echostr="4293741829341")
    assert channel.verify(request).body == "4293741829341"
    for name in ("signature", "timestamp", "nonce", "echostr"):
        query = {**request.query, name: request.query[name] * 2}
        with pytest.raises(CallbackRejected):
            channel.verify(CallbackRequest(query, {}, b""))
    with pytest.raises(CallbackRejected):
        channel.verify(plain_request(b"", echostr="1", signature="0" * 40))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", ["您好", "前]]><a>\x08后", "好" * 2000])
def test_the_answer_is_readable_by_the_platform(mode: str, text: str) -> None:
    channel, driver = make_channel(mode), make_driver(mode)
    request = as_request(driver.prepare("oParent0001", "你好"))
    answer = channel.passive(
        request, channel.parse(request), Reply(text, "answer", "entry:T06-01@1")
    )
    read = driver.read_answer(httpx2.Response(200, text=answer.body))
    assert read == text.replace("\x08", "")[:682]
    assert answer.media_type.startswith("application/xml")
    assert ("<Encrypt>" in answer.body) == (mode != "plain")


def test_the_answer_goes_back_to_the_writer() -> None:
    channel = make_channel("plain")
    request = plain_request(text_xml("你好").encode())
    fields = parse_fields(channel.passive(request, channel.parse(request), ANSWER).body)
    assert fields["ToUserName"] == "oParent0001"
    assert fields["FromUserName"] == "gh_school001"
    assert fields["CreateTime"] == TIMESTAMP


@pytest.mark.parametrize("mode", MODES)
def test_no_reply_is_a_bare_success(mode: str) -> None:
    channel, driver = make_channel(mode), make_driver(mode)
    request = as_request(driver.prepare("oParent0001", "你好"))
    answer = channel.passive(request, channel.parse(request), None)
    assert (answer.status, answer.body) == (200, "success")


@pytest.mark.parametrize(("event", "answered"), [("subscribe", True), ("CLICK", True),
                         ("unsubscribe", False), ("TEMPLATESENDJOBFINISH", False),
                         ("VIEW", False), ("LOCATION", False)])  # fmt: skip
def test_events_that_nobody_reads_get_no_words(event: str, answered: bool) -> None:
    channel, driver = make_channel(), make_driver()
    request = as_request(driver.prepare_event("oParent0001", event, "k"))
    answer = channel.passive(request, channel.parse(request), ANSWER)
    assert (answer.body != "success") == answered


# Settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["TOKEN", "APP_SECRET", "APP_ID", "ENCODING_AES_KEY"])
def test_an_empty_secret_closes_the_account(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"APP_ID": APP_ID, "APP_SECRET": "s", "TOKEN": TOKEN, "ENCODING_AES_KEY": KEY}
    monkeypatch.setenv("XINQING_SECRET_KEYS", "k1:" + base64.b64encode(bytes(32)).decode())
    for key, value in (values | {name: ""}).items():
        monkeypatch.setenv(f"XINQING_WECHAT__SCHOOL1__{key}", value)
    with pytest.raises(ConfigInvalid, match=f"XINQING_WECHAT__SCHOOL1__{name}"):
        load_settings(data_dir=tmp_path)


def test_a_channel_without_a_token_is_not_built() -> None:
    with pytest.raises(ConfigInvalid):
        WechatChannel(
            "school1",
            app_id=APP_ID,
            token="",
            encoding_aes_key=KEY,
            mode="plain",
            client=make_channel()._client,
            clock=FixedClock(NOW),
        )
