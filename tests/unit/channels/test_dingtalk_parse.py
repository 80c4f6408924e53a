"""Robot messages of DingTalk: the recorded ones, broken ones, and whatever JSON can hold."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from dingtalk_world import GROUP, NOW, PERSON, payload
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.dingtalk.frames import Frame, acknowledge, read_frame
from bot.channels.dingtalk.parse import load_object, parse_event, parse_message
from bot.core.errors import CallbackMalformed
from bot.core.messages import IncomingMessage, Kind

LATER = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def parse(data: dict[str, Any], *names: str) -> IncomingMessage:
    return parse_message(data, account="school1", now=LATER, robot_names=names)


@pytest.mark.parametrize(
    ("name", "kind", "text", "media"),
    [
        ("text", Kind.TEXT, "孩子沉迷手机怎么办", ""),
        ("text_group", Kind.TEXT, "孩子沉迷手机怎么办", ""),
        ("text_outside", Kind.TEXT, "孩子沉迷手机怎么办", ""),
        ("rich_text", Kind.TEXT, "他说不想活了\n怎么办", "dl-1"),
        ("rich_text_picture", Kind.IMAGE, "", "dl-1"),
        ("picture", Kind.IMAGE, "", "dl-2"),
        ("audio", Kind.VOICE, "孩子不肯上学", "dl-4"),
        ("audio_plain", Kind.VOICE, "", "dl-4"),
        ("video", Kind.VIDEO, "", "dl-5"),
        ("file", Kind.FILE, "请假条.docx", "dl-6"),
        ("unknown", Kind.OTHER, "他说不想活了", ""),
        ("forwarded", Kind.OTHER, '聊天记录\n[{"content":"睡不着"}]', ""),
        ("quota", Kind.UNREADABLE, "", ""),
    ],
)
def test_recorded_messages(name: str, kind: Kind, text: str, media: str) -> None:
    message = parse(payload(name))
    assert (message.kind, message.text, message.media_id) == (kind, text, media)
    assert (message.channel, message.account) == ("dingtalk", "school1")
    assert (message.platform_id, message.sent_at) == ("msgQ1==", NOW)
    assert message.extra["robot"] == "dingrobot01"
    assert message.return_address.startswith("https://oapi.dingtalk.com/")
    assert message.return_until == datetime.fromtimestamp(1767231000, UTC)
    assert "示例" not in repr(message.extra)
    assert not message.stale


def test_only_a_group_is_a_group() -> None:
    assert parse(payload("text")).group is None
    assert parse(payload("text_group")).group == GROUP
    without = {name: value for name, value in payload("text").items() if name != "conversationType"}
    assert parse(without).group is None
    unnamed = payload("text_group") | {"conversationId": None}
    assert parse(unnamed).group == "unnamed"


def test_a_person_outside_has_another_id() -> None:
    assert parse(payload("text")).sender == PERSON
    outside = parse(payload("text_outside"))
    assert (outside.sender, outside.outside) == ("$:LWCP_v1:$s1", True)


@pytest.mark.parametrize("code", ["20001", 20001])
def test_a_message_beyond_the_quota_is_known_as_such(code: object) -> None:
    message = parse(payload("quota") | {"errorCode": code, "text": {"content": "?"}})
    assert (message.kind, message.text) == (Kind.UNREADABLE, "")
    unnamed = parse(payload("quota") | {"msgId": None})
    assert unnamed.platform_id == parse(payload("quota") | {"msgId": None}).platform_id != ""


def test_another_error_is_noted_and_the_words_are_read() -> None:
    message = parse(payload("text") | {"errorCode": 30001})
    assert (message.extra["error"], message.text) == ("30001", "孩子沉迷手机怎么办")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("@心晴助手 孩子怎么办", "孩子怎么办"),
        ("@心晴助手孩子怎么办", "孩子怎么办"),
        (" @心晴助手\u2005孩子怎么办", "孩子怎么办"),
        ("@不想活了 救我", "@不想活了 救我"),
        ("孩子 @心晴助手", "孩子 @心晴助手"),
    ],
)
def test_only_the_robots_own_name_is_cut(said: str, read: str) -> None:
    data = payload("text_group") | {"text": {"content": said}}
    assert parse(data, "心晴助手").text == read
    assert parse(data).text == said.strip()


@pytest.mark.parametrize("created", [None, 0, -1, True, "soon", 10**30, "9" * 4000, [], 1e300])
def test_a_message_without_a_time_is_kept(created: object) -> None:
    message = parse(payload("text") | {"createAt": created})
    assert message.sent_at.tzinfo is not None
    assert message.text == "孩子沉迷手机怎么办"


def test_a_text_in_the_wrong_place_is_still_read() -> None:
    message = parse(payload("text") | {"text": "不想活了"})
    assert (message.kind, message.text) == (Kind.OTHER, "不想活了")
    message = parse(payload("text") | {"text": None, "content": {"content": "不想活了"}})
    assert (message.kind, message.text) == (Kind.OTHER, "不想活了")


@pytest.mark.parametrize(
    "fields",
    [
        {"poll": {"question": "不想活了", "id": "q-1"}},
        {"content": {"card": [{"label": "不想活了", "url": "https://example.org/a"}]}},
        {"note": "不想活了"},
        {"content": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": "不想活了"}}}}}}}}}},
    ],
    ids=["a field of its own", "no word's field", "bare", "deep"],
)
def test_words_of_a_new_kind_are_found_under_any_name(fields: dict[str, Any]) -> None:
    """Only fields with known names were read once; a new kind will have new ones."""
    data = payload("text_group") | {"msgtype": "poll", "text": None} | fields
    message = parse(data)
    assert (message.kind, message.text) == (Kind.OTHER, "不想活了")


def test_an_id_of_nothing_but_nul_is_no_id() -> None:
    with pytest.raises(CallbackMalformed):
        parse(payload("text") | {"senderStaffId": "\0", "senderId": "\0"})


@pytest.mark.parametrize("missing", ["msgId", "senderId"])
def test_without_author_or_key_it_is_refused(missing: str) -> None:
    data = payload("text") | {missing: None, "senderStaffId": ""}
    if missing == "msgId":
        data["senderId"] = PERSON
    with pytest.raises(CallbackMalformed):
        parse(data)


def test_long_ids_fit_their_columns_and_stay_apart() -> None:
    one, two = (
        parse(payload("text") | {"msgId": "m" * 300 + end, "senderStaffId": "u" * 300 + end})
        for end in "ab"
    )
    assert len(one.platform_id) <= 200
    assert len(one.sender) <= 128
    assert one.platform_id != two.platform_id
    assert one.sender != two.sender


@pytest.mark.parametrize(
    "raw",
    [b"", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"a":' * 100_000, b"{" + b"9" * 5000],
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(CallbackMalformed):
        load_object(raw)


def test_broken_bytes_do_not_hide_the_words() -> None:
    raw = json.dumps(payload("text"), ensure_ascii=False).encode()
    broken = raw.replace("怎么办".encode(), b"\xff\xed\xa0\xbd" + "想死".encode())
    assert "想死" in parse(load_object(broken)).text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted({*payload("rich_text"), *payload("text_group"), "errorCode"}))


# The first input is slow to make on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(FIELDS, JSON), st.booleans())
def test_any_json_is_read_or_refused(fields: dict[str, Any], is_complete: bool) -> None:
    data = {**payload("text"), **fields} if is_complete else fields
    try:
        message = parse(data)
    except CallbackMalformed:
        return
    assert 0 < len(message.platform_id) <= 200
    assert 0 < len(message.sender) <= 128
    assert message.sent_at.tzinfo is not None
    assert all(isinstance(value, str) for value in message.extra.values())
    message.text.encode()


@given(st.text(min_size=1), st.sampled_from(["text", "rich", "audio", "new"]))
def test_no_word_is_lost_on_any_way(words: str, way: str) -> None:
    body: dict[str, Any] = {
        "text": {"msgtype": "text", "text": {"content": words}},
        "rich": {"msgtype": "richText", "content": {"richText": [{"text": words}]}},
        "audio": {"msgtype": "audio", "content": {"recognition": words}},
        "new": {"msgtype": "new", "content": {"deep": [{"content": words}]}},
    }[way]
    read = parse(load_object(json.dumps(payload("text") | {"text": None} | body))).text
    assert read == words.replace("\0", "").strip()


def test_an_event_holds_ids_and_no_names() -> None:
    data = {"userid": "p1", "classId": 5, "name": "某某", "studentNo": "7", "role": "guardian"}
    event = parse_event(data, account="a", now=LATER, event="edu_user_insert", event_id="")
    assert (event.kind, event.sender, event.text) == (Kind.RECEIPT, "p1", "")
    assert event.extra == {"event": "edu_user_insert", "class": "5", "role": "guardian"}
    assert len(event.platform_id) == 64


@given(st.text() | st.binary())
def test_any_frame_is_read_or_passed_over(raw: str | bytes) -> None:
    assert read_frame(raw) is None or isinstance(read_frame(raw), Frame)


def test_a_frame_and_its_acknowledgement() -> None:
    raw = (
        '{"specVersion":"1.0","type":"CALLBACK","headers":{"messageId":"m1","time":"1767225600000",'
        '"topic":"/v1.0/im/bot/messages/get"},"data":"{\\"msgId\\":\\"msgQ1==\\"}"}'
    )
    frame = read_frame(raw)
    assert frame is not None
    assert (frame.kind, frame.message_id) == ("CALLBACK", "m1")
    assert frame.topic == "/v1.0/im/bot/messages/get"
    assert json.loads(acknowledge(frame, data='{"response":{}}')) == {
        "code": 200,
        "headers": {"contentType": "application/json", "messageId": "m1"},
        "message": "OK",
        "data": '{"response":{}}',
    }
