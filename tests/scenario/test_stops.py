"""Stopping by kind: courses, notices or everything; a danger and a question are always answered."""

from datetime import timedelta

import pytest
from course_world import make_course
from fakes import HOMEWORK
from house import DANGER, Home
from notice_world import World, make_world, of, sent
from sqlalchemy import update

from bot.db.models import Contact, Delivery, Notice
from bot.services import notices
from bot.services.notices import announce


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def switches(world: World, name: str = "mum1") -> tuple[bool, bool, bool]:
    """Return whether everything, the courses and the notices are stopped."""
    one = await world.home.contact(name)
    moments = (one.stopped_at, one.courses_stopped_at, one.notices_stopped_at)
    return tuple(moment is not None for moment in moments)  # type: ignore[return-value]


async def push(world: World, key: str, *, course_id: int | None = None) -> list[tuple[str, str]]:
    """Send something of courses to the first mother; return what became of it."""
    contact = await world.home.contact("mum1")
    async with world.home.write() as session:
        made = await announce(
            session,
            place_id=world.place.id,
            course_id=course_id,
            title="课程",
            body="周六有讲座。",
            key=key,
            to_contacts=[contact.id],
            now=world.home.clock.now(),
        )
    await world.home.work()
    rows = await world.home.rows(Delivery, Delivery.notice_id == made.id)
    return [(row.state, row.reason) for row in rows]


async def test_courses_alone_are_stopped_and_come_back(world: World) -> None:
    assert "学校通知也照常发" in await world.wechat_says("mum1", "退订课程")
    assert await switches(world) == (False, True, False)
    assert await push(world, "w1") == [("unreachable", "stopped")]
    assert (await of(world, await sent(world), "mum1"))[0][0] == "accepted"
    assert "课程消息恢复了" in await world.wechat_says("mum1", "恢复课程")
    assert await push(world, "w2") == [("accepted", "")]


async def test_what_belongs_to_a_booking_ends_only_with_everything(world: World) -> None:
    now = world.home.clock.now()
    async with world.home.write() as session:
        course = await make_course(session, world.place, starts=now + timedelta(days=2), now=now)
    await world.wechat_says("mum1", "退订课程")
    assert await push(world, "b1", course_id=course.id) == [("accepted", "")]
    await world.wechat_says("mum1", "退订")
    assert await push(world, "b2", course_id=course.id) == [("unreachable", "stopped")]


async def test_notices_alone_are_stopped_and_the_teacher_is_told_why(world: World) -> None:
    assert "只能由老师打电话" in await world.wechat_says("mum1", "退订通知")
    assert await switches(world) == (False, False, True)
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("unreachable", "stopped")]
    assert await push(world, "w1") == [("accepted", "")]
    assert "通知恢复了" in await world.wechat_says("mum1", "恢复通知")
    assert (await of(world, await sent(world, key="n2"), "mum1"))[0][0] == "accepted"


async def test_a_stop_right_before_it_leaves_still_counts(world: World) -> None:
    contact = await world.home.contact("mum1")
    by, home = await world.view(), world.home
    async with home.write() as session:
        made = await notices.draft(
            session,
            by,
            place_id=world.place.id,
            title="春游",
            body="周五春游。",
            confirm=True,
            key="late",
            now=home.clock.now(),
        )
        await notices.send(session, by, made.id, made.row_version, home.clock.now())
    (job,) = await home.jobs("notice.expand")
    assert job.state == "ready"
    async with home.write() as session:
        await session.execute(
            update(Contact)
            .where(Contact.id == contact.id)
            .values(notices_stopped_at=home.clock.now())
        )
    await home.work()
    assert await of(world, await first(world), "mum1") == [("unreachable", "stopped")]


async def first(world: World) -> Notice:
    return (await world.home.rows(Notice))[0]


async def test_everything_is_stopped_and_one_kind_comes_back_alone(world: World) -> None:
    assert "学校通知还想收，回复“恢复通知”" in await world.wechat_says("mum1", "TD")
    assert await switches(world) == (True, False, False)
    assert await push(world, "w1") == [("unreachable", "stopped")]
    assert "每周的课程消息还是停着" in await world.wechat_says("mum1", "恢复通知")
    assert await switches(world) == (False, True, False)
    assert (await of(world, await sent(world), "mum1"))[0][0] == "accepted"
    assert "已停止" in await world.wechat_says("mum1", "停")
    assert "学校通知还是停着" in await world.wechat_says("mum1", "恢复课程")
    assert await switches(world) == (False, False, True)
    await world.wechat_says("mum1", "恢复")
    assert await switches(world) == (False, False, False)


async def test_what_was_stopped_by_kind_stays_so_while_everything_is_stopped(world: World) -> None:
    await world.wechat_says("mum1", "退订")
    assert "现在就是停止状态" in await world.wechat_says("mum1", "退订课程")
    assert await switches(world) == (True, True, False)


async def test_a_danger_a_question_and_a_persons_words_never_depend_on_stops(staffed: Home) -> None:
    for words in ("退订课程", "退订通知", "退订"):
        await staffed.say(words)
    assert "手册T06-01" in await staffed.say(HOMEWORK)
    assert "110" in await staffed.say(DANGER)
    await staffed.work()
    await staffed.take_case((await staffed.case()).id)
    await staffed.hold()
    await staffed.write_as_counselor("我在，孩子现在安全吗？")
    await staffed.work()
    assert "我在，孩子现在安全吗？" in staffed.sent()
