"""A month's quota that runs out: a danger never waits for the next month, what can wait does."""

import pytest
from fakes import HOMEWORK
from house import CALM, DANGER, DISTRICT_GROUP, ROBOT, Home, Houses

from bot.core.messages import Reply
from bot.db.models import Alarm, Delivery, Message, QuotaUse
from bot.pipeline.patience import REPLY_TRIES
from bot.services import deliveries

PERSON = "u001"
CLASS = "cidClass302=="
QUOTA_PATH = "/v1.0/robot/oToMessages/batchSend"


async def settle(home: Home) -> None:
    await home.house.reception.finish(5)
    await home.work()
    await home.wait(seconds=2)


async def say(home: Home, text: str, *, group: str = "") -> None:
    await home.hear(home.robot.message(PERSON, text, group=group))
    await settle(home)


async def without_words(home: Home, *, group: str = "") -> None:
    """Deliver what the platform sends once its messages are used up."""
    quota = {"errorCode": "20001", "errorMessage": "quota", "text": None, "msgtype": None}
    await home.hear(home.robot.message(PERSON, group=group, fields=quota))
    await settle(home)


def sent(home: Home, to: str, kind: str = "") -> list[str]:
    found = [one for one in home.platform.sent if one.recipient == to]
    return [one.text for one in found if kind in ("", one.kind)]


def calls(home: Home, path: str = QUOTA_PATH) -> int:
    return home.platform.calls.count(path)


# Calls: used up, as the platform says -------------------------------------------------------------


@pytest.fixture
async def answered(staffed: Home) -> Home:
    """A parent has written of a danger, and their return address has run out; no calls are left."""
    staffed.dingtalk.groups.add(CLASS)
    await say(staffed, DANGER)
    assert sent(staffed, PERSON, "dingtalk-session")
    staffed.clock.advance(hours=2)
    staffed.dingtalk.calls_per_month = 0
    return staffed


async def test_a_counselor_s_words_that_cannot_leave_make_the_case_say_phone_at_once(
    answered: Home,
) -> None:
    case = await answered.case()
    assert not case.phone_now
    await answered.hold(case.contact_id)
    written = await answered.write_as_counselor("我是值班老师", case.contact_id)
    await answered.work()
    assert (await answered.case()).phone_now
    (delivery,) = await answered.rows(Delivery, Delivery.id == written.id)
    assert (delivery.state, delivery.reason) == ("failed", "quota")
    assert "reply_failed" in await answered.events()
    keys = [alarm.key for alarm in await answered.rows(Alarm)]
    assert f"quota_exhausted:dingtalk/{ROBOT}/calls" in keys


async def test_a_crisis_reply_that_cannot_leave_makes_the_case_say_phone_at_once(
    staffed: Home,
) -> None:
    """In a group the neutral line goes free of charge; the private words need a call."""
    staffed.dingtalk.groups.add(CLASS)
    staffed.dingtalk.calls_per_month = 0
    await say(staffed, f"@心晴 {DANGER}", group=CLASS)
    assert len(sent(staffed, CLASS)) == 1
    assert sent(staffed, PERSON) == []
    assert (await staffed.case()).phone_now
    called = [text for text in staffed.alerts(DISTRICT_GROUP) if "等人接手" in text]
    assert len(called) == 1


async def test_the_lane_stays_open_for_whom_can_still_be_answered(answered: Home) -> None:
    case = await answered.case()
    await answered.hold(case.contact_id)
    await answered.write_as_counselor("我是值班老师", case.contact_id)
    await answered.work()
    answered.platform.sent.clear()
    await answered.hear(answered.robot.message("u002", DANGER))
    await settle(answered)
    assert any("120" in text for text in sent(answered, "u002", "dingtalk-session"))


# Calls: what can wait -----------------------------------------------------------------------------


@pytest.fixture
async def calm(staffed: Home) -> Home:
    """A parent without a case, whose return address has run out."""
    await say(staffed, CALM)
    staffed.clock.advance(hours=2)
    staffed.platform.sent.clear()
    return staffed


async def queue_notice(home: Home, kind: str = "notice") -> None:
    """Queue words for the parent outside any conversation."""
    contact = await home.contact(PERSON)
    async with home.write() as session:
        reply = Reply("通知", kind, "phrase:x@1")
        await deliveries.add(session, contact, reply, key="n1", now=home.clock.now())


async def notice(home: Home) -> tuple[str, str]:
    (found,) = await home.rows(Delivery, Delivery.key == "n1")
    return found.state, found.reason


async def use(home: Home, calls: int) -> None:
    """Count calls that were made before."""
    spent = home.house.meter.calls_of(("dingtalk", ROBOT))
    for _ in range(calls):
        spent("batchSend")
    await home.house.meter.flush()


async def test_what_can_wait_waits_outside_the_lane_and_goes_once_more_was_bought(
    calm: Home,
) -> None:
    calm.dingtalk.calls_per_month = 0
    await queue_notice(calm)
    await calm.work()
    assert await notice(calm) == ("queued", "")
    tried = calls(calm)
    await calm.wait(minutes=11)
    assert calls(calm) == tried
    calm.dingtalk.calls_per_month = None
    await calm.wait(hours=1)
    assert await notice(calm) == ("accepted", "")
    assert sent(calm, PERSON) == ["通知"]


async def test_what_has_waited_a_day_is_given_up_with_its_reason(calm: Home) -> None:
    calm.dingtalk.calls_per_month = 0
    await queue_notice(calm)
    for _ in range(25):
        await calm.wait(hours=1)
    assert await notice(calm) == ("failed", "quota")


