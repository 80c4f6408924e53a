"""The stage of a benchmark: a house in a temporary folder, and the platform in this process.

The fake platform listens on its own port and outlives every kill of the service.
"""

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path

import uvicorn

from bot.bench.load import Driver, Ready
from bot.bench.processes import HOST, ROBOT, BenchHouse, free_port
from bot.core.clock import SystemClock
from bot.simulator.driver import WechatDriver
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_server import make_fake_wechat
from knowledge.risk import Context, Level, assess, default_rules

FIRST_WORDS = "你好"
SETTLE_SECONDS = 120.0


class _Server(uvicorn.Server):
    """A server beside other work: signals stay with the command."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def harmless(words: Iterable[str]) -> Iterator[str]:
    """Leave out what the screen takes for danger or for a sign of it.

    It would be answered by the crisis reply, alone or together with other messages of its parent.
    """
    rules = default_rules()
    for text in words:
        found = assess(text, Context(), rules)
        if found.fresh is Level.NONE and not found.weak:
            yield text


@dataclass(frozen=True, slots=True)
class Stage:
    """What a benchmark works with."""

    house: BenchHouse
    platform: FakePlatform
    wechat: WechatDriver
    driver: Driver
    numbers: Iterator[int]

    def prepare(self, words: Iterable[str], people: Sequence[str]) -> Iterator[Ready]:
        """Make callbacks ahead: encrypted, signed, the people taking turns."""
        for openid, text in zip(cycle(people), words, strict=False):
            yield self.prepare_one(openid, text)

    def prepare_one(self, openid: str, text: str) -> Ready:
        """Make one callback and open its sender's window, as the platform does."""
        number = str(next(self.numbers))
        prepared = self.wechat.prepare(openid, text, message_id=number)
        self.platform.wrote(openid)
        return Ready.of(prepared, openid, number)

    async def greet(self, people: Sequence[str]) -> None:
        """Let everybody say hello and get the greeting, before anything is measured."""
        hello = iter([self.prepare_one(openid, FIRST_WORDS) for openid in people])
        await self.driver.closed(hello, concurrency=8, seconds=SETTLE_SECONDS)
        await self.settle()

    async def settle(self, seconds: float = SETTLE_SECONDS) -> bool:
        """Wait until no delivery is open and no message unanswered; False after so long."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            if not self._open():
                return True
            await asyncio.sleep(0.2)
        return False

    def _open(self) -> int:
        with contextlib.closing(sqlite3.connect(self.house.database, timeout=30)) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending'))"
                " + (SELECT count(*) FROM message WHERE state = 'stored' AND answerable)"
            ).fetchone()
        return int(row[0])


@asynccontextmanager
async def open_stage(
    *, processes: int = 1, platform: FakePlatform | None = None
) -> AsyncIterator[Stage]:
    """Set a house up in a temporary folder, not started yet, and start the platform."""
    clock = SystemClock()
    platform = platform or FakePlatform(clock)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="xinqing-bench-") as folder:
        house = BenchHouse(Path(folder), platform_url=f"http://{HOST}:{port}", processes=processes)
        platform.add_app(house.credentials.app_id, house.app_secret)
        platform.add_robot(ROBOT)
        house.setup()
        async with (
            _serving(platform, port),
            WechatDriver(house.url, house.credentials, clock=clock, platform=platform) as wechat,
        ):
            try:
                yield Stage(house, platform, wechat, Driver(HOST, house.port), count(10**15))
            finally:
                house.process.stop()


@asynccontextmanager
async def _serving(platform: FakePlatform, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(
        make_fake_wechat(platform), host=HOST, port=port, access_log=False, log_config=None
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task
