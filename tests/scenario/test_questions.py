"""Questions: the handbook's answer, choices by number, an honest abstention; and small talk."""

from datetime import timedelta

import pytest
from factories import SCENE, incoming
from fakes import HOMEWORK, HOMEWORK_ENTRY, OFF_TOPIC, VAGUE, FakeAnswers
from house import CALM, DANGER, PARENT, WORRY, Home, Houses

from bot.core.messages import Kind
from bot.db.models import Delivery, GapTicket
from bot.services import gaps


async def test_an_answer_has_its_source_and_its_state(staffed: Home) -> None:
    reply = await staffed.say(HOMEWORK)
    entry = staffed.answers.handbook.entries[HOMEWORK_ENTRY]
    assert entry.title in reply
    assert entry.one_sentence in reply
    assert f"手册{HOMEWORK_ENTRY}第{entry.version}版" in reply
    assert "待专业复核" in reply, "nobody has signed it"
    assert "AI自动回复" in reply
    (delivery,) = await staffed.rows(Delivery, Delivery.kind == "answer")
    assert delivery.source == f"entry:{HOMEWORK_ENTRY}@{entry.version}"


async def test_in_live_an_unsigned_entry_is_never_an_answer(houses: Houses) -> None:
    home = await houses.make(answers=FakeAnswers(unsigned_allowed=False))
    assert "还没有可靠的答案" in await home.say(HOMEWORK)


async def test_without_an_answer_it_says_so_and_opens_a_gap_ticket(staffed: Home) -> None:
    reply = await staffed.say(OFF_TOPIC)
    assert "还没有可靠的答案" in reply
    assert "转人工" in reply
    (ticket,) = await staffed.rows(GapTicket)
    assert (ticket.question, ticket.state) == (OFF_TOPIC, "open")
    assert ticket.candidates == [{"entry": HOMEWORK_ENTRY, "score": 0.02}]
    assert await staffed.cases() == []


# Choices ------------------------------------------------------------------------------------------


async def test_choices_by_number(staffed: Home) -> None:
    offer = await staffed.say(VAGUE)
    entries = staffed.answers.handbook.entries
    for number, entry in enumerate(("T02-01", "T04-01", "T08-01"), 1):
        assert f"{number}. {entries[entry].title}" in offer
    assert "手册T04-01" in await staffed.say("2")


@pytest.mark.parametrize("number", ["３", "第3个", "三", "选3", " 3。"])
async def test_many_ways_to_write_a_number(staffed: Home, number: str) -> None:
    await staffed.say(VAGUE)
    assert "手册T08-01" in await staffed.say(number)


async def test_a_number_that_was_not_offered(staffed: Home) -> None:
    await staffed.say(VAGUE)
    for number in ("4", "0", "99"):
        assert "1到3" in await staffed.say(number)
    assert "手册T02-01" in await staffed.say("1"), "the offer stands"


async def test_the_offer_ends_after_ten_minutes(staffed: Home) -> None:
    await staffed.say(VAGUE)
    staffed.clock.advance(minutes=9, seconds=59)
    assert "手册T02-01" in await staffed.say("1")
    await staffed.say(VAGUE)
    staffed.clock.advance(minutes=10)
    assert "已过10分钟" in await staffed.say("1")


async def test_a_danger_while_an_offer_stands_is_a_danger(staffed: Home) -> None:
    await staffed.say(VAGUE)
    assert "120" in await staffed.say(DANGER)


# More, useful, not useful -------------------------------------------------------------------------


async def test_more_of_an_answer_until_there_is_no_more(staffed: Home) -> None:
    first = await staffed.say(HOMEWORK)
    seen = [first]
    for _ in range(10):
        reply = await staffed.say("更多")
        if "已经都给你了" in reply:
            break
        assert reply not in seen
        seen.append(reply)
    else:
        pytest.fail("there is always more")
    whole = "\n".join(seen)
    entry = staffed.answers.handbook.entries[HOMEWORK_ENTRY]
    for step in entry.steps:
        assert step[:8] in whole
    assert all(len(part.encode()) <= 2048 for part in seen)


async def test_more_of_nothing(staffed: Home) -> None:
    assert "还没有答案可以展开" in await staffed.say("更多")
    await staffed.say(HOMEWORK)
    staffed.clock.advance(hours=25)
    assert "还没有答案可以展开" in await staffed.say("更多")


