"""The WeChat channel: everything that must be refused, and what only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechat_world import (
    APP_ID,
    KEY,
    NONCE,
    TIMESTAMP,
    TOKEN,
    as_request,
    make_channel,
    make_driver,
    plain_request,
    text_xml,
)

from bot.channels.envelope import Envelope
from bot.core.errors import CallbackMalformed, CallbackRejected
from bot.core.ports import CallbackRequest

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
