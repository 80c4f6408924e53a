"""The AES envelope against recorded vectors, and against everything that must not open it.

The vectors were computed with wechatpy (V0–V5, V7) and dingtalk-sdk (V6, V11, V12).
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import PrpCrypto, WeChatCrypto

from bot.channels.envelope import Envelope, Sealed, check_signature, sign
from bot.core.errors import CallbackRejected, ConfigInvalid

TOKEN = "tok_Parent2026"
TIMESTAMP, NONCE = "1767225600", "586720413"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode().rstrip("=")
PREFIX = b"0123456789abcdef"
APP_ID = "wx0123456789abcdef"
VECTORS = Path(__file__).parents[2] / "channels" / "wechat" / "payloads" / "vectors.json"


@dataclass(frozen=True)
class Vector:
    name: str
    message: str
    receive_id: str
    encrypt: str
    signature: str | None


def vectors() -> list[Vector]:
    return [Vector(**row) for row in json.loads(VECTORS.read_text("utf-8"))]


def make_envelope(receive_id: str = APP_ID, key: str = KEY, previous: str = "") -> Envelope:
    return Envelope(TOKEN, key, receive_id, previous_aes_key=previous, allow_empty_receive_id=True)


def open_raw(framed: bytes, *, envelope: Envelope | None = None) -> str:
    """Encrypt any bytes as they are, sign them rightly and open them."""
    cipher = PrpCrypto(bytes(range(32))).cipher
    encrypt = base64.b64encode(cipher.encrypt(framed)).decode()
    signature = sign(TOKEN, TIMESTAMP, NONCE, encrypt)
    opened = (envelope or make_envelope()).open(
        encrypt, signature=signature, timestamp=TIMESTAMP, nonce=NONCE
    )
    return opened.text


def pad(body: bytes) -> bytes:
    count = 32 - len(body) % 32
    return body + bytes([count]) * count


def frame(message: bytes, *, length: int | None = None, receive_id: bytes = b"") -> bytes:
    size = len(message) if length is None else length
    return PREFIX + size.to_bytes(4, "big") + message + (receive_id or APP_ID.encode())


def test_v0_published_example() -> None:
    assert sign("AAAAA", "1714037059", "486452656") == "899cf89e464efb63f54ddac96b0a0a235f53aa78"


def test_v1_address_signature() -> None:
    signature = sign(TOKEN, TIMESTAMP, NONCE)
    assert signature == "87a80bd9d9d99f920aad57209e81171953378a33"
    check_signature(signature, TOKEN, TIMESTAMP, NONCE)


@pytest.mark.parametrize("vector", vectors(), ids=lambda v: v.name)
def test_vector_seals_and_opens(vector: Vector) -> None:
    envelope = make_envelope(vector.receive_id)
    sealed = envelope.seal(vector.message, timestamp=TIMESTAMP, nonce=NONCE, prefix=PREFIX)
    assert sealed.encrypt == vector.encrypt
    if vector.signature is not None:
        assert sealed.signature == vector.signature
    opened = envelope.open(
        vector.encrypt, signature=sealed.signature, timestamp=TIMESTAMP, nonce=NONCE
    )
    assert (opened.text, opened.key_index) == (vector.message, 0)


def test_v11_dingtalk_published_sample() -> None:
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


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_wechatpy_opens_what_we_seal_and_the_reverse(text: str) -> None:
    envelope = make_envelope()
    ours = envelope.seal(text, timestamp=TIMESTAMP, nonce=NONCE)
    theirs = WeChatCrypto(TOKEN, KEY, APP_ID)
    read = theirs.decrypt_message(
        {"Encrypt": ours.encrypt}, ours.signature, ours.timestamp, ours.nonce
    )
    assert read == text
    encrypt = PrpCrypto(bytes(range(32))).encrypt(text, APP_ID).decode()
    signature = sign(TOKEN, TIMESTAMP, NONCE, encrypt)
    opened = envelope.open(encrypt, signature=signature, timestamp=TIMESTAMP, nonce=NONCE)
    assert opened.text == text


def test_previous_key_opens_and_answers() -> None:
    old = make_envelope(key=OTHER_KEY)
    rotating = make_envelope(key=KEY, previous=OTHER_KEY)
    sealed = old.seal("旧钥", timestamp=TIMESTAMP, nonce=NONCE)
    opened = rotating.open(
        sealed.encrypt, signature=sealed.signature, timestamp=TIMESTAMP, nonce=NONCE
    )
    assert (opened.text, opened.key_index) == ("旧钥", 1)
    answer = rotating.seal("答", timestamp=TIMESTAMP, nonce=NONCE, key_index=opened.key_index)
    back = old.open(answer.encrypt, signature=answer.signature, timestamp=TIMESTAMP, nonce=NONCE)
    assert back.text == "答"


def sealed_message() -> Sealed:
    return make_envelope().seal("想找人聊聊" * 20, timestamp=TIMESTAMP, nonce=NONCE, prefix=PREFIX)


@pytest.mark.parametrize("position", [0, 7, 40, 100, 300, -5])
def test_flipped_letter_fails_the_signature(position: int) -> None:
    sealed = sealed_message()
    broken = flip(sealed.encrypt, position)
    with pytest.raises(CallbackRejected):
        make_envelope().open(broken, signature=sealed.signature, timestamp=TIMESTAMP, nonce=NONCE)


@pytest.mark.parametrize("position", [30, -30, -5])
def test_flipped_letter_signed_anew_fails_the_framing(position: int) -> None:
    broken = flip(sealed_message().encrypt, position)
    signature = sign(TOKEN, TIMESTAMP, NONCE, broken)
    with pytest.raises(CallbackRejected):
        make_envelope().open(broken, signature=signature, timestamp=TIMESTAMP, nonce=NONCE)


@pytest.mark.parametrize("position", [100, 300])
def test_a_letter_broken_inside_the_words_costs_a_few_of_them(position: int) -> None:
    broken = flip(sealed_message().encrypt, position)
    signature = sign(TOKEN, TIMESTAMP, NONCE, broken)
    opened = make_envelope().open(broken, signature=signature, timestamp=TIMESTAMP, nonce=NONCE)
    assert "\ufffd" in opened.text
    assert opened.text.count("想找人聊聊") >= 15


def flip(encrypt: str, position: int) -> str:
    letters = list(encrypt)
    letters[position] = "A" if letters[position] != "A" else "B"
    return "".join(letters)


@pytest.mark.parametrize(
    "framed",
    [
        pytest.param(pad(frame(b"hi", receive_id=b"wxffffffffffffffff")), id="receive id"),
        pytest.param(pad(frame(b"hi", receive_id=APP_ID.encode() + b"x")), id="longer id"),
        pytest.param(pad(frame(b"hi", length=3)), id="length eats the id"),
        pytest.param(pad(frame(b"hi", length=2**32 - 1)), id="length beyond the end"),
        pytest.param(pad(b"short"), id="too short"),
        pytest.param(bytes(32), id="padding 0"),
        pytest.param(b"a" * 31 + b"\x21", id="padding 33"),
        pytest.param(pad(frame(b"hi"))[:-2] + b"\x00\x0c", id="padding unequal"),
        pytest.param(b"\x10" * 16, id="only padding"),
    ],
)
def test_broken_frame_is_rejected(framed: bytes) -> None:
    with pytest.raises(CallbackRejected, match="can't be opened"):
        open_raw(framed)


def test_half_an_emoji_is_kept_for_cleaning() -> None:
    assert open_raw(pad(frame("想死\ud83d".encode("utf-8", "surrogatepass")))) == "想死\ud83d"


def test_broken_bytes_cost_themselves_only() -> None:
    assert open_raw(pad(frame("想死".encode() + b"\xff\xfe!"))) == "想死\ufffd\ufffd!"
    mixed = b"\x80" + "想死\ud83d".encode("utf-8", "surrogatepass")
    assert open_raw(pad(frame(mixed))).strip("\ufffd") == "想死"


@pytest.mark.parametrize("encrypt", ["", "AAAA", "!!!!", "纯文字", "A" * 43, "=" * 64, "\ud83d"])
def test_rubbish_is_rejected(encrypt: str) -> None:
    signature = sign(TOKEN, TIMESTAMP, NONCE, encrypt)
    with pytest.raises(CallbackRejected):
        make_envelope().open(encrypt, signature=signature, timestamp=TIMESTAMP, nonce=NONCE)


@given(raw=st.binary(min_size=16, max_size=160).map(lambda b: b[: len(b) // 16 * 16]))
def test_signed_garbage_never_raises_anything_else(raw: bytes) -> None:
    encrypt = base64.b64encode(raw).decode()
    signature = sign(TOKEN, TIMESTAMP, NONCE, encrypt)
    with pytest.raises(CallbackRejected):
        make_envelope().open(encrypt, signature=signature, timestamp=TIMESTAMP, nonce=NONCE)


def test_wrong_signature_is_rejected() -> None:
    sealed = sealed_message()
    for signature in ("", "0" * 40, sealed.signature.upper(), "签" * 40, "\ud83d"):
        with pytest.raises(CallbackRejected):
            make_envelope().open(
                sealed.encrypt, signature=signature, timestamp=TIMESTAMP, nonce=NONCE
            )


@pytest.mark.parametrize(
    ("token", "key", "receive_id"),
    [("", KEY, APP_ID), (TOKEN, KEY, ""), (TOKEN, "", APP_ID), (TOKEN, KEY[:-1], APP_ID),
     (TOKEN, KEY[:-1] + "!", APP_ID)],
)  # fmt: skip
def test_unusable_settings_are_refused(token: str, key: str, receive_id: str) -> None:
    with pytest.raises(ConfigInvalid):
        Envelope(token, key, receive_id)
