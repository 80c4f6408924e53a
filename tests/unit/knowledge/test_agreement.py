"""What entries must agree on: the names of sources, the figures, the length of sentences."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.agreement import facts, sentences
from knowledge.outline import course_themes, questions, topics
from knowledge.sources import chinese_number, register

DIGITS = "零一二三四五六七八九"


def written(number: int) -> str:
    """Write a number as laws do."""
    text, zero = "", False
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            text += ("零" if zero else "") + DIGITS[digit] + name
            zero = False
        elif text and number:
            zero = True
    return text.removeprefix("一") if text.startswith("一十") else text


@given(st.integers(min_value=1, max_value=9999))
def test_numbers_of_articles_are_read_as_they_are_written(number: int) -> None:
    assert chinese_number(written(number)) == number


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("《中华人民共和国未成年人保护法》(2024年修正)第十六条、第一百三十二条", None),
        ("《中华人民共和国未成年人保护法》(2024年修正)第一百三十三条", "no_such_article"),
        ("《中华人民共和国未成年人保护法》(2024年修正)", "no_article"),
        ("《中华人民共和国未成年人保护法》(2024年修正)第十六、十七条", "no_article"),
        ("《中华人民共和国未成年人保护法》第十六条", "unknown_source"),
        ("教育部《3—6岁儿童学习与发展指南》(2012年)", None),
        ("教育部《3—6岁儿童学习与发展指南》(2012年)第三页", "articles_of_a_notice"),
        ("儿科学教材通行共识：误吞电池不催吐，马上就医", None),
        ("妇产科学、精神病学教材通行共识：产后情绪低落多在两周内缓解", None),
        ("星座学教材通行共识：白羊座的孩子脾气急躁一些", "unknown_discipline"),
        ("儿科学教材通行共识：是的", "unknown_discipline"),
    ],
)
def test_a_source_is_known_by_its_one_name(line: str, fault: str | None) -> None:
    assert register().fault(line) == fault


@pytest.mark.parametrize(
    ("sentence", "values"),
    [
        ("小学生每天要睡够10小时", ["10"]),
        ("小学生周末玩2小时", []),
        ("初中生睡9小时，高中生睡8小时", ["9", "8"]),
        ("网络游戏只在周五到周日20时到21时开放", ["20-21"]),
        ("未满8周岁的孩子不能一个人在家", ["8"]),
        ("孩子不见了不用等24小时", []),
        ("等24小时再去派出所", ["等24小时"]),
        ("自来水冲15到20分钟", ["15-20"]),
        ("两岁以下不看屏幕", ["两"]),
    ],
)
def test_figures_are_found_where_they_are_told(sentence: str, values: list[str]) -> None:
    assert [value for fact in facts() for value in fact.found(sentence)] == values


def test_every_figure_that_may_be_told_is_in_its_own_wording() -> None:
    for fact in facts():
        told = [value for part in sentences(fact.wording) for value in fact.found(part)]
        assert set(told) <= set(fact.values), fact.wording


@given(st.text(alphabet="甲乙丙。！？；「」\n1.-", max_size=80))
def test_sentences_lose_no_word(text: str) -> None:
    told = "".join(sentences(text))
    assert [sign for sign in told if sign in "甲乙丙"] == [
        sign for sign in text if sign in "甲乙丙"
    ]


def test_the_outline_is_whole() -> None:
    assert len(questions()) == 118
    assert len(topics()) == 28
    assert {question.topic for question in questions().values()} == set(topics())
    assert len(course_themes()) == 12
