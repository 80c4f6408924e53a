"""A parent's page in a real Chromium: a narrow phone, large type, the way out, and no script."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from desk_world import World
from playwright.async_api import Browser, Page, Route, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette

from bot.db.models import Contact
from bot.services import bindings, links, people

pytestmark = BROWSER_MARKS
CHILD = "阿卜杜拉·买买提江"


async def make_link(world: World) -> str:
    """Bind a mother to her child; return the path of her page."""
    ring, now = world.services.ring, world.now
    async with world.services.database.write() as session:
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id="mother",
            place_id=world.places["class_a"].id,
            created_at=now,
        )
        session.add(contact)
        await session.flush()
        child = await people.add_child(
            session, place_id=world.places["class_a"].id, name=CHILD, now=now, ring=ring
        )
        guardian = await people.add_guardian(
            session, name="一位名字很长的家长", phone="13900000001", now=now, ring=ring
        )
        await people.tie(session, guardian, child, "M", now)
        await bindings.bind(session, contact, guardian, way="phone", now=now)
        token = await links.make(
            session,
            ring,
            purpose="mine",
            contact_id=contact.id,
            now=now,
            length=timedelta(hours=24),
        )
    return f"/p/{token}"


@pytest.fixture
async def page(world: World, app: Starlette) -> AsyncIterator[Page]:
    """A phone, 390 pixels wide, in front of the pages."""
    complaints: list[str] = []
    async with serve(app) as base, launch() as browser:
        made = await _phone(browser, base)
        watch(made, complaints)
        yield made
    assert unprovoked(complaints) == []


async def _phone(browser: Browser, base: str) -> Page:
    context = await browser.new_context(
        base_url=base, viewport={"width": 390, "height": 844}, locale="zh-CN"
    )
    return await context.new_page()


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than the phone."""
    width: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


async def test_opened_agreed_and_set_large_on_a_phone(world: World, page: Page) -> None:
    await page.goto(await make_link(world))
    await expect(page.get_by_role("heading", name="这是给你一个人的页面")).to_be_visible()
    await page.get_by_role("button", name="打开我的页面").click()
    await expect(page.get_by_text(CHILD).first).to_be_visible()
    assert await overflow(page) == 0
    await page.get_by_role("button", name="同意第2项", exact=True).click()
    await expect(page.get_by_role("status")).to_have_text("已保存。")
    await expect(page.get_by_role("button", name="撤回第2项", exact=True)).to_be_visible()
    await page.get_by_role("button", name="换成大字").click()
    await expect(page.locator("html.large")).to_have_count(1)
    assert await overflow(page) == 0
    # What a phone set to double type makes of it, on top of the large type.
    await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
    assert await overflow(page) == 0
    small = await page.evaluate(
        "[...document.querySelectorAll('button, .button, .leave')]"
        ".filter(one => one.getBoundingClientRect().height < 44).map(one => one.textContent)"
    )
    assert small == [], "large enough for a thumb"


async def test_the_way_out_is_quick_and_leaves_nothing_to_go_back_to(
    world: World, page: Page
) -> None:
    async def outside(route: Route) -> None:
        await route.fulfill(body="<title>elsewhere</title>", content_type="text/html")

    await page.context.route("https://www.baidu.com/**", outside)
    path = await make_link(world)
    await page.goto(path)
    await page.get_by_role("button", name="打开我的页面").click()
    await expect(page.get_by_role("heading", name="我的页面")).to_be_visible()
    await page.wait_for_load_state()
    await page.keyboard.press("Escape")
    await expect(page).to_have_title("elsewhere")


async def test_it_works_without_scripts(world: World, app: Starlette) -> None:
    async with serve(app) as base, launch() as browser:
        context = await browser.new_context(base_url=base, java_script_enabled=False)
        page = await context.new_page()
        await page.goto(await make_link(world))
        await page.get_by_role("button", name="打开我的页面").click()
        await expect(page.get_by_text(CHILD).first).to_be_visible()
        await page.get_by_role("link", name="删除我的数据").click()
        await expect(page.get_by_role("button", name="确认删除")).to_be_visible()
        await context.close()
