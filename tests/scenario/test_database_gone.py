"""The database goes away, or its disk is full, and comes back: nothing is lost, nothing is doubled.

Nothing that is not stored is acknowledged, so that the platform sends it again; jobs wait. The
whole application runs here, with its worker and sweeps, while the house's clock stands still.
"""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from factories import SCENE
from house import CALM, DANGER, PARENT, Home, Houses
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine
from wire import Wire

from bot.db.models import Delivery
from bot.db.models.delivery import ACCEPTED
from bot.simulator.driver import PreparedCallback

Logged = Callable[[], str]
PATIENCE_SECONDS = 30.0
# A parent of the same class, so that the school's duty group is the one that is told.
LATE = "oLate"


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Let tasks run until something is so, within a time that nothing here should need."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await condition():  # noqa: ASYNC110  # tables have no events
            await asyncio.sleep(0.02)


async def ready(home: Home) -> tuple[int, dict[str, str]]:
    """Return status and checks of `/ready`."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as client:
        answer = await client.get("http://house/ready")
    return answer.status_code, answer.json()["checks"]


async def refused(home: Home, prepared: PreparedCallback) -> None:
    """Post a callback that can't be stored; it is not acknowledged, and does not hang."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = await home.driver.post(prepared)
    assert (response.status_code, response.text) == (503, "")


@asynccontextmanager
async def running(home: Home) -> AsyncIterator[Home]:
    """Run the application with everything it does by itself."""
    async with home.app.router.lifespan_context(home.app):
        await home.on_duty()
        for parent in (PARENT, LATE):
            await home.driver.follow(parent, SCENE)
        yield home
        alive = {task.get_name() for task in home.app.state.tasks if not task.done()}
        assert alive >= {"sweep", "worker"}


async def told(home: Home, words: str) -> None:
    """Wait until a duty group has been told something."""

    async def so() -> bool:
        return any(words in alert for alert in home.alerts())

    await until(so)


async def healthy(home: Home) -> None:
    """Wait until the service takes messages and works again."""

    async def so() -> bool:
        return (await ready(home))[0] == 200

    await until(so)


# A server that is away for a minute ---------------------------------------------------------------


@pytest.fixture
async def wired(houses: Houses, database_url: str) -> AsyncIterator[tuple[Home, Wire]]:
    """A house whose database can be taken away."""
    wire = Wire(database_url)
    await wire.mend()
    home = await houses.make(database_url=wire.url)
    async with running(home):
        yield home, wire
    await wire.cut()


@pytest.mark.postgresql(reason="a file does not go away")
async def test_a_server_that_is_away_for_a_minute(wired: tuple[Home, Wire], logged: Logged) -> None:
    home, wire = wired
    await home.say(DANGER)
    await told(home, "3级")
    (climbing,) = await home.jobs("ladder.step", "sched")
    count = len(await home.messages())
    assert (await ready(home))[0] == 200
    late = home.driver.prepare(LATE, DANGER)
    calm = home.driver.prepare(PARENT, CALM)

    await wire.cut()
    for prepared in (late, calm, late, late):
        await refused(home, prepared)
    status, checks = await ready(home)
    assert (status, checks["database"]) == (503, "OperationalError")
    home.clock.advance(seconds=60)
    await refused(home, late)
    alerts = len(home.alerts())

    await wire.mend()
    await healthy(home)
    assert len(await home.messages()) == count, "nothing was half stored"
    first = await home.driver.deliver(late)
    assert "120" in (first or "")
    assert await home.driver.deliver(late) == first, "a retry of a retry gives the same words"
    await home.driver.deliver(calm)
    texts = [message.text for message in await home.messages()]
    assert texts[count:] == [DANGER, CALM]
    assert len(await home.cases()) == 2

    async def alerted() -> bool:
        return len(home.alerts()) == alerts + 1

    await until(alerted)
    home.clock.advance(minutes=5)
    home.house.worker.wake()

    async def climbed() -> bool:
        return [job.state for job in await home.jobs("ladder.step") if job.id == climbing.id] == [
            "done"
        ]

    await until(climbed)
    assert DANGER not in logged()
    assert CALM not in logged()


