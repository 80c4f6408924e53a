"""The event stream over a real server: within a second, only one's own, replayed after a gap."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx2
import pytest
from desk_world import World
from serving import serve
from sqlalchemy import delete, select
from starlette.applications import Starlette

from bot.db.models import Login, StaffRole
from bot.services import offers, staff
from bot.web.guard import LOGIN_COOKIE


@pytest.fixture
async def address(app: Starlette) -> AsyncIterator[str]:
    async with serve(app) as base:
        yield base


@asynccontextmanager
async def _stream(
    world: World, base: str, login: str, path: str, last: str | None = None
) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    headers = {"Cookie": f"{LOGIN_COOKIE}={world.tokens[login]}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with (
        httpx2.AsyncClient(base_url=base, trust_env=False, timeout=10) as client,
        client.stream("GET", path, headers=headers) as response,
        aclosing(_events(response)) as events,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        assert "content-security-policy" in response.headers
        yield events


async def _events(response: httpx2.Response) -> AsyncGenerator[dict[str, str]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


async def _next(events: AsyncIterator[dict[str, str]]) -> dict[str, str]:
    async with asyncio.timeout(5):
        return await anext(events)


async def test_a_new_case_arrives_by_itself(world: World, address: str) -> None:
    async with _stream(world, address, "counselor", "/desk/events?after=0") as events:
        await world.add_case("one", place="school_a")
        event = await _next(events)
    assert (event["event"], event["id"], event["data"]) == ("change", "1", "case")


async def test_after_a_gap_the_missed_ones_come_first_as_one(world: World, address: str) -> None:
    for name in ("one", "two", "three"):
        await world.add_case(name, place="school_a")
    async with _stream(world, address, "counselor", "/desk/events?after=0", last="1") as events:
        assert (await _next(events))["id"] == "3"
        await world.add_case("four", place="school_a")
        assert (await _next(events))["id"] == "4"


async def test_a_flood_is_told_a_few_times_and_never_lost(world: World, address: str) -> None:
    async with _stream(world, address, "counselor", "/desk/events?after=0") as events:
        await world.add_case("first", place="school_a")
        told = [await _next(events)]
        for number in range(40):
            await world.add_case(f"flood{number}", place="school_a")
        while told[-1]["id"] != "41":
            told.append(await _next(events))
    assert len(told) < 20


async def test_a_cases_page_hears_of_offers_by_their_own_name(world: World, address: str) -> None:
    one = await world.add_case("one", place="school_a")
    two = await world.add_case("two", place="school_a")
    path = f"/desk/events?after=2&case={two}"
    async with _stream(world, address, "counselor", path) as events:
        async with world.services.database.write() as session:
            me = await world.seen("counselor")
            made = await offers.take_next(session, me, now=world.now)
        assert made is not None
        assert made.case_id == one
        world.services.bell.ring()
        event = await _next(events)
    assert (event["event"], event["data"]) == ("offer", "offer")


async def test_changes_of_other_schools_stay_there(world: World, address: str) -> None:
    await world.add_case("theirs", place="school_b")
    await world.add_case("nobodys", place=None)
    mine = await world.add_case("mine", place="school_a")
    async with _stream(world, address, "counselor", "/desk/events?after=0") as events:
        assert (await _next(events))["id"] == str(mine)
    async with _stream(world, address, "district", "/desk/events?after=0") as events:
        assert (await _next(events))["id"] == "3"


async def test_a_cases_page_hears_of_its_case_only(world: World, address: str) -> None:
    await world.add_case("one", place="school_a")
    two = await world.add_case("two", place="school_a")
    path = f"/desk/events?after=0&case={two}"
    async with _stream(world, address, "counselor", path) as events:
        assert (await _next(events))["id"] == "2"


async def test_the_server_stops_although_pages_are_open(world: World, app: Starlette) -> None:
    async with (
        asyncio.timeout(5),
        serve(app) as base,
        _stream(world, base, "counselor", "/desk/events?after=0"),
    ):
        await world.services.live.close()


async def test_the_simulators_stream_says_where_and_to_whom(world: World, address: str) -> None:
    async with (
        httpx2.AsyncClient(base_url=address, trust_env=False, timeout=10) as client,
        client.stream("GET", "/simulator/events") as response,
        aclosing(_events(response)) as events,
    ):
        event = await _next(events)
    assert event["event"] == "words"
    assert json.loads(event["data"]) == {
        "thread": "demo-ding-group",
        "kind": "dingtalk-session",
        "text": "@朵朵妈妈 第一行\n第二行",
    }


@pytest.mark.parametrize("what", ["role", "login", "account"])
async def test_a_right_that_ends_ends_the_open_stream(
    world: World, address: str, what: str
) -> None:
    """Not only the next request: a page that is open stops being told."""
    person = world.staff["counselor"]
    async with _stream(world, address, "counselor", "/desk/events?after=0") as events:
        await world.add_case("one", place="school_a")
        assert (await _next(events))["id"] == "1"
        async with world.services.database.write() as session:
            if what == "role":
                row = await session.scalar(select(StaffRole).where(StaffRole.staff_id == person.id))
                assert row is not None
                row.ends_at = world.now
            elif what == "login":
                await session.execute(delete(Login).where(Login.staff_id == person.id))
            else:
                await staff.deactivate(session, login=person.login)
        await world.add_case("two", place="school_a")
        with pytest.raises(StopAsyncIteration):
            await _next(events)


async def test_a_stream_follows_a_role_that_moves(world: World, address: str) -> None:
    async with _stream(world, address, "counselor", "/desk/events?after=0") as events:
        async with world.services.database.write() as session:
            row = await session.scalar(
                select(StaffRole).where(StaffRole.staff_id == world.staff["counselor"].id)
            )
            assert row is not None
            row.place_id = world.places["school_b"].id
        await world.add_case("one", place="school_a")
        await world.add_case("two", place="school_b")
        assert (await _next(events))["id"] == "2"
