"""Courses in chat: the list, signing up by number and in words, giving up, the waiting list."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from course_world import as_staff, make_course
from factories import NIGHT, incoming
from house import DANGER, PARENT, Home

from bot.core.clock import SHANGHAI
from bot.db.models import Contact, Course, Delivery, Enrolment, GapTicket, Notice
from bot.services import course_news, courses
from bot.services.courses import CourseText

SATURDAY = datetime(2026, 11, 28, 14, 30, tzinfo=SHANGHAI)
HOMEWORK, PHONE, WALK = "写作业不再拉锯", "手机和平板的规矩", "河边走一走"


async def fill(home: Home, *, places: int | None = None) -> None:
    """Offer two courses and an event to the school and the district."""
    async with home.write() as session:
        now, place = home.clock.now(), home.place
        await make_course(
            session, place.school, starts=SATURDAY, now=now, title=HOMEWORK, places=places
        )
        later = SATURDAY + timedelta(days=3, hours=5)
        await make_course(session, place.district, starts=later, now=now, title=PHONE)
        day = SATURDAY + timedelta(days=1)
        await make_course(
            session, place.district, starts=day, now=now, title=WALK, kind="event", places=30
        )
        await make_course(session, place.other_school, starts=day, now=now, title="别的学校的课")
        await make_course(
            session, place.school, starts=day, now=now, title="还没公布的课", state="draft"
        )


async def enrolments(home: Home) -> list[tuple[int, str]]:
    return [(row.course_id, row.state) for row in await home.rows(Enrolment)]


async def test_without_courses_it_says_so(staffed: Home) -> None:
    assert "没有可以报名" in await staffed.say("最近有什么课")
    assert "没有报名" in await staffed.say("我的报名")


async def test_the_list_names_what_this_family_is_offered(staffed: Home) -> None:
    await fill(staffed)
    courses = await staffed.say("最近有什么课？")
    assert f"1. {HOMEWORK}\n11月28日（周六）14:30–16:00，多功能厅" in courses
    assert f"2. {PHONE}" in courses
    assert "别的学校" not in courses
    assert "还没公布" not in courses
    assert WALK not in courses
    events = await staffed.say("有什么活动")
    assert WALK in events
    assert "还有30个名额" in events
    both = await staffed.say("报名")
    assert HOMEWORK in both
    assert WALK in both


async def test_a_number_signs_up_and_cancel_right_after_gives_up(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    booked = await staffed.say("1")
    assert f"报好了：《{HOMEWORK}》\n11月28日（周六）14:30–16:00\n地点：多功能厅" in booked
    assert "48小时内发，可能发不到" in booked
    assert HOMEWORK in await staffed.say("我报的活动")
    staffed.clock.advance(seconds=20)
    await staffed.say("课程")
    assert "已经报过" in await staffed.say("报名1")
    gone = await staffed.say("取消")
    assert f"《{HOMEWORK}》（11月28日（周六）14:30–16:00）已取消" in gone
    assert await enrolments(staffed) == [(1, "cancelled")]
    assert (await staffed.rows(Course))[0].taken == 0
    await staffed.say("课程")
    assert "报好了" in await staffed.say("报名第1个")
    assert await enrolments(staffed) == [(1, "enrolled")], "the same row again"


async def test_a_sentence_signs_up(staffed: Home) -> None:
    await fill(staffed)
    assert f"《{HOMEWORK}》" in await staffed.say("帮我报名周六的讲座")
    asked = await staffed.say("想参加手机平板")
    assert f"1. {PHONE}" in asked
    assert "哪一个" in asked
    assert "报好了" in await staffed.say("1")
    assert "没有找到" in await staffed.say("帮我报名周一的讲座")
    assert await enrolments(staffed) == [(1, "enrolled"), (2, "enrolled")]


async def test_giving_up_asks_which(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    await staffed.say("1")
    await staffed.say("2")
    which = await staffed.say("取消报名")
    assert "要取消哪一个" in which
    assert "什么都没有改" in await staffed.say("算了")
    await staffed.say("取消报名")
    assert f"《{PHONE}》" in await staffed.say("2")
    assert f"《{HOMEWORK}》" in await staffed.say("取消周六的讲座")
    assert [state for _, state in await enrolments(staffed)] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("text", ["报名3", "报名99", "报名0"])
async def test_a_number_that_was_not_offered(staffed: Home, text: str) -> None:
    await fill(staffed)
    assert "先看看有哪些" in await staffed.say("报名2")
    assert "先看看有哪些" not in await staffed.say("课程")
    assert "1到2" in await staffed.say(text)
    assert await enrolments(staffed) == []


async def test_the_list_ends_after_thirty_minutes(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    staffed.clock.advance(minutes=31)
    assert "已过30分钟" in await staffed.say("1")
    assert await enrolments(staffed) == []
    assert "报好了" in await staffed.say("1")


async def test_more_than_six_come_in_pages(staffed: Home) -> None:
    async with staffed.write() as session:
        for number in range(1, 9):
            await make_course(
                session,
                staffed.place.district,
                starts=SATURDAY + timedelta(days=number),
                now=NIGHT,
                title=f"第{number}门" + "长" * 40,
            )
    first = await staffed.say("课程")
    assert "6. 第6门" in first
    assert "7. " not in first
    assert "后面还有2个" in first
    second = await staffed.say("更多")
    assert "7. 第7门" in second
    assert "后面没有了" in await staffed.say("更多") or "8. " in second
    await staffed.say("课程")
    await staffed.say("更多")
    assert "第8门" in await staffed.say("报名8")


async def test_what_a_course_is_about(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    about = await staffed.say("介绍1")
    assert "一句话说完。\n主讲：学校心理老师" in about
    assert "报好了" in await staffed.say("报名1")


async def test_the_first_who_waits_moves_up_and_is_told(staffed: Home) -> None:
    await fill(staffed, places=1)
    await staffed.say("课程")
    await staffed.say("1")
    for parent, place in (("oParent0002", 1), ("oParent0003", 2)):
        await staffed.driver.follow(parent, "class-302")
        await staffed.say("课程", parent=parent)
        assert f"候补第{place}位" in await staffed.say("1", parent=parent)
        assert f"候补第{place}位" in await staffed.say("我的报名", parent=parent)
    await staffed.house.handover.flush()
    await staffed.work()
    staffed.platform.sent.clear()
    await staffed.say("取消报名")
    await staffed.work()
    told = "\n".join(staffed.sent("oParent0002"))
    assert HOMEWORK in told
    assert "有名额了" in told
    assert staffed.sent("oParent0003") == []
    assert await enrolments(staffed) == [(1, "cancelled"), (1, "enrolled"), (1, "waiting")]
    assert (await staffed.rows(Course))[0].taken == 1


async def test_reminders_come_a_day_and_two_hours_before_and_not_to_who_stopped(
    staffed: Home,
) -> None:
    await fill(staffed)
    async with staffed.write() as session:
        course = await session.get_one(Course, 1)
        await course_news.plan_reminders(session, course, now=staffed.clock.now())
    await staffed.driver.follow("oParent0002", "class-302")
    for parent in (PARENT, "oParent0002"):
        await staffed.say("课程", parent=parent)
        await staffed.say("1", parent=parent)
    assert "已停止" in await staffed.say("退订", parent="oParent0002")
    await staffed.work()
    staffed.clock.moment = SATURDAY - timedelta(hours=25)
    await staffed.say("在吗")
    await staffed.house.handover.flush()
    await staffed.work()
    staffed.platform.sent.clear()
    await staffed.wait(hours=1)
    assert HOMEWORK in "".join(staffed.sent())
    staffed.platform.sent.clear()
    await staffed.wait(hours=22)
    assert "马上开始" in "".join(staffed.sent())
    assert staffed.sent("oParent0002") == []
    states = {
        row.reason or row.state for row in await staffed.rows(Delivery, Delivery.notice_id > 0)
    }
    assert states == {"accepted", "stopped"}


async def test_the_weekly_list_goes_out_on_friday_to_who_did_not_stop(staffed: Home) -> None:
    await fill(staffed)
    await staffed.driver.follow("oParent0002", "class-302")
    await staffed.say("退订", parent="oParent0002")
    staffed.clock.moment = datetime(2026, 11, 27, 16, 0, tzinfo=SHANGHAI)
    await staffed.say("在吗")
    await staffed.house.handover.flush()
    await staffed.work()
    staffed.platform.sent.clear()
    await staffed.wait(hours=1, seconds=30)
    (words,) = staffed.sent()
    assert HOMEWORK in words
    assert "回复“退订课程”" in words
    assert "别的学校" not in words
    assert staffed.sent("oParent0002") == []
    (notice,) = await staffed.rows(Notice)
    assert notice.course_id is None


@pytest.mark.parametrize("text", ["帮我报名周六的讲座", "我的报名", "取消报名"])
async def test_who_cannot_be_proved_books_nothing(staffed: Home, text: str) -> None:
    await fill(staffed)
    message = replace(incoming(text, at=staffed.clock.now()), vouched=False)
    (words,) = await staffed.route(await staffed.accept(message))
    assert "确认不了" in words
    assert await enrolments(staffed) == []


async def test_a_question_about_signing_up_is_answered_as_a_question(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    await staffed.say("孩子报名参加比赛很紧张")
    assert len(await staffed.rows(GapTicket)) == 1
    assert await enrolments(staffed) == []


async def test_a_danger_while_a_list_stands_is_a_danger(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    assert "120" in await staffed.say(DANGER)
    assert await staffed.rows(Contact, Contact.external_id == PARENT)


# In DingTalk, and what is told unasked ------------------------------------------------------------


async def hear(home: Home, person: str, text: str) -> str:
    """Write over the robot's Stream and return what came back."""
    home.platform.sent.clear()
    await home.hear(home.robot.message(person, text))
    await home.house.reception.finish(5)
    await home.work()
    await home.wait(seconds=2)
    return "\n".join(one.text for one in home.platform.sent if one.recipient == person)