@pytest.mark.postgresql(reason="a file does not go away")
async def test_what_was_being_sent_when_the_server_went_is_written_down_later(
    wired: tuple[Home, Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform has taken the alert, and at that moment the database goes."""
    home, wire = wired
    (sender,) = [sender for name, sender in home.house.senders.items() if name == "school"]
    send = sender.send
    sent = asyncio.Event()

    async def send_and_cut(*args: Any, **kinds: Any) -> Any:
        result = await send(*args, **kinds)
        if not sent.is_set():
            await wire.cut()
            sent.set()
        return result

    monkeypatch.setattr(sender, "send", send_and_cut)
    await home.driver.say(PARENT, DANGER)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await sent.wait()
    await wire.mend()
    await healthy(home)

    async def written() -> bool:
        alerts = await home.deliveries("alert")
        return [alert.state for alert in alerts] == [ACCEPTED]

    await until(written)
    assert len(home.alerts()) == 1, "it is not sent again"


@pytest.mark.postgresql(reason="a file does not stand still")
async def test_a_server_that_stands_still_and_goes_on(wired: tuple[Home, Wire]) -> None:
    """The platform gives up waiting and sends again; nobody tells the tries before of it."""
    home, wire = wired
    await home.say(CALM)
    count = len(await home.messages())
    prepared = home.driver.prepare(LATE, DANGER)
    wire.stall()
    tries = [asyncio.create_task(home.driver.post(prepared)) for _ in range(4)]
    done, _ = await asyncio.wait(tries, timeout=0.3)
    assert not done, "nothing is acknowledged"
    wire.flow()
    await healthy(home)
    answers = {home.driver.read_answer(response) for response in await asyncio.gather(*tries)}
    assert len(answers) == 1
    assert "120" in str(answers)
    assert [message.text for message in await home.messages()][count:] == [DANGER]
    assert len(await home.cases()) == 1
    await told(home, "3级")


# A disk that is full ------------------------------------------------------------------------------


class NoPages:
    """A file that may not grow: a write fails at its statement."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def fill(self) -> None:
        """Leave no page free; connections are made anew."""
        event.listen(self._engine.sync_engine, "connect", _no_more_pages)
        await self._engine.dispose()

    async def empty(self) -> None:
        """Make room."""
        event.remove(self._engine.sync_engine, "connect", _no_more_pages)
        await self._engine.dispose()


class NoBytes:
    """A disk that takes no more of the journal: a write fails at its commit."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._journal = f"{engine.url.database}-wal"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def fill(self) -> None:
        """Let no file grow beyond the journal's length."""
        resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(self._journal).st_size, self._limits[1]))

    async def empty(self) -> None:
        """Make room."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


def _no_more_pages(connection: Any, _entry: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA max_page_count=1")
    cursor.close()


@pytest.mark.sqlite(reason="a server says so itself, as one that is away")
@pytest.mark.parametrize("text", [DANGER, CALM], ids=["danger", "calm"])
@pytest.mark.parametrize("kind", [NoPages, NoBytes])
async def test_a_disk_that_is_full(
    houses: Houses, logged: Logged, kind: type[NoPages | NoBytes], text: str
) -> None:
    home = await houses.make()
    long = "今天学校里一切都好。" * 3_000 + text
    async with running(home):
        await home.say(CALM)
        count = len(await home.messages())
        prepared = home.driver.prepare(PARENT, long)
        disk = kind(home.house.services.database.engine)
        await disk.fill()
        try:
            for _ in range(3):
                await refused(home, prepared)
            assert "accept_failed" in logged()
            assert len(await home.messages()) == count, "what is stored can still be read"
        finally:
            await disk.empty()
        await healthy(home)
        answer = await home.driver.deliver(prepared)
        assert await home.driver.deliver(prepared) == answer
        assert [message.text for message in await home.messages()][count:] == [long]
        levels = [case.level for case in await home.cases()]
        assert levels == (["3"] if text == DANGER else [])
        await home.house.trouble.settle()
        assert await home.alarms() == ["accept_failed"]
        if text == DANGER:
            await told(home, "3级")
        replies = [row for row in await home.rows(Delivery) if row.message_id == count + 1]
        assert len([row for row in replies if row.route != "alert"]) == 1
    for secret in (text, "今天学校里一切都好"):
        assert secret not in logged()
