"""A notice comes back: confirmed by the family, reminded of, withdrawn."""

import pytest
from house import Home
from notice_world import World, make_world, of, sent, states
from sqlalchemy import update

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Guardianship, NoticeChild
from bot.services import notices
from bot.simulator.platform import Fault

BATCH = "/v1.0/robot/oToMessages/batchSend"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


# Confirming ---------------------------------------------------------------------------------------


async def test_received_confirms_for_the_child_whoever_of_the_family_writes(world: World) -> None:
    notice = await sent(world)
    answer = await world.wechat_says("mum1", "收到")
    assert answer.startswith("好，《家长会》已确认，老师能看到。有话跟老师说，写“留言”")
    assert [state for state, _ in await of(world, notice, "mum1")] == ["confirmed"]
    assert [state for state, _ in await of(world, notice, "dad1")] == ["confirmed"]
    assert [state for state, _ in await of(world, notice, "mum2")] == ["accepted"]
    (answer,) = await world.dingtalk_says("dad1", "收到")
    assert "已确认" not in answer
    (answer,) = await world.dingtalk_says("mum2", "好的，收到！")
    assert "《家长会》已确认" in answer
    found = await states(world, notice)
    assert (found.children_confirmed, found.counts["confirmed"]) == (3, 3)
    marks = await world.home.rows(NoticeChild, NoticeChild.confirmed_at.is_not(None))
    assert {mark.way for mark in marks} == {"chat"}


async def test_received_with_nothing_open_is_small_talk(world: World) -> None:
    before = await world.wechat_says("mum1", "收到")
    await sent(world, confirm=False)
    assert await world.wechat_says("mum1", "收到") == before
    assert "已确认" not in before


async def test_with_several_open_it_is_asked_which_one(world: World) -> None:
    first = await sent(world, key="a")
    second = await sent(world, key="b")
    answer = await world.wechat_says("mum1", "收到")
    assert "有2条通知" in answer
    assert "2. 家长会" in answer
    assert "选择" not in await world.wechat_says("mum1", "5")
    assert "已确认" in await world.wechat_says("mum1", "2")
    assert (await of(world, first, "mum1"))[0][0] == "accepted"
    assert (await of(world, second, "mum1"))[0][0] == "confirmed"
    assert "已确认" in await world.wechat_says("mum1", "收到")
    assert (await of(world, first, "mum1"))[0][0] == "confirmed"


async def test_all_of_several_are_confirmed_at_once(world: World) -> None:
    await sent(world, key="a")
    await sent(world, key="b")
    await world.wechat_says("mum1", "我的通知")
    assert "这2条通知都已确认" in await world.wechat_says("mum1", "全部")


async def test_a_stranger_and_a_blocked_guardian_confirm_nothing(world: World) -> None:
    notice = await sent(world)
    home = world.home
    async with home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["mum1"].id)
            .values(custody_block=True)
        )
    assert "已确认" not in await world.wechat_says("mum1", "收到")
    assert "已确认" not in await world.wechat_says("oStranger", "收到")
    assert (await states(world, notice)).children_confirmed == 0


async def test_feedback_with_a_danger_in_it_goes_the_way_of_every_danger(world: World) -> None:
    await sent(world)
    answer = await world.wechat_says("mum1", "收到，可是孩子刚才说他不想活了")
    assert "已确认" not in answer
    assert len(await world.home.cases()) == 1


# Reminding and withdrawing ------------------------------------------------------------------------


async def test_only_those_who_have_not_confirmed_are_reminded(world: World) -> None:
    notice = await sent(world)
    await world.wechat_says("mum1", "收到")
    by = await world.view()
    world.home.clock.advance(hours=1)
    async with world.home.write() as session:
        await notices.remind(session, by, notice.id, world.home.clock.now())
    await world.home.work()
    assert len(world.heard("mum1")) == len(world.heard("dad1")) == 1
    assert world.heard("mum2")[-1].startswith("提醒：")
    assert [state for state, _ in await of(world, notice, "mum2")] == ["accepted", "accepted"]
    assert (await states(world, notice)).people == 4
    async with world.home.write() as session:
        with pytest.raises(Conflict):
            await notices.remind(session, by, notice.id, world.home.clock.now())


async def test_without_a_confirmation_nobody_is_reminded(world: World) -> None:
    notice = await sent(world, confirm=False)
    by = await world.view()
    async with world.home.write() as session:
        with pytest.raises(InputInvalid):
            await notices.remind(session, by, notice.id, world.home.clock.now())


async def test_withdrawing_stops_what_waits_and_corrects_what_is_out(world: World) -> None:
    home = world.home
    home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    assert [state for state, _ in await of(world, notice, "dad1")] == ["queued"]
    by = await world.view()
    async with home.write() as session:
        await notices.withdraw(session, by, notice.id, home.clock.now())
    await home.work()
    for _ in range(3):
        await home.wait(minutes=5)
    assert world.heard("mum1")[-1] == "前面那条《家长会》发错或已取消，请不用理会。"
    assert world.heard("dad1") == []
    assert [state for state, _ in await of(world, notice, "dad1")] == ["withdrawn"]
    assert "已确认" not in await world.wechat_says("mum1", "收到")
    async with home.write() as session:
        await notices.withdraw(session, by, notice.id, home.clock.now())
