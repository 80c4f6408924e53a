"""Homophones, slips of one character and pinyin in letters, against a handbook's own words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge import pinyin
from knowledge.spelling import MOST, Speller

PHRASES = [
    "写作业拖拉怎么办", "孩子写作业磨蹭", "青春期叛逆期怎么办", "玩手机管不住", "孩子不写作业",
    "早恋怎么引导", "分离焦虑", "被同学欺负", "孩子被孤立了", "不想上学", "孩子玩手机",
    "讨好型人格", "他不想去学校", "半途而废", "看完手机就睡", "孩子玩手机不睡",
]  # fmt: skip


@pytest.fixture(scope="module")
def speller() -> Speller:
    """Knows a few sentences and search words."""
    return Speller(PHRASES, PHRASES, ["拖拉", "叛逆期", "早恋", "分离焦虑", "孤立", "讨好型人格"])


@pytest.mark.parametrize(
    ("said", "means", "meant"),
    [
        ("孩子写做业", "pinyin", "孩子写作业"),
        ("孩子太拖啦", "pinyin", "孩子太拖拉"),
        ("叛逆其怎么办", "pinyin", "叛逆期怎么办"),
        ("天天玩手鸡", "pinyin", "天天玩手机"),
        ("孩子早练", "pinyin", "孩子早恋"),
        ("在班里被辜立", "pinyin", "在班里被孤立"),
        ("被齐负了", "pinyin", "被欺负了"),
        ("分离焦焦虑", "typo", "分离焦虑"),
        ("讨好型人人格", "typo", "讨好型人格"),
        ("半途废", "typo", "半途而废"),
        ("haizi bu xie zuoye", "pinyin", "孩子不写作业"),
        ("zuoye tuola", "pinyin", "作业拖拉"),
        ("孩子wan shouji", "pinyin", "孩子玩手机"),
    ],
)
def test_slips_are_read_as_they_were_meant(
    speller: Speller, said: str, means: str, meant: str
) -> None:
    found = speller.corrections(said)
    assert {one.means for one in found} == {means}
    assert speller.apply(said, found) == meant


@pytest.mark.parametrize(
    "said",
    [
        "孩子写作业", "手机", "收集邮票", "他想去学校", "my child does not do homework", "hz", "ok",
        "app", "he can", "食堂几点开门", "", "wifi 密码多少", "adhd",
    ],
)  # fmt: skip
def test_what_is_right_or_foreign_stays(speller: Speller, said: str) -> None:
    assert speller.corrections(said) == ()


def test_a_slip_never_turns_the_meaning_round(speller: Speller) -> None:
    """One character less makes “不想去学校” of it, and the other way round."""
    for said in ("他想去学校", "不想想上学", "他没想去学校"):
        assert all("不" not in one.read[0] or "不" in one.said for one in speller.corrections(said))


def test_the_last_words_of_a_long_message_are_looked_at(speller: Speller) -> None:
    found = speller.corrections("今天天气不错。" * 2_000 + "孩子写做业")
    assert [one.said for one in found] == ["做业"]


@settings(deadline=None)
@given(st.text(alphabet="孩子写做作业拖拉啦手鸡机 abcdehiuzo'", max_size=60))
def test_corrections_are_few_and_about_what_was_said(speller: Speller, text: str) -> None:
    found = speller.corrections(text)
    assert len(found) <= MOST
    assert all(one.said in text and one.read[0] != one.said for one in found)


def test_near_sounds_have_one_key() -> None:
    assert pinyin.key("作业") == pinyin.key("做业")
    assert pinyin.key("诗") == pinyin.key("思")
    assert pinyin.key("您") == pinyin.key("林")
    assert pinyin.key("英") == pinyin.key("因")
    assert pinyin.key("绿") != pinyin.key("路")
    assert pinyin.readings("a") == ()
    assert pinyin.readings("了")[0] == "le"
