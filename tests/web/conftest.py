"""Fixtures of the page tests."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from desk_world import Browser, World, make_world
from starlette.applications import Starlette

from bot.db.engine import Database
from bot.web import routes
from bot.web.errors import exception_handlers
from bot.web.guard import LOGIN_COOKIE


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """A demo district with two schools."""
    made = await make_world(database)
    yield made
    await made.services.live.close()


@pytest.fixture
def app(world: World) -> Starlette:
    """The pages alone, without the rest of the service."""
    return Starlette(routes=routes.build(world.services), exception_handlers=exception_handlers())


@pytest.fixture
async def browser(world: World, app: Starlette) -> AsyncIterator[Browser]:
    """Make browsers, signed in as somebody or not."""
    opened: list[httpx2.AsyncClient] = []

    def open_one(login: str | None = None, *, base: str = "http://127.0.0.1") -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url=base,
            headers={"Accept": "text/html"},
        )
        if login is not None:
            client.cookies.set(LOGIN_COOKIE, world.tokens[login], domain="127.0.0.1")
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        await client.aclose()
