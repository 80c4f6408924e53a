"""Which courses a sentence means that asks for a place; questions stay questions."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import course_wish
from bot.core.clock import SHANGHAI
from bot.core.commands import means
from bot.db.models import Course
from bot.db.models.course import COURSE, EVENT
from bot.services.course_match import match, read_give_up, read_wish

# A Sunday.
TODAY = date(2026, 11, 22)
SATURDAY, NEXT_SATURDAY = date(2026, 11, 28), date(2026, 12, 5)

QUESTIONS = [
    "孩子报名参加比赛很紧张",
    "孩子不想参加活动怎么办",
    "要不要给孩子报名兴趣班",
    "我想给孩子报名奥数班，合适吗",
    "给儿子报名了夏令营他不肯去",
    "女儿报名参加演讲，临上台哭了",
    "报名费太贵了，不想让他学",
    "我报名了课程但是没时间听",
    "想参加家长会又怕老师批评",
    "孩子参加活动总躲在我后面",
    "他报了钢琴课又想放弃",
    "我想报警",
    "帮我报警",
    "参加考试前睡不着",
    "我想参加他的生活",
    "孩子取消了生日会一直哭",
    "取消补习班孩子成绩会下降吗",
    "不去学校",
    "不参加集体活动是孤僻吗",
    "报名中职还是普高",
    "孩子不愿意报名社团",
    "我想要个孩子",
    "要报复同学",
]
COMMANDS = (
    "courses", "events", "courses_all", "my_courses", "course_give_up", "course_not_going",
)  # fmt: skip


def course(title: str, day: date, hour: int = 14, kind: str = "course") -> Course:
    start = datetime(day.year, day.month, day.day, hour, 30, tzinfo=SHANGHAI)
    return Course(kind=kind, title=title, starts_at=start, ends_at=start + timedelta(hours=1))


OFFERED = [
    course("写作业不再拉锯（演示）", SATURDAY),
    course("亲子共读半日（演示）", SATURDAY + timedelta(days=1), 9, "event"),
    course("手机和平板：家里的规矩怎么立（演示）", NEXT_SATURDAY, 19),
    course("河边走一走：亲子徒步五公里（演示）", NEXT_SATURDAY, 8, "event"),
]
TITLES = [one.title for one in OFFERED]


def test_a_wish_names_kinds_as_courses_have_them() -> None:
    assert (course_wish.COURSE, course_wish.EVENT) == (COURSE, EVENT)


@pytest.mark.parametrize("text", QUESTIONS)
def test_a_question_stays_a_question(text: str) -> None:
    wish = read_wish(text, TODAY, TITLES)
    assert wish is None or (not wish.sure and not match(wish, OFFERED).found)
    away = read_give_up(text, TODAY, TITLES)
    assert away is None or not match(away, OFFERED).found
    assert not any(means(command, text) for command in COMMANDS)


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("帮我报名周六的讲座", 0),
        ("帮我报名下周日的活动", 1),
        ("我想报名写作业不再拉锯", 0),
        ("请帮我报名亲子共读，谢谢", 1),
        ("麻烦帮我报一下名下下周六上午的活动", 3),
        ("我要参加11月28号的课", 0),
        ("帮我报名手机和平板家里的规矩怎么立", 2),
        ("老师，帮我给孩子报名28号的讲座", 0),
        ("帮我报名12月5日晚上的课程吧", 2),
        ("可以帮我报名徒步吗", 3),
    ],
)
def test_a_sentence_that_books(text: str, index: int) -> None:
    wish = read_wish(text, TODAY, TITLES)
    assert wish is not None
    assert wish.sure
    found = match(wish, OFFERED)
    assert [one.title for one in found.found] == [TITLES[index]]
    assert found.certain


def test_two_on_one_day_are_asked_about() -> None:
    wish = read_wish("帮我报名12月5号的", TODAY, TITLES)
    assert wish is not None
    found = match(wish, OFFERED)
    assert len(found.found) == 2
    assert not found.certain


def test_a_weekday_of_another_week_is_asked_about() -> None:
    wish = read_wish("帮我报名周六的讲座", TODAY, TITLES)
    assert wish is not None
    found = match(wish, OFFERED[2:3])
    assert found.found == (OFFERED[2],)
    assert not found.certain


def test_this_week_means_this_week() -> None:
    wish = read_wish("帮我报名本周六的讲座", TODAY, TITLES)
    assert wish is not None
    assert match(wish, OFFERED).found == ()


def test_a_title_without_a_wish_in_so_many_words_is_only_offered() -> None:
    wish = read_wish("想参加徒步", TODAY, TITLES)
    assert wish is not None
    assert not wish.sure
    assert match(wish, OFFERED).found == (OFFERED[3],)


def test_a_title_that_sounds_like_a_question_is_meant_where_it_is_on_offer() -> None:
    assert read_wish("帮我报名写作业不再拉锯", TODAY) is None
    assert read_wish("帮我报名写作业不再拉锯", TODAY, TITLES) is not None
    assert read_give_up("取消写作业不再拉锯", TODAY) is None
    assert read_give_up("取消写作业不再拉锯", TODAY, TITLES) is not None


def test_a_day_that_never_comes_has_nothing_on_it() -> None:
    wish = read_wish("帮我报名2月30日的课", TODAY, TITLES)
    assert wish is not None
    assert match(wish, OFFERED).found == ()


def test_giving_up_names_a_course_too() -> None:
    away = read_give_up("取消周六的讲座", TODAY, TITLES)
    assert away is not None
    assert match(away, OFFERED).found == (OFFERED[0],)


@given(
    st.text()
    | st.text(alphabet="帮我想要报名参加取消周星期六日天末下这本月号123的课讲座活动孩子吗"),
    st.dates(min_value=date(2020, 1, 1), max_value=date(2100, 1, 1)),
)
def test_no_text_breaks_the_reading(text: str, today: date) -> None:
    for read in (read_wish, read_give_up):
        wish = read(text, today, TITLES)
        if wish is not None:
            assert set(match(wish, OFFERED).found) <= set(OFFERED)
