"""Normalising what parents write."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.text import MOST_SENTENCES, clean, fold, normalise, views, without_courtesies


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


def test_story_is_compared_whole_and_by_its_last_sentences() -> None:
    scenes = [f"第{number}天他又躲在屋里不肯出来见人" for number in "一二三四五六七八"]
    forms = views("。".join(scenes) + "。我该怎么办？")
    assert forms[0].startswith(scenes[0])
    assert forms[1:] == tuple(scenes[-6:])
    assert len(forms) == 1 + MOST_SENTENCES


def test_short_text_stays_whole() -> None:
    assert views("怎么办") == ("怎么办",)


def test_story_in_one_breath_is_cut_at_its_commas() -> None:
    forms = views("他天天不说话，回来就进自己屋，喊他吃饭也不应，" * 7)
    assert len(forms) == 1 + MOST_SENTENCES
    assert all(len(form) >= 14 for form in forms)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_normalised_and_twice_is_once(text: str) -> None:
    once = normalise(text)
    once.encode("utf-8")
    assert fold(once) == fold(normalise(once))
    assert views(text)


@settings(deadline=None)
@given(st.text(alphabet=st.characters(categories=["Cs", "Lo", "So"]), max_size=60))
def test_broken_characters_never_raise(text: str) -> None:
    fold(text).encode("utf-8")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("孩 子 不 想 上 学", "孩子不想上学"),
        ("手 机 上 瘾 怎么办", "手机上瘾 怎么办"),
        ("我 不 去", "我 不 去"),
    ],
)
def test_signs_set_apart_one_by_one_are_a_word(written: str, read: str) -> None:
    assert normalise(written) == read
