"""A class is found by the names people use for it, and nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.class_names import Named, find, plain

TWO = Named(1, "三年级2班", ("晴川一小",))
TWELVE = Named(2, "三年级12班", ("晴川一小",))
UNDER = Named(3, "1班", ("晴川一小", "四年级"))
GRADE = Named(4, "三年级", ("晴川一小",))
SCHOOL = Named(5, "晴川一小")
PLACES = (TWO, TWELVE, UNDER, GRADE, SCHOOL)


@pytest.mark.parametrize(
    ("text", "place", "rest"),
    [
        ("三年级2班 周五家长会", TWO, "周五家长会"),
        ("三年级二班，周五家长会", TWO, "周五家长会"),
        ("三年级（2）班：周五家长会", TWO, "周五家长会"),
        ("三(2)班周五家长会", TWO, "周五家长会"),
        ("3年2班 周五", TWO, "周五"),
        ("晴川一小三年级2班 周五", TWO, "周五"),
        ("三年级2班的家长们，周五", TWO, "周五"),
        ("三年级十二班 周五", TWELVE, "周五"),
        ("四年级1班 周五", UNDER, "周五"),
        ("三年级 周五", GRADE, "周五"),
        ("晴川一小 周五", SCHOOL, "周五"),
        ("三年级2班「家长会」周五", TWO, "「家长会」周五"),
        ("三年级2班", TWO, ""),
    ],
)
def test_the_longest_name_at_the_head_counts(text: str, place: Named, rest: str) -> None:
    assert find(text, PLACES) == ([place], rest)


@pytest.mark.parametrize("text", ["五年级2班 周五", "周五三年级2班开会", "", "3月5日开会", "二班"])
def test_nothing_is_guessed(text: str) -> None:
    assert find(text, (TWELVE, UNDER, GRADE, SCHOOL)) == ([], text)


def test_one_name_of_two_classes_finds_both() -> None:
    other = Named(9, "三年级2班", ("晴川二中",))
    assert find("三年级2班 周五", (TWO, other))[0] == [TWO, other]
    assert find("晴川二中三年级2班 周五", (TWO, other))[0] == [other]


def test_names_are_plain_in_every_spelling() -> None:
    assert {plain(name) for name in ("三年级２班", "三年级 (2) 班", "3年级2班")} == {"3年级2班"}
    assert (plain("二十一班"), plain("十班"), plain("十十班")) == ("21班", "10班", "0班")


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    found, rest = find(text, PLACES)
    assert found or rest == text
