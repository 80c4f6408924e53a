"""The desk and the simulator in a real Chromium: live changes, focus, typed words, no violation."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from desk_world import World
from playwright.async_api import Browser, Page, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette
from teacher_world import add_class, add_family, arrive, confirm, expand, send, write

from bot.services import cases, conversations
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

    async def open_one(path: str, login: str | None = None, *, width: int = 1280) -> Page:
        context = await chromium.new_context(
            base_url=address, viewport={"width": width, "height": 860}, locale="zh-CN"
        )
        if login is not None:
            await context.add_cookies(
                [{"name": LOGIN_COOKIE, "value": world.tokens[login], "url": address}]
            )
        page = await context.new_page()
        watch(page, complaints)
        await page.goto(path)
        return page

    yield open_one
    assert unprovoked(complaints) == []


async def test_a_new_case_appears_by_itself_also_in_a_hidden_tab(
    world: World, open_page: Open
) -> None:
    page = await open_page("/desk", "counselor")
    await expect(page.get_by_text("现在没有人在等")).to_be_visible()
    await _listening(world, 1)
    await page.evaluate(
        """() => {
            Object.defineProperty(document, 'hidden', { get: () => true });
            document.dispatchEvent(new Event('visibilitychange'));
        }"""
    )
    await world.add_case("one", place="school_a")
    await page.locator("#case-1").wait_for(timeout=5000)
    assert await page.title() == "(1) 值班台 · 心晴"
    await world.add_case("two", place="school_a", level="3")
    await expect(page.locator("#open-cases .case")).to_have_count(2)


async def _listening(world: World, count: int) -> None:
    async with asyncio.timeout(10):
        while world.services.live.listeners < count:  # noqa: ASYNC110  # the browser's turn
            await asyncio.sleep(0.02)


async def test_the_focus_survives_a_refresh_and_the_keyboard_accepts(
    world: World, open_page: Open
) -> None:
    await world.add_case("one", place="school_a", level="2")
    page = await open_page("/desk", "counselor")
    await _listening(world, 1)
    await page.get_by_role("button", name="接手个案1").focus()
    await world.add_case("two", place="school_a", level="3!")
    await page.locator("#case-2").wait_for()
    await expect(page.get_by_role("button", name="接手个案1")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/cases/1?done=accept")
    await expect(page.get_by_role("status")).to_contain_text("已接手")


async def test_two_pages_the_slower_one_is_told(world: World, open_page: Open) -> None:
    await world.add_case("one", place="school_a")
    slow = await open_page("/desk/cases/1", "second_counselor")
    await slow.route("**/live", lambda route: route.fulfill(status=204))
    fast = await open_page("/desk/cases/1", "counselor")
    await fast.get_by_role("button", name="接手").click()
    await fast.wait_for_url("**done=accept")
    await slow.get_by_role("button", name="接手").click()
    await expect(slow.get_by_role("alert").last).to_contain_text("刚刚已经接手了这个个案")


async def test_the_conversation_follows_and_typed_words_stay(world: World, open_page: Open) -> None:
    case_id = await world.add_case("one", place="school_a")
    contact, me = world.contacts["one"], await world.seen("counselor")
    async with world.services.database.write() as session:
        await cases.accept(session, me, case_id, now=world.now)
        await conversations.take(session, me, contact, now=world.now)
    page = await open_page(f"/desk/cases/{case_id}", "counselor")
    await _listening(world, 1)
    await page.fill("#text", "写到一半的话")
    async with world.services.database.write() as session:
        await conversations.write(
            session,
            me,
            contact,
            text="从另一台电脑写的",
            now=world.now,
        )
    world.services.bell.ring()
    await expect(page.locator("#talk")).to_contain_text("从另一台电脑写的", timeout=2000)
    assert await page.input_value("#text") == "写到一半的话"
    world.services.clock.advance(seconds=1)
    await page.press("#text", "Control+Enter")
    await page.wait_for_url("**done=write**")
    await expect(page.locator("#talk")).to_contain_text("写到一半的话")
    assert await page.locator(".line.person").count() == 2


async def test_an_expired_login_is_said_loudly(world: World, open_page: Open) -> None:
    page = await open_page("/desk", "counselor")
    await _listening(world, 1)
    await page.route("**/desk/queue?**", lambda route: route.fulfill(status=401, body=""))
    await page.evaluate("document.getElementById('live').dispatchEvent(new Event('change'))")
    await expect(page.locator("#offline")).to_contain_text("登录已过期")
    await page.unroute("**/desk/queue?**")
    await page.evaluate("document.getElementById('live').dispatchEvent(new Event('change'))")
    await expect(page.locator("#offline")).to_be_hidden()


async def test_a_lost_stream_is_said_and_taken_back(world: World, open_page: Open) -> None:
    page = await open_page("/desk", "counselor")
    await _listening(world, 1)
    await page.route("**/desk/events*", lambda route: route.fulfill(status=503, body=""))
    await world.services.live.close()
    await expect(page.locator("#offline")).to_contain_text("实时连接断开")
    world.services.live.closed = False
    await page.unroute("**/desk/events*")
    await expect(page.locator("#offline")).to_be_hidden(timeout=15_000)
    await world.add_case("one", place="school_a")
    await page.locator("#case-1").wait_for(timeout=3000)


@pytest.mark.parametrize("width", [390, 1280])
async def test_nothing_is_wider_than_the_screen(world: World, open_page: Open, width: int) -> None:
    long = "长" * 400 + "https://example.cn/" + "x" * 300
    case_id = await world.add_case("one", place="school_a", text=long, fired="长" * 60)
    await add_family(world, "长" * 60, parent="长" * 60, phone="13800000001")
    draft, out = await write(world, title="x" * 40), await write(world, title="长" * 40)
    await send(world, out)
    for path, login in (
        ("/", None),
        ("/login", None),
        ("/simulator", None),
        ("/handbook/T06-01", None),
        ("/desk", "counselor"),
        (f"/desk/cases/{case_id}", "counselor"),
        ("/teacher", "teacher"),
        ("/teacher/notices", "teacher"),
        ("/teacher/notices/new", "lead"),
        (f"/teacher/notices/{draft}", "teacher"),
        (f"/teacher/notices/{out}", "teacher"),
        (f"/teacher/notices/{out}/phones", "teacher"),
    ):
        page = await open_page(path, login, width=width)
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        await page.context.close()


async def test_a_teacher_writes_sends_and_watches_the_answers(
    world: World, open_page: Open
) -> None:
    await add_class(world)
    page = await open_page("/teacher", "teacher", width=390)
    await page.get_by_role("link", name="写通知", exact=True).click()
    await page.fill("#title", "周五家长会")
    await page.fill("#body", "周五下午两点")
    await expect(page.locator("[data-count-of=body]")).to_have_text("6 / 500 字")
    await page.reload()
    assert await page.input_value("#body") == "周五下午两点"
    await page.get_by_role("button", name="下一步").click()
    await expect(page.locator(".phone-bubble")).to_contain_text("【通知】周五家长会")
    await page.get_by_role("button", name="发送给1位家长").dblclick()
    await expect(page.get_by_role("status").first).to_contain_text("开始发了")
    await expand(world, 1)
    await arrive(world, 1)
    await expect(page.locator("#progress")).to_contain_text("0 / 3", timeout=8000)
    await confirm(world, 1, "安安")
    await expect(page.locator("#progress")).to_contain_text("1 / 3", timeout=20_000)
    await page.get_by_role("button", name="乐乐的家长电话里确认了").click()
    await expect(page.locator("#progress")).to_contain_text("2 / 3")
    await page.get_by_role("link", name="打印电话单").click()
    await expect(page.locator(".phone-list tbody tr")).to_have_count(1)
    await expect(page.get_by_role("button", name="打印")).to_be_visible()


async def test_the_simulator_types_answers_and_shows_alerts(open_page: Open) -> None:
    page = await open_page("/simulator")
    await page.get_by_role("button", name="孩子说活着没意思").click()
    await expect(page.locator(".bubble.mine")).to_have_text("孩子说活着没意思")
    await expect(page.locator(".bubble.theirs").last).to_contain_text("收到")
    await page.fill("#text", "<b>粗</b>")
    await page.press("#text", "Enter")
    await expect(page.locator(".bubble.mine").last).to_have_text("<b>粗</b>")
    await expect(page.locator("#alerts")).to_contain_text("等待接手")
    await page.select_option("#thread", "demo-stranger")
    await expect(page.locator(".bubble.mine")).to_have_count(0)
    await page.select_option("#thread", "demo-mother")
    await expect(page.locator(".bubble.mine")).to_have_count(2)
