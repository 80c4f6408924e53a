"""`xinqing bench alerts`: from a risk message to the counselors' page and to the duty group.

Called by `bot.cli.bench`. Counselors' pages are open; risk messages come one after the other, each
from another parent, while other parents write. The platforms let a group robot speak 20 times a
minute; that limit is lifted here on both sides, so that the way is measured and not the limit.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle

from bot.bench.load import Connection, Ready
from bot.bench.measure import machine, spread
from bot.bench.pages import GIVE_UP_SECONDS, DeskPage, open_pages
from bot.bench.processes import HOST, ROBOT
from bot.bench.questions import questions
from bot.bench.stage import Stage, Unlimited, open_stage
from bot.core.clock import SystemClock
from bot.simulator.platform import FakePlatform, Sent

OTHER_PARENTS = 50
SEED = 20261122


@dataclass(slots=True)
class _Times:
    """Seconds from the risk message to each thing that has to follow, one for each open page."""

    replied: list[float] = field(default_factory=list)
    pushed: list[float] = field(default_factory=list)
    listed: list[float] = field(default_factory=list)
    alerted: list[float] = field(default_factory=list)
    missed: int = 0


async def bench_alerts(
    messages: int, rate: float, *, browsers: int = 1, people: int = 10
) -> dict[str, object]:
    """Send so many risk messages and return when each was seen, by every one of the browsers."""
    async with open_stage(platform=Unlimited(SystemClock())) as stage:
        await asyncio.to_thread(stage.house.start)
        stage.lift_alert_limit()
        worried = [f"oBenchRisk{number:04}" for number in range(messages)]
        others = [f"oBench{number:04}" for number in range(OTHER_PARENTS)]
        await stage.greet([*worried, *others])
        async with (
            open_pages(stage.house, browsers, people) as pages,
            _writing(stage, others, rate) as background,
        ):
            times = await _follow(stage, pages, worried)
    return {
        "bench": "alerts",
        "risk_messages": messages,
        "browsers": browsers,
        "people": min(people, browsers),
        "other_callbacks_per_second": background.per_second,
        "replied": spread(times.replied),
        "pushed_to_page": spread(times.pushed),
        "listed_in_queue": spread(times.listed),
        "alert_at_group": spread(times.alerted),
        "missed": times.missed,
        "machine": machine(),
    }


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


async def _follow(stage: Stage, pages: list[DeskPage], worried: list[str]) -> _Times:
    times = _Times()
    posted: asyncio.Queue[Sent] = asyncio.Queue()
    listening = asyncio.create_task(_collect(stage.platform, posted))
    await asyncio.sleep(0)
    known = await pages[0].listed()
    connection = Connection(HOST, stage.house.port)
    for openid, text in zip(worried, cycle(questions().risks), strict=False):
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                known = await _one(stage, pages, posted, connection, (openid, text), known, times)
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
    pages: list[DeskPage],
    posted: asyncio.Queue[Sent],
    connection: Connection,
    message: tuple[str, str],
    known: set[int],
    times: _Times,
) -> set[int]:
    """Send one risk message and wait for the reply, the page, the queue and the alert."""
    ready = stage.prepare_one(*message)
    for page in pages:
        page.forget()
    while not posted.empty():
        posted.get_nowait()
    start = time.perf_counter()

    async def reply() -> None:
        status, body = await connection.post(ready.wire)
        times.replied.append(time.perf_counter() - start)
        times.missed += status != 200 or body in (b"", b"success")

    async def see(page: DeskPage) -> set[int]:
        await page.case_told()
        times.pushed.append(time.perf_counter() - start)
        listed = await page.listed()
        times.listed.append(time.perf_counter() - start)
        times.missed += not listed - known
        return listed

    async def alert() -> None:
        await posted.get()
        times.alerted.append(time.perf_counter() - start)

    _, _, listed = await asyncio.gather(
        reply(), alert(), asyncio.gather(*(see(page) for page in pages))
    )
    return set().union(*listed)
