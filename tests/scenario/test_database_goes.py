"""PostgreSQL goes while the service runs: the platform is to send again, and nobody restarts it."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx2
import pytest
from factories import SCENE
from house import DANGER, PARENT, Home, Houses
from relay import Relay

pytestmark = pytest.mark.postgresql(reason="SQLite is no server that could go")


@pytest.fixture
async def relay(database_url: str) -> AsyncIterator[Relay]:
    """A relay to the test's database."""
    made = Relay(database_url)
    await made.up()
    yield made
    await made.down()


@pytest.fixture
async def far(houses: Houses, relay: Relay) -> Home:
    """A house whose database is behind the relay."""
    home = await houses.make(database_url=relay.url)
    await home.on_duty()
    await home.driver.follow(PARENT, SCENE)
    await home.work()
    home.platform.sent.clear()
    return home


async def _ready(home: Home) -> tuple[int, str]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as client:
        answer = await client.get("http://house/ready")
    return answer.status_code, answer.json()["checks"]["database"]


async def test_it_refuses_quickly_and_recovers_by_itself(far: Home, relay: Relay) -> None:
    prepared = far.driver.prepare(PARENT, DANGER)
    running = asyncio.create_task(far.house.worker.run())
    await _until_healthy(far)
    await relay.down()
    for _ in range(3):
        start = time.monotonic()
        response = await far.driver.post(prepared)
        assert (response.status_code, response.text) == (503, "")
        assert time.monotonic() - start < 2.0
    assert (await _ready(far))[0] == 503
    await relay.up()
    assert "120" in (await far.driver.deliver(prepared) or "")
    assert (await far.case()).level == "3"
    await _until_healthy(far)
    async with asyncio.timeout(20):
        while not far.alerts():  # noqa: ASYNC110  # the worker is at it
            await asyncio.sleep(0.02)
    assert (await _ready(far))[1] == "ok"
    await far.house.worker.stop(5)
    await running
    assert len(far.alerts()) == 1


async def _until_healthy(home: Home) -> None:
    async with asyncio.timeout(20):
        while not home.house.worker.healthy():  # noqa: ASYNC110  # the worker is at it
            await asyncio.sleep(0.02)


async def test_connections_that_were_cut_cost_no_message(far: Home, relay: Relay) -> None:
    """A fail-over cuts what lies in the pool; whoever takes it next must not notice."""
    relay.cut()
    assert "120" in await far.say(DANGER)
    relay.cut()
    await far.work()
    assert len(far.alerts()) == 1
