"""What a parent can always do: talk to a person, stop, resume, erase, consent, ask who reads."""

import pytest
from factories import SCENE, make_shift
from fakes import HOMEWORK
from house import CALM, DANGER, PARENT, WORRY, Home
from sqlalchemy import text as sql

from bot.db.models import Alarm, Consent, DataRequest, GapTicket
from bot.services import conversations
from bot.services.consents import KINDS
from bot.services.dossier import dossier

ALWAYS = ("转人工", "停止", "删除")
OWN_DANGER = "我活不下去了，想死"


# A person -----------------------------------------------------------------------------------------


async def test_talk_to_a_person_with_somebody_on_duty(staffed: Home) -> None:
    reply = await staffed.say("转人工")
    assert "正在把你的话转给值班老师" in reply
    case = await staffed.case()
    assert (case.level, case.origin, case.state) == ("1", "handoff", "open")
    assert case.place_id == staffed.place.school.id
    await staffed.work()
    (alert,) = staffed.alerts()
    assert "不含危险信号" in alert
    assert await staffed.jobs("ladder.step") == [], "a plain wish for a person climbs no ladder"
    assert "已经在等老师接手" in await staffed.say("人工")
    await staffed.work()
    assert len(staffed.alerts()) == 1
    assert len(await staffed.cases()) == 1


async def test_talk_to_a_person_with_nobody_on_duty(home: Home) -> None:
    reply = await home.say("转人工")
    assert "现在没有值班老师" in reply
    assert "下一班的时间我也还不知道" in reply
    assert (await home.case()).level == "1"
    await home.work()
    assert home.alerts() == []


async def test_the_next_shift_is_named_in_chinas_time(home: Home) -> None:
    async with home.write() as session:
        await make_shift(
            session,
            home.place.district,
            home.place.district_counselor,
            start=home.clock.now().replace(hour=16, minute=20),
        )
    assert "下一班从11-23 00:20开始" in await home.say("转人工")


async def test_a_danger_after_the_wish_raises_the_case(staffed: Home) -> None:
    await staffed.say("转人工")
    await staffed.work()
    await staffed.say(DANGER)
    case = await staffed.case()
    assert (case.level, case.state) == ("3", "open")
    await staffed.work()
    assert "3级" in staffed.alerts()[-1]
    assert len(await staffed.jobs("ladder.step", "sched")) == 1


@pytest.mark.parametrize("command", ALWAYS)
async def test_they_work_right_after_a_danger(staffed: Home, command: str) -> None:
    await staffed.say(DANGER)
    reply = await staffed.say(command)
    expected = {"转人工": "已经在等老师接手", "停止": "已停止", "删除": "确认删除"}[command]
    assert expected in reply


async def test_the_menu_button_asks_for_a_person(staffed: Home) -> None:
    answer = await staffed.driver.press(PARENT, "转人工")
    assert "正在把你的话转给值班老师" in (answer or "")


# Stop and resume ----------------------------------------------------------------------------------


async def test_stop_and_resume(staffed: Home) -> None:
    assert "已停止" in await staffed.say("停止")
    assert (await staffed.contact()).stopped_at == staffed.clock.now()
    assert "现在就是停止状态" in await staffed.say("退订。")
    assert "手册T06-01" in await staffed.say(HOMEWORK), "questions are answered all the same"
    assert "已恢复" in await staffed.say("恢复")
    assert (await staffed.contact()).stopped_at is None


# Erasing ------------------------------------------------------------------------------------------


async def raw_values(home: Home) -> str:
    """Return everything that can be read about the parent, decrypted."""
    values = [message.text for message in await home.messages()]
    values += [delivery.body for delivery in await home.deliveries()]
    values += [ticket.question for ticket in await home.rows(GapTicket)]
    values += [repr(assessment.spans) for assessment in await home.assessments()]
    contact = await home.contact()
    return "\n".join([*values, str(contact.emergency_contact), str(contact.name)])


