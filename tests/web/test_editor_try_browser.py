"""The editors' trial page in a real Chromium: by keyboard alone, on a phone and on a desk."""

from collections.abc import AsyncIterator

import pytest
from desk_world import World
from explaining import ExplainingRetriever
from fakes import HOMEWORK, VAGUE, FakeAnswers
from playwright.async_api import Browser, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette

from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with launch() as browser:
        yield browser


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_question_is_tried_by_keyboard_and_nothing_is_too_wide(
    world: World, app: Starlette, chromium: Browser, width: int
) -> None:
    world.services.answers = FakeAnswers(ExplainingRetriever())  # type: ignore[assignment]
    complaints: list[str] = []
    async with serve(app) as base:
        context = await chromium.new_context(
            base_url=base, viewport={"width": width, "height": 860}, locale="zh-CN"
        )
        cookie = {"name": LOGIN_COOKIE, "value": world.tokens["editor"], "url": base}
        await context.add_cookies([cookie])  # type: ignore[list-item]  # a dict of its own shape
        page = await context.new_page()
        watch(page, complaints)
        await page.goto("/editor/try")
        await expect(page.locator("#text")).to_be_focused()
        for text in (HOMEWORK, VAGUE, "长" * 400 + "x" * 300):
            await page.fill("#text", text)
            await page.focus("#entry")
            await page.keyboard.press("Tab")
            async with page.expect_navigation(url="**/editor/try#result"):
                await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", name="结果：")).to_be_visible()
            assert await page.input_value("#text") == text
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            bar = await page.get_by_role("img", name="直接回答线").bounding_box()
            assert bar is not None
            assert bar["width"] > width / 2
        await context.close()
    assert unprovoked(complaints) == []
