"""A platform that can't be told something: how long it is tried, and who is told meanwhile."""

import pytest
from fakes import HOMEWORK
from house import CALM, DANGER, PARENT, Home

from bot.db.models import Delivery
from bot.pipeline.patience import DOUBT_WAITS
from bot.simulator.platform import FOREVER, Fault

# What tells of a case goes to whom the platform knows, other words to the message's own address.
PERSON_PATH, SESSION_PATH = "/v1.0/robot/oToMessages/batchSend", "/robot/sendBySession"
PERSON = "u001"


async def say(home: Home, text: str) -> Delivery:
    """Write as a parent in DingTalk, where every reply goes out by a call."""
    await home.robot.say(PERSON, text)
    await home.house.reception.finish(5)
    await home.work()
    found = await home.rows(Delivery, Delivery.message_id.is_not(None), Delivery.route == "api")
    return found[0]


async def again(home: Home) -> Delivery:
    return (await home.rows(Delivery, Delivery.message_id.is_not(None), Delivery.route == "api"))[0]


@pytest.mark.parametrize(("text", "urgent"), [(DANGER, True), (HOMEWORK, False)])
async def test_words_that_may_have_arrived_are_repeated_seldom(
    home: Home, text: str, urgent: bool
) -> None:
    path = PERSON_PATH if urgent else SESSION_PATH
    home.platform.fail(path, Fault.TRUNCATED, times=FOREVER)
    await say(home, text)
    for seconds in (*DOUBT_WAITS[urgent], 3_600, 3_600, 3_600):
        await home.wait(seconds=seconds)
    reply = await again(home)
    assert (reply.state, reply.reason) == ("failed", "unknown")
    assert reply.doubts == len(DOUBT_WAITS[urgent]) + 1
    calls = home.platform.calls.count(path)
    greetings = 0 if urgent else len(DOUBT_WAITS[False]) + 1
    assert calls == reply.doubts + greetings


async def test_a_danger_that_is_in_doubt_is_one_for_the_phone_at_once(home: Home) -> None:
    home.platform.fail(PERSON_PATH, Fault.TRUNCATED, times=FOREVER)
    await say(home, DANGER)
    assert not (await home.case()).phone_now
    await home.wait(seconds=30)
    assert (await home.case()).phone_now
    home.platform.heal()
    await home.wait(minutes=5)
    assert (await again(home)).state == "accepted"


async def test_where_the_platform_says_later_somebody_phones_now(home: Home) -> None:
    """An HTML page means that our address is shut out: the whole lane waits five minutes."""
    home.platform.fail(PERSON_PATH, Fault.HTML)
    await say(home, DANGER)
    assert (await home.case()).phone_now
    await home.wait(minutes=5, seconds=1)
    assert (await again(home)).state == "accepted"


async def test_after_an_outage_of_half_an_hour_the_words_still_arrive(home: Home) -> None:
    home.platform.fail(PERSON_PATH, Fault.DOWN, times=FOREVER)
    await say(home, DANGER)
    for _ in range(30):
        await home.wait(minutes=1)
    assert (await home.case()).phone_now, "nobody waits for half an hour"
    assert (await again(home)).state == "queued"
    home.platform.heal()
    await home.wait(minutes=16)
    assert (await again(home)).state == "accepted"
    assert any("120" in sent.text for sent in home.platform.sent if sent.recipient == PERSON)


async def test_an_answer_that_nobody_gets_is_told_to_the_operator(home: Home) -> None:
    home.platform.fail(SESSION_PATH, Fault.TRUNCATED, times=FOREVER)
    await say(home, CALM)
    for _ in range(5):
        await home.wait(minutes=20)
    assert "reply_failed" in await home.alarms()
    assert await home.cases() == []
    assert home.sent(PARENT) == []
