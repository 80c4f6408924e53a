"""People on duty are called inside DingTalk, and only the platform's own result counts as proof."""

import json
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from factories import SCENE
from house import DANGER, GROUP, PARENT, ROBOT, ROBOT_PATH, Home, Houses
from sqlalchemy import event

from bot.channels.dingtalk.cards import sign_card
from bot.channels.dingtalk.work import SEND
from bot.core.clock import epoch_ms
from bot.db.models import Alarm, CaseEvent, Delivery, Job, WorkTask
from bot.services import alarms

STAFF = "t001,t002"
DUTY = "cidDuty=="
WEBHOOK = {"kind": "wecom", "url": f"http://platform{ROBOT_PATH}?key={GROUP}", "tier": "school"}
CARD_SECRET = "card-secret"


def alert(kind: str, **more: Any) -> dict[str, Any]:
    return {"kind": f"dingtalk_{kind}", "robot": ROBOT, "people": STAFF, "tier": "school"} | more


def robot_settings(**more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "app_key": "dingtestappkey000001",
        "app_secret": "test_app_secret_ABC",
        "robot_code": "dingrobot01",
        "agent_id": 7,
        "api_base": "http://platform",
        "oapi_base": "http://platform",
        "stream": False,
    }
    return {ROBOT: made | more}


async def make(
    houses: Houses, name: str, channel: dict[str, Any], *, public_url: str = "", **robot: Any
) -> Home:
    """Build a staffed home with one more way to call people beside the group's webhook."""
    home = await houses.make(
        alert={"school": WEBHOOK, name: channel},
        dingtalk=robot_settings(**robot),
        public_url=public_url,
    )
    await home.on_duty()
    for person in STAFF.split(","):
        home.platform.follow(person)
    home.dingtalk.groups.add(DUTY)
    await home.driver.follow(PARENT, SCENE)
    await home.work()
    home.platform.sent.clear()
    return home


def sent(home: Home, kind: str, to: str = "t001") -> list[str]:
    return [one.text for one in home.platform.sent if one.kind == kind and one.recipient == to]


def calls_for_help(home: Home) -> list[str]:
    """Return the group's alerts without those for the operator."""
    return [text for text in home.alerts() if "等人接手" in text]


async def called(home: Home, target: str) -> Delivery:
    (first, *_) = await home.rows(Delivery, Delivery.target == target)
    return first


async def alarm_keys(home: Home) -> list[str]:
    return [alarm.key for alarm in await home.rows(Alarm)]


async def events(home: Home, kind: str) -> list[dict[str, object]]:
    return [event.data for event in await home.rows(CaseEvent, CaseEvent.kind == kind)]


# Work notifications -------------------------------------------------------------------------------


