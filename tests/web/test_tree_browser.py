"""The pages of the tree and of staff in a real browser: narrow, and by the keyboard alone."""

from collections.abc import AsyncIterator

import pytest
from desk_world import World
from playwright.async_api import Browser, BrowserContext, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from sqlalchemy import select
from starlette.applications import Starlette

from bot.db.models import Place
from bot.services import places
from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS
WIDE = "document.documentElement.scrollWidth"


@pytest.fixture
async def address(app: Starlette) -> AsyncIterator[str]:
    """Where the pages are served."""
    async with serve(app) as base:
        yield base


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with launch() as browser:
        yield browser


async def admin_at(
    world: World, chromium: Browser, address: str, width: int, login: str = "admin"
) -> BrowserContext:
    """Open a window of a width, signed in as somebody."""
    context = await chromium.new_context(
        base_url=address, viewport={"width": width, "height": 860}, locale="zh-CN"
    )
    await context.add_cookies(
        [{"name": LOGIN_COOKIE, "value": world.tokens[login], "url": address}]
    )
    return context


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_is_wider_than_the_screen(
    world: World, chromium: Browser, address: str, width: int
) -> None:
    async with world.services.database.write() as session:
        school = await session.get_one(Place, world.places["school_a"].id)
        for name in ("长" * 60, "六年级1班", "四年级1班", "x" * 60):
            await places.add(session, kind="class", name=name, parent=school)
    context = await admin_at(world, chromium, address, width)
    complaints: list[str] = []
    page = await context.new_page()
    watch(page, complaints)
    for path in (
        "/admin/tree",
        f"/admin/tree/{school.id}",
        f"/admin/tree/{world.places['class_a'].id}",
        f"/admin/tree/move-up?school={school.id}",
        "/admin/staff",
        f"/admin/staff/{world.staff['teacher'].id}",
    ):
        await page.goto(path)
        for fold in await page.locator("main details").all():
            await fold.evaluate("fold => { fold.open = true; }")
        assert await page.evaluate(WIDE) <= width, path
    assert unprovoked(complaints) == []


async def test_a_grade_is_made_without_a_mouse(
    world: World, chromium: Browser, address: str
) -> None:
    context = await admin_at(world, chromium, address, 390)
    page = await context.new_page()
    await page.goto(f"/admin/tree/{world.places['school_a'].id}")
    await page.get_by_text("在下面新建").focus()
    await page.keyboard.press("Enter")
    await page.get_by_label("建什么").select_option("grade")
    await page.get_by_label("名字", exact=True).focus()
    await page.keyboard.type("五年级")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("已新建")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("五年级")
    async with world.services.database.read() as session:
        made = await session.scalar(select(Place).where(Place.name == "五年级"))
    assert made is not None
    assert made.stage == "D"