async def test_near_the_end_calls_are_kept_for_what_is_urgent(calm: Home) -> None:
    await use(calm, 4800)
    await queue_notice(calm)
    await calm.work()
    assert await notice(calm) == ("queued", "")
    assert "quota_low" in await calm.alarms()
    # The parent's next question brings a free way, for both.
    await say(calm, HOMEWORK)
    await calm.wait(minutes=11)
    assert await notice(calm) == ("accepted", "")
    assert len(sent(calm, PERSON, "dingtalk-session")) >= 2
    assert sent(calm, PERSON, "dingtalk-person") == []


@pytest.mark.parametrize("kind", ["risk", "person"])
async def test_near_the_end_what_is_urgent_goes(calm: Home, kind: str) -> None:
    await use(calm, 4999)
    await queue_notice(calm, kind)
    await calm.work()
    assert await notice(calm) == ("accepted", "")


async def test_near_the_end_everything_in_an_open_case_goes(answered: Home) -> None:
    answered.dingtalk.calls_per_month = None
    await use(answered, 4999)
    await queue_notice(answered)
    await answered.work()
    assert await notice(answered) == ("accepted", "")


# Calls and messages: counted where they happen ----------------------------------------------------


async def test_only_what_is_billed_is_counted(staffed: Home) -> None:
    await say(staffed, CALM)
    await staffed.house.meter.flush()
    (row,) = await staffed.rows(QuotaUse)
    assert (row.scope, row.calls, row.messages) == (f"dingtalk/{ROBOT}", 0, 1)
    staffed.clock.advance(hours=2)
    await queue_notice(staffed)
    await staffed.work()
    await staffed.house.meter.flush()
    (row,) = await staffed.rows(QuotaUse)
    assert (row.calls, row.messages) == (1, 1)


async def test_what_was_counted_survives_the_process(staffed: Home, houses: Houses) -> None:
    await say(staffed, CALM)
    await staffed.house.meter.close()
    other = await houses.make()
    await say(other, CALM)
    await other.house.meter.flush()
    (row,) = await other.rows(QuotaUse)
    assert row.messages == 2


# Messages: used up --------------------------------------------------------------------------------


async def test_one_to_one_the_numbers_are_said_where_it_was_asked(staffed: Home) -> None:
    before = calls(staffed)
    await without_words(staffed)
    (text,) = sent(staffed, PERSON, "dingtalk-session")
    assert "12356" in text
    assert "看不到内容" in text
    assert calls(staffed) == before
    (message,) = await staffed.rows(Message, Message.channel == "dingtalk")
    assert (message.kind, message.text) == ("unreadable", "")
    keys = [alarm.key for alarm in await staffed.rows(Alarm)]
    assert f"quota_exhausted:dingtalk/{ROBOT}" in keys
    assert await staffed.cases() == []


async def test_in_a_group_only_the_neutral_line_is_said(staffed: Home) -> None:
    staffed.dingtalk.groups.add(CLASS)
    await without_words(staffed, group=CLASS)
    (line,) = sent(staffed, CLASS, "dingtalk-session")
    assert "12356" in line
    assert "看不到" not in line
    assert sent(staffed, PERSON) == []
    assert "quota_exhausted" in await staffed.alarms()


async def test_after_a_danger_what_cannot_be_read_goes_to_the_case(staffed: Home) -> None:
    await say(staffed, DANGER)
    case = await staffed.case()
    before = len(await staffed.events())
    await without_words(staffed)
    again = await staffed.case()
    assert (again.id, again.level) == (case.id, case.level)
    assert "again" in (await staffed.events())[before:]
    text = sent(staffed, PERSON, "dingtalk-session")[-1]
    assert "120" in text
    assert "看不到内容" in text


async def test_after_a_closed_danger_what_cannot_be_read_opens_no_case(staffed: Home) -> None:
    """A person has seen and closed it: it is not held against the next message."""
    await say(staffed, DANGER)
    case = await staffed.case()
    await staffed.take_case(case.id)
    await staffed.close_case(case.id, reason="answered", note="看过")
    staffed.clock.advance(minutes=1)
    await without_words(staffed)
    assert [one.state for one in await staffed.cases()] == ["closed"]


async def test_the_operator_is_told_without_a_word_of_the_parent(staffed: Home) -> None:
    await without_words(staffed)
    await staffed.work()
    assert [text for text in staffed.alerts(DISTRICT_GROUP) if "系统" in text]


# Limits of one person -----------------------------------------------------------------------------


async def test_who_is_written_to_too_often_keeps_nobody_else_waiting(calm: Home) -> None:
    calm.dingtalk.slowed.add(PERSON)
    await queue_notice(calm, "person")
    await calm.work()
    assert await notice(calm) == ("queued", "")
    answer = await calm.robot.say("u002", CALM)
    assert answer.status_code == 200
    calm.clock.advance(hours=2)
    contact = await calm.contact("u002")
    async with calm.write() as session:
        reply = Reply("马上", "person", "phrase:x@1")
        await deliveries.add(session, contact, reply, key="n2", now=calm.clock.now())
    calm.clock.advance(seconds=1)
    await calm.work()
    assert "马上" in sent(calm, "u002", "dingtalk-person")
    calm.dingtalk.slowed.clear()
    await calm.wait(minutes=2)
    assert await notice(calm) == ("accepted", "")


async def test_who_stays_slowed_is_given_up_within_minutes(answered: Home) -> None:
    answered.dingtalk.calls_per_month = None
    answered.dingtalk.slowed.add(PERSON)
    await queue_notice(answered, "risk")
    for _ in range(REPLY_TRIES):
        await answered.wait(minutes=1, seconds=1)
    assert await notice(answered) == ("failed", "slowed")
    assert (await answered.case()).phone_now
