"""The key ring: what it encrypts, what it refuses to read, what it signs."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import ConfigInvalid
from bot.db import crypto
from bot.db.crypto import KeyRing, Undecipherable, new_key

OLD, NEW = new_key("old"), new_key("new")
RING = KeyRing.parse(OLD)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_goes_in_comes_out(text: str) -> None:
    stored = RING.encrypt(text, purpose="message.text")
    assert RING.decrypt(stored, purpose="message.text") == text
    assert stored.startswith("old.")


def test_the_same_words_never_look_the_same() -> None:
    assert RING.encrypt("不想活了", purpose="p") != RING.encrypt("不想活了", purpose="p")


def test_a_value_cannot_be_moved_to_another_column() -> None:
    stored = RING.encrypt("13800000000", purpose="contact.emergency_contact")
    with pytest.raises(Undecipherable):
        RING.decrypt(stored, purpose="message.text")


@pytest.mark.parametrize("position", [0, 14, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    key_id, _, encoded = RING.encrypt("不想活了", purpose="p").partition(".")
    raw = bytearray(base64.b64decode(encoded))
    raw[position] ^= 1
    with pytest.raises(Undecipherable):
        RING.decrypt(f"{key_id}.{base64.b64encode(raw).decode()}", purpose="p")


@pytest.mark.parametrize(
    "stored", ["", "old.", "old.AAAA", "old.%%%", "nobody.AAAA", "plain words"]
)
def test_rubbish_is_undecipherable_and_not_quoted(stored: str) -> None:
    with pytest.raises(Undecipherable) as caught:
        RING.decrypt(stored, purpose="p")
    assert "plain words" not in str(caught.value)


def test_a_rotated_ring_reads_both_and_writes_the_first() -> None:
    before = RING.encrypt("旧", purpose="p")
    ring = KeyRing.parse(f"{NEW},{OLD}")
    assert ring.current_id == "new"
    assert ring.decrypt(before, purpose="p") == "旧"
    after = ring.encrypt("新", purpose="p")
    assert after.startswith("new.")
    with pytest.raises(Undecipherable):
        RING.decrypt(after, purpose="p")


@pytest.mark.parametrize(
    "setting",
    ["", " , ", "k1", "k1:", "k1:AAAA", "k 1:" + "A" * 43 + "=", f"{OLD},{OLD}", "k1:%%%"],
    ids=range(8),  # a made key's own name would be another one in each test process
)
def test_a_broken_setting_is_refused_without_its_value(setting: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        KeyRing.parse(setting)
    assert "XINQING_SECRET_KEYS" in str(caught.value)
    for item in setting.split(","):
        secret = item.partition(":")[2]
        assert len(secret) < 4 or secret not in str(caught.value)


def test_signatures_hold_for_their_purpose_and_survive_a_rotation() -> None:
    signature = RING.sign("case/7", purpose="link")
    rotated = KeyRing.parse(f"{NEW},{OLD}")
    assert rotated.verify("case/7", signature, purpose="link")
    assert not rotated.verify("case/8", signature, purpose="link")
    assert not rotated.verify("case/7", signature, purpose="cookie")
    assert not KeyRing.parse(NEW).verify("case/7", signature, purpose="link")
    for forged in ("", "old", "old-", f"{signature}x", signature[:-1]):
        assert not RING.verify("case/7", forged, purpose="link")


def test_a_fingerprint_outlives_a_rotation_and_hides_its_text() -> None:
    mark = RING.fingerprint("cookie", purpose="login.token")
    assert KeyRing.parse(f"{NEW},{OLD}").fingerprint("cookie", purpose="login.token") == mark
    assert KeyRing.parse(NEW).fingerprint("cookie", purpose="login.token") != mark
    assert "cookie" not in mark


def test_without_a_ring_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "_installed", [])
    with pytest.raises(ConfigInvalid):
        crypto.installed()
