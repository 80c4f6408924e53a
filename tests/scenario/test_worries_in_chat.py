"""A teacher raises a worry in DingTalk: the child's name, a number, and it stands in the queue."""

import pytest
from factories import make_shift
from house import Home
from notice_world import World, make_world
from sqlalchemy import update

from bot.db.models import Case, Contact, Message, Staff, Worry
from bot.services import cases, staff, worries

WISH = "上报 三年级2班 安安 今天不肯和人说话"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def says(world: World, text: str, person: str = "t001") -> str:
    (answer, *_) = await world.dingtalk_says(person, text)
    return answer


async def on_duty(world: World) -> None:
    async with world.home.write() as session:
        person = await session.get_one(Staff, world.teacher.id)
        await make_shift(
            session, world.home.place.school, person, start=world.home.clock.now(), hours=24
        )


async def test_named_then_a_number_is_in_the_queue(world: World) -> None:
    await on_duty(world)
    asked = await says(world, WISH)
    assert "晴川一小三年级2班 安安" in asked
    for number, reason in enumerate(worries.reasons(), 1):
        assert f"{number}. {reason.text}" in asked
    assert await world.home.rows(Worry) == []
    answer = await says(world, "2")
    assert "已经进入值班台" in answer
    assert "10分钟内" in answer
    (worry,) = await world.home.rows(Worry)
    (case,) = await world.home.rows(Case)
    assert (worry.case_id, worry.author_id) == (case.id, world.teacher.id)
    assert worry.words == "今天不肯和人说话"
    assert (case.origin, case.level, case.family) == ("worry", "3", "abuse")
    assert case.place_id == world.home.place.school.id
    assert "安安" not in str(await pendings(world))


async def pendings(world: World) -> list[object]:
    return [row.pending for row in await world.home.rows(Contact)]


async def test_nobody_on_duty_is_said(world: World) -> None:
    await says(world, WISH)
    assert "现在没有能叫醒的老师在值班" in await says(world, "1")
    assert len(await world.home.rows(Worry)) == 1


async def test_the_number_twice_and_a_repeated_frame_are_one_worry(world: World) -> None:
    await says(world, WISH)
    home = world.home
    frame = home.robot.message("t001", "1")
    for _ in range(2):
        await home.hear(frame)
    await home.house.reception.finish(5)
    await home.work()
    await says(world, "1")
    assert len(await home.rows(Worry)) == 1
    assert len(await home.rows(Case)) == 1


async def test_cancelled_too_late_or_out_of_range_sends_nothing(world: World) -> None:
    await says(world, WISH)
    assert "7" not in await says(world, "9")
    assert await says(world, "取消") == "好，没有上报。"
    await says(world, WISH)
    world.home.clock.advance(minutes=16)
    await says(world, "1")
    assert await world.home.rows(Worry) == []


@pytest.mark.parametrize(
    "text", ["上报 三年级2班 王不在", "上报 五年级1班 安安", "上报 别班的孩子"]
)
async def test_a_child_that_is_not_theirs_is_not_found(world: World, text: str) -> None:
    assert "没有在你的班里找到这个名字" in await says(world, text)


async def test_two_of_one_name_need_their_class(world: World) -> None:
    async with world.home.write() as session:
        await world.child(session, "安安")
    assert "有几个孩子叫这个名字" in await says(world, "上报 安安")


async def test_a_parent_and_one_who_has_left_raise_nothing(world: World) -> None:
    assert "选一个原因" not in await says(world, WISH, "dad1")
    async with world.home.write() as session:
        await session.execute(update(Staff).values(active=False))
    await says(world, WISH)
    await says(world, "1")
    assert await world.home.rows(Worry) == []


async def test_the_right_is_asked_again_with_the_number(world: World) -> None:
    await says(world, WISH)
    async with world.home.write() as session:
        await session.execute(update(Staff).values(active=False))
    await says(world, "1")
    assert await world.home.rows(Worry) == []


async def test_danger_in_the_words_is_answered_as_danger_first(world: World) -> None:
    answer = await says(world, "上报 三年级2班 安安 站在楼顶要跳下去")
    assert "120" in answer
    (message, *_) = [row for row in await world.home.rows(Message) if "楼顶" in row.text]
    assert message.level == "3!"


async def test_the_answer_comes_without_a_name(world: World) -> None:
    await says(world, WISH)
    await says(world, "1")
    home = world.home
    async with home.write() as session:
        (worry,) = await home.rows(Worry)
        case = await session.get_one(Case, worry.case_id)
        await staff.grant(
            session, staff_id=world.teacher.id, place_id=home.place.school.id, role="counselor"
        )
        person = await session.get_one(Staff, world.teacher.id)
        by = await staff.view(session, person, home.clock.now())
        await cases.accept(session, by, case.id, now=home.clock.now())
        now = home.clock.now()
        await worries.answer(session, by, case, worry.id, code="call", words="", now=now)
    before = len(world.heard("t001"))
    await home.work()
    await home.wait(seconds=2)
    (told,) = [text for text in world.heard("t001")[before:] if "回复了你的上报" in text]
    assert "安安" not in told
