"""Normalising what parents write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.text import LONG, clean, fold, normalise, question_of, views, without_courtesies


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ＡＢＣ１２３", "abc123"),
        ("寫作業拖拖拉拉", "写作业拖拖拉拉"),
        ("好好好好好烦啊啊啊啊", "好好烦啊啊"),
        ("孩子不睡😭😭", "孩子不睡"),
        ("看这个[捂脸]http://a.cn/x", "看这个"),
        ("坐立  不安\n\n", "坐立 不安"),
        ("俺娃不吃饭咋办", "我家孩子不吃饭怎么办"),
        ("他著急", "他着急"),
    ],
)
def test_variants_are_read_alike(written: str, read: str) -> None:
    assert normalise(written) == read


def test_lone_surrogates_and_nul_are_cleaned() -> None:
    assert clean("想\ud83d\0死") == "想\ufffd死"


def test_courtesies_go_but_the_question_stays() -> None:
    assert without_courtesies("老师您好,请问孩子不睡怎么办,谢谢老师") == "孩子不睡怎么办"
    assert without_courtesies("谢谢老师") == "谢谢老师"


def test_fold_forgets_marks_and_width() -> None:
    assert fold("写作业，拖到十点？！") == fold("寫作業 拖到十点")


def test_question_is_found_inside_a_story() -> None:
    story = "他小时候挺乖的，上了初中以后跟换了个人一样。" * 3 + "我现在不知道该怎么开口跟他谈？"
    assert len(story) > LONG
    found = question_of(story)
    assert found.endswith("我现在不知道该怎么开口跟他谈？")
    assert len(found) < len(story)


def test_short_text_and_story_without_question_stay_whole() -> None:
    assert question_of("怎么办") == "怎么办"
    told = "他天天不说话，回来就进屋。" * 6
    assert question_of(told) == told
    assert len(views(told)) == 1


@given(st.text(max_size=300))
def test_any_text_can_be_normalised_and_twice_is_once(text: str) -> None:
    once = normalise(text)
    once.encode("utf-8")
    assert fold(once) == fold(normalise(once))
    assert views(text)


@given(st.text(alphabet=st.characters(categories=["Cs", "Lo", "So"]), max_size=60))
def test_broken_characters_never_raise(text: str) -> None:
    fold(text).encode("utf-8")
