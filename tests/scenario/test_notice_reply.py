"""A guardian answers a notice in chat: it reaches its author, and a danger never does."""

from typing import Any

import pytest
from house import Home
from notice_world import World, make_world, sent
from sqlalchemy import update

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import Contact, Guardianship, Message, NoticeFeedback
from bot.services import consents, notice_feedback, notices

WORDS = "我们那天请假"
SAID = f"留言 {WORDS}"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def feedback(world: World) -> list[NoticeFeedback]:
    return await world.home.rows(NoticeFeedback)


async def test_what_is_written_back_is_kept_once_for_the_notice(world: World) -> None:
    notice = await sent(world)
    answer = await world.wechat_says("mum1", SAID)
    assert answer.startswith("好，这句话放在《家长会》下面了")
    (row,) = await feedback(world)
    assert (row.notice_id, row.text, row.read_at) == (notice.id, WORDS, None)
    contact = await world.home.contact("mum1")
    async with world.home.write() as session:
        for _ in range(2):
            await notice_feedback.add(
                session,
                notice_id=notice.id,
                contact_id=contact.id,
                message_id=row.message_id,
                text=WORDS,
                now=world.home.clock.now(),
            )
    assert "下面了" in (await world.dingtalk_says("dad1", "回复老师：爸爸会来"))[0]
    assert [one.text for one in await feedback(world)] == [WORDS, "爸爸会来"]


async def test_the_parent_is_told_how_on_the_notice_and_after_confirming(world: World) -> None:
    await sent(world)
    assert "有话跟老师说，写“留言”再写内容。" in world.heard("mum1")[0]
    assert "留言 我们那天请假" in await world.wechat_says("mum1", "收到")
    assert "请写在一句话里" in await world.wechat_says("mum1", "留言")
    assert "最多500个字" in await world.wechat_says("mum1", f"留言 {'长' * 501}")
    assert await feedback(world) == []


async def test_of_several_notices_it_is_asked_which_and_the_words_are_those_of_before(
    world: World,
) -> None:
    first = await sent(world, key="a")
    second = await sent(world, key="b")
    assert "1. 家长会\n2. 家长会" in await world.wechat_says("mum1", SAID)
    assert "没有这个序号" in await world.wechat_says("mum1", "3") or not await feedback(world)
    assert "下面了" in await world.wechat_says("mum1", "2")
    (row,) = await feedback(world)
    assert (row.notice_id, row.text) == (first.id, WORDS), "the newest stands first"
    await world.wechat_says("mum1", "我的通知")
    await world.wechat_says("mum1", "2")
    assert "下面了" in await world.wechat_says("mum1", "留言 会带笔")
    assert (await feedback(world))[-1].notice_id == second.id, "the one confirmed just before"
    world.home.clock.advance(hours=1)
    await world.wechat_says("mum1", "留言 再问一下")
    world.home.clock.advance(minutes=11)
    assert "再写一遍" in await world.wechat_says("mum1", "1")
    assert len(await feedback(world)) == 2


async def test_a_danger_opens_a_case_and_never_reaches_the_teacher(staffed: Home) -> None:
    world = await make_world(staffed)
    await sent(world)
    await world.wechat_says("mum1", "留言 孩子刚才说他不想活了")
    assert len(await world.home.cases()) == 1
    for text in (SAID, "留言 老师辛苦了"):
        await world.wechat_says("mum1", text)
    world.home.clock.advance(hours=3)
    assert "没有转给班主任" in await world.wechat_says("mum1", SAID)
    assert await feedback(world) == []


async def test_without_a_notice_withdrawn_or_blocked_it_is_said_that_nothing_was_kept(
    world: World,
) -> None:
    assert "没有给到老师" in await world.wechat_says("mum1", SAID)
    notice = await sent(world)
    home, by = world.home, await world.view()
    async with home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["mum2"].id)
            .values(custody_block=True)
        )
        await notices.withdraw(session, by, notice.id, home.clock.now())
    assert "已经撤回" in await world.wechat_says("mum1", SAID)
    (answer,) = await world.dingtalk_says("mum2", SAID)
    assert "没有给到老师" in answer
    assert await feedback(world) == []


