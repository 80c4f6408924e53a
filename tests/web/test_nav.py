"""The links between the areas: each person sees those that the access table lets them enter."""

import pytest
from desk_world import ROLES, Browser, World

from bot.db.models import Staff
from bot.services.staff import StaffView, view
from bot.web import nav
from bot.web.table import TABLE


def test_every_link_is_a_page() -> None:
    paths = [link["path"] for row in nav.data() for link in row["links"]]
    assert [path for path in paths if ("GET", path) not in TABLE] == []
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("login", ROLES)
async def test_every_link_that_is_shown_opens(world: World, browser: Browser, login: str) -> None:
    client = browser(login)
    for area in nav.areas(await _view(world, login), "/"):
        for link in area.links:
            assert (await client.get(link.path)).status_code == 200, link.path


async def test_the_page_that_is_shown_is_marked(world: World) -> None:
    areas = nav.areas(await _view(world, "lead"), "/rules/cases/7")
    assert [area.name for area in areas if area.here] == ["rules"]
    marked = [link.path for area in areas for link in area.links if link.here]
    assert marked == ["/rules/cases"]


async def test_a_teacher_has_the_class_and_nothing_to_manage(world: World) -> None:
    areas = nav.areas(await _view(world, "teacher"), "/admin/people/7")
    assert [area.name for area in areas] == ["teacher"]
    assert [link.path for link in areas[0].links if link.here] == ["/admin/people"]
    assert [
        area.name for area in nav.areas(await _view(world, "admin"), "/admin/people") if area.here
    ] == ["teacher"]


async def test_nobody_has_links_before_signing_in_and_a_password_of_their_own(
    world: World,
) -> None:
    assert nav.areas(None, "/") == ()
    async with world.services.database.write() as session:
        person = await session.get_one(Staff, world.staff["lead"].id)
        person.must_change_password = True
    assert nav.areas(await _view(world, "lead"), "/") == ()


async def test_one_area_alone_is_no_row_of_one(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = [row for row in nav.data() if row["name"] == "teacher"]
    monkeypatch.setattr(nav, "data", lambda: only)
    client = browser("teacher")
    assert 'aria-label="分区"' not in (await client.get("/teacher")).text
    assert 'aria-label="分区"' in (await client.get("/password")).text
    assert 'aria-label="班级"' in (await client.get("/teacher")).text


async def _view(world: World, login: str) -> StaffView:
    async with world.services.database.read() as session:
        person = await session.get_one(Staff, world.staff[login].id)
        return await view(session, person, world.now)