async def test_the_same_in_dingtalk(staffed: Home) -> None:
    await fill(staffed)
    listed = await hear(staffed, "u001", "最近有什么课")
    assert PHONE in listed
    assert HOMEWORK not in listed, "nobody knows whose parent this is: the district's courses"
    booked = await hear(staffed, "u001", "1")
    assert f"报好了：《{PHONE}》" in booked
    assert "会提醒你" in booked
    assert "48小时" not in booked
    assert PHONE in await hear(staffed, "u001", "我的报名")
    assert "已取消" in await hear(staffed, "u001", "取消报名1")
    assert "已停止" in await hear(staffed, "u001", "退订")
    assert "到时候不会提醒" in await hear(staffed, "u001", "帮我报名手机和平板")
    assert "已恢复" in await hear(staffed, "u001", "恢复")
    assert await enrolments(staffed) == [(2, "enrolled")]


async def test_who_signed_up_is_told_of_another_time_and_of_the_end(staffed: Home) -> None:
    await fill(staffed, places=1)
    await staffed.driver.follow("oParent0002", "class-302")
    for parent in (PARENT, "oParent0002"):
        await staffed.say("课程", parent=parent)
        await staffed.say("1", parent=parent)
    by = as_staff("lead", staffed.place.school, staffed.place.class_)
    later = SATURDAY + timedelta(hours=3)
    text = CourseText(
        kind="course",
        title=HOMEWORK,
        summary="一句话说完。",
        starts_at=later,
        ends_at=later + timedelta(hours=1),
        where="二楼",
        places=1,
    )
    async with staffed.write() as session:
        await courses.change(session, by, 1, text=text, row_version=1, now=staffed.clock.now())
    staffed.platform.sent.clear()
    await staffed.work()
    for parent in (PARENT, "oParent0002"):
        assert "现在是：11月28日（周六）17:30–18:30，二楼" in "".join(staffed.sent(parent))
    staffed.platform.sent.clear()
    async with staffed.write() as session:
        await courses.set_state(
            session, by, 1, state="cancelled", row_version=2, now=staffed.clock.now()
        )
    await staffed.work()
    for parent in (PARENT, "oParent0002"):
        assert "取消了，请不要再去" in "".join(staffed.sent(parent))
    assert "主办方已取消" in await staffed.say("我的报名")
    staffed.clock.moment = SATURDAY - timedelta(hours=1)
    staffed.platform.sent.clear()
    await staffed.work()
    assert staffed.sent() == [], "no reminder of what is off"


async def test_a_job_that_runs_twice_tells_once(staffed: Home) -> None:
    await fill(staffed)
    await staffed.say("课程")
    await staffed.say("1")
    payload: dict[str, object] = {"course": 1, "what": "moved", "starts": 0}
    for _ in range(2):
        async with staffed.write() as session:
            await course_news.tell(session, payload, key="once", now=staffed.clock.now())
    staffed.platform.sent.clear()
    await staffed.work()
    assert len(staffed.sent()) == 1
