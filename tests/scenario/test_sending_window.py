"""What the platform lets through: five messages in 48 hours, tokens, faults; receipts for each."""

import pytest
from house import CALM, DANGER, DISTRICT_GROUP, PARENT, ROBOT_PATH, SEND_PATH, Home

from bot.core.errors import Conflict
from bot.db.models import Delivery
from bot.pipeline.delivery import ALERT_TRIES
from bot.pipeline.patience import REPLY_TRIES
from bot.simulator.platform import FOREVER, Fault

TOKEN_PATH = "/cgi-bin/stable_token"


@pytest.fixture
async def held(staffed: Home) -> Home:
    """A case that a counselor has accepted and a conversation that she holds."""
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.take_case((await staffed.case()).id)
    await staffed.hold()
    await staffed.work()
    return staffed


async def test_the_sixth_message_is_unreachable_and_the_case_says_phone(held: Home) -> None:
    """The sentence about the acceptance was the first of five; five more are queued at once."""
    for number in range(5):
        await held.write_as_counselor(f"第{number}句")
    assert not (await held.case()).phone_now
    await held.work()
    await held.work()
    said = await held.rows(Delivery, Delivery.kind == "person")
    assert sorted(delivery.state for delivery in said) == ["accepted"] * 4 + ["unreachable"]
    assert len(held.sent()) == 5
    assert (await held.contact()).window_used == 5
    assert (await held.case()).phone_now
    assert "reply_unreachable" in await held.events()
    with pytest.raises(Conflict):
        await held.write_as_counselor("再一句")


async def test_words_of_the_parent_open_the_window_again(held: Home) -> None:
    for _ in range(4):
        await held.write_as_counselor("一句")
    await held.work()
    assert (await held.contact()).window_used == 5
    await held.say(CALM)
    assert (await held.contact()).window_used == 0
    await held.write_as_counselor("再一句")
    await held.work()
    assert held.sent()[-1] == "再一句"


async def test_after_48_hours_nothing_is_sent_and_the_case_says_phone(held: Home) -> None:
    await held.write_as_counselor("还在吗")
    held.clock.advance(hours=49)
    count = held.platform.calls.count(SEND_PATH)
    await held.work()
    assert held.platform.calls.count(SEND_PATH) == count, "it is not even tried"
    (delivery,) = await held.rows(Delivery, Delivery.body.is_not(None), Delivery.kind == "person")
    assert (delivery.state, delivery.reason) == ("unreachable", "window_closed")
    assert (await held.case()).phone_now


async def test_somebody_who_left_is_unreachable(held: Home) -> None:
    await held.write_as_counselor("还在吗")
    await held.driver.unfollow(PARENT)
    await held.work()
    (delivery,) = await held.rows(Delivery, Delivery.kind == "person")
    assert delivery.state == "unreachable"
    assert (await held.case()).phone_now


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.HTML, Fault.TRUNCATED, Fault.NOT_JSON])
async def test_a_reply_is_tried_again_until_it_arrives(held: Home, fault: Fault) -> None:
    held.platform.fail(SEND_PATH, fault, times=3)
    await held.write_as_counselor("我在")
    await held.work()
    assert "我在" not in held.sent()
    for _ in range(3):
        await held.wait(minutes=31)
    assert held.sent().count("我在") == 1
    assert (await held.case()).phone_now, "it was late, and nobody takes that back by itself"


async def test_a_limit_of_the_platform_stops_the_lane_not_the_reply(held: Home) -> None:
    held.platform.fail(SEND_PATH, Fault.TOO_MANY)
    await held.write_as_counselor("我在")
    await held.work()
    calls = held.platform.calls.count(SEND_PATH)
    await held.wait(seconds=29)
    assert held.platform.calls.count(SEND_PATH) == calls
    await held.wait(seconds=2)
    assert held.sent().count("我在") == 1


async def test_an_expired_token_is_fetched_anew_once(held: Home) -> None:
    held.platform.revoke_tokens()
    before = held.platform.calls.count(TOKEN_PATH)
    await held.write_as_counselor("我在")
    await held.work()
    assert held.sent()[-1] == "我在"
    assert held.platform.calls.count(TOKEN_PATH) == before + 1


async def test_a_token_that_is_refused_for_ever_ends(held: Home) -> None:
    """wechatpy recurses here without end; we try twice a time and a few times in all."""
    held.platform.fail(SEND_PATH, Fault.TOKEN_INVALID, times=FOREVER)
    before = held.platform.calls.count(SEND_PATH)
    await held.write_as_counselor("我在")
    for _ in range(REPLY_TRIES + 2):
        await held.wait(minutes=16)
    assert 0 < held.platform.calls.count(SEND_PATH) - before <= 2 * REPLY_TRIES
    (delivery,) = await held.rows(Delivery, Delivery.kind == "person")
    assert (delivery.state, delivery.reason) == ("failed", "ChannelUnavailable: 40001")
    assert (await held.case()).phone_now
    assert len(await held.jobs("reply.send", "dead")) == 1


async def test_an_alert_is_tried_again_and_keeps_its_receipt(staffed: Home) -> None:
    staffed.platform.fail(ROBOT_PATH, Fault.DOWN, times=2)
    await staffed.say(DANGER)
    await staffed.work()
    assert staffed.alerts() == []
    assert "正在通知" in await staffed.say(CALM), "a delivery is under way"
    await staffed.wait(seconds=5)
    await staffed.wait(seconds=10)
    assert len(staffed.alerts()) == 1
    (alert,) = await staffed.deliveries("alert")
    assert (alert.state, alert.receipt) == ("accepted", "ok")


async def test_a_group_that_takes_nothing_leaves_the_case_on_the_desk(staffed: Home) -> None:
    staffed.platform.fail(ROBOT_PATH, Fault.DOWN, times=FOREVER)
    await staffed.say(DANGER)
    first = (await staffed.deliveries("alert"))[0]
    for _ in range(ALERT_TRIES + 2):
        await staffed.wait(minutes=16)
    (dead,) = [d for d in await staffed.deliveries("alert") if d.id == first.id]
    assert dead.state == "failed"
    assert "alert_failed" in await staffed.events()
    case = await staffed.case()
    assert (case.state, case.level) == ("open", "3")
    assert case.step > 3, "and the ladder goes on calling"


async def test_a_duty_group_gets_no_more_than_the_robot_takes(staffed: Home) -> None:
    """Twenty parents in one minute: the robot's limit is twenty, the lane stays below it."""
    for number in range(20):
        await staffed.say(DANGER, parent=f"oParent{number:04d}")
    await staffed.work()
    assert len(staffed.alerts(DISTRICT_GROUP)) == 5
    for _ in range(12):
        await staffed.wait(seconds=5)
    assert 15 < len(staffed.alerts(DISTRICT_GROUP)) <= 20
    assert [d.state for d in await staffed.deliveries("alert")].count("failed") == 0
