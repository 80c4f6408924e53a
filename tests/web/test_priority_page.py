"""Priority on the pages: the order, the reasons in plain Chinese, and an open page that follows."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from desk_world import Browser, World
from playwright.async_api import expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from starlette.applications import Starlette

from bot.db.models import Case, Delivery
from bot.services import deliveries, priority
from bot.services.ladder import round_key
from bot.web.guard import LOGIN_COOKIE


async def _set(world: World, name: str, *codes: str) -> None:
    async with world.services.database.write() as session:
        case = await session.get_one(Case, world.cases[name])
        case.priority_reasons, case.priority = list(codes), priority.weight(codes)


async def test_priority_orders_inside_a_level_before_the_wait(
    world: World, browser: Browser
) -> None:
    hour = timedelta(hours=1)
    names = {"long": ("3", 5 * hour), "night": ("3", hour), "both": ("3", 0 * hour)}
    for name, (level, ago) in (names | {"urgent": ("3!", 0 * hour)}).items():
        await world.add_case(name, place="school_a", level=level, ago=ago)
    await _set(world, "night", "night")
    await _set(world, "both", "night", "trigger:discharge", "trigger:results")
    page = (await browser("counselor").get("/desk")).text
    order = [int(found) for found in re.findall(r'<li id="case-(\d+)"', page)]
    assert order == [world.cases[name] for name in ("urgent", "both", "night", "long")]
    assert "优先：夜间、刚出院、刚出成绩" in page
    assert page.count("优先：") == 2


async def test_a_summary_tells_nothing_of_what_was_written(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    await _set(world, "one", "night", "silence", "trigger:bereavement")
    page = (await browser("lead").get("/desk")).text
    assert "优先：夜间、问后没有回音<" in page
    assert "亲人离世" not in page


@pytest.fixture
async def address(app: Starlette) -> AsyncIterator[str]:
    async with serve(app) as base:
        yield base


async def _silence(world: World, name: str) -> None:
    """Let the question of a case go out, and five minutes pass."""
    async with world.services.database.write() as session:
        case = await session.get_one(Case, world.cases[name])
        delivery = Delivery(
            key=f"reply:{name}",
            contact_id=case.contact_id,
            message_id=case.message_id,
            route="passive",
            kind="risk",
            source="crisis:self_harm.parent_about_child.3!.on@1",
            body="现在身边有人吗？",
            state="sending",
            created_at=world.now,
        )
        session.add(delivery)
        await session.flush()
        await deliveries.handed_over(session, [delivery.id], now=world.now)
    world.services.clock.advance(minutes=5)
    async with world.services.database.write() as session:
        await priority.look(
            session,
            case_id=case.id,
            round_=round_key(case),
            delivery_id=delivery.id,
            now=world.now,
        )


class TestInChromium:
    """An open page, nobody touching it."""

    pytestmark = BROWSER_MARKS

    async def test_the_silence_moves_the_case_up_within_a_second(
        self, world: World, address: str
    ) -> None:
        await world.add_case("long", place="school_a", ago=timedelta(hours=1))
        await world.add_case("silent", place="school_a", ago=timedelta(minutes=1))
        complaints: list[str] = []
        async with launch() as chromium:
            context = await chromium.new_context(base_url=address, locale="zh-CN")
            token = world.tokens["counselor"]
            await context.add_cookies([{"name": LOGIN_COOKIE, "value": token, "url": address}])
            page = await context.new_page()
            watch(page, complaints)
            async with page.expect_response("**/desk/events?*"):
                await page.goto("/desk")
            rows = page.locator("#open-cases .case")
            await expect(rows.first).to_have_id(f"case-{world.cases['long']}")
            await _silence(world, "silent")
            await expect(rows.first).to_have_id(f"case-{world.cases['silent']}", timeout=1000)
            await expect(rows.first).to_contain_text("优先：问后没有回音")
        assert unprovoked(complaints) == []