async def test_erasing_asks_first_and_then_erases(staffed: Home) -> None:
    await staffed.say(CALM)
    await staffed.say(HOMEWORK)
    await staffed.say("同意1")
    await staffed.say("是")
    await staffed.say("紧急联系人")
    await staffed.say("姑姑 13800000000")
    assert "回复“确认删除”才会删" in await staffed.say("删除")
    assert CALM in await raw_values(staffed)
    reply = await staffed.say("确认删除")
    assert "能删的都已删除" in reply
    left = await raw_values(staffed)
    for secret in (CALM, HOMEWORK, "13800000000", "手册T06-01"):
        assert secret not in left
    assert len(await staffed.messages()) == 9, "the rows and their counts stay"
    assert [row for row in await staffed.rows(Consent) if row.withdrawn_at is None] == []
    assert (await staffed.contact()).greeted_at is None


async def test_the_words_about_erasing_are_true(staffed: Home) -> None:
    await staffed.driver.follow(PARENT, SCENE)
    await staffed.say("同意1")
    await staffed.say("是")
    await staffed.say("姑姑 13800000000")
    await staffed.say("转人工")
    await staffed.hold()
    await staffed.write_as_counselor("您好，我是林老师。")
    await staffed.work()
    async with staffed.write() as session:
        await conversations.release(session, staffed.place.as_counselor, 1, now=staffed.clock.now())
    await staffed.work()
    await staffed.say("删除")
    reply = await staffed.say("确认删除")
    for gone in ("对话内容", "班级", "称呼", "紧急联系人"):
        assert gone in reply.splitlines()[0]
    contact = await staffed.contact()
    assert (contact.place_id, contact.name, contact.who) == (None, None, None)
    assert (contact.emergency_contact, contact.pending) == (None, None)
    assert [message.scene for message in await staffed.messages() if message.scene] == []
    assert "林老师" not in await raw_values(staffed)
    assert "同意记录按法律要求留存" in reply
    assert [row.withdrawn_at for row in await staffed.rows(Consent)] == [staffed.clock.now()]
    assert "平台给的编号" in reply
    assert contact.external_id == PARENT
    assert "当作第一次见面" in reply
    await staffed.say(HOMEWORK)
    await staffed.wait(seconds=1)
    assert "" not in staffed.sent(), "what was waiting is not sent empty"
    assert "不是真人" in staffed.sent()[-1]


async def test_an_open_danger_keeps_the_way_to_help(staffed: Home) -> None:
    await staffed.driver.follow(PARENT, SCENE)
    await staffed.say("紧急联系人")
    await staffed.say("姑姑 13800000000")
    await staffed.say(WORRY)
    await staffed.say("删除")
    await staffed.say("确认删除")
    contact, case = await staffed.contact(), await staffed.case()
    assert (contact.place_id, contact.emergency_contact) == (None, None)
    async with staffed.house.services.database.read() as session:
        page = await dossier(session, staffed.place.as_counselor, case, now=staffed.clock.now())
    assert page.emergency_contact == "姑姑 13800000000"
    assert "三年级2班" in page.place
    assert case.place_id == staffed.place.school.id
    await staffed.say(DANGER)
    assert (await staffed.case()).place_id == staffed.place.school.id, "it stays with the school"


async def test_what_is_about_safety_stays(staffed: Home) -> None:
    await staffed.say(CALM)
    await staffed.say(WORRY)
    await staffed.say("删除")
    reply = await staffed.say("确认删除")
    assert "法律要求保留的内容（比如关系到人身安全的）会按期限保留" in reply
    texts = [message.text for message in await staffed.messages()]
    assert WORRY in texts
    assert CALM not in texts
    kept = [row for row in await staffed.assessments() if row.fresh_level == "2"]
    assert kept[0].spans
    assert (await staffed.case()).state == "open"


async def test_what_an_adult_wrote_of_themselves_is_said_plainly(staffed: Home) -> None:
    await staffed.say(OWN_DANGER)
    assert (await staffed.case()).subject == "self"
    await staffed.say("删除")
    assert "你有一件关系到安全的事还在处理" in await staffed.say("确认删除")
    assert (await staffed.rows(DataRequest))[0].state == "done"


