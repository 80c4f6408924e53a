"""Answers to a notice in a real Chromium: the teacher's page follows, the parent's page counts."""

from datetime import timedelta

from desk_world import World
from playwright.async_api import ViewportSize, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette
from teacher_world import add_class, send, write, write_back

from bot.services import links
from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS
PHONE: ViewportSize = {"width": 390, "height": 844}


async def test_what_a_parent_writes_on_the_page_comes_up_on_the_teachers(
    world: World, app: Starlette
) -> None:
    await add_class(world)
    notice_id = await write(world)
    await send(world, notice_id)
    async with world.services.database.write() as session:
        token = await links.make(
            session,
            world.services.ring,
            purpose="notice",
            contact_id=world.contacts["安安"],
            notice_id=notice_id,
            now=world.now,
            length=timedelta(days=1),
        )
    complaints: list[str] = []
    async with serve(app) as base, launch() as browser:
        desk = await browser.new_context(base_url=base, viewport=PHONE)
        await desk.add_cookies(
            [{"name": LOGIN_COOKIE, "value": world.tokens["teacher"], "url": base}]
        )
        teacher = await desk.new_page()
        watch(teacher, complaints)
        await teacher.goto(f"/teacher/notices/{notice_id}")
        await expect(teacher.get_by_text("家长留言")).to_have_count(0)

        parent = await (await browser.new_context(base_url=base, viewport=PHONE)).new_page()
        watch(parent, complaints)
        await parent.goto(f"/p/{token}")
        await parent.locator("form button").first.click()
        field = parent.get_by_label("例如：我们那天请假")
        await field.fill("好" * 503)
        await expect(parent.get_by_text("太长了，请删去3个字")).to_be_visible()
        await parent.get_by_role("button", name="发给老师").click()
        await expect(parent.get_by_role("alert")).to_contain_text("现在503个字")
        await field.fill("那天我们请假")
        await expect(parent.get_by_text("6 / 500 字")).to_be_visible()
        await parent.get_by_role("button", name="发给老师").click()
        await expect(parent.get_by_role("status")).to_contain_text("老师打开就能看到")

        await expect(teacher.get_by_text("那天我们请假")).to_be_visible(timeout=10_000)
        await write_back(world, notice_id, "安安", "会带笔")
        await expect(teacher.get_by_text("会带笔")).to_be_visible(timeout=10_000)
        for page in (teacher, parent):
            width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.evaluate(width) == 0
    assert unprovoked(complaints) == []