async def test_useful_and_not_useful(staffed: Home) -> None:
    await staffed.say(HOMEWORK)
    assert "谢谢告诉我" in await staffed.say("有用")
    assert await staffed.rows(GapTicket) == []
    assert "已记给手册编辑" in await staffed.say("没用")
    await staffed.say("没用")
    (ticket,) = await staffed.rows(GapTicket)
    assert (ticket.question, ticket.state) == (HOMEWORK, "not_useful")


async def test_choices_that_do_not_help_are_noted(staffed: Home) -> None:
    await staffed.say(VAGUE)
    assert "已记给手册编辑" in await staffed.say("没用")
    (ticket,) = await staffed.rows(GapTicket)
    assert (ticket.question, ticket.state) == (VAGUE, "not_useful")


async def test_not_useful_without_an_answer_before_notes_nothing(staffed: Home) -> None:
    for judged in ("没用", "有用"):
        assert "没有记给编辑" in await staffed.say(judged)
    async with staffed.write() as session:
        await gaps.not_useful(session, 4711, now=staffed.clock.now())
    assert await staffed.rows(GapTicket) == []


# Small talk, first contact, media -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("你好", "我是心晴"),
        ("谢谢老师！", "不客气"),
        ("好的", "好的"),
        ("👍", "好的"),
        ("你是真人吗？", "我不是真人"),
        ("你是谁", "我是心晴"),
        ("智障", "对不起"),
        ("滚", "对不起"),
        ("谢谢你啊，真有用", "不客气"),
        ("谢谢老师，很有用！", "不客气"),
        ("约谈", "还办不了"),
        ("课程", "没有可以报名"),
        ("报名1", "没有可以报名"),
        ("我的课程", "没有报名"),
        ("活动", "没有可以报名"),
        ("我", "没太看明白"),
        ("怎么办？", "没太看明白"),
        ("求助", "没太看明白"),
        ("1", "没有等你选的数字"),
        ("第二个", "没有等你选的数字"),
        ("撤回", "没看明白是哪一项"),
        ("我开玩笑的", "好的"),
    ],
)
async def test_small_talk_is_answered_without_a_search(
    staffed: Home, text: str, answer: str
) -> None:
    assert answer in await staffed.say(text)
    assert staffed.answers.retriever.asked == []  # type: ignore[attr-defined]
    assert await staffed.rows(GapTicket) == []


async def test_a_cry_for_help_without_more_has_the_numbers(staffed: Home) -> None:
    assert "120" in await staffed.say("求助")


async def test_the_first_answer_is_followed_by_the_greeting_once(home: Home) -> None:
    assert "手册T06-01" in await home.say(HOMEWORK)
    await home.wait(seconds=1)
    (greeting,) = home.sent()
    assert "不是真人" in greeting
    assert "110" in greeting
    assert "谁会看到" in greeting
    await home.say(OFF_TOPIC)
    await home.wait(seconds=5)
    assert len(home.sent()) == 1


async def test_following_by_the_class_code_binds_the_class(home: Home) -> None:
    greeting = await home.driver.follow(PARENT, SCENE)
    assert "不是真人" in (greeting or "")
    assert (await home.contact()).place_id == home.place.class_.id
    assert "欢迎回来" in (await home.driver.scan(PARENT, SCENE) or "")


async def test_an_unknown_code_binds_nothing_and_keeps_what_was_bound(home: Home) -> None:
    await home.driver.follow(PARENT, "no-such-class")
    assert (await home.contact()).place_id is None
    await home.driver.scan(PARENT, SCENE)
    await home.driver.scan(PARENT, "no-such-class")
    assert (await home.contact()).place_id == home.place.class_.id


async def test_leaving_is_noted_and_not_answered(staffed: Home) -> None:
    assert await staffed.driver.unfollow(PARENT) is None
    assert not (await staffed.contact()).following
    staffed.clock.advance(seconds=30)
    assert await staffed.house.deliverer.sweep() == 0
    await staffed.driver.follow(PARENT)
    assert (await staffed.contact()).following


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Kind.VOICE, "语音我听不了"),
        (Kind.IMAGE, "图片我看不了"),
        (Kind.VIDEO, "视频我看不了"),
        (Kind.FILE, "文件我打不开"),
        (Kind.LOCATION, "不会自动报警"),
        (Kind.LINK, "链接我不会点开"),
        (Kind.OTHER, "这种消息我看不了"),
    ],
)
async def test_what_nobody_can_read_is_said_so(staffed: Home, kind: Kind, answer: str) -> None:
    receipt = await staffed.accept(incoming(at=staffed.clock.now(), kind=kind, media_id="m1"))
    assert answer in (await staffed.route(receipt))[0]
    assert await staffed.cases() == []


