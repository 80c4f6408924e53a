"""Figures of the desk: small counts hidden, drills left out, nothing that a spreadsheet runs."""

import csv
import io
from datetime import datetime, timedelta

import pytest
from desk_world import Browser, World
from openpyxl import load_workbook
from sqlalchemy import select

from bot.core.small_cells import COVERED
from bot.db.models import AuditEntry, Case, LevelWords, Place
from bot.services import desk_figures, staff
from bot.web.figures import safe


async def fill(
    world: World,
    name: str,
    number: int,
    *,
    place: str = "school_a",
    level: str = "3",
    **more: object,
) -> None:
    """Add closed cases: accepted after one to `number` minutes, an hour's work each."""
    for n in range(number):
        case_id = await world.add_case(f"{name}{n}", place=place, level=level)
        async with world.services.database.write() as session:
            row = await session.get_one(Case, case_id)
            row.accepted_at = row.raised_at + timedelta(minutes=n + 1)
            row.first_words_at = row.accepted_at
            row.closed_at = row.accepted_at + timedelta(hours=1)
            row.state, row.close_reason = "closed", "safe_with_plan"
            for key, value in more.items():
                setattr(row, key, value)


async def test_small_counts_are_hidden_and_drills_left_out(world: World, browser: Browser) -> None:
    await fill(world, "red", 12)
    await fill(world, "two", 3, level="2")
    await fill(world, "drill", 4, drill=True)
    page = (await browser("counselor").get("/desk/figures")).text
    assert "少于10" in page
    assert "演练 4 次" in page
    assert ">15<" not in page, "fifteen less the twelve would tell of the three"
    assert ">12<" not in page
    assert "一半在6分30秒内" in page
    assert "站在阳台" not in page


async def test_enough_is_shown(world: World, browser: Browser) -> None:
    await fill(world, "red", 14)
    await fill(world, "two", 15, level="2", close_reason="false_alarm")
    page = (await browser("lead").get("/desk/figures")).text
    outcomes = page[page.index('id="outcomes"') : page.index('id="calls"')]
    assert "误报" in outcomes


async def test_one_school_does_not_count_in_the_other(world: World, browser: Browser) -> None:
    await fill(world, "b", 12, place="school_b")
    page = (await browser("counselor").get("/desk/figures")).text
    assert "不足10件" in page
    assert "一半在" not in page


async def test_the_district_sees_months_and_schools(world: World, browser: Browser) -> None:
    await fill(world, "a", 13)
    await fill(world, "b", 12, place="school_b")
    await fill(world, "a2", 11, level="2")
    async with world.services.database.read() as session:
        viewer = await staff.view(session, world.staff["district"], world.now)
        period = desk_figures.offered(viewer, now=world.now)[0]
        found = await desk_figures.figures(session, viewer, period, now=world.now)
    assert period.code == "2026-11"
    assert found.levels.total == 36 or found.levels.total == COVERED
    page = (await browser("district").get("/desk/figures")).text
    assert "2026年11月" in page
    assert (await browser("counselor").get("/desk/figures?period=2026-08")).status_code == 200
    page = (await browser("counselor").get("/desk/figures")).text
    assert "2026年秋季学期" in page
    bad = await browser("counselor").get("/desk/figures?period=2026-11")
    assert bad.status_code == 422, "months and terms together would give a month away"
    assert "没有这个时段" in bad.text


async def test_the_bureau_sees_no_month_that_still_runs(world: World) -> None:
    async with world.services.database.write() as session:
        await staff.grant(
            session,
            staff_id=world.staff["editor"].id,
            place_id=world.places["district"].id,
            role="bureau",
        )
    viewer = await world.seen("editor")
    assert desk_figures.offered(viewer, now=world.now)[0].code == "2026-10"


@pytest.mark.parametrize("login", ["teacher", "admin", "editor"])
async def test_who_has_no_right_sees_none(browser: Browser, login: str) -> None:
    assert (await browser(login).get("/desk/figures")).status_code == 403


EVIL = '=HYPERLINK("http://x","看")'


@pytest.mark.parametrize("sort", ["csv", "xlsx"])
async def test_the_export_hides_the_same_and_runs_nothing(
    world: World, browser: Browser, sort: str
) -> None:
    await fill(world, "a", 13)
    await fill(world, "b", 12, place="school_b")
    for n in range(11):
        await fill(world, f"none{n}", 1, place="district", level="2")
    async with world.services.database.write() as session:
        (await session.get_one(Place, world.places["school_a"].id)).name = EVIL
        words = {"1": "一级", "2": "二级", "3": "+3", "3!": "=1+1"}
        maker = world.staff["district"].id
        session.add(
            LevelWords(
                place_id=world.places["district"].id, words=words, made_by=maker, made_at=world.now
            )
        )
    client = browser("district")
    form = {"csrf": world.csrf["district"], "period": "2026-11", "as": sort}
    response = await client.post("/desk/figures/export", data=form)
    assert response.status_code == 200
    if sort == "csv":
        text = response.content.decode("utf-8-sig")
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
    else:
        sheet = load_workbook(io.BytesIO(response.content)).active
        assert sheet is not None
        found = [cell for line in sheet.iter_rows() for cell in line if cell.value is not None]
        assert {cell.data_type for cell in found} == {"s"}
        cells = [str(cell.value) for cell in found]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    assert any("少于10" in cell for cell in cells)
    assert any("演练 0 次" in cell for cell in cells)
    async with world.services.database.read() as session:
        query = select(AuditEntry.data).where(AuditEntry.action == "figures.exported")
        assert await session.scalar(query) == {"period": "2026-11", "way": sort}
    form["as"] = "exe"
    assert (await client.post("/desk/figures/export", data=form)).status_code == 422


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "\x00=1"])
def test_a_text_that_begins_like_a_formula_does_not(text: str) -> None:
    assert safe(text).startswith("'")


def test_hours_are_counted_by_day_and_night() -> None:
    start = datetime.fromisoformat("2026-11-21T20:00:00+08:00")
    parts = desk_figures._parts(start, start + timedelta(hours=12, minutes=30))
    hours = {name: seconds / 3600 for name, seconds in parts.items()}
    assert hours == {"all": 12.5, "night": 8.0, "free": 12.5}
