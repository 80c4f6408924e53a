"""A counselor holds the conversation: the bot is silent, the screen goes on."""

import pytest
from factories import incoming
from fakes import HOMEWORK
from house import CALM, DANGER, URGENT, Home

from bot.core.errors import Conflict, InputInvalid
from bot.core.messages import Kind
from bot.db.models import CaseEvent, Delivery
from bot.services import conversations


@pytest.fixture
async def held(staffed: Home) -> Home:
    """An accepted case and a conversation that the counselor holds."""
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.take_case((await staffed.case()).id)
    await staffed.hold()
    await staffed.work()
    staffed.platform.sent.clear()
    return staffed


@pytest.mark.parametrize("text", [HOMEWORK, CALM, "你好", "1"])
async def test_the_bot_says_nothing(held: Home, text: str) -> None:
    assert await held.say(text) == ""
    await held.wait(minutes=1)
    assert held.sent() == []
    message = (await held.messages())[-1]
    assert (message.text, message.state, message.handler) == (text, "done", "held")
    # The port has no such list; the fake that stands in for it has.
    assert held.answers.retriever.asked == []  # type: ignore[attr-defined]  # a fake


@pytest.mark.parametrize(
    ("text", "answer"), [("停止", "已停止"), ("删除", "确认删除"), ("转人工", "已经在等老师")]
)
async def test_commands_work_all_the_same(held: Home, text: str, answer: str) -> None:
    assert answer in await held.say(text)


async def test_after_a_while_without_words_the_parent_is_told_who_has_it(held: Home) -> None:
    held.clock.advance(minutes=14)
    assert await held.say(CALM) == ""
    held.clock.advance(minutes=2)
    assert "由老师负责" in await held.say(CALM)
    await held.write_as_counselor("我在，刚才在打电话。")
    assert await held.say(CALM) == ""


async def test_the_counselors_words_go_out_as_they_are(held: Home) -> None:
    await held.write_as_counselor("您好，我是林老师。\n孩子现在在家吗？")
    await held.work()
    assert held.sent() == ["您好，我是林老师。\n孩子现在在家吗？"]
    case = await held.case()
    assert case.first_words_at == held.clock.now()
    (delivery,) = await held.rows(Delivery, Delivery.kind == "person")
    assert (delivery.staff_id, delivery.case_id, delivery.state) == (
        held.place.counselor.id,
        case.id,
        "accepted",
    )


async def test_a_worse_danger_opens_the_case_again_and_calls(held: Home) -> None:
    held.clock.advance(seconds=30)
    assert "120" in await held.say(URGENT)
    case = await held.case()
    assert (case.level, case.state) == ("3!", "open")
    await held.work()
    assert "3!级" in held.alerts()[-1]
    await held.wait(minutes=3)
    assert len(held.alerts()) == 2
    assert held.sent() == []


async def test_the_same_danger_again_is_noted_and_calls_nobody_again(held: Home) -> None:
    assert await held.say(DANGER) == ""
    await held.work()
    assert held.alerts() == []
    assert (await held.case()).state == "accepted"
    assert "again" in await held.events()


async def test_the_same_danger_after_the_watch_calls_people_again(held: Home) -> None:
    held.clock.advance(minutes=31)
    assert "110" in await held.say(DANGER), "nobody has written for half an hour"
    await held.work()
    assert len(held.alerts()) == 1
    assert (await held.case()).state == "open"


async def test_another_kind_of_danger_gets_its_own_words(staffed: Home) -> None:
    first = await staffed.say(DANGER)
    other = await staffed.say("爸爸天天打我，今天用皮带抽")
    assert "这不是你的错" in other
    assert "12110" in other
    assert other != first


async def test_handing_back_lets_the_bot_answer(held: Home) -> None:
    async with held.write() as session:
        await conversations.release(session, held.place.as_counselor, 1, now=held.clock.now())
    await held.work()
    assert "接下来由AI自动回复" in held.sent()[0]
    held.clock.advance(hours=3)
    assert "手册T06-01" in await held.say(HOMEWORK)


async def test_only_one_person_holds_and_only_that_one_writes(held: Home) -> None:
    now, other = held.clock.now(), held.place.as_district
    async with held.write() as session:
        with pytest.raises(Conflict):
            await conversations.take(session, other, 1, now=now)
        with pytest.raises(Conflict):
            await conversations.write(session, other, 1, text="我来", now=now)
        with pytest.raises(Conflict):
            await conversations.release(session, other, 1, now=now)
    await held.hold()
    taken = await held.rows(CaseEvent, CaseEvent.kind == "taken_over")
    assert len(taken) == 1, "taking what one holds already is nothing new"


@pytest.mark.parametrize("text", ["", "  \n", "\x00", "长" * 683])
async def test_nothing_and_too_much_is_not_sent(held: Home, text: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        await held.write_as_counselor(text)
    assert caught.value.field == "text"
    await held.work()
    assert held.sent() == []


async def test_a_picture_is_shown_to_the_person(held: Home) -> None:
    await held.driver.show("oParent0001")
    assert (await held.messages())[-1].kind == "image"
    assert held.sent() == []


async def test_in_a_group_the_held_persons_danger_gets_the_neutral_line(held: Home) -> None:
    receipt = await held.accept(incoming(DANGER, at=held.clock.now(), group="class-302"))
    assert "一对一" in (await held.route(receipt))[0]


async def test_a_closed_case_and_a_new_danger(held: Home) -> None:
    await held.close_case(1, reason="safe_with_plan", note="已与家长通话，孩子安全")
    assert await held.say(DANGER) == ""
    first, second = await held.cases()
    assert (first.state, second.state, second.level) == ("closed", "open", "3")
    await held.work()
    assert len(held.alerts()) == 1


async def test_media_after_a_danger_reaches_the_desk_whoever_holds(held: Home) -> None:
    await held.accept(incoming(at=held.clock.now(), kind=Kind.IMAGE, media_id="m1"))
    assert "again" in await held.events()
