"""A teacher writes a notice to the robot: whom it reaches is shown, then it is sent or not."""

from typing import Any

import pytest
from factories import make_staff
from house import Home, Houses
from notice_world import World, make_world
from sqlalchemy import update

from bot.db.models import Contact, Message, Notice, Staff
from bot.services import people, places, staff

WISH = "通知 三年级2班 周五下午两点家长会，请回复收到"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def says(world: World, text: str, person: str = "t001") -> str:
    (answer, *_) = await world.dingtalk_says(person, text)
    return answer


def notices_heard(world: World, name: str) -> list[str]:
    return [text for text in world.heard(name) if text.startswith("【通知】")]


async def test_a_teacher_sees_the_counts_and_the_words_then_sends(world: World) -> None:
    shown = await says(world, WISH)
    assert "晴川一小三年级2班：4个孩子，4位家长，现在能送到3位" in shown
    assert "送不到的1位" in shown
    words = "【通知】周五下午两点家长会，请回复收到\n发自：三年级2班 林静"
    assert words in shown
    assert notices_heard(world, "mum1") == []
    assert "正在发给晴川一小三年级2班，现在能送到3位" in await says(world, "发送")
    for name in ("mum1", "dad1", "mum2"):
        (text,) = notices_heard(world, name)
        asked = "看过后请回复“收到”，家里一个人回就行。"
        assert text == f"{words}\n有话跟老师说，写“留言”再写内容。\n{asked}"
        assert text in shown
    await world.wechat_says("mum1", "收到")
    progress = await says(world, "通知进度")
    assert "确认1/4个孩子；家长4位，等着发0，已送出3，已读0，没送到1，结果不明0" in progress


async def test_sending_twice_and_a_repeated_frame_are_one_notice(world: World) -> None:
    home = world.home
    message = home.robot.message("t001", WISH)
    for _ in range(2):
        await home.hear(message)
    await home.house.reception.finish(5)
    await home.work()
    assert len(await home.rows(Notice)) == 1
    frame = home.robot.message("t001", "发送")
    for _ in range(2):
        await home.hear(frame)
    await home.house.reception.finish(5)
    await home.wait(seconds=2)
    assert "现在没有等着发送的通知" in await says(world, "发送")
    assert len(notices_heard(world, "mum1")) == 1


async def test_cancelled_rewritten_or_old_drafts_are_not_sent(world: World) -> None:
    await says(world, WISH)
    assert await says(world, "取消") == "好，这条通知没有发。"
    assert "现在没有等着发送的通知" in await says(world, "发送")
    await says(world, WISH)
    await says(world, "通知 三年级2班 改到周四下午两点，请回复收到")
    assert len(await world.home.rows(Notice)) == 1
    await says(world, "发送")
    (text,) = notices_heard(world, "mum1")
    assert "周四" in text
    await says(world, WISH)
    world.home.clock.advance(minutes=31)
    assert "现在没有等着发送的通知" in await says(world, "发送")
    assert len(notices_heard(world, "mum1")) == 1


async def test_rights_that_ended_meanwhile_stop_it(world: World) -> None:
    await says(world, WISH)
    async with world.home.write() as session:
        await session.execute(update(Staff).where(Staff.external_id == "t001").values(active=False))
    before = notices_heard(world, "mum1")
    await says(world, "发送")
    assert notices_heard(world, "mum1") == before == []


async def test_parents_strangers_and_unvouched_words_write_no_notice(world: World) -> None:
    for person in ("dad1", "u999"):
        world.home.platform.follow(person)
        assert "准备发给" not in await says(world, WISH, person)
    answer = await world.home.robot.say("t001", WISH)
    assert answer.status_code == 200
    await world.home.house.reception.finish(5)
    await world.home.work()
    assert "准备发给" not in world.heard("t001")[-1]
    assert await world.home.rows(Notice) == []


async def test_a_class_that_is_not_theirs_is_named_with_those_that_are(world: World) -> None:
    home = world.home
    async with home.write() as session:
        school = await session.merge(home.place.school)
        await places.add(session, kind="class", name="四年级1班", parent=school)
    answer = await says(world, "通知 四年级1班 明天春游")
    assert answer.startswith("没有找到这个班。你可以发通知的有：晴川一小三年级2班。")
    assert await says(world, "通知") == (
        "请写上班级和内容，例如：通知 三年级2班 周五下午两点家长会，请回复收到"
    )
    assert "准备发给" not in await says(world, "通知书上的分数怎么和孩子谈")


async def test_two_classes_of_one_name_are_asked_about(world: World) -> None:
    home = world.home
    async with home.write() as session:
        other = await session.merge(home.place.other_school)
        same = await places.add(session, kind="class", name="三年级2班", parent=other)
        await staff.grant(session, staff_id=world.teacher.id, place_id=same.id, role="teacher")
        now, ring = home.clock.now(), home.house.services.ring
        child = await people.add_child(session, place_id=same.id, name="明明", now=now, ring=ring)
        await world.guardian(session, "far", child, channel="dingtalk")
    question = await says(world, WISH)
    assert "1. 晴川一小三年级2班\n2. 晴川二中三年级2班" in question
    assert "2" in await says(world, "3")
    assert "晴川二中三年级2班：1个孩子，1位家长" in await says(world, "2")
    await says(world, "发送")
    assert len(notices_heard(world, "far")) == 1
    assert notices_heard(world, "dad1") == []


async def test_a_class_without_children_and_a_long_notice_are_refused(houses: Houses) -> None:
    world = await make_world(await houses.make(), families=False)
    assert "还没有登记孩子和家长" in await says(world, WISH)
    assert "太长了" in await says(world, f"通知 三年级2班 {'很长' * 300}")
    assert await world.home.rows(Notice) == []


async def test_staff_are_known_only_at_the_places_of_their_robot(houses: Houses) -> None:
    """Another organisation may have handed out the same id."""
    robots: dict[str, Any] = {}
    base = (await houses.make()).house.settings.dingtalk["school1"].model_dump()
    robots["school1"] = base | {"home": "scene-of-nobody"}
    world = await make_world(await houses.make(dingtalk=robots))
    assert "准备发给" not in await says(world, WISH)
    robots["school1"] = base
    robots["foreign"] = base | {"app_key": "dingforeign", "organisation": "others"}
    home = await houses.make(dingtalk=robots)
    assert home.house.services.chat_staff == {}


async def test_two_members_of_staff_with_one_id_are_nobody(world: World) -> None:
    async with world.home.write() as session:
        twin = await make_staff(session, now=world.home.clock.now())
        twin.external_id = "t001"
    assert "准备发给" not in await says(world, WISH)


async def test_what_waits_for_an_answer_holds_no_words(world: World) -> None:
    await says(world, WISH)
    contact = await world.home.contact("t001")
    assert contact.pending is not None
    assert "家长会" not in repr(contact.pending)
    (notice,) = await world.home.rows(Notice)
    assert contact.pending["notice"] == notice.id
    assert len(await world.home.rows(Message)) == 1
    assert len(await world.home.rows(Contact, Contact.external_id == "t001")) == 1