async def test_a_notice_counts_once_its_result_is_known(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    for person in STAFF.split(","):
        (text,) = sent(home, "dingtalk-work", person)
        assert "/desk" in text
        assert "不想活" not in text
    assert len(home.alerts()) == 1
    assert (await called(home, "desk")).state == "sending"
    await home.wait(minutes=1)
    assert (await called(home, "desk")).state == "accepted"
    (task,) = await home.rows(WorkTask)
    assert (task.state, task.people, task.delivered, task.read) == (
        "proved",
        STAFF.split(","),
        2,
        1,
    )
    assert await home.jobs("work.proof", "sched", "ready") == []


async def test_a_result_that_is_late_is_asked_for_again(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    home.dingtalk.late_results = 2
    await home.say(DANGER)
    await home.work()
    await home.take_case((await home.case()).id)
    await home.wait(minutes=1)
    await home.wait(minutes=4)
    assert (await called(home, "desk")).state == "sending"
    await home.wait(minutes=25)
    assert (await called(home, "desk")).state == "accepted"


async def test_nobody_reached_is_a_failure_that_the_case_and_the_operator_see(
    houses: Houses,
) -> None:
    home = await make(houses, "desk", alert("work"))
    for person in STAFF.split(","):
        home.platform.unfollow(person)
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=1)
    delivery = await called(home, "desk")
    assert (delivery.state, delivery.reason) == ("failed", "invalid")
    assert [data["reason"] for data in await events(home, "alert_failed")] == ["invalid"]
    assert "alert_missed:desk" in await alarm_keys(home)
    assert not (await home.case()).phone_now


async def test_one_who_is_missed_is_named_by_number_not_by_id(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    home.platform.unfollow("t002")
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=1)
    assert (await called(home, "desk")).state == "accepted"
    (missed,) = await events(home, "alert_missed")
    assert (missed["reason"], missed["people"]) == ("invalid", 1)
    assert "t002" not in repr(missed)


async def test_without_any_result_for_a_day_the_call_has_failed(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    home.dingtalk.late_results = 10**6
    await home.say(DANGER)
    await home.work()
    await home.take_case((await home.case()).id)
    for _ in range(24):
        await home.wait(hours=1)
    delivery = await called(home, "desk")
    assert (delivery.state, delivery.reason) == ("failed", "no_proof")
    task, *_ = await home.rows(WorkTask)
    assert task.state == "unproved"


async def test_each_step_of_the_ladder_has_a_text_of_its_own(houses: Houses) -> None:
    """The same words twice a day would be dropped silently."""
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    for _ in range(4):
        await home.wait(minutes=5)
    texts = sent(home, "dingtalk-work")
    assert len(texts) >= 3
    assert len(set(texts)) == len(texts)
    await home.wait(minutes=1)
    assert {row.state for row in await home.rows(WorkTask)} == {"proved"}


async def test_one_sent_twice_by_a_break_is_proved_all_the_same(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    delivery = await called(home, "desk")
    sender = home.house.senders["desk"]
    again = await sender.send(delivery.body, mention_all=True, key=delivery.key)
    assert len(sent(home, "dingtalk-work")) == 1
    proof = await home.house.deliverer._proofs._provers["desk"].proof(again.tasks[0])
    assert (proof.delivered, proof.missed, proof.settled) == (2, {}, True)


async def test_beyond_five_hundred_a_day_nothing_is_sent_that_would_be_dropped(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.pipeline.work.PER_DAY", 1)
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=5)
    states = [
        (row.state, row.reason) for row in await home.rows(Delivery, Delivery.target == "desk")
    ]
    assert states[:2] == [("accepted", ""), ("failed", "day")]
    assert home.platform.calls.count(SEND) == 1
    assert len(calls_for_help(home)) == 2


async def test_a_quota_that_is_used_up_fails_the_call_at_once_and_pauses_no_lane(
    houses: Houses,
) -> None:
    home = await make(houses, "desk", alert("work"))
    home.dingtalk.calls_per_month = 0
    await home.say(DANGER)
    await home.work()
    delivery = await called(home, "desk")
    assert (delivery.state, delivery.reason) == ("failed", "quota")
    assert "quota_exhausted:desk" in await alarm_keys(home)
    assert len(calls_for_help(home)) == 1
    home.dingtalk.calls_per_month = None
    await home.wait(minutes=5)
    assert len(sent(home, "dingtalk-work")) == 1


async def test_a_quota_used_up_between_call_and_proof_ends_within_the_day(
    houses: Houses,
) -> None:
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    await home.take_case((await home.case()).id)
    home.dingtalk.calls_per_month = 0
    for _ in range(30):
        await home.wait(minutes=31)
    delivery = await called(home, "desk")
    assert (delivery.state, delivery.reason) == ("failed", "no_proof")


# DING ---------------------------------------------------------------------------------------------


async def test_a_ding_reaches_the_listed_people(houses: Houses) -> None:
    home = await make(houses, "ding", alert("ding"))
    await home.say(DANGER)
    await home.work()
    for person in STAFF.split(","):
        (text,) = sent(home, "dingtalk-ding", person)
        assert "不想活" not in text
    assert (await called(home, "ding")).state == "accepted"


async def test_an_organisation_that_may_not_ding_is_told_and_the_group_is_called(
    houses: Houses,
) -> None:
    home = await make(houses, "ding", alert("ding"))
    home.dingtalk.may_ding = False
    await home.say(DANGER)
    await home.work()
    delivery = await called(home, "ding")
    assert delivery.state in ("failed", "unreachable")
    assert delivery.reason.startswith("ChannelRefused")
    assert "alert_failed:ding" in await alarm_keys(home)
    assert len(calls_for_help(home)) == 1


async def test_no_ding_for_what_is_no_danger(houses: Houses) -> None:
    home = await make(houses, "ding", alert("ding"))
    await home.say("转人工")
    async with home.write() as session:
        await alarms.raise_alarm(
            session, "rules_invalid", now=home.clock.now(), policy=home.house.services.policy
        )
    await home.work()
    assert len(home.alerts()) == 2
    assert sent(home, "dingtalk-ding") == []


# Cards --------------------------------------------------------------------------------------------


def card_alert() -> dict[str, Any]:
    return alert("card", people="", group=DUTY, template="tpl-1.schema")


def click(card: str, person: str = "t001") -> dict[str, Any]:
    content = '{"cardPrivateData":{"actionIds":["take"],"params":{"action":"take"}}}'
    return {"type": "actionCallback", "outTrackId": card, "userId": person, "content": content}


async def test_a_click_on_the_duty_card_says_where_to_go_and_does_nothing_else(
    houses: Houses,
) -> None:
    home = await make(houses, "card", card_alert())
    await home.say(DANGER)
    await home.work()
    ((card, values),) = home.dingtalk.cards.items()
    assert "/desk" in values["text"]
    assert "不想活" not in values["text"]
    before = await home.events()
    answer = await home.house.cards.click(ROBOT, click(card))
    assert "请打开值班台接手" in answer["cardData"]["cardParamMap"]["state"]
    case = await home.case()
    assert (case.state, case.accepted_by) == ("open", None)
    assert await home.events() == before
    assert await home.jobs("ladder.step", "sched")


@pytest.mark.parametrize("card", ["unknown", "孩子的名字", "alert:1", ""])
async def test_a_foreign_card_is_answered_with_nothing(
    houses: Houses, logged: Any, card: str
) -> None:
    home = await make(houses, "card", card_alert())
    if card:
        assert await home.house.cards.click(ROBOT, click(card)) == {}
        assert "card_unknown" in logged()
        assert (card in logged()) is card.isascii()
    answer = await post(home, click(card), CARD_SECRET)
    assert answer.status_code == 404
    assert "孩子" not in logged()


async def post(
    home: Home, data: dict[str, Any], secret: str, *, size: int = 0, stamp: str = ""
) -> Any:
    """Post a click as the platform does."""
    stamp = stamp or str(epoch_ms(home.clock.now()))
    headers = {
        "x-ddpaas-signature-timestamp": stamp,
        "x-ddpaas-signature": sign_card(secret, stamp),
    }
    body = json.dumps(data | ({"more": "x" * size} if size else {}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as http:
        address = f"http://house/callbacks/dingtalk/{ROBOT}/card"
        return await http.post(address, content=body, headers=headers)


async def test_clicks_over_http_are_checked_and_registered_once(houses: Houses) -> None:
    home = await make(
        houses, "card", card_alert(), card_secret=CARD_SECRET, public_url="http://us.example"
    )
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=5)
    assert list(home.dingtalk.card_routes) == ["card"]
    address = f"http://us.example/callbacks/dingtalk/{ROBOT}/card"
    assert home.dingtalk.card_routes["card"] == address
    assert home.platform.calls.count("/v1.0/card/callbacks/register") == 1
    card = next(iter(home.dingtalk.cards))
    answer = await post(home, click(card), CARD_SECRET)
    assert answer.status_code == 200
    assert "请打开值班台接手" in answer.json()["cardData"]["cardParamMap"]["state"]
    assert (await post(home, click("other"), CARD_SECRET)).json() == {}
    assert (await post(home, click(card), "wrong")).status_code == 403
    old = str(epoch_ms(home.clock.now() - timedelta(seconds=301)))
    assert (await post(home, click(card), CARD_SECRET, stamp=old)).status_code == 403
    assert (await post(home, click(card), CARD_SECRET, stamp="now")).status_code == 403
    assert (await post(home, {"type": "x"}, CARD_SECRET)).status_code == 400
    assert (await post(home, click(card), CARD_SECRET, size=70_000)).status_code == 400
    assert (await home.case()).state == "open"


async def test_without_a_secret_no_click_is_taken_over_http(houses: Houses) -> None:
    home = await make(houses, "card", card_alert())
    assert (await post(home, click("x"), "")).status_code == 404


async def test_a_click_while_the_database_is_gone_may_be_tried_again(
    houses: Houses, logged: Any
) -> None:
    home = await make(
        houses, "card", card_alert(), card_secret=CARD_SECRET, public_url="http://us.example"
    )
    await home.say(DANGER)
    await home.work()
    card = next(iter(home.dingtalk.cards))
    engine = home.house.services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", _gone)
    try:
        answer = await post(home, click(card), CARD_SECRET)
    finally:
        event.remove(engine, "before_cursor_execute", _gone)
    assert (answer.status_code, answer.text) == (503, "")
    assert "card_failed" in logged()
    assert "ConnectionResetError" in logged()
    assert "孩子" not in logged()
    assert (await post(home, click(card), CARD_SECRET)).status_code == 200


def _gone(*_statement: object) -> None:
    raise ConnectionResetError("孩子的名字")


async def test_jobs_that_ask_hold_ids_only(houses: Houses) -> None:
    home = await make(houses, "desk", alert("work"))
    await home.say(DANGER)
    await home.work()
    (job,) = await home.rows(Job, Job.kind == "work.proof")
    assert set(job.payload) == {"task", "number"}
