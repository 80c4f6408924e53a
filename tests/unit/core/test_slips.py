"""Codes of slips, as they are made and as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import slips

CODE = "7KQ2M9XPAB"


def test_a_code_has_fifty_bits_and_no_sign_that_looks_like_another() -> None:
    assert len(slips.ALPHABET) == 32
    assert not set("ILOU") & set(slips.ALPHABET)
    made = {slips.new_code() for _ in range(50)}
    assert len(made) == 50
    assert {len(code) for code in made} == {10}


@pytest.mark.parametrize(
    "text",
    [
        "绑定码 7KQ2M-9XPAB",
        "绑定码7kq2m9xpab",
        "绑定码：７ＫＱ２Ｍ－９ＸＰＡＢ",
        "我的绑定码是 7KQ2M 9XPAB。",
        "「绑定码 7KQ2M—9XPAB」",
        "7KQ2M-9XPAB",
        " 7kq2m 9xpab ",
        "7KQ2M\n9XPAB",
    ],
)
def test_it_is_read_as_people_type_it(text: str) -> None:
    assert slips.code_in(text) == CODE


def test_what_looks_alike_is_one_sign() -> None:
    assert slips.code_in("绑定码 OIL2M-9XPAB") == "0112M9XPAB"


@pytest.mark.parametrize(
    "text", ["绑定码", "绑定码 7KQ2M", "绑定码 7KQ2M-9XPABC", "绑定码UUUUUUUUUU"]
)
def test_the_word_with_a_wrong_code_is_told_apart_from_other_messages(text: str) -> None:
    assert slips.code_in(text) == ""


@pytest.mark.parametrize(
    "text",
    ["", "绑定孩子", "绑定码怎么用", "13900000001", "1390000000", "basketball", "妈妈 13900000001"],
)
def test_other_messages_are_none(text: str) -> None:
    assert slips.code_in(text) is None


@given(st.text(max_size=80))
def test_nothing_else_comes_out(text: str) -> None:
    code = slips.code_in(text)
    assert not code or (len(code) == 10 and set(code) <= set(slips.ALPHABET))


@given(st.text(alphabet=slips.ALPHABET, min_size=10, max_size=10))
def test_what_is_printed_is_read_again(code: str) -> None:
    assert slips.code_in(f"绑定码 {slips.shown(code)}") == code
    assert slips.code_in(slips.shown(code)) == code
    assert slips.code_in_scene(slips.scene_of(code)) == code
    assert len(slips.scene_of(code)) <= 64


def test_a_classs_scene_is_no_slips() -> None:
    assert slips.code_in_scene("p-0011") is None


def test_a_fresh_code_is_known_without_the_word_too(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter("ABCDEFGHJK0123456789ABCDEFGHJ7")
    monkeypatch.setattr("bot.core.slips.secrets.choice", lambda _signs: next(drawn))
    code = slips.new_code()
    assert code == "ABCDEFGHJ7"
    assert slips.code_in(code.lower()) == code
