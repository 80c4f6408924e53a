"""Subject, tense, negation, quotation and register change what the same words mean."""

from __future__ import annotations

import pytest

from knowledge.risk import Context, Level, assess


@pytest.mark.parametrize(
    ("text", "who", "level"),
    [
        ("我不想活了", "PS", "2"),
        ("我不想活了", "S", "3"),
        ("我不想活了", None, "3"),
        ("孩子说不想活了", "PC", "3"),
        ("他没有说过想死这种话", "PC", "0"),
        ("我没有想自杀", "PS", "1"),
        ("语文课讲屈原投江,孩子问为什么", "Q", "0"),
        ("电影里那个人自杀了", "PC", "0"),
        ("测试一下:我要自杀", "X", "2"),
        ("如果一个人不想活了学校会告诉家长吗", "S", "2"),
    ],
)
def test_the_same_words_weigh_by_who_and_how(text: str, who: str | None, level: str) -> None:
    assert assess(text, Context(who=who)).level == Level(level)


@pytest.mark.parametrize(
    ("text", "who"),
    [
        ("我儿子最近怪怪的,不想活了这种话都说", "PC"),
        ("班里一个学生说想自杀", "T"),
        ("孙子说不想活了", "G"),
        ("隔壁家孩子天天被打得哭", "PO"),
        ("我妈把我关在门外一晚上", "S"),
    ],
)
def test_the_speaker_is_guessed_from_the_words(text: str, who: str) -> None:
    assert assess(text).who == who


def test_the_subject_is_the_one_spoken_of() -> None:
    assert assess("我不想活了", Context(who="PS")).subject == "self"
    assert assess("儿子说想死", Context(who="PC")).subject == "child"


def test_a_comma_parts_words_that_only_look_like_one() -> None:
    assert assess("这双鞋他想,死活都要买").level is Level.NONE
    assert assess("自，杀").level.rank >= 3


def test_a_test_message_is_marked() -> None:
    assert "TEST" in assess("测试一下:我要自杀").categories


def test_spans_show_what_was_written() -> None:
    found = assess("今天好烦，自.杀算了")
    assert "自.杀" in "".join(span.text for span in found.spans)


@pytest.mark.parametrize(
    "text",
    ["想紫砂", "自鲨", "自殺", "zi sha", "自\u200b杀", "bu xiang huo le", "Ｚｉ ｓｈａ"],
)
def test_evasions_are_read_through(text: str) -> None:
    assert assess(text).level.escalated


@pytest.mark.parametrize("text", ["紫砂壶多少钱", "4班4号", "xs", "iphone", "想4班的同学"])
def test_look_alikes_of_evasions_stay_calm(text: str) -> None:
    assert assess(text).level is Level.NONE


def test_a_stranger_of_another_sentence_does_not_lower_ones_own_child() -> None:
    own = "孩子站在阳台上不肯下来,说不想活了。"
    alone = assess(own)
    both = assess(own + "昨天一个网友说他也想自杀。")
    assert both.level is alone.level is Level.EMERGENCY
    assert both.subject == "child"
