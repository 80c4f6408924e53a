"""Whether a 1:1 message has been read: the platform's answers as its page and library show them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from dingtalk_world import PERSON, ROBOT_CODE, World

from bot.channels.http import make_http
from bot.core.errors import ChannelRateLimited, ChannelRefused
from bot.core.ports import ReadState, TellsRead
from bot.simulator.platform import Fault

PATH = "/v1.0/robot/oToMessages/readStatus"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.platform.follow(PERSON)
    yield made
    await made.close()


def _at(world: World, **ago: float) -> datetime:
    return (world.clock.now() - timedelta(**ago)).astimezone(UTC)


async def test_unread_then_read_with_its_moment(world: World) -> None:
    assert isinstance(world.channel, TellsRead)
    receipt = (await world.client.send_person(PERSON, "你好")).receipt
    assert await world.channel.read_state(PERSON, receipt) == ReadState(False)
    world.clock.advance(minutes=3)
    world.dingtalk.reads.read(receipt, PERSON, world.clock.now())
    world.clock.advance(minutes=1)
    assert await world.channel.read_state(PERSON, receipt) == ReadState(True, _at(world, minutes=1))
    assert world.spent.count("oToMessages/readStatus") == 2


async def test_after_a_day_and_for_another_key_it_can_not_be_asked(world: World) -> None:
    receipt = (await world.client.send_person(PERSON, "你好")).receipt
    with pytest.raises(ChannelRefused):
        await world.client.read_state(PERSON, "query-unknown")
    world.clock.advance(hours=24, seconds=1)
    with pytest.raises(ChannelRefused):
        await world.client.read_state(PERSON, receipt)


async def test_the_months_quota_and_a_dead_token_are_sorted_as_everywhere(world: World) -> None:
    receipt = (await world.client.send_person(PERSON, "你好")).receipt
    world.platform.fail(PATH, Fault.TOKEN_INVALID)
    assert await world.client.read_state(PERSON, receipt) == ReadState(False)
    world.dingtalk.calls_per_month = 0
    with pytest.raises((ChannelRateLimited, ChannelRefused)) as caught:
        await world.client.read_state(PERSON, receipt)
    assert receipt not in str(caught.value)


# Answers as the vendor's page (no moment) and its library (a moment, no unit) have them.
_ROW = {"name": "", "userId": PERSON, "readStatus": "READ"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"sendStatus": "SUCCESS", "messageReadInfoList": [_ROW]}, ReadState(True)),
        (
            {"sendStatus": "SUCCESS", "messageReadInfoList": [_ROW | {"readStatus": "UNREAD"}]},
            ReadState(False),
        ),
        ({"sendStatus": "PROCESSING", "messageReadInfoList": [_ROW]}, None),
        ({"sendStatus": "RECALLED", "messageReadInfoList": [_ROW]}, None),
        ({"sendStatus": "SUCCESS", "messageReadInfoList": [_ROW | {"userId": "u9"}]}, None),
        ({"sendStatus": "SUCCESS", "messageReadInfoList": [_ROW | {"readStatus": "?"}]}, None),
        ({"sendStatus": "SUCCESS", "messageReadInfoList": ["x", None]}, None),
        ({"sendStatus": "SUCCESS"}, None),
        ({}, None),
    ],
)
async def test_only_a_clear_answer_about_this_person_counts(
    world: World, answer: dict[str, Any], expected: ReadState | None
) -> None:
    assert await _asked(world, answer) == expected


@pytest.mark.parametrize("unit", [1, 1000])
async def test_a_moment_is_read_in_seconds_and_milliseconds(world: World, unit: int) -> None:
    moment = _at(world, minutes=5).replace(microsecond=0)
    row = _ROW | {"readTimestamp": int(moment.timestamp()) * unit}
    state = await _asked(world, {"sendStatus": "SUCCESS", "messageReadInfoList": [row]})
    assert state == ReadState(True, moment)


@pytest.mark.parametrize("stamp", [0, -5, 10**30, "1767225600", None, 1.5])
async def test_a_moment_that_can_not_be_is_left_out(world: World, stamp: object) -> None:
    row = _ROW | {"readTimestamp": stamp}
    state = await _asked(world, {"sendStatus": "SUCCESS", "messageReadInfoList": [row]})
    assert state == ReadState(True)


async def _asked(world: World, answer: dict[str, Any]) -> ReadState | None:
    """Ask a platform that gives this answer, and check how it was asked."""
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == PATH:
            asked.append(request)
            return httpx2.Response(200, json=answer)
        return httpx2.Response(200, json={"accessToken": "t", "expireIn": 7200})

    client = world.make_client("http://fake")
    client._http = make_http(httpx2.MockTransport(handle))
    try:
        return await client.read_state(PERSON, "key+/=&1")
    finally:
        (request,) = asked
        assert request.method == "GET"
        assert dict(request.url.params) == {
            "robotCode": ROBOT_CODE,
            "processQueryKey": "key+/=&1",
        }
        await client.close()
