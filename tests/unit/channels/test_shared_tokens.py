"""The token row and its in-memory twin keep the same promises."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bot.core.clock import FixedClock
from bot.db.engine import Database
from bot.services.tokens import DatabaseTokens, MemoryTokens, SharedToken, TokenStore

NAME = "wechat:school1"
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture(params=["database", "memory"])
def store(request: pytest.FixtureRequest, database: Database, clock: FixedClock) -> TokenStore:
    return DatabaseTokens(database, clock) if request.param == "database" else MemoryTokens(clock)


async def test_a_saved_token_is_read_back(store: TokenStore) -> None:
    assert await store.read(NAME) is None
    assert await store.claim(NAME, seconds=10)
    assert await store.read(NAME) is None
    token = SharedToken("T" * 512, START + timedelta(hours=2))
    await store.save(NAME, token)
    assert await store.read(NAME) == token


async def test_only_one_claims(store: TokenStore, clock: FixedClock) -> None:
    claims = await asyncio.gather(*(store.claim(NAME, seconds=10) for _ in range(5)))
    assert sorted(claims) == [False, False, False, False, True]
    assert await store.claim("wechat:other", seconds=10)
    clock.advance(seconds=10)
    assert await store.claim(NAME, seconds=10)
    await store.release(NAME)
    assert await store.claim(NAME, seconds=10)
    await store.save(NAME, SharedToken("T1", START))
    assert await store.claim(NAME, seconds=10)


async def test_only_the_refused_token_is_dropped(store: TokenStore) -> None:
    await store.drop(NAME, "T0")
    await store.claim(NAME, seconds=10)
    await store.save(NAME, SharedToken("T1", START))
    await store.drop(NAME, "T0")
    held = await store.read(NAME)
    assert held is not None
    assert held.value == "T1"
    await store.drop(NAME, "T1")
    assert await store.read(NAME) is None


async def test_the_table_holds_no_readable_token(database: Database, clock: FixedClock) -> None:
    store = DatabaseTokens(database, clock)
    await store.claim(NAME, seconds=10)
    await store.save(NAME, SharedToken("readable-token", START))
    async with database.read() as session:
        stored = (await session.execute(text("SELECT token FROM platform_token"))).scalar_one()
    assert "readable-token" not in stored
    assert base64.b64encode(b"readable-token").decode() not in stored
