"""`xinqing bench alerts`: from a risk message to the counselors' page and to the duty group.

Called by `bot.cli.bench`. A counselor's page is open; risk messages come one after the other, each
from another parent, while other parents write. The platforms let a group robot speak 20 times a
minute; that limit is lifted here on both sides, so that the way is measured and not the limit.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle

import httpx2

from bot.bench.load import Connection, Ready
from bot.bench.measure import machine, spread
from bot.bench.processes import HOST, ROBOT, BenchHouse
from bot.bench.questions import questions
from bot.bench.stage import Stage, Unlimited, open_stage
from bot.core.clock import SystemClock
from bot.simulator.platform import FakePlatform, Sent

COUNSELOR = "district"
NEW_PASSWORD = "bench-only-password"
OTHER_PARENTS = 50
SEED = 20261122
GIVE_UP_SECONDS = 30.0
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_CASE = re.compile(r"/desk/cases/(\d+)")


@dataclass(slots=True)
class _Times:
    """Seconds from the risk message to each thing that has to follow."""

    replied: list[float] = field(default_factory=list)
    pushed: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    alerted: list[float] = field(default_factory=list)
    missed: int = 0


async def bench_alerts(messages: int, rate: float) -> dict[str, object]:
    """Send so many risk messages and return when each was seen."""
    async with open_stage(platform=Unlimited(SystemClock())) as stage:
        await asyncio.to_thread(stage.house.start)
        stage.lift_alert_limit()
        worried = [f"oBenchRisk{number:04}" for number in range(messages)]
        others = [f"oBench{number:04}" for number in range(OTHER_PARENTS)]
        await stage.greet([*worried, *others])
        async with _desk(stage.house) as desk, _writing(stage, others, rate) as background:
            times = await _follow(stage, desk, worried)
    return {
        "bench": "alerts",
        "risk_messages": messages,
        "other_callbacks_per_second": background.per_second,
        "replied": spread(times.replied),
        "pushed_to_page": spread(times.pushed),
        "listed_in_queue": spread(times.listed),
        "alert_at_group": spread(times.alerted),
        "missed": times.missed,
        "machine": machine(),
    }


@dataclass(frozen=True, slots=True)
class _Desk:
    """A counselor's open page: its event stream, and the queue it fetches after each event."""

    http: httpx2.AsyncClient
    events: asyncio.Queue[str]

    async def listed(self) -> set[int]:
        """Fetch the queue as the page does and return the cases in it."""
        response = await self.http.get("/desk/queue")
        response.raise_for_status()
        return {int(found) for found in _CASE.findall(response.text)}


@asynccontextmanager
async def _desk(house: BenchHouse) -> AsyncIterator[_Desk]:
    """Sign a counselor in with a fresh password and open the page's event stream."""
    printed = await asyncio.to_thread(house.run, "staff", "reset-password", COUNSELOR)
    once = printed.rpartition("：")[2].strip()
    async with httpx2.AsyncClient(
        base_url=house.url, trust_env=False, follow_redirects=True, timeout=GIVE_UP_SECONDS
    ) as http:
        await _submit(http, "/login", {"login": COUNSELOR, "password": once})
        fields = {"old": once, "new": NEW_PASSWORD, "again": NEW_PASSWORD}
        await _submit(http, "/password", fields)
        events: asyncio.Queue[str] = asyncio.Queue()
        opened = asyncio.Event()
        task = asyncio.create_task(_read_events(http, events, opened))
        await asyncio.wait_for(opened.wait(), GIVE_UP_SECONDS)
        try:
            yield _Desk(http, events)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _submit(http: httpx2.AsyncClient, path: str, fields: dict[str, str]) -> None:
    page = await http.get(path)
    token = _CSRF.search(page.text)
    assert token is not None, f"no form at {path}"
    response = await http.post(path, data={"csrf": token[1], **fields})
    response.raise_for_status()


async def _read_events(
    http: httpx2.AsyncClient, events: asyncio.Queue[str], opened: asyncio.Event
) -> None:
    timeout = httpx2.Timeout(GIVE_UP_SECONDS, read=None)
    async with http.stream("GET", "/desk/events", timeout=timeout) as response:
        response.raise_for_status()
        opened.set()
        async for line in response.aiter_lines():
            name, _, value = line.partition(":")
            if name == "data":
                events.put_nowait(value.strip())


@dataclass(slots=True)
class _Background:
    """What other parents wrote meanwhile."""

    written: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return round(self.written / self.seconds, 1) if self.seconds else 0.0


@asynccontextmanager
async def _writing(stage: Stage, people: list[str], rate: float) -> AsyncIterator[_Background]:
    """Let other parents ask all the time, until the body ends."""
    background = _Background()
    start = time.perf_counter()

    def requests() -> Iterator[Ready]:
        for ready in stage.prepare(questions().stream(SEED), cycle(people)):
            background.written += 1
            yield ready

    task = None
    if rate:
        task = asyncio.create_task(stage.driver.steady(requests(), rate=rate, seed=SEED))
    try:
        yield background
    finally:
        background.seconds = time.perf_counter() - start
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _follow(stage: Stage, desk: _Desk, worried: list[str]) -> _Times:
    times = _Times()
    posted: asyncio.Queue[Sent] = asyncio.Queue()
    listening = asyncio.create_task(_collect(stage.platform, posted))
    await asyncio.sleep(0)
    known = await desk.listed()
    connection = Connection(HOST, stage.house.port)
    for openid, text in zip(worried, cycle(questions().risks), strict=False):
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                known = await _one(stage, desk, posted, connection, (openid, text), known, times)
        except TimeoutError:
            times.missed += 1
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    return times


async def _collect(platform: FakePlatform, posted: asyncio.Queue[Sent]) -> None:
    async for sent in platform.subscribe(ROBOT):
        posted.put_nowait(sent)


async def _one(
    stage: Stage,
    desk: _Desk,
    posted: asyncio.Queue[Sent],
    connection: Connection,
    message: tuple[str, str],
    known: set[int],
    times: _Times,
) -> set[int]:
    """Send one risk message and wait for the reply, the page, the queue and the alert."""
    ready = stage.prepare_one(*message)
    _empty(desk.events)
    _empty(posted)
    start = time.perf_counter()

    async def reply() -> None:
        status, body = await connection.post(ready.wire)
        times.replied.append(time.perf_counter() - start)
        times.missed += status != 200 or body in (b"", b"success")

    async def page() -> set[int]:
        while await desk.events.get() != "case":
            pass
        times.pushed.append(time.perf_counter() - start)
        listed = await desk.listed()
        times.listed.append(time.perf_counter() - start)
        times.missed += not listed - known
        return listed

    async def alert() -> None:
        await posted.get()
        times.alerted.append(time.perf_counter() - start)

    _, listed, _ = await asyncio.gather(reply(), page(), alert())
    return listed


def _empty(queue: asyncio.Queue[str] | asyncio.Queue[Sent]) -> None:
    while not queue.empty():
        queue.get_nowait()
