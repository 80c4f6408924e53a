"""The simulator over the whole service that `xinqing setup` sets up, in a real Chromium.

Nothing is stood in for but the platforms themselves and the search: frames and callbacks, the
inbox, the rules, the worker and the way back are the real ones.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fakes import HOMEWORK, FakeAnswers, ReadyScreen
from house import DANGER, URGENT
from playwright.async_api import Page, expect
from serving import BROWSER_MARKS, launch, listen, serve, unprovoked, watch
from sqlalchemy import select

from bot.app import create_app
from bot.cli.setup import _fill, _make_env
from bot.config import load_settings
from bot.db.crypto import KeyRing
from bot.db.models import Case, Message, Place
from bot.wiring import House, build

MOTHER, FATHER, TEACHER = "demo-ding-mother", "demo-ding-father", "demo-ding-teacher"
GROUP = "demo-ding-group"
CRISIS = "陪在孩子身边"
OPEN = "/v1.0/gateway/connections/open"
PATIENCE = 15_000

pytestmark = BROWSER_MARKS
expect.set_options(timeout=PATIENCE)


@pytest.fixture
async def house(
    tmp_path: Path, database_url: str, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """The service, set up as a newcomer does and running on a port of its own."""
    _make_env(tmp_path / ".env", with_demo=True)
    with listen() as listener:
        monkeypatch.setenv("XINQING_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("XINQING_DATABASE_URL", database_url)
        monkeypatch.setenv("XINQING_PORT", str(listener.getsockname()[1]))
        await _fill(with_demo=True)
        built = build(load_settings(encoder="none"), answers=FakeAnswers(), screen=ReadyScreen())
        async with serve(create_app(built), listener):
            yield built


both_widths = pytest.mark.parametrize("page", [1280, 390], ids=["desktop", "phone"], indirect=True)


@pytest.fixture
async def page(house: House, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    """The simulator's page; at the end the console must have been silent."""
    complaints: list[str] = []
    width: int = getattr(request, "param", 1280)
    base = f"http://127.0.0.1:{house.settings.port}"
    async with launch() as browser:
        context = await browser.new_context(
            base_url=base, viewport={"width": width, "height": 844}, locale="zh-CN"
        )
        made = await context.new_page()
        watch(made, complaints)
        await made.goto("/simulator")
        await expect(made.locator("#stream")).to_have_text("经 Stream 送达 · 已连接")
        yield made
        wide = await made.evaluate("document.documentElement.scrollWidth")
        await context.close()
    assert unprovoked(complaints) == []
    assert wide <= width


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")


async def stored(house: House) -> list[Message]:
    async with house.services.database.read() as session:
        return list(await session.scalars(select(Message).order_by(Message.id)))


async def test_a_dingtalk_parent_asks_and_is_answered_once(house: House, page: Page) -> None:
    await page.select_option("#thread", MOTHER)
    theirs = page.locator(".bubble.theirs")
    await say(page, HOMEWORK)
    await expect(theirs.filter(has_text="手册T06-01")).to_have_count(1)
    before = await theirs.count()
    await page.get_by_role("button", name="同一条再推一次").click()
    await expect(page.locator(".system").last).to_contain_text("应该没有第二个回答")
    # Whatever the duplicate led to would have come before the answer to a later message.
    await say(page, "随便说一句")
    await expect(theirs).to_have_count(before + 1)
    await expect(theirs.filter(has_text="手册T06-01")).to_have_count(1)
    assert [message.text for message in await stored(house)] == [HOMEWORK, "随便说一句"]


@both_widths
async def test_a_danger_in_the_group_is_answered_alone(house: House, page: Page) -> None:
    await page.select_option("#thread", GROUP)
    await page.select_option("#author", FATHER)
    theirs = page.locator(".bubble.theirs")
    await say(page, URGENT)
    await expect(theirs).to_have_count(1)
    await expect(theirs).to_contain_text("@豆豆爸爸")
    elsewhere = page.locator("#elsewhere")
    await expect(elsewhere).to_contain_text("豆豆爸爸")
    assert CRISIS not in await theirs.inner_text()
    await elsewhere.click()
    await expect(page.locator("#thread")).to_have_value(FATHER)
    await expect(theirs).to_have_count(1)
    await expect(theirs).to_contain_text(CRISIS)
    await expect(elsewhere).to_be_hidden()
    await page.select_option("#thread", MOTHER)
    await expect(theirs).to_have_count(0)
    await page.select_option("#thread", GROUP)
    await expect(theirs).to_have_count(1)
    async with house.services.database.read() as session:
        case = await session.scalar(select(Case))
        place = await session.get_one(Place, case.place_id if case else None)
    assert place.name.startswith("晴川一小"), "the class is known, so the school's desk has it"


@both_widths
async def test_a_long_reply_is_shown_from_its_beginning(page: Page) -> None:
    await say(page, URGENT)
    reply = page.locator(".bubble.theirs").last
    await expect(reply).to_contain_text(CRISIS)
    chat, bubble = await page.locator("#chat").bounding_box(), await reply.bounding_box()
    assert chat is not None
    assert bubble is not None
    assert chat["y"] <= bubble["y"] < chat["y"] + chat["height"] / 2


async def test_what_is_written_while_the_stream_is_cut_arrives_later(
    house: House, page: Page
) -> None:
    await page.select_option("#thread", MOTHER)
    await page.get_by_role("button", name="断开 Stream").click()
    await expect(page.locator("#stream")).to_have_text("Stream 未连接，正在重连")
    await say(page, DANGER)
    await expect(page.locator(".system").last).to_contain_text("连上后再推来")
    await expect(page.locator(".bubble.theirs").last).to_contain_text(CRISIS)
    await expect(page.locator("#stream")).to_have_text("经 Stream 送达 · 已连接")
    assert [message.text for message in await stored(house)] == [DANGER]
    assert list(house.platform.calls if house.platform else ()).count(OPEN) >= 4, (
        "opened, refused twice, opened"
    )


async def test_beyond_the_quota_the_parent_is_told_to_phone(house: House, page: Page) -> None:
    await page.select_option("#thread", MOTHER)
    await page.get_by_role("button", name="额度用完").click()
    await expect(page.locator(".bubble.theirs").last).to_contain_text("看不到内容")
    (message,) = await stored(house)
    assert (message.kind, message.text) == ("unreadable", "")


async def test_a_teacher_sees_work_notifications(house: House, page: Page) -> None:
    assert house.platform is not None
    assert house.platform.is_follower(TEACHER), "reachable before the first word"
    house.platform.record("dingtalk-work", TEACHER, "个案1等待接手", {})
    await page.locator("#elsewhere").click()
    await expect(page.locator("#thread")).to_have_value(TEACHER)
    await expect(page.locator(".bubble.theirs")).to_have_text("工作通知个案1等待接手")
