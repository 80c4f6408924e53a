"""Whatever stands between or in the place of the letters, the same words are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.risk import Context, Level, assess, default_rules
from knowledge.risk.normalise import COMMA, GAP, STOP, fold
from knowledge.risk.reading import split_over

PUPIL = Context(who="S")
# Marks that people put between two letters, by what they are.
BETWEEN = {
    "space": " ",
    "wide space": "\u3000",
    "tab": "\t",
    "dot": ".",
    "star": "*",
    "wide star": "＊",
    "brackets": "【】",
    "slashes": "//",
    "quote": '"',
    "zero width": "\u200b",
    "joiner": "\u2060",
    "byte order": "\ufeff",
    "soft hyphen": "\u00ad",
    "bidi": "\u202e",
    "bidi mark": "\u200f",
    "combining": "\u0301",
    "variant": "\ufe0f",
    "emoji": "😭",
    "tag": "<b>",
    "closing tag": '</span><span class="x">',
    "page comment": "<!-- x -->",
    "program comment": "/* x */",
    "entity": "&nbsp;",
}


@pytest.mark.parametrize("mark", BETWEEN.values(), ids=BETWEEN)
@pytest.mark.parametrize("phrase", ["我想自杀", "我不想活了"])
def test_a_mark_between_the_letters_hides_nothing(phrase: str, mark: str) -> None:
    assert assess(mark.join(phrase), PUPIL).level is assess(phrase, PUPIL).level is Level.HIGH


@pytest.mark.parametrize(
    "text",
    [
        "想紫砂", "我想自鲨", "我想自鯊", "自殺", "⾃杀", "自sha", "想s了", "想④", "亖了算了",
        "想歹匕",
        "自乂木", "自👻", "ｚｉｓｈａ", "zi sha", "zisha", "zì shā", "zi4 sha1", "z1sha",
        "BuXiangHuoLe",
        "zіsha", "zisһa", "zιsha", "𝔃𝓲𝓼𝓱𝓪", "bxhl", "想zs", "不想huo了", "&#33258;&#26432;",
        "&#x81ea;&#x6740;", "&lt;p&gt;我想自杀", "print('我想自杀')", '<img alt="我想自杀">',
    ],
)  # fmt: skip
def test_another_spelling_is_the_same_word(text: str) -> None:
    assert assess(text, PUPIL).level.rank >= Level.FOCUS.rank


@pytest.mark.parametrize(
    "text",
    [
        "买了把紫砂壶", "4班的4号同学", "他想，死活不肯", "笑😂死我了", "老师:<b>打</b>死不承认",
        "zs.com",
        "a<b && b>c", "<死机>怎么办", "作业&附件", "xs,好好笑", "Привет, как дела",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_stays_harmless(text: str) -> None:
    assert assess(text, Context(who="PC")).level is Level.NONE


def test_breaks_keep_their_strength() -> None:
    folded = fold("我 想，死。活<br>了<b>吧", GAP)
    assert folded.text == "我想死活了吧"
    assert folded.breaks == (GAP, GAP, COMMA, STOP, STOP, GAP)


def test_the_third_of_the_same_goes_but_numbers_and_places_stay() -> None:
    folded = fold("死死死死了1111")
    assert folded.text == "死死了1111"
    assert folded.starts == (0, 1, 4, 5, 6, 7, 8)
    assert fold("死死 死，死死").text == "死死死"  # the comma keeps one


def test_one_character_does_not_swell_a_text() -> None:
    assert len(fold("\ufdfa" * 1000).text) <= 4000


@given(st.text(max_size=80), st.text(max_size=80))
def test_places_grow_and_stay_inside_the_text(left: str, right: str) -> None:
    text = f"{left}<b>&#26432;{right}"
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends) == len(folded.breaks)
    assert list(folded.starts) == sorted(folded.starts)
    assert all(
        0 <= low < high <= len(text) for low, high in zip(folded.starts, folded.ends, strict=True)
    )


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (["我不想"], "活了"),
        (["孩子说想"], "死"),
        (["我", "不想"], "活了"),
        (["今晚我想自"], "杀"),
        (["我好想"], " 去死吧"),
    ],
)
def test_a_phrase_over_several_messages_is_read(turns: list[str], text: str) -> None:
    reading = split_over(turns, text, "S", default_rules())
    assert reading.level is Level.HIGH
    assert all(
        0 <= low < high <= len(reading.folded.text) for f in reading.findings for low, high in f.run
    )


@pytest.mark.parametrize(
    ("turns", "text"),
    [
        (["他想"], "死活不肯"),
        (["我想"], "死你了"),
        (["想"], "死党了"),
        (["不想"], "活动了"),
        (["作业还没想"], "死的那条鱼怎么办"),
        (["他没说过想"], "死"),
        (["我想自杀"], "谢谢老师"),
        ([], "活了"),
        (["好"], ""),
    ],
)
def test_words_that_only_meet_are_two_things(turns: list[str], text: str) -> None:
    assert split_over(turns, text, "S", default_rules()).level is Level.NONE
