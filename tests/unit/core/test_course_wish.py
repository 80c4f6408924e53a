"""What a sentence asks for that wants a place: which days, which hours, what kind, what title."""

from collections.abc import Set
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.course_wish import COURSE, EVENT, booking, giving_up, may_be

# A Sunday.
TODAY = date(2026, 11, 22)
SATURDAY = date(2026, 11, 28)


@pytest.mark.parametrize(
    ("words", "days", "weekdays"),
    [
        ("今天", {TODAY}, set()),
        ("明晚", {date(2026, 11, 23)}, set()),
        ("大后天", {date(2026, 11, 25)}, set()),
        ("周六", {SATURDAY}, {6}),
        ("星期天", {TODAY}, {7}),
        ("礼拜3", {date(2026, 11, 25)}, {3}),
        ("周末", {TODAY, SATURDAY}, {6, 7}),
        ("本周六", {date(2026, 11, 21)}, set()),
        ("下周日", {date(2026, 11, 29)}, set()),
        ("下下周六", {date(2026, 12, 5)}, set()),
        ("28号", {SATURDAY}, set()),
        ("21日", {date(2026, 12, 21)}, set()),
        ("11月21号", {date(2027, 11, 21)}, set()),
        ("2月30日", {date.min}, set()),
        ("", set(), set()),
    ],
)
def test_days(words: str, days: Set[date], weekdays: Set[int]) -> None:
    wish = booking(f"帮我报名{words}的讲座", TODAY)
    assert wish is not None
    assert (wish.days, wish.weekdays) == (days, weekdays)
    assert wish.points is bool(days)


@pytest.mark.parametrize(
    ("words", "hours"),
    [("周六", (0, 24)), ("周六上午", (0, 12)), ("周六下午", (12, 18)), ("明晚", (17, 24))],
)
def test_hours(words: str, hours: tuple[int, int]) -> None:
    wish = booking(f"帮我报名{words}的讲座", TODAY)
    assert wish is not None
    assert wish.hours == hours


@pytest.mark.parametrize(
    ("text", "kind", "title"),
    [
        ("帮我报名周六的讲座", COURSE, ""),
        ("老师，帮我给孩子报名28号的亲子共读课", COURSE, "亲子共读"),
        ("帮我报名下周日的活动", EVENT, ""),
        ("帮我报名周六的工作坊", "", ""),
        ("想参加徒步", "", "徒步"),
    ],
)
def test_kind_and_title(text: str, kind: str, title: str) -> None:
    wish = booking(text, TODAY)
    assert wish is not None
    assert (wish.kind, wish.title, wish.asks) == (kind, title, False)


@pytest.mark.parametrize(
    ("text", "sure"),
    [("帮我报名徒步", True), ("想参加徒步", False), ("想参加徒步活动", True), ("报名徒步", False)],
)
def test_how_sure_it_is(text: str, sure: bool) -> None:
    wish = booking(text, TODAY)
    assert wish is not None
    assert wish.sure is sure


def test_words_that_sound_like_a_question_are_marked() -> None:
    wish, away = booking("我想给孩子报名奥数班，合适吗", TODAY), giving_up("不参加比赛", TODAY)
    assert wish is not None
    assert away is not None
    assert (wish.asks, wish.said) == (True, "奥数班合适")
    assert (away.asks, away.said) == (True, "比赛")


def test_giving_up_is_not_booking() -> None:
    away = giving_up("取消周六的讲座", TODAY)
    assert away is not None
    assert away.days == {SATURDAY}
    assert booking("取消周六的讲座", TODAY) is None
    assert giving_up("帮我报名周六的讲座", TODAY) is None


@pytest.mark.parametrize("text", ["我想报警", "帮我报警", "要报复同学", "我想要个孩子", ""])
def test_other_sentences_are_none(text: str) -> None:
    assert not may_be(text)
    assert booking(text, TODAY) is None
    assert giving_up(text, TODAY) is None


@given(
    st.text()
    | st.text(alphabet="帮我想要报名参加取消周星期六日天末下这本月号123的课讲座活动孩子吗"),
    st.dates(min_value=date(2020, 1, 1), max_value=date(2100, 1, 1)),
)
def test_no_text_breaks_the_reading(text: str, today: date) -> None:
    wishes = [wish for wish in (booking(text, today), giving_up(text, today)) if wish]
    assert may_be(text) is bool(wishes)
    for wish in wishes:
        assert wish.said
        assert all(day == date.min or day - today <= timedelta(days=366) for day in wish.days)
