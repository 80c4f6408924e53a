"""The queue in a real Chromium: an offer on a case's page, groups that stay open, keys, a phone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from desk_world import World
from playwright.async_api import Browser, Page, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from sqlalchemy import delete
from starlette.applications import Starlette

from bot.db.models import Login
from bot.services import offers, presence
from bot.web.guard import LOGIN_COOKIE

Open = Callable[..., Awaitable[Page]]

pytestmark = BROWSER_MARKS


@pytest.fixture
async def address(app: Starlette) -> AsyncIterator[str]:
    """The pages behind a real server."""
    async with serve(app) as base:
        yield base


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with launch() as browser:
        yield browser


@pytest.fixture
async def open_page(world: World, address: str, chromium: Browser) -> AsyncIterator[Open]:
    """Open a page as somebody; at the end the console must have been silent."""
    complaints: list[str] = []

    async def open_one(path: str, login: str, *, width: int = 1280) -> Page:
        context = await chromium.new_context(
            base_url=address, viewport={"width": width, "height": 860}, locale="zh-CN"
        )
        await context.add_cookies(
            [{"name": LOGIN_COOKIE, "value": world.tokens[login], "url": address}]
        )
        page = await context.new_page()
        watch(page, complaints)
        await page.goto(path)
        return page

    yield open_one
    assert unprovoked(complaints) == []


async def _listening(world: World, count: int) -> None:
    async with asyncio.timeout(10):
        while world.services.live.listeners < count:  # noqa: ASYNC110  # the browser's turn
            await asyncio.sleep(0.02)


async def test_an_offer_reaches_whoever_writes_on_another_case(
    world: World, open_page: Open
) -> None:
    await world.add_case("mine", place="school_a", level="2")
    page = await open_page("/desk/cases/1", "counselor")
    await _listening(world, 1)
    await page.get_by_role("button", name="改为在线").click()
    await expect(page.get_by_text("● 我在线")).to_be_visible()
    assert page.url.endswith("/desk/cases/1")
    await _listening(world, 1)
    two = await world.add_case("two", place="school_a")
    async with world.services.database.write() as session:
        other = await world.seen("second_counselor")
        made = await offers.take_next(session, other, now=world.now)
        assert made is not None
        assert made.case_id == two
        await offers.decline(session, other, made.offer_id, now=world.now)
    world.services.bell.ring()
    offer = page.get_by_label("请你接手")
    await expect(offer).to_contain_text("请你接手个案2", timeout=3000)
    assert (await page.title()).startswith("请接手！")
    await offer.get_by_role("button", name="接手").click()
    await page.wait_for_url("**/desk/cases/2?done=accept")


async def test_keys_walk_the_queue_and_ask_for_the_next(world: World, open_page: Open) -> None:
    await world.add_case("low", place="school_a", level="2")
    await world.add_case("high", place="school_a", level="3!")
    page = await open_page("/desk", "counselor")
    for keys, focused in (("j", 2), ("j", 1), ("j", 1), ("k", 2)):
        await page.keyboard.press(keys)
        await expect(page.locator(f"#case-{focused}")).to_be_focused()
    await page.keyboard.press("?")
    await expect(page.get_by_text("下一个").last).to_be_visible()
    await page.keyboard.press("n")
    await expect(page.get_by_label("请你接手")).to_contain_text("个案2")
    async with world.services.database.read() as session:
        row = await presence.of(session, world.staff["counselor"].id)
    assert row is not None
    assert row.state == "ready"
    await page.locator("#case-1").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/cases/1")


async def test_a_group_stays_open_while_the_queue_follows(world: World, open_page: Open) -> None:
    for number in range(6):
        await world.add_case(
            f"flood{number}", place="school_a", level="3", ago=timedelta(seconds=number)
        )
    page = await open_page("/desk", "counselor", width=390)
    await _listening(world, 1)
    await page.get_by_text("逐个看这6个").click()
    await expect(page.locator(".group-rows .case")).to_have_count(6)
    await world.add_case("new", place="school_a", level="3!")
    await page.locator("#case-7").wait_for()
    await expect(page.locator(".group-rows .case")).to_have_count(6)
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    await page.get_by_role("button", name="接手个案6", exact=True).click()
    await page.wait_for_url("**/desk/cases/6?done=accept")


async def test_the_waiting_time_is_the_servers(world: World, open_page: Open) -> None:
    """The computer's clock is wrong (here by the years between this test and today)."""
    await world.add_case("one", place="school_a", ago=timedelta(minutes=2))
    page = await open_page("/desk", "counselor")
    await expect(page.locator("#case-1 .since")).to_have_text("2分00秒")


async def test_what_is_shown_stays_when_the_sign_in_has_ended(
    world: World, open_page: Open
) -> None:
    await world.add_case("one", place="school_a")
    page = await open_page("/desk", "counselor")
    await _listening(world, 1)
    async with world.services.database.write() as session:
        await session.execute(delete(Login))
    await page.evaluate("document.getElementById('queue').dispatchEvent(new Event('look'))")
    await expect(page.locator("#offline")).to_contain_text("登录已过期")
    await expect(page.locator("#offline a")).to_have_attribute("href", "/login?next=%2Fdesk")
    await expect(page.locator("#case-1")).to_be_visible()