PIN = {"Location_X": "32.455", "Location_Y": "119.923", "Scale": "20"}


@pytest.mark.parametrize("words", [HOMEWORK, "转人工", "删除我的数据", "停止", "1", "有用"])
async def test_the_label_of_a_place_and_the_title_of_a_link_are_no_question(
    staffed: Home, words: str
) -> None:
    await staffed.say(VAGUE)
    cases_before = await staffed.cases()
    for kind, fields, answer in (
        ("location", PIN | {"Label": words}, "不会自动报警"),
        ("link", {"Title": words, "Description": "", "Url": "https://a.invalid"}, "不会点开"),
        ("file", {"Title": words}, "文件我打不开"),
    ):
        prepared = staffed.driver.prepare_message(PARENT, kind, fields)
        assert answer in (await staffed.driver.deliver(prepared) or "")
    assert await staffed.cases() == cases_before
    assert (await staffed.contact()).stopped_at is None


async def test_the_desk_shows_where_a_pin_is(staffed: Home) -> None:
    fields = PIN | {"Label": "晴川大桥"}
    await staffed.driver.deliver(staffed.driver.prepare_message(PARENT, "location", fields))
    assert (await staffed.messages())[-1].text == "晴川大桥 (32.455, 119.923)"
    fields |= {"Label": DANGER}
    prepared = staffed.driver.prepare_message(PARENT, "location", fields)
    assert "120" in (await staffed.driver.deliver(prepared) or ""), "it is screened"


async def test_a_voice_note_with_its_words_is_a_question(staffed: Home) -> None:
    assert "手册T06-01" in (await staffed.driver.speak(PARENT, HOMEWORK) or "")
    assert "120" in (await staffed.driver.speak(PARENT, DANGER) or "")


async def test_a_picture_after_a_danger_is_for_a_person(staffed: Home) -> None:
    await staffed.say(WORRY)
    await staffed.work()
    answer = await staffed.driver.show(PARENT)
    assert "但也打不开内容" in (answer or "")
    assert "again" in await staffed.events()


async def test_what_a_person_has_closed_is_not_held_against_the_next_message(
    staffed: Home,
) -> None:
    await staffed.say(WORRY)
    await staffed.take_case(1)
    staffed.clock.advance(minutes=30)
    await staffed.close_case(1, reason="safe_with_plan", note="")
    staffed.clock.advance(minutes=1)
    assert "语音我听不了" in (await staffed.driver.speak(PARENT, None) or "")
    assert "手册T06-01" in await staffed.say(HOMEWORK)
    assert len(await staffed.cases()) == 1
    assert "120" in await staffed.say(DANGER)
    assert [(case.level, case.state) for case in await staffed.cases()] == [
        ("2", "closed"),
        ("3", "open"),
    ]


async def test_two_hours_after_a_danger_questions_are_answered_again(staffed: Home) -> None:
    await staffed.say(DANGER)
    assert "120" in await staffed.say(HOMEWORK)
    staffed.clock.advance(hours=2)
    assert "手册T06-01" in await staffed.say(HOMEWORK)
    assert (await staffed.case()).level == "3"


async def test_in_a_group_a_plain_question_is_answered_and_commands_are_not(
    staffed: Home,
) -> None:
    async def ask(text: str, offset: int) -> tuple[str, ...]:
        at = staffed.clock.now() + timedelta(seconds=offset)
        receipt = await staffed.accept(incoming(text, at=at, group="class-302"))
        return await staffed.route(receipt)

    assert "手册T06-01" in (await ask(HOMEWORK, 0))[0]
    for offset, command in enumerate(("删除", "停止", "同意1", "紧急联系人"), 1):
        await ask(command, offset)
    contact = await staffed.contact()
    assert (contact.stopped_at, contact.emergency_contact) == (None, None)
    assert CALM not in str(contact.pending)
