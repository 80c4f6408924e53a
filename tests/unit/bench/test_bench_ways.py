"""How the platforms hand messages over in the loss benchmarks: again and again, then no more."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest

from bot.bench.tally import Planned, Seen
from bot.bench.ways import WAYS, TimedGateway, Try, Way, deliver
from bot.simulator.driver import ServiceBroken

OK, REFUSED = {"code": 200}, {"code": 400}


def way(*, tries: int = 4) -> Way:
    async def never() -> str | None:
        raise AssertionError

    return Way(lambda _stage, _planned: never, tries, 0.0, dated=False)


def outcomes(*found: str | Exception | None) -> Try:
    left: Iterator[str | Exception | None] = iter(found)

    async def attempt() -> str | None:
        one = next(left)
        if isinstance(one, Exception):
            raise one
        return one

    return attempt


def message() -> Seen:
    return Seen(Planned("1", "o", "t", 0.0))


async def test_a_broken_hand_over_is_tried_again_until_one_is_taken() -> None:
    seen = message()
    attempt = outcomes(httpx2.ConnectError(""), ServiceBroken(""), TimeoutError(), "w")
    await deliver(way(), attempt, seen)
    assert (seen.posted, seen.taken, seen.words) == (4, True, {"w"})


async def test_an_acknowledgement_without_words_is_enough() -> None:
    seen = message()
    await deliver(way(), outcomes(None), seen)
    assert (seen.posted, seen.taken, seen.words) == (1, True, set())


async def test_the_platform_gives_up_after_its_tries() -> None:
    seen = message()
    await deliver(way(tries=2), outcomes(TimeoutError(), TimeoutError(), "w"), seen)
    assert (seen.posted, seen.taken) == (2, False)


def test_only_a_callback_can_be_stale() -> None:
    dated = {name: way.dated for name, way in WAYS.items()}
    assert dated == {"wechat": True, "dingtalk-http": True, "dingtalk-stream": False}


def frame(number: str) -> dict[str, Any]:
    return {"type": "CALLBACK", "headers": {"messageId": number}, "data": "{}"}


async def test_a_gateway_measures_from_the_last_sending_and_tells_a_refusal() -> None:
    async def send_text(_text: str) -> None: ...

    gateway = TimedGateway()
    connection = SimpleNamespace(unacked={}, socket=SimpleNamespace(send_text=send_text))
    waiting = asyncio.create_task(gateway.acknowledged("a"))
    for number in ("a", "a", "b"):
        await gateway._send(connection, frame(number))
    await gateway._acknowledged(connection, OK | {"headers": {"messageId": "a"}})
    await gateway._acknowledged(connection, OK | {"headers": {"messageId": "a"}})
    await waiting
    await gateway._acknowledged(connection, REFUSED | {"headers": {"messageId": "b"}})
    with pytest.raises(ServiceBroken):
        await gateway.acknowledged("b")
    assert len(gateway.ack_seconds) == 2
    assert all(seconds >= 0 for seconds in gateway.ack_seconds)
    assert gateway.codes == {200: 2, 400: 1}
