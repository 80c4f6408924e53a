"""Parents in DingTalk, 1:1 and in a class group, through the real house."""

from pathlib import Path

import pytest
from factories import SCENE, make_shift
from fakes import HOMEWORK
from house import CALM, DANGER, DISTRICT_GROUP, ROBOT, Home, Houses, make_settings

from bot.core.errors import Conflict
from bot.db.models import Consent, Contact, Delivery, GapTicket, Message
from bot.simulator.dingtalk_driver import DingtalkDriver

PERSON, OTHER, FOREIGN = "u001", "u002", "$:LWCP_v1:$s1"
CLASS = "cidClass302=="


@pytest.fixture
def robot(staffed: Home) -> DingtalkDriver:
    """The robot, in a class group that it may write to."""
    staffed.dingtalk.groups.add(CLASS)
    return staffed.robot


async def say(home: Home, person: str, text: str, *, group: str = "") -> None:
    """Write over HTTP and let everything that follows from it happen."""
    answer = await home.robot.say(person, text, group=group)
    assert (answer.status_code, answer.text) == (200, "{}")
    await settle(home)


async def say_vouched(home: Home, person: str, text: str) -> None:
    """Write over Stream, where the connection stands for the words and their author."""
    await home.hear(home.robot.message(person, text))
    await settle(home)


async def settle(home: Home) -> None:
    await home.house.reception.finish(5)
    await home.work()
    await home.wait(seconds=2)


def sent(home: Home, to: str) -> list[str]:
    return [one.text for one in home.platform.sent if one.recipient == to]


async def test_a_question_is_answered_where_it_was_asked(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, HOMEWORK)
    answer, *_ = [one for one in staffed.platform.sent if one.recipient == PERSON]
    assert "手册T06-01" in answer.text
    assert answer.kind == "dingtalk-session"
    (delivery,) = await staffed.rows(Delivery, Delivery.kind == "answer")
    assert (delivery.route, delivery.state, delivery.group) == ("api", "accepted", None)


async def test_a_danger_gets_the_crisis_reply_a_case_and_an_alert(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, DANGER)
    assert any("120" in text for text in sent(staffed, PERSON))
    case = await staffed.case()
    assert (case.level, case.phone_now) == ("3", False)
    assert len(staffed.alerts(DISTRICT_GROUP)) == 1


async def test_in_a_group_a_danger_gets_one_neutral_line_and_the_rest_alone(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, f"@心晴 {DANGER}", group=CLASS)
    (line,) = sent(staffed, CLASS)
    assert "12356" in line
    assert "不想活" not in line
    assert "危险" not in line
    (crisis,) = sent(staffed, PERSON)
    assert crisis != line
    assert "120" in crisis
    case = await staffed.case()
    deliveries = await staffed.rows(Delivery, Delivery.contact_id == case.contact_id)
    assert {(row.kind, row.group) for row in deliveries} == {("service", CLASS), ("risk", None)}
    assert not case.phone_now


async def test_where_one_to_one_cannot_be_opened_the_case_says_phone(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, FOREIGN, f"@心晴 {DANGER}", group=CLASS)
    (line,) = sent(staffed, CLASS)
    assert "12356" in line
    assert sent(staffed, FOREIGN) == []
    assert (await staffed.case()).phone_now


async def test_who_is_outside_is_answered_as_long_as_the_address_lives(
    staffed: Home, robot: DingtalkDriver
) -> None:
    """Over Stream, where the connection stands for who wrote and for the address with it."""
    await say_vouched(staffed, FOREIGN, DANGER)
    assert any("120" in text for text in sent(staffed, FOREIGN))
    case = await staffed.case()
    assert not case.phone_now
    await staffed.hold(case.contact_id)
    await staffed.write_as_counselor("我是值班老师", case.contact_id)
    await staffed.work()
    assert sent(staffed, FOREIGN)[-1] == "我是值班老师"


async def test_over_http_who_is_outside_gets_the_crisis_reply_and_is_phoned(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, FOREIGN, DANGER)
    assert any("120" in text for text in sent(staffed, FOREIGN))
    case = await staffed.case()
    assert case.phone_now
    await staffed.hold(case.contact_id)
    with pytest.raises(Conflict):
        await staffed.write_as_counselor("我是值班老师", case.contact_id)


async def test_a_forged_message_leads_no_other_words_away(
    staffed: Home, robot: DingtalkDriver
) -> None:
    """Somebody saw one signed header, and writes as the parent with an address of their own."""
    await say_vouched(staffed, PERSON, DANGER)
    case = await staffed.case()
    staffed.platform.sent.clear()
    forged = robot.message(PERSON, "在吗") | {
        "sessionWebhook": staffed.dingtalk.open_session("attacker", "http://platform")[0]
    }
    assert (await robot.post(robot.wrap(forged))).status_code == 200
    await settle(staffed)
    await staffed.hold(case.contact_id)
    await staffed.write_as_counselor("我是值班老师", case.contact_id)
    await staffed.work()
    await say_vouched(staffed, PERSON, DANGER)
    assert sent(staffed, "attacker") == []
    assert "我是值班老师" in sent(staffed, PERSON)


@pytest.mark.parametrize(
    "texts",
    [("删除", "确认删除"), ("停止",), ("同意1",), ("撤回1",), ("紧急联系人", "王阿姨 13800000000")],
)
async def test_nothing_privileged_follows_from_http_alone(
    staffed: Home, robot: DingtalkDriver, texts: tuple[str, ...]
) -> None:
    await say_vouched(staffed, PERSON, CALM)
    (before,) = await staffed.rows(Contact, Contact.external_id == PERSON)
    await say(staffed, PERSON, texts[0])
    assert "确认不了" in sent(staffed, PERSON)[-1]
    for text in texts[1:]:
        await say(staffed, PERSON, text)
    (after,) = await staffed.rows(Contact, Contact.external_id == PERSON)
    assert (after.stopped_at, after.emergency_contact) == (None, None)
    assert after.pending == before.pending or texts[0] == "紧急联系人"
    assert await staffed.rows(Consent) == []
    assert CALM in [message.text for message in await staffed.messages()]


