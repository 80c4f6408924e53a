"""A case's page in a real browser: drafts, a login that ends, ready words, narrow and wide."""

from collections.abc import AsyncIterator

import pytest
from desk_world import World
from playwright.async_api import Browser, BrowserContext, Page, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from sqlalchemy import delete, select
from starlette.applications import Starlette

from bot.db.models import CaseForm, Contact, Delivery, Draft, Login, Message
from bot.services import cases, conversations
from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS
NOTE = "和妈妈通话二十分钟，孩子愿意去医院。" * 20


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


async def _sign_in(context: BrowserContext, world: World, address: str) -> None:
    cookie = {"name": LOGIN_COOKIE, "value": world.tokens["counselor"], "url": address}
    await context.add_cookies([cookie])  # type: ignore[list-item]


async def _held(world: World) -> int:
    case_id = await world.add_case("one", place="school_a", level="3")
    by = await world.seen("counselor")
    async with world.services.database.write() as session:
        await cases.accept(session, by, case_id, now=world.now)
        await conversations.take(session, by, world.contacts["one"], now=world.now)
    return case_id


async def _drafts(world: World) -> list[str]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(Draft.text)))


async def _open(
    world: World, chromium: Browser, address: str, *, width: int = 1280
) -> tuple[Page, int, list[str]]:
    case_id = await _held(world)
    context = await chromium.new_context(
        base_url=address, viewport={"width": width, "height": 860}, locale="zh-CN"
    )
    await _sign_in(context, world, address)
    page, complaints = await context.new_page(), list[str]()
    watch(page, complaints)
    await page.goto(f"/desk/cases/{case_id}")
    return page, case_id, complaints


async def test_a_login_that_ends_while_a_long_note_is_written_loses_nothing(
    world: World, chromium: Browser, address: str
) -> None:
    page, _, complaints = await _open(world, chromium, address)
    await page.fill("#note-text", NOTE)
    await expect(page.locator("#panel-notes .draft-state")).to_have_text("草稿已保存", timeout=8000)
    assert await _drafts(world) == [NOTE]
    async with world.services.database.write() as session:
        await session.execute(delete(Login).where(Login.staff_id == world.staff["counselor"].id))
    await page.fill("#note-text", NOTE + "后来又写的")
    await page.click("#panel-notes button[type=submit]")
    await expect(page.locator("#drafts")).to_contain_text("登录已过期")
    assert await page.input_value("#note-text") == NOTE + "后来又写的"
    # Somebody signs in again in another tab: a new login with a token of its own.
    async with world.services.database.write() as session:
        session.add(
            Login(
                staff_id=world.staff["counselor"].id,
                token_hash=world.services.ring.fingerprint("again", purpose="login.token"),
                csrf="csrf-again",
                created_at=world.now,
                seen_at=world.now,
                expires_at=world.now.replace(hour=23),
            )
        )
    cookie = {"name": LOGIN_COOKIE, "value": "again", "url": address}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    await page.click("#panel-notes button[type=submit]")
    await page.wait_for_url("**done=noted**")
    async with world.services.database.read() as session:
        rows = await session.scalars(select(CaseForm.answers).where(CaseForm.kind == "note"))
        assert [row["text"] for row in rows] == [NOTE + "后来又写的"]
    assert await _drafts(world) == []
    assert unprovoked(complaints) == []


async def test_another_person_at_the_same_browser_sends_nothing(
    world: World, chromium: Browser, address: str
) -> None:
    page, _, _ = await _open(world, chromium, address)
    await page.fill("#note-text", NOTE)
    cookie = {"name": LOGIN_COOKIE, "value": world.tokens["second_counselor"], "url": address}
    await page.context.add_cookies([cookie])  # type: ignore[list-item]
    await page.click("#panel-notes button[type=submit]")
    await expect(page.locator("#drafts")).not_to_be_hidden()
    assert await page.input_value("#note-text") == NOTE
    async with world.services.database.read() as session:
        assert (await session.scalars(select(CaseForm.id))).all() == []


async def test_a_page_that_was_lost_comes_back_with_what_was_typed(
    world: World, chromium: Browser, address: str
) -> None:
    page, case_id, _ = await _open(world, chromium, address)
    await page.fill("#judge-reason", "妈妈说孩子写过遗书")
    await expect(page.locator("#panel-judging .draft-state")).to_have_text(
        "草稿已保存", timeout=8000
    )
    await page.goto("about:blank")
    await page.goto(f"/desk/cases/{case_id}")
    await expect(page.locator("#judge-reason")).to_have_value("妈妈说孩子写过遗书")
    await page.click("text=不要了")
    await expect(page.locator("#judge-reason")).to_have_value("")
    await page.select_option("#judge-level", "2")
    await page.fill("#judge-reason", "重新想过")
    await page.dblclick("#panel-judging button[type=submit]")
    await page.wait_for_url("**done=judged**")
    async with world.services.database.read() as session:
        kinds = (await session.scalars(select(CaseForm.kind))).all()
    assert kinds == ["judged"]
    assert await _drafts(world) == []


@pytest.mark.parametrize("width", [390, 1280])
async def test_ready_words_go_into_the_box_and_only_a_person_sends_them(
    world: World, chromium: Browser, address: str, width: int
) -> None:
    page, _, complaints = await _open(world, chromium, address, width=width)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.keyboard.press("Alt+q")
    await page.keyboard.type("爷爷 慢慢")
    await page.keyboard.press("Enter")
    box = page.locator("#text")
    await expect(box).to_be_focused()
    words = await box.input_value()
    assert words.startswith("您慢慢说")
    async with world.services.database.read() as session:
        assert (await session.scalars(select(Delivery.id))).all() == []
    await page.keyboard.type("奶奶，")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**done=write**")
    async with world.services.database.read() as session:
        sent = (await session.scalars(select(Delivery.body))).all()
    assert sent == [f"{words}奶奶，"]
    assert unprovoked(complaints) == []


async def test_a_long_conversation_stays_usable_on_a_phone(
    world: World, chromium: Browser, address: str
) -> None:
    page, _, complaints = await _open(world, chromium, address, width=390)
    async with world.services.database.write() as session:
        contact = await session.get_one(Contact, world.contacts["one"])
        session.add_all(
            Message(
                channel="wechat",
                account="demo",
                platform_id=f"long-{number}",
                contact_id=contact.id,
                kind="text",
                text=f"第{number}句😀" + "很长的话" * (number % 60),
                media_id="",
                sent_at=world.now,
                received_at=world.now,
                level="0",
                state="done",
            )
            for number in range(150)
        )
    await page.reload()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    lines = page.locator(".lines")
    assert await lines.evaluate("one => one.clientHeight") < 700
    left = "one => one.scrollHeight - one.clientHeight - one.scrollTop"
    assert await lines.evaluate(left) < 5
    await page.click(".case-nav a[href='#panel-notes']")
    await expect(page.locator("#panel-notes")).to_be_in_viewport()
    assert await page.locator("#steps").get_attribute("open") is None
    assert unprovoked(complaints) == []
