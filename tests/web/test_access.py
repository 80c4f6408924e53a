"""What the table of access says in particular; every route is visited in `test_every_route.py`."""

import pytest
from desk_world import WORDS, Browser, World

from bot.web.table import TABLE


def test_only_these_routes_need_no_login() -> None:
    public = {path for (_, path), access in TABLE.items() if access.anyone}
    assert public == {
        "/",
        "/handbook/{entry_id}",
        "/login",
        # the token is the credential: bot.services.links
        *(path for _, path in TABLE if path.startswith("/p/{token}")),
        *(path for _, path in TABLE if path.startswith("/simulator")),
    }
    demo = {path for (_, path), access in TABLE.items() if access.demo}
    assert demo == {path for _, path in TABLE if path.startswith("/simulator")}


@pytest.mark.parametrize("login", [None, "teacher", "editor", "admin"])
async def test_the_event_stream_turns_away_whoever_has_no_desk(
    browser: Browser, login: str | None
) -> None:
    response = await browser(login).get("/desk/events")
    assert response.status_code == (401 if login is None else 403)


async def test_a_case_is_not_found_rather_than_forbidden(world: World, browser: Browser) -> None:
    mine = await world.add_case("mine", place="school_a")
    other = browser("other_counselor")
    here = await other.get(f"/desk/cases/{mine}")
    nowhere = await other.get("/desk/cases/99999")
    assert (here.status_code, nowhere.status_code) == (404, 404)
    assert here.text == nowhere.text


async def test_a_lead_sees_a_summary_without_words(world: World, browser: Browser) -> None:
    await world.add_case("high", place="school_a", level="3")
    await world.add_case("low", place="school_a", level="2", text="第二级的话", fired="第二级")
    page = (await browser("lead").get("/desk")).text
    assert "只显示摘要" in page
    assert WORDS not in page
    assert "站在阳台" not in page
    assert "第二级" not in page
    assert "只有数量" not in page
    assert page.count('id="case-') == 1
    assert 'id="case-' not in (await browser("other_lead").get("/desk")).text


async def test_the_district_sees_level_three_its_own_desk_and_counts(
    world: World, browser: Browser
) -> None:
    await world.add_case("three", place="school_a", level="3", text="三级原话甲", fired="甲")
    await world.add_case("two", place="school_b", level="2", text="二级原话乙", fired="乙")
    await world.add_case("own", place="district", level="2", text="区里原话丙", fired="丙")
    loose = await world.add_case("loose", place=None, level="2", text="没有学校丁", fired="丁")
    page = (await browser("district").get("/desk")).text
    assert "三级原话甲" in page
    assert "区里原话丙" in page
    assert "没有学校丁" in page
    assert "二级原话乙" not in page
    assert "只有数量" in page
    assert (await browser("district").get(f"/desk/cases/{loose}")).status_code == 200
    assert (await browser("district").get(f"/desk/cases/{world.cases['two']}")).status_code == 404


async def test_whoever_is_turned_away_can_still_sign_out(world: World, browser: Browser) -> None:
    client = browser("teacher")
    page = (await client.get("/desk")).text
    assert "你没有权限看这一页" in page
    assert 'href="/desk"' not in page
    assert f'name="csrf" value="{world.csrf["teacher"]}"' in page


async def test_live_mode_has_no_simulator(world: World, browser: Browser) -> None:
    world.services.mode = "live"
    for method, path in TABLE:
        if path.startswith("/simulator"):
            response = await browser().request(method, path)
            assert response.status_code == 404, path
    assert "/simulator" not in (await browser().get("/")).text
    assert "演示环境" not in (await browser().get("/")).text