async def test_over_stream_the_same_wishes_are_granted(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say_vouched(staffed, PERSON, "停止")
    (contact,) = await staffed.rows(Contact, Contact.external_id == PERSON)
    assert contact.stopped_at is not None


async def test_a_robot_on_stream_takes_no_message_over_http(houses: Houses) -> None:
    settings = make_settings(Path()).dingtalk[ROBOT].model_dump()
    home = await houses.make(dingtalk={ROBOT: settings | {"stream": True}})
    assert (await home.robot.say(PERSON, DANGER)).status_code == 403
    assert await home.messages() == []


async def test_a_refused_private_reply_makes_the_case_say_phone(
    staffed: Home, robot: DingtalkDriver
) -> None:
    """The person is of the organisation, but the robot may not write to them (visibility)."""
    prepared = robot.prepare(PERSON, f"@心晴 {DANGER}", group=CLASS)
    staffed.platform.unfollow(PERSON)
    await robot.post(prepared)
    await settle(staffed)
    assert (await staffed.case()).phone_now


async def test_an_ordinary_group_question_is_answered_in_the_group(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, f"@心晴 {HOMEWORK}", group=CLASS)
    (answer,) = sent(staffed, CLASS)
    assert "手册T06-01" in answer
    assert "更多" not in answer.splitlines()[-1]
    assert "不想活" not in answer
    (post,) = [one for one in staffed.platform.sent if one.recipient == CLASS]
    assert post.payload["at"]["atUserIds"] == [PERSON]
    assert sent(staffed, PERSON) == []
    contact = (await staffed.rows(Contact, Contact.external_id == PERSON))[0]
    assert contact.greeted_at is None
    assert contact.pending is None


@pytest.mark.parametrize("text", ["你好", "转人工", "停止", "删除", "同意1", "更多", "1", "👍"])
async def test_in_a_group_commands_and_small_talk_lead_to_one_to_one(
    staffed: Home, robot: DingtalkDriver, text: str
) -> None:
    await say(staffed, PERSON, f"@心晴 {text}", group=CLASS)
    (line,) = sent(staffed, CLASS)
    assert "点开我的头像" in line
    assert "已经记下来" not in line
    assert await staffed.cases() == []
    assert await staffed.rows(GapTicket) == []


async def test_the_same_message_again_is_answered_once(
    staffed: Home, robot: DingtalkDriver
) -> None:
    prepared = robot.prepare(PERSON, HOMEWORK)
    for _ in range(3):
        assert (await robot.post(prepared)).status_code == 200
    await settle(staffed)
    await robot.post(prepared)
    await settle(staffed)
    assert len([text for text in sent(staffed, PERSON) if "手册T06-01" in text]) == 1
    assert len(await staffed.rows(Message, Message.channel == "dingtalk")) == 1


async def test_the_months_quota_is_used_up(staffed: Home, robot: DingtalkDriver) -> None:
    for group in ("", CLASS):
        message = robot.exhausted(PERSON) | ({"conversationType": "2"} if group else {})
        message |= {"msgId": f"quota-{group}", "conversationId": group or "cid-u001"}
        await robot.post(robot.wrap(message))
        await settle(staffed)
    alone, in_group = (one.text for one in staffed.platform.sent if one.kind != "wecom")
    assert "12356" in alone
    assert "12356" in in_group
    assert await staffed.alarms() == ["quota_exhausted"]
    assert await staffed.cases() == []


async def test_a_message_without_words_after_a_danger_is_shown_to_a_person(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, DANGER)
    case = await staffed.case()
    await staffed.take_case(case.id)
    async with staffed.write() as session:
        # Somebody of no class is the district's to look after; its counselor is on duty.
        place, now = staffed.place, staffed.clock.now()
        await make_shift(session, place.district, place.district_counselor, start=now)
    await robot.post(robot.wrap(robot.exhausted(PERSON)))
    await settle(staffed)
    assert (await staffed.events())[-1] == "again"


async def test_after_a_danger_nobody_says_that_words_can_be_seen_which_never_came(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, DANGER)
    await robot.post(robot.wrap(robot.exhausted(PERSON)))
    await settle(staffed)
    said = sent(staffed, PERSON)[-1]
    assert "能看到" not in said
    assert "平台这次没有把你写的话交给我们" in said
    assert "120" in said


async def test_two_people_in_one_group_are_two_contacts(
    staffed: Home, robot: DingtalkDriver
) -> None:
    await say(staffed, PERSON, f"@心晴 {CALM}", group=CLASS)
    await say(staffed, OTHER, f"@心晴 {DANGER}", group=CLASS)
    found = await staffed.rows(Contact, Contact.channel == "dingtalk")
    assert {row.external_id for row in found} == {PERSON, OTHER}
    assert all(row.account == ROBOT for row in found)


async def test_a_robot_that_belongs_to_a_school_leads_to_its_desk(houses: Houses) -> None:
    settings = make_settings(Path()).dingtalk[ROBOT].model_dump()
    home = await houses.make(dingtalk={ROBOT: settings | {"home": SCENE}})
    await home.robot.say(PERSON, DANGER)
    await settle(home)
    assert (await home.case()).place_id == home.place.school.id
    astray = await houses.make(dingtalk={ROBOT: settings | {"home": "nowhere"}})
    assert await astray.alarms() == ["home_unknown"]
