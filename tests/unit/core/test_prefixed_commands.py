"""A command with words of one's own behind it: 「留言 我们那天请假」."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.commands import is_command, prefixed

REPLY = "notice_reply"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("留言 我们那天请假", "我们那天请假"),
        ("留言：我们那天请假", "我们那天请假"),
        ("留言:  我们那天请假", "我们那天请假"),
        ("回复老师，明天晚到", "明天晚到"),
        ("  给老师留言\n第一行\n第二行 ", "第一行\n第二行"),
        ("留言\u3000他说：“好”", "他说：“好”"),
        ("留言", ""),
        ("留言：", ""),
    ],
)
def test_the_word_and_what_follows_it_are_told_apart(text: str, words: str) -> None:
    assert prefixed(REPLY, text) == words
    assert is_command(text)


@pytest.mark.parametrize(
    "text",
    [
        "留言板在哪里看",
        "留言我们那天请假",
        "怎么给老师留言",
        "我想留言 给老师",
        "老师回复我了，怎么办",
        "留言。老师没看",
        "",
        "收到",
    ],
)
def test_a_sentence_that_only_holds_the_word_is_left_to_the_others(text: str) -> None:
    assert prefixed(REPLY, text) is None


@given(st.text(max_size=600))
def test_whatever_follows_comes_back_as_it_was_written(rest: str) -> None:
    assert prefixed(REPLY, f"留言 {rest}") == rest.lstrip(" :：,，、\t\n\r\f\v").strip() or not (
        rest.isprintable()
    )


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    assert prefixed(REPLY, text) is None or text.strip().startswith(("留言", "给", "回"))
