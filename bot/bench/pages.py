"""Open desk pages of a benchmark: browsers that follow the event stream and fetch the queue.

Called by `bot.bench.alerts`. Each has connections of its own; several may be of one person, who
signs in once: only so many sign-ins a minute are taken from one address.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import httpx2

from bot.bench.processes import BenchHouse

PASSWORD = "bench-only-password"
GIVE_UP_SECONDS = 30.0
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_CASE = re.compile(r"/desk/cases/(\d+)")


@dataclass(frozen=True, slots=True)
class DeskPage:
    """One counselor's open page: its event stream, and the queue it fetches after each event."""

    http: httpx2.AsyncClient
    events: asyncio.Queue[str]

    async def listed(self) -> set[int]:
        """Fetch the queue as the page does and return the cases in it."""
        response = await self.http.get("/desk/queue")
        response.raise_for_status()
        return {int(found) for found in _CASE.findall(response.text)}

    async def case_told(self) -> None:
        """Wait until the stream tells of a case."""
        while await self.events.get() != "case":
            pass

    def forget(self) -> None:
        """Forget what the stream has told so far."""
        while not self.events.empty():
            self.events.get_nowait()


@asynccontextmanager
async def open_pages(
    house: BenchHouse, browsers: int, people: int
) -> AsyncIterator[list[DeskPage]]:
    """Make accounts of the district's duty desk and open so many pages for them, in turn."""
    async with AsyncExitStack() as stack:
        signed_in = [
            await stack.enter_async_context(_signed_in(house, f"bench{number}"))
            for number in range(min(people, browsers))
        ]
        yield [
            await stack.enter_async_context(_page(house, signed_in[number % len(signed_in)]))
            for number in range(browsers)
        ]


@asynccontextmanager
async def _signed_in(house: BenchHouse, login: str) -> AsyncIterator[httpx2.Cookies]:
    """Make an account, sign it in once and change its one-time password."""
    made = ("staff", "create", login, "--name", login, "--role", "district", "--place", "1")
    printed = await asyncio.to_thread(house.run, *made)
    once = printed.rpartition("：")[2].strip()
    async with _client(house) as http:
        await _submit(http, "/login", {"login": login, "password": once})
        await _submit(http, "/password", {"old": once, "new": PASSWORD, "again": PASSWORD})
        yield http.cookies


@asynccontextmanager
async def _page(house: BenchHouse, cookies: httpx2.Cookies) -> AsyncIterator[DeskPage]:
    """Open the event stream with connections of its own, as another window does."""
    async with _client(house) as http:
        http.cookies = cookies
        events: asyncio.Queue[str] = asyncio.Queue()
        opened = asyncio.Event()
        task = asyncio.create_task(_read_events(http, events, opened))
        await asyncio.wait_for(opened.wait(), GIVE_UP_SECONDS)
        try:
            yield DeskPage(http, events)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _client(house: BenchHouse) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=house.url, trust_env=False, follow_redirects=True, timeout=GIVE_UP_SECONDS
    )


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