async def test_erasing_needs_the_question_before_and_can_be_called_off(staffed: Home) -> None:
    await staffed.say(CALM)
    assert "要删除" in await staffed.say("确认删除")
    assert "没有删除" in await staffed.say("取消")
    assert CALM in await raw_values(staffed)
    await staffed.say("删除")
    staffed.clock.advance(minutes=31)
    assert "要删除" in await staffed.say("确认删除"), "half an hour later it is asked again"
    assert CALM in await raw_values(staffed)
    assert "不删了" not in await staffed.say("不删了")
    assert CALM in await raw_values(staffed)


# Consent ------------------------------------------------------------------------------------------


async def standing(home: Home) -> set[str]:
    return {row.kind for row in await home.rows(Consent) if row.withdrawn_at is None}


async def test_three_consents_each_on_its_own(staffed: Home) -> None:
    overview = await staffed.say("同意")
    assert all(f"{number} " in overview for number in (1, 2, 3))
    assert await standing(staffed) == set(), "looking is not agreeing"
    assert "你是孩子的监护人吗" in await staffed.say("同意1")
    assert await standing(staffed) == set(), "asked first"
    assert "第1项" in await staffed.say("是的")
    for item, kind in enumerate(KINDS, 1):
        assert f"第{item}项" in await staffed.say(f"同意{item}")
        assert kind in await standing(staffed)
    assert await standing(staffed) == set(KINDS)
    assert "第2项" in await staffed.say("撤回第2项")
    assert await standing(staffed) == {KINDS[0], KINDS[2]}
    assert "已撤回" in await staffed.say("不同意３")
    assert await standing(staffed) == {KINDS[0]}
    for unclear in ("同意4", "撤回0", "不同意99"):
        assert "没看明白是哪一项" in await staffed.say(unclear)
    await staffed.say("同意一")
    assert len(await staffed.rows(Consent)) == 3, "what stands already is left as it is"


async def test_a_question_about_consent_is_a_question(staffed: Home) -> None:
    await staffed.say("我同意孩子爸爸的做法，可他还是发火")
    assert await standing(staffed) == set()


async def test_who_reads(staffed: Home) -> None:
    assert "班主任看不到原话" in await staffed.say("谁能看到？")


# The emergency contact ----------------------------------------------------------------------------


async def test_the_emergency_contact_is_kept_encrypted(staffed: Home) -> None:
    assert "紧急联系人" in await staffed.say("紧急联系人")
    assert "没找到电话号码" in await staffed.say("姑姑 138000")
    assert "记下了" in await staffed.say("姑姑 13800000000")
    assert (await staffed.contact()).emergency_contact == "姑姑 13800000000"
    async with staffed.house.services.database.read() as session:
        rows = list(await session.execute(sql("SELECT emergency_contact FROM contact")))
        rows += list(await session.execute(sql("SELECT text FROM message")))
    assert rows
    assert not [row for row in rows if "138000" in str(row[0]) or "姑姑" in str(row[0])]


async def test_it_is_asked_for_once_somebody_agrees_and_may_be_ignored(staffed: Home) -> None:
    await staffed.say("同意1")
    await staffed.say("我是")
    await staffed.wait(seconds=1)
    assert "紧急联系人" in staffed.sent()[-1]
    assert "手册T06-01" in await staffed.say(HOMEWORK), "a question is answered, not corrected"
    assert (await staffed.contact()).emergency_contact is None


async def test_it_can_be_skipped_and_a_danger_comes_first(staffed: Home) -> None:
    await staffed.say("紧急联系人")
    assert "先不留" in await staffed.say("跳过")
    await staffed.say("紧急联系人")
    assert "120" in await staffed.say("13800000000 " + DANGER)
    assert (await staffed.contact()).emergency_contact is None


async def test_a_number_long_after_the_question_is_not_taken(staffed: Home) -> None:
    await staffed.say("紧急联系人")
    staffed.clock.advance(minutes=31)
    await staffed.say("姑姑 13800000000")
    assert (await staffed.contact()).emergency_contact is None


async def test_none_of_this_is_an_alarm(staffed: Home) -> None:
    for command in (*ALWAYS, "同意", "紧急联系人", "谁能看到", "恢复", "取消"):
        await staffed.say(command)
    assert await staffed.rows(Alarm) == []
