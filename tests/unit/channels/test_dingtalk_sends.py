"""What a robot sends to many: batches, groups, DING, work notifications and cards."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from dingtalk_world import GROUP, PERSON, World

from bot.channels.dingtalk.cards import Click, click_answer, read_click, send_card, update_card
from bot.channels.dingtalk.client import Sent
from bot.channels.dingtalk.work import WorkNotices, WorkTask
from bot.core.errors import (
    CallbackMalformed,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.simulator.platform import Fault

PEOPLE = [f"u{number:03}" for number in range(250)]
WORDS = {"title": "通知", "text": "家长会 42"}
BATCH = "/v1.0/robot/oToMessages/batchSend"
WORK = "/topapi/message/corpconversation/asyncsend_v2"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for person in PEOPLE:
        made.platform.follow(person)
    yield made
    await made.close()


async def test_a_batch_goes_in_twenties(world: World) -> None:
    sent = await world.client.send_people(PEOPLE[:45], "sampleMarkdown", WORDS)
    assert [len(chunk.people) for chunk in sent] == [20, 20, 5]
    assert all(chunk.receipt for chunk in sent)
    assert [person for chunk in sent for person in chunk.reached] == PEOPLE[:45]
    assert len(world.platform.sent) == 45


async def test_who_was_not_reached_is_told_apart(world: World) -> None:
    world.dingtalk.slowed.add("u001")
    (chunk,) = await world.client.send_people(["u001", "stranger", "u002"], "sampleText", {})
    assert (chunk.slowed, chunk.invalid, chunk.reached) == (("u001",), ("stranger",), ("u002",))
    with pytest.raises(ChannelRateLimited):
        await world.client.send_person("u001", "在吗")
    with pytest.raises(ChannelRefused):
        await world.client.send_person("stranger", "在吗")


async def test_a_quota_in_the_middle_stops_the_rest(world: World) -> None:
    world.dingtalk.calls_per_month = 1
    sent = await world.client.send_people(PEOPLE[:60], "sampleText", {"content": "通知"})
    assert [chunk.error is None for chunk in sent] == [True, False, False]
    assert sent[1].error is sent[2].error
    assert sum(len(chunk.reached) for chunk in sent) == len(world.platform.sent) == 20
    assert list(world.platform.calls).count(BATCH) == 2


async def test_another_error_stays_with_its_chunk(world: World) -> None:
    world.platform.fail(BATCH, Fault.TRUNCATED)
    sent = await world.client.send_people(PEOPLE[:40], "sampleText", {"content": "通知"})
    assert isinstance(sent[0].error, ChannelUnavailable)
    assert sent[0].reached == ()
    assert sent[1].reached == tuple(PEOPLE[20:40])


def test_nobody_is_reached_by_a_failed_chunk() -> None:
    assert Sent(("a",), error=ChannelUnavailable("x")).reached == ()


async def test_a_group_and_its_readers(world: World) -> None:
    result = await world.client.send_group(GROUP, "sampleMarkdown", WORDS)
    assert world.platform.texts(GROUP) == ["家长会 42"]
    world.dingtalk.readers[result.receipt] = [f"r{number}" for number in range(450)]
    readers = await world.client.group_readers(GROUP, result.receipt)
    assert readers == world.dingtalk.readers[result.receipt]
    with pytest.raises(ChannelRefused):
        await world.client.send_group("cidZ==", "sampleMarkdown", WORDS)


async def test_a_ding_needs_one_who_can_be_reached(world: World) -> None:
    result = await world.client.ding(["u001", "stranger"], "请打开工作台。")
    assert result.receipt.startswith("ding-")
    assert world.platform.texts("u001") == ["请打开工作台。"]
    with pytest.raises(ChannelRefused):
        await world.client.ding(["stranger"], "请打开工作台。")


# Work notifications -----------------------------------------------------------------------------


async def test_work_notifications_go_in_hundreds_and_are_polled(world: World) -> None:
    notices = WorkNotices(world.client, 7)
    tasks = await notices.send([*PEOPLE, "stranger"], "通知", "家长会 42")
    assert [len(task.people) for task in tasks] == [100, 100, 51]
    result = await notices.result(tasks[2].task_id)
    assert result.missed == {"stranger": "invalid"}
    assert result.read | result.unread == set(PEOPLE[200:])
    assert result.is_settled(tasks[2].people)
    assert not result.is_settled([*tasks[2].people, "u000"])


async def test_what_is_dropped_silently_shows_in_the_result(world: World) -> None:
    notices = WorkNotices(world.client, 7)
    await notices.send([PERSON], "通知", "家长会 42")
    (again,) = await notices.send([PERSON], "通知", "家长会 42")
    assert again.error is None
    assert world.platform.texts(PERSON) == ["家长会 42"]
    assert (await notices.result(again.task_id)).missed == {PERSON: "duplicate"}
    world.clock.advance(days=1)
    (tomorrow,) = await notices.send([PERSON], "通知", "家长会 42")
    assert (await notices.result(tomorrow.task_id)).missed == {}


async def test_a_result_can_be_had_for_a_day(world: World) -> None:
    notices = WorkNotices(world.client, 7)
    (task,) = await notices.send([PERSON], "通知", "家长会 42")
    world.clock.moment += timedelta(hours=25)
    with pytest.raises(ChannelRefused):
        await notices.result(task.task_id)


async def test_an_unknown_outcome_stays_with_its_chunk(world: World) -> None:
    world.platform.fail(WORK, Fault.NOT_JSON)
    tasks = await WorkNotices(world.client, 7).send(PEOPLE, "通知", "家长会 42")
    assert isinstance(tasks[0].error, ChannelUnavailable)
    assert tasks[0].error.code == "unknown"
    assert [bool(task.task_id) for task in tasks] == [False, True, True]
    world.dingtalk.calls_per_month = 0
    tasks = await WorkNotices(world.client, 7).send(PEOPLE, "通知", "家长会 43")
    assert all(isinstance(task.error, ChannelRateLimited) for task in tasks)
    assert tasks[0] == WorkTask(tuple(PEOPLE[:100]), error=tasks[1].error)


async def test_a_quota_in_the_middle_of_the_notices_stops_the_rest(world: World) -> None:
    world.dingtalk.calls_per_month = 1
    tasks = await WorkNotices(world.client, 7).send(PEOPLE, "通知", "家长会 42")
    assert [bool(task.task_id) for task in tasks] == [True, False, False]
    assert all(isinstance(task.error, ChannelRateLimited) for task in tasks[1:])
    assert [sent.recipient for sent in world.platform.sent] == PEOPLE[:100]
    assert list(world.platform.calls).count(WORK) == 2


# Cards ------------------------------------------------------------------------------------------


async def test_a_card_is_delivered_once_and_changed(world: World) -> None:
    for _ in range(2):
        result = await send_card(
            world.client, template="tpl-1", card="notice-42", values={"confirmed": "0"}, group=GROUP
        )
        assert result.receipt == "card-notice-42"
    assert [sent.recipient for sent in world.platform.sent] == [GROUP]
    await update_card(world.client, "notice-42", {"confirmed": "1"})
    assert world.dingtalk.cards["notice-42"] == {"confirmed": "1"}
    with pytest.raises(ChannelRefused):
        await update_card(world.client, "notice-43", {"confirmed": "1"})


async def test_a_card_for_nobody_is_refused(world: World) -> None:
    values = {"confirmed": "0"}
    await send_card(world.client, template="t", card="c1", values=values, person=PERSON)
    assert [sent.recipient for sent in world.platform.sent] == [PERSON]
    with pytest.raises(ChannelRefused):
        await send_card(world.client, template="t", card="c2", values=values, person="stranger")


def click(**changes: Any) -> dict[str, Any]:
    content = {"cardPrivateData": {"actionIds": ["ok"], "params": {"action": "confirm"}}}
    made = {"outTrackId": "notice-42", "userId": PERSON, "content": json.dumps(content)}
    return made | changes


def test_a_click_is_read_and_answered() -> None:
    assert read_click(click()) == Click("notice-42", PERSON, "confirm")
    assert read_click(click(content="{}")).action == ""
    assert read_click(click(content=None)).action == ""
    answer = click_answer({"confirmed": "1"}, {"mine": "1"})
    assert answer["cardData"] == {"cardParamMap": {"confirmed": "1"}}
    assert answer["userPrivateData"] == {"cardParamMap": {"mine": "1"}}


@pytest.mark.parametrize(
    "changes", [{"outTrackId": ""}, {"outTrackId": 1}, {"userId": None}, {"content": "{"}]
)
def test_a_broken_click_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(CallbackMalformed):
        read_click(click(**changes))
