"""Two web processes and two workers on one PostgreSQL database, and the platform beside the test.

Used by `test_two_of_each.py`. The processes are the real commands with settings of their own.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from house import AES_KEY, APP_ID, APP_SECRET, KEYS, ROBOT_PATH
from house import TOKEN as PUSH_TOKEN
from sqlalchemy import select, text

from bot.bench.databases import plain_engine
from bot.bench.ledger import Ledger
from bot.bench.processes import HOST, ROBOT, Process, clean_environment, free_port
from bot.bench.stage import Unlimited
from bot.bench.tally import Planned, Seen
from bot.core.clock import SystemClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Login, Staff
from bot.services import demo
from bot.simulator.driver import GIVE_UP_SECONDS, ServiceBroken, WechatCredentials, WechatDriver
from bot.simulator.platform import Fault
from bot.simulator.wechat_server import make_fake_wechat
from bot.web.guard import LOGIN_COOKIE

ACCOUNT = "demo"
SLOTS, LEASE_SECONDS = 5, 3
# Slow enough to see workers that kept a count each: they would send twice as much.
PER_SECOND, BURST = 4, 3
SLOW_SECONDS, SLOW_POSTS = 1.0, 4
COUNSELOR, LOGIN_TOKEN = "district", "token-of-the-login"
CREDENTIALS = WechatCredentials(ACCOUNT, APP_ID, PUSH_TOKEN, AES_KEY, "safe")


class Watched(Unlimited):
    """A platform that notes when an alert reaches it, however slowly it is taken then."""

    def __init__(self) -> None:
        super().__init__(SystemClock(), slow_seconds=SLOW_SECONDS)
        self.posts: list[datetime] = []
        self.add_app(APP_ID, APP_SECRET)
        self.add_robot(ROBOT)
        self.fail(ROBOT_PATH, Fault.SLOW, times=SLOW_POSTS)

    def take_fault(self, path: str) -> Fault | None:
        """Note the moment."""
        if path == ROBOT_PATH:
            self.posts.append(self.clock.now())
        return super().take_fault(path)


class Crew:
    """The four processes, the fake platform, and what can be seen of them from outside."""

    def __init__(
        self, folder: Path, database_url: str, platform: Watched, platform_port: int
    ) -> None:
        self.platform = platform
        self._folder = folder
        self._settings = _settings(database_url, f"http://{HOST}:{platform_port}")
        self._database_url = database_url
        self._plain = plain_engine(database_url)
        ports = [free_port(), free_port()]
        self.addresses = [f"http://{HOST}:{port}" for port in ports]
        self.servers = [
            self._process(f"serve-{port}", "serve", XINQING_PORT=str(port)) for port in ports
        ]
        self.workers = [self._process(f"work-{name}", "work") for name in "ab"]
        self.drivers = [
            WechatDriver(address, CREDENTIALS, clock=SystemClock(), platform=platform)
            for address in self.addresses
        ]

    def _process(self, name: str, command: str, **more: str) -> Process:
        folder = self._folder / name
        folder.mkdir()
        environment = {**self._settings, **more, "XINQING_DATA_DIR": str(folder)}
        run = [sys.executable, "-c", "from bot.cli import main; main()", command]
        return Process(run, environment, folder / "log")

    def start(self) -> None:
        """Start all four at once and wait for the two that can be asked."""
        for process in (*self.servers, *self.workers):
            process.start()
        for process, address in zip(self.servers, self.addresses, strict=True):
            process.wait_ready(address)

    async def close(self) -> None:
        """Stop whoever still runs."""
        for process in (*self.servers, *self.workers):
            await asyncio.to_thread(process.stop)
        for driver in self.drivers:
            await driver.close()

    # From outside, with plain SQL ---------------------------------------------------------------

    def ask(self, query: str, **values: object) -> Sequence[Any]:
        """Return the rows of a query."""
        with self._plain.connect() as connection:
            return connection.execute(text(query), values).all()

    def change(self, statement: str, **values: object) -> None:
        """Change rows."""
        with self._plain.begin() as connection:
            connection.execute(text(statement), values)

    def ledger(self) -> Ledger:
        """Return what the tables say."""
        return Ledger.read(self._database_url, KEYS)

    async def until(self, query: str, expected: object, *, seconds: float = 60.0) -> None:
        """Ask again and again, until one number is as expected."""
        async with asyncio.timeout(seconds):
            while self.ask(query)[0][0] != expected:  # noqa: ASYNC110  # only the server knows
                await asyncio.sleep(0.05)

    async def worker_in_flight(self) -> Process:
        """Wait until a worker is posting an alert and return its process."""
        held = "SELECT owner FROM job WHERE kind = 'alert.send' AND state = 'leased'"
        async with asyncio.timeout(60):
            while not (rows := self.ask(held)):  # noqa: ASYNC110  # only the server knows
                await asyncio.sleep(0.01)
        number = int(rows[0][0].split("|")[2])
        return next(process for process in self.workers if process.id == number)

    # The platform's side ------------------------------------------------------------------------

    async def tell(self, planned: Planned, seen: Seen) -> None:
        """Post one message as the platform does; copies go to both servers at the same time."""
        self.platform.wrote(planned.openid)
        await asyncio.gather(
            *(self._deliver(place, planned, seen) for place in range(planned.copies))
        )

    async def _deliver(self, place: int, planned: Planned, seen: Seen) -> None:
        for attempt in range(4):
            driver = self.drivers[(int(planned.number) + place + attempt) % 2]
            prepared = driver.prepare(planned.openid, planned.text, message_id=planned.number)
            seen.posted += 1
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    words = driver.read_answer(await driver.post(prepared))
            except (TimeoutError, ServiceBroken, httpx2.TransportError):
                continue
            seen.taken = True
            seen.words |= {words} if words else set()
            return

    @asynccontextmanager
    async def desk(self, server: int) -> AsyncIterator[asyncio.Queue[str]]:
        """Open a counselor's page at one server; what its event stream says goes to the queue."""
        heard: asyncio.Queue[str] = asyncio.Queue()
        opened = asyncio.Event()

        async def read() -> None:
            async with (
                httpx2.AsyncClient(trust_env=False, timeout=None) as http,
                http.stream(
                    "GET",
                    f"{self.addresses[server]}/desk/events",
                    headers={"Cookie": f"{LOGIN_COOKIE}={LOGIN_TOKEN}"},
                ) as response,
            ):
                response.raise_for_status()
                opened.set()
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        heard.put_nowait(line.removeprefix("data: "))

        reading = asyncio.create_task(read())
        async with asyncio.timeout(60):
            await opened.wait()
        yield heard
        reading.cancel()
        await asyncio.wait({reading})


