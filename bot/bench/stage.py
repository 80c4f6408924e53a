"""The stage of a benchmark: a house in a temporary folder, and the platforms in this process.

The fake platforms listen on a port of their own and outlive every kill of the service.
"""

import asyncio
import contextlib
import tempfile
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count, islice
from pathlib import Path

import uvicorn
from sqlalchemy import text
from starlette.applications import Starlette
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from bot.bench.databases import SQLITE, own_database, plain_engine
from bot.bench.load import Driver, Ready
from bot.bench.processes import HOST, ROBOT, BenchHouse, free_port
from bot.config import load_settings
from bot.core.clock import SystemClock
from bot.services.guarding import live_rules
from bot.simulator.dingtalk_driver import DingtalkDriver
from bot.simulator.dingtalk_gateway import Gateway
from bot.simulator.dingtalk_server import FakeDingtalk, make_fake_dingtalk
from bot.simulator.driver import WechatDriver
from bot.simulator.platform import FakePlatform
from bot.simulator.wechat_server import make_fake_wechat
from knowledge.risk import Context, assess

TRIES = 12
FIRST_WORDS = "你好"
SETTLE_SECONDS = 120.0
_LIFT = text("UPDATE lane SET per_second = 50, burst = 50 WHERE name = 'alert:duty'")
_OPEN = text(
    "SELECT (SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending'))"
    " + (SELECT count(*) FROM message WHERE state = 'stored' AND answerable)"
)


class PlatformServer(uvicorn.Server):
    """A server beside other work: signals stay with the command."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield

    def cut(self) -> None:
        """Break every websocket off without a close frame, as a lost line does."""
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, WebSocketsSansIOProtocol):
                connection.transport.abort()


class Calm:
    """Picks questions that the screen takes for neither danger nor a sign of it.

    A danger would be answered by the crisis reply, and so would what its parent writes next.
    """

    def __init__(self) -> None:
        self._rules = live_rules(load_settings(secret_keys="unused").risk_model)
        self._turns: defaultdict[str, deque[str]] = defaultdict(lambda: deque(maxlen=10))

    def passes(self, openid: str, text: str) -> bool:
        """Say whether a parent may write this after what they have written."""
        if assess(text, Context(), self._rules).rule_ids:
            return False
        turns = tuple(self._turns[openid])
        return not assess(text, Context(turns=turns), self._rules).level.escalated

    def next(self, openid: str, words: Iterator[str]) -> str:
        """Return the next question that passes, or the next one at all when few would."""
        text = next(words)
        for other in islice(words, TRIES):
            if self.passes(openid, text):
                break
            text = other
        self._turns[openid].append(text)
        return text


class Unlimited(FakePlatform):
    """A platform whose robots may speak as often as they like.

    The real ones take 20 messages a minute; where many alerts are due the wait would hide what is
    to be measured.
    """

    def spend_robot(self, key: str, *, block: timedelta) -> bool:
        """Take every message."""
        return True


@dataclass(frozen=True, slots=True)
class Stage:
    """What a benchmark works with."""

    house: BenchHouse
    platform: FakePlatform
    dingtalk: FakeDingtalk
    server: PlatformServer
    wechat: WechatDriver
    robot: DingtalkDriver
    driver: Driver
    numbers: Iterator[int]
    calm: Calm

    def prepare(self, words: Iterator[str], people: Iterable[str]) -> Iterator[Ready]:
        """Make harmless callbacks ahead: encrypted, signed, one for each of the people."""
        for openid in people:
            yield self.prepare_one(openid, self.calm.next(openid, words))

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

    def lift_alert_limit(self) -> None:
        """Let our own lane send as fast as an `Unlimited` platform takes it, until a restart."""
        with plain_engine(self.house.database).begin() as connection:
            connection.execute(_LIFT)

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
        with plain_engine(self.house.database).connect() as connection:
            return int(connection.execute(_OPEN).scalar_one())


@asynccontextmanager
async def open_stage(
    *,
    processes: int = 1,
    platform: FakePlatform | None = None,
    database: str = SQLITE,
    stream: bool | None = None,
    gateway: Gateway | None = None,
    index: bool = True,
) -> AsyncIterator[Stage]:
    """Set a house up in a temporary folder, not started yet, and start the platforms.

    Args:
        database: `sqlite`, or the address of a PostgreSQL server.
        stream: whether there is a DingTalk robot too, and whether it receives over Stream.
        gateway: the platform's side of Stream, where a benchmark has its own.
        index: whether the set-up computes the search vectors, else the first start does.
    """
    clock = SystemClock()
    platform = platform or FakePlatform(clock)
    dingtalk = FakeDingtalk(platform)
    dingtalk.gateway = gateway or dingtalk.gateway
    port = free_port()
    url = f"http://{HOST}:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="xinqing-bench-") as folder,
        own_database(database, Path(folder)) as address,
    ):
        house = BenchHouse(
            Path(folder),
            platform_url=url,
            processes=processes,
            database=None if database == SQLITE else address,
            stream=stream,
        )
        platform.add_app(house.credentials.app_id, house.app_secret)
        platform.add_robot(ROBOT)
        dingtalk.add_robot(house.robot.app_key, house.robot.app_secret, house.robot.robot_code)
        house.setup(index=index)
        robot = DingtalkDriver(
            house.url, house.robot, clock=clock, dingtalk=dingtalk, webhook_base=url
        )
        async with (
            _serving(dingtalk, port) as server,
            WechatDriver(house.url, house.credentials, clock=clock, platform=platform) as wechat,
        ):
            driver, numbers = Driver(HOST, house.port), count(10**15)
            try:
                yield Stage(
                    house, platform, dingtalk, server, wechat, robot, driver, numbers, Calm()
                )
            finally:
                house.process.stop()
                await robot.close()


@asynccontextmanager
async def _serving(dingtalk: FakeDingtalk, port: int) -> AsyncIterator[PlatformServer]:
    # Their paths differ, so one server plays all platforms.
    app = Starlette(
        routes=[*make_fake_wechat(dingtalk.platform).routes, *make_fake_dingtalk(dingtalk).routes]
    )
    config = uvicorn.Config(
        app, host=HOST, port=port, ws="websockets-sansio", access_log=False, log_config=None
    )
    server = PlatformServer(config)
    task = asyncio.create_task(server.serve())
    try:
        yield server
    finally:
        server.should_exit = True
        await task
