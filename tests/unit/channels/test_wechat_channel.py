"""The WeChat channel: recorded callbacks in three modes, and what goes back."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechat_world import (
    ANSWER,
    APP_ID,
    KEY,
    MODES,
    NOW,
    OLD_KEY,
    PAYLOADS,
    TIMESTAMP,
    TOKEN,
    as_request,
    make_channel,
    make_driver,
    parse_payload,
    plain_request,
    text_xml,
)

from bot.channels.wechat.channel import WechatChannel
from bot.channels.xml import parse_fields
from bot.config import load_settings
from bot.core.clock import FixedClock
from bot.core.errors import CallbackRejected, ConfigInvalid
from bot.core.messages import IncomingMessage, Kind, Reply
from bot.core.ports import CallbackRequest
from bot.simulator.driver import PreparedCallback

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
        ("location", Kind.LOCATION, "24000000000000007", "海陵区示例路1号 (32.455, 119.923)",
         "", "", {"latitude": "32.455", "longitude": "119.923"}),
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
            client=make_channel().client,
            clock=FixedClock(NOW),
        )


@pytest.mark.parametrize(
    ("latitude", "longitude", "text"),
    [
        ("32.455", "119.923", "晴川大桥 (32.455, 119.923)"),
        ("-90", "-180", "晴川大桥 (-90, -180)"),
        ("91", "0", "晴川大桥"),
        ("0", "181", "晴川大桥"),
        ("nan", "0", "晴川大桥"),
        ("不知道", "119.923", "晴川大桥"),
        ("", "", "晴川大桥"),
    ],
)
def test_a_pin_keeps_where_it_is(latitude: str, longitude: str, text: str) -> None:
    fields = {"Label": "晴川大桥", "Location_X": latitude, "Location_Y": longitude}
    prepared = make_driver().prepare_message("oParent0001", "location", fields)
    message = make_channel().parse(as_request(prepared))
    assert message.text == text
    assert message.extra == ({"latitude": latitude, "longitude": longitude} if "(" in text else {})


def test_a_pin_without_a_name_is_its_degrees() -> None:
    fields = {"Label": "", "Location_X": "32.455", "Location_Y": "119.923"}
    prepared = make_driver().prepare_message("oParent0001", "location", fields)
    assert make_channel().parse(as_request(prepared)).text == "(32.455, 119.923)"