def _settings(database_url: str, platform: str) -> Mapping[str, str]:
    account = f"XINQING_WECHAT__{ACCOUNT.upper()}__"
    return clean_environment() | {
        "XINQING_DATABASE_URL": database_url,
        "XINQING_SECRET_KEYS": KEYS,
        "XINQING_ENCODER": "none",
        "XINQING_RISK_MODEL": "none",
        "XINQING_WORKER_INSIDE": "false",
        "XINQING_WORKER_SLOTS": str(SLOTS),
        "XINQING_LEASE_SECONDS": str(LEASE_SECONDS),
        f"{account}APP_ID": CREDENTIALS.app_id,
        f"{account}APP_SECRET": APP_SECRET,
        f"{account}TOKEN": CREDENTIALS.token,
        f"{account}ENCODING_AES_KEY": CREDENTIALS.encoding_aes_key,
        f"{account}API_BASE": platform,
        "XINQING_ALERT__DUTY__KIND": "wecom",
        "XINQING_ALERT__DUTY__URL": f"{platform}{ROBOT_PATH}?key={ROBOT}",
    }


@asynccontextmanager
async def open_crew(folder: Path, database_url: str) -> AsyncIterator[Crew]:
    """Start the platform and the four; the first alerts are slow to be taken."""
    platform = Watched()
    port = free_port()
    config = uvicorn.Config(
        make_fake_wechat(platform), host=HOST, port=port, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    crew = Crew(folder, database_url, platform, port)
    try:
        await asyncio.to_thread(crew.start)
        yield crew
    finally:
        await crew.close()
        server.should_exit = True
        await serving


async def seed(database: Database, ring: KeyRing) -> None:
    """Fill in the demonstration's places and people, and sign a counselor in."""
    now = SystemClock().now()
    async with database.write() as session:
        await demo.seed(session, account=ACCOUNT, now=now)
        person = (await session.scalars(select(Staff).where(Staff.login == COUNSELOR))).one()
        person.must_change_password = False
        session.add(
            Login(
                staff_id=person.id,
                token_hash=ring.fingerprint(LOGIN_TOKEN, purpose="login.token"),
                csrf="csrf",
                created_at=now,
                seen_at=now,
                expires_at=now + timedelta(hours=1),
            )
        )