async def test_the_service_itself_refuses_what_may_not_be_kept(world: World) -> None:
    notice = await sent(world)
    await world.wechat_says("mum1", "你好")
    home, mum = world.home, await world.home.contact("mum1")
    (message,) = await home.rows(Message, Message.contact_id == mum.id)
    stranger = await home.contact("mum2")
    fields: dict[str, Any] = {
        "notice_id": notice.id,
        "message_id": message.id,
        "now": home.clock.now(),
    }
    async with home.write() as session:
        for text, code in (("  ", "empty"), ("长" * 501, "long")):
            with pytest.raises(InputInvalid) as refused:
                await notice_feedback.add(session, contact_id=mum.id, text=text, **fields)
            assert refused.value.field == code
        with pytest.raises(NotAllowed):
            await notice_feedback.add(session, contact_id=stranger.id, text=WORDS, **fields)
        with pytest.raises(NotFound):
            await notice_feedback.add(session, contact_id=0, text=WORDS, **fields)
        (await session.get_one(Message, message.id)).level = "2"
        with pytest.raises(NotAllowed):
            await notice_feedback.add(session, contact_id=mum.id, text=WORDS, **fields)
        (await session.get_one(Message, message.id)).level = "0"
        await notices.withdraw(session, await world.view(), notice.id, home.clock.now())
        with pytest.raises(Conflict):
            await notice_feedback.add(session, contact_id=mum.id, text=WORDS, **fields)


async def test_nobody_who_is_not_vouched_for_writes_in_a_guardians_name(world: World) -> None:
    await sent(world)
    answer = await world.home.robot.say("dad1", SAID)
    assert answer.status_code == 200
    await world.home.house.reception.finish(5)
    await world.home.work()
    assert await feedback(world) == []


async def test_progress_counts_what_was_written_back(world: World) -> None:
    await sent(world)
    await world.wechat_says("mum1", SAID)
    (progress,) = await world.dingtalk_says("t001", "通知进度")
    assert "留言1条，没看过的1条" in progress
    assert WORDS not in progress


async def test_erasing_takes_the_words_and_keeps_the_count(world: World) -> None:
    notice = await sent(world)
    await world.wechat_says("mum1", SAID)
    mum = await world.home.contact("mum1")
    async with world.home.write() as session:
        await consents.erase(session, mum.id, now=world.home.clock.now())
        assert dict(await notice_feedback.counts(session, [notice.id])) == {notice.id: (1, 1)}
    (row,) = await feedback(world)
    assert row.text == ""


# While a person holds the conversation ------------------------------------------------------------


async def hold(world: World, name: str) -> Contact:
    """Let the counselor take over what a parent has asked a person for."""
    await world.wechat_says(name, "转人工")
    contact = await world.home.contact(name)
    await world.home.hold(contact.id)
    return contact


async def confirmed(world: World, notice_id: int) -> int:
    async with world.home.house.services.database.read() as session:
        found = await notices.states(session, notice_id)
    return found.children_confirmed


async def test_received_counts_in_silence_and_an_answer_still_reaches_the_teacher(
    world: World,
) -> None:
    await hold(world, "mum1")
    notice = await sent(world)
    assert await world.wechat_says("mum1", "收到") == ""
    async with world.home.house.services.database.read() as session:
        found = await notices.states(session, notice.id)
    assert [child.way for child in found.children if child.confirmed_at] == ["chat"]
    assert "下面了" in await world.wechat_says("mum1", SAID)
    assert len(await feedback(world)) == 1


async def test_received_to_the_persons_words_confirms_nothing(world: World) -> None:
    notice = await sent(world)
    contact = await hold(world, "mum1")
    await world.home.write_as_counselor("明天上午给您打电话。", contact.id)
    assert await world.wechat_says("mum1", "收到") == ""
    assert await confirmed(world, notice.id) == 0
    world.home.clock.advance(seconds=5)
    newer = await sent(world, key="b")
    world.home.clock.advance(minutes=20)
    assert "由老师负责" in await world.wechat_says("mum1", "收到")
    assert (await confirmed(world, notice.id), await confirmed(world, newer.id)) == (0, 1)


async def test_of_several_notices_none_is_guessed_in_silence(world: World) -> None:
    first, second = await sent(world, key="a"), await sent(world, key="b")
    await hold(world, "mum1")
    assert await world.wechat_says("mum1", "收到") == ""
    assert (await confirmed(world, first.id), await confirmed(world, second.id)) == (0, 0)


# Many notices at once -----------------------------------------------------------------------------


async def test_all_means_those_that_were_listed(world: World) -> None:
    made = [await sent(world, key=f"n{number}") for number in range(10)]
    shown = await world.wechat_says("mum1", "收到")
    assert "有10条通知在等你确认，先列最近的8条" in shown
    assert "8. 家长会" in shown
    answer = await world.wechat_says("mum1", "全部")
    assert "列出来的8条已确认" in answer
    assert "还有2条" in answer
    assert [await confirmed(world, notice.id) for notice in made] == [0] * 2 + [1] * 8
    assert "有2条通知" in await world.wechat_says("mum1", "我的通知")
    world.home.clock.advance(minutes=11)
    assert "有2条通知" in await world.wechat_says("mum1", "全部"), "the list is too old to go by"
