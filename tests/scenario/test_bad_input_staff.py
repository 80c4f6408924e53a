"""A teacher leaves the school with a notice half sent, a draft, a course and a parent's question.

What is under way goes on, what was not sent is not sent in their name, and the colleague who takes
over has everything a parent waits for.
"""

from datetime import timedelta

import pytest
from course_world import make_course
from house import Home
from notice_world import BODY, World, make_world, of, sent, states, write
from sqlalchemy import select

from bot.core.errors import NotAllowed, NotFound
from bot.db.models import Binding, Course, Delivery, Notice, Staff
from bot.services import leaving, notices, staff
from bot.simulator.platform import Fault

WISH = "通知 三年级2班 周五下午两点家长会，请回复收到"
BATCH = "/v1.0/robot/oToMessages/batchSend"


@pytest.fixture
async def world(home: Home) -> World:
    """The class, and who may let somebody leave."""
    made = await make_world(home)
    async with home.write() as session:
        for login, role, place in (
            ("head", "admin", home.place.district),
            ("next", "teacher", home.place.class_),
        ):
            person = Staff(
                login=login,
                name="周宁",
                password_hash="unused",
                must_change_password=False,
                created_at=home.clock.now(),
                external_id="t002" if login == "next" else None,
            )
            session.add(person)
            await session.flush()
            await staff.grant(session, staff_id=person.id, place_id=place.id, role=role)
    home.platform.follow("t002")
    return made


async def view(world: World, login: str) -> staff.StaffView:
    """Return somebody with their rights now."""
    async with world.home.house.services.database.read() as session:
        person = await session.scalar(select(Staff).where(Staff.login == login))
        assert person is not None
        return await staff.view(session, person, world.home.clock.now())


async def leave(world: World) -> leaving.Open:
    """Let the teacher leave; the colleague of the class takes over."""
    by, successor = await view(world, "head"), await view(world, "next")
    async with world.home.write() as session:
        return await leaving.leave(
            session,
            by,
            world.teacher.id,
            to_id=successor.id,
            classes=True,
            now=world.home.clock.now(),
        )


async def test_a_notice_under_way_goes_on_and_the_successor_reminds(world: World) -> None:
    home = world.home
    home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    assert await of(world, notice, "dad1") == [("queued", "")]
    await leave(world)
    for _ in range(3):
        await home.wait(minutes=5)
    assert await of(world, notice, "dad1") == [("accepted", "")], "what was sent off arrives"
    assert "已确认" in await world.wechat_says("mum1", "收到")
    assert (await states(world, notice)).children_confirmed == 1
    home.clock.advance(hours=1)
    gone, successor = await view(world, "teacher"), await view(world, "next")
    async with home.write() as session:
        with pytest.raises((NotAllowed, NotFound)):
            await notices.remind(session, gone, notice.id, home.clock.now())
    async with home.write() as session:
        await notices.remind(session, successor, notice.id, home.clock.now())
    await home.work()
    await home.wait(seconds=2)
    assert world.heard("mum2")[-1].startswith("提醒：")
    assert len(world.heard("mum1")) == 1, "who has confirmed is left alone"


async def test_a_draft_goes_to_the_successor_and_out_in_nobodys_old_name(world: World) -> None:
    notice = await write(world)
    await leave(world)
    gone, successor = await view(world, "teacher"), await view(world, "next")
    now = world.home.clock.now()
    async with world.home.write() as session:
        with pytest.raises((NotAllowed, NotFound)):
            await notices.send(session, gone, notice.id, notice.row_version, now)
    assert world.heard("mum1") == []
    (kept,) = await world.home.rows(Notice)
    assert (kept.author_id, kept.state) == (successor.id, "draft")
    async with world.home.write() as session:
        await notices.send(session, successor, kept.id, kept.row_version, now)
    await world.home.work()
    (words,) = world.heard("mum1")
    assert BODY in words
    assert "周宁" in words
    assert "林静" not in words


async def test_the_robot_knows_whoever_left_no_longer(world: World) -> None:
    """「发送」 for an earlier draft, or a new notice: nothing comes from an account that ended."""
    assert "准备发给" in "".join(await world.dingtalk_says("t001", WISH))
    await leave(world)
    for words in ("发送", WISH, "通知进度"):
        answer = "".join(await world.dingtalk_says("t001", words))
        assert "正在发给" not in answer
        assert "准备发给" not in answer
        assert "确认0/4" not in answer
    assert await world.home.rows(Delivery, Delivery.notice_id.is_not(None)) == []
    assert "准备发给" in "".join(await world.dingtalk_says("t002", WISH))


async def test_courses_and_open_questions_of_the_class_are_the_successors(world: World) -> None:
    home = world.home
    now = home.clock.now()
    async with home.write() as session:
        course = await make_course(session, world.place, starts=now + timedelta(days=2), now=now)
        course.author_id = world.teacher.id
    await home.driver.follow("oNew", "class-302")
    for words in ("绑定孩子", "安安", "妈妈 13900000009"):
        await home.say(words, parent="oNew")
    assert [row.state for row in await home.rows(Binding)] == ["asked"]
    left = await leave(world)
    assert not any(left.counts.values()), "nothing is left with somebody who is gone"
    successor = await view(world, "next")
    assert [row.author_id for row in await home.rows(Course)] == [successor.id]
    async with home.house.services.database.read() as session:
        assert (await leaving.open_of(session, successor.id, now=now)).counts["bindings"] == 1
