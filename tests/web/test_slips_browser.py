"""Slips in a real Chromium: chosen on a phone, printed on A4, the WeChat code drawn."""

from claims_world import CHILD, enrol
from desk_world import World
from playwright.async_api import expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette

from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS
# 210 mm less the margins that browsers leave, at 96 dots an inch.
SHEET = 718


async def test_slips_are_made_and_fit_the_sheet(world: World, app: Starlette) -> None:
    for _ in range(5):
        await enrol(world)

    async def make(scene: str, _days: int = 0, /) -> str:
        return f"http://weixin.qq.com/q/{scene}"

    world.services.class_codes = {"demo": make}
    complaints: list[str] = []
    async with serve(app) as base, launch() as browser:
        context = await browser.new_context(base_url=base, viewport={"width": 390, "height": 844})
        await context.add_cookies(
            [{"name": LOGIN_COOKIE, "value": world.tokens["teacher"], "url": base}]
        )
        page = await context.new_page()
        watch(page, complaints)
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        await page.goto("/teacher/bindings")
        await page.get_by_role("link", name="绑定纸条").first.click()
        await expect(page.get_by_text("谁绑定了")).to_be_visible()
        assert await page.evaluate(width) == 0
        await page.get_by_role("button", name="生成，去打印").click()
        await expect(page.locator(".slips li")).to_have_count(5)
        await expect(page.locator(".slips svg")).to_have_count(5)
        await expect(page.get_by_text(CHILD).first).to_be_visible()
        assert await page.evaluate(width) == 0
        await page.emulate_media(media="print")
        await page.set_viewport_size({"width": SHEET, "height": 1000})
        await expect(page.get_by_role("button", name="打印")).to_be_hidden()
        first, second, third = [
            await page.locator(".slips li").nth(number).bounding_box() for number in range(3)
        ]
        assert first is not None
        assert second is not None
        assert third is not None
        assert abs(first["y"] - second["y"]) < 2, "two beside each other"
        code = await page.locator(".slips svg").first.bounding_box()
        assert code is not None
        assert abs(code["width"] - code["height"]) < 1
        assert code["width"] > 100, "large enough for a phone's camera"
        assert third["y"] >= first["y"] + first["height"] - 2
        assert await page.evaluate(width) == 0
    assert unprovoked(complaints) == []
