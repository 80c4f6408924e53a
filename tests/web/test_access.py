"""Every route, called by nobody, by each role and by the same role of another school."""

import re

import pytest
from desk_world import ROLES, WORDS, Browser, World
from rules_world import add_draft

from bot.web.routes import PAGES
from bot.web.table import TABLE

EVENT_STREAMS = {"/desk/events", "/simulator/events"}
# The first draft that a test makes.
RULES_ID = 1
DISTRICT_ONLY = ("/replay", "/shadow", "/stop", "/texts", "/publish", "/back")


def _path(path: str, case_id: int, rule_case_id: int = 1) -> str:
    path = path.replace("{rule_case_id:int}", str(rule_case_id))
    path = path.replace("{case_id:int}", str(case_id)).replace("{alarm_id:int}", "1")
    path = path.replace("{rules_id:int}", str(RULES_ID)).replace("{name}", "parent.toml")
    return path.replace("{entry_id}", "T06-01")


def _expected(method: str, path: str, login: str | None) -> int:
    """Return the status that the rules of the desk ask for, written out once more."""
    role, place = ROLES[login] if login else ("", "")
    if path in ("/logout", "/password"):
        return 200 if login else 401
    if path.startswith("/admin"):
        if login is None:
            return 401
        return 200 if role in ("admin", "district") else 403
    if path.startswith(("/rules/try", "/rules/cases")):
        if login is None:
            return 401
        deciding = path.endswith(("/agree", "/reject"))
        if role not in (("lead", "district") if deciding else ("counselor", "lead", "district")):
            return 403
        return 404 if "{rule_case_id" in path and place == "school_b" else 200
    if path == "/rules" or path.startswith(("/rules/drafts", "/rules/{rules_id")):
        if login is None:
            return 401
        deciding = path.endswith(DISTRICT_ONLY)
        allowed = ("district",) if deciding else ("counselor", "lead", "district")
        return 200 if role in allowed else 403
    if path.startswith("/desk"):
        if login is None:
            return 401
        if role not in ("counselor", "lead", "district"):
            return 403
        if path.startswith("/desk/cases"):
            if role == "lead":
                return 403
            return 404 if place == "school_b" else 200
        return 200
    return 200


def test_table_and_pages_name_the_same_routes() -> None:
    assert set(TABLE) == set(PAGES)


def test_only_these_routes_need_no_login() -> None:
    public = {path for (_, path), access in TABLE.items() if access.anyone}
    assert public == {
        "/",
        "/handbook/{entry_id}",
        "/login",
        *(path for _, path in TABLE if path.startswith("/simulator")),
    }
    demo = {path for (_, path), access in TABLE.items() if access.demo}
    assert demo == {path for _, path in TABLE if path.startswith("/simulator")}


@pytest.mark.parametrize("login", [None, *ROLES])
async def test_every_route_for_everybody(world: World, browser: Browser, login: str | None) -> None:
    await add_draft(world)
    for (method, path), _ in TABLE.items():
        if path in EVENT_STREAMS or path == "/logout":
            continue
        name = f"{login}{method}{path}"
        case_id = await world.add_case(name, place="school_a")
        rule_case_id = await world.add_rule_case(name) if "rule_case_id" in path else 0
        client = browser(login)
        form = {"csrf": world.csrf[login]} if login else {}
        if path == "/login" or path.startswith("/simulator"):
            form = {"csrf": await _form_token(client)}
        response = await client.request(
            method,
            _path(path, case_id, rule_case_id),
            data=form if method == "POST" else None,
            headers={"HX-Request": "true"},
        )
        expected = _expected(method, path, login)
        named = f"{login} {method} {path}"
        if expected == 401:
            _assert_sent_to_login(response.status_code, response.headers, named)
            assert WORDS not in response.text
        elif expected in (403, 404):
            assert response.status_code == expected, named
            assert WORDS not in response.text
        else:
            # an empty form may be refused for what is in it, never for who sends it
            assert response.status_code not in (403, 404, 405, 500), named
            # only redirects to the login page mean that somebody was turned away
            assert "/login" not in response.headers.get("location", ""), named


def _assert_sent_to_login(status: int, headers: object, named: str) -> None:
    location = headers.get("location", "")  # type: ignore[attr-defined]
    assert status == 401 or (status == 303 and location.startswith("/login?next=")), named


async def _form_token(client: object) -> str:
    page = await client.get("/login?x=1")  # type: ignore[attr-defined]
    if page.status_code == 303:
        page = await client.get("/simulator")  # type: ignore[attr-defined]
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found.group(1)


@pytest.mark.parametrize("login", [None, "teacher", "editor", "admin"])
async def test_the_event_stream_turns_away_whoever_has_no_desk(
    browser: Browser, login: str | None
) -> None:
    response = await browser(login).get("/desk/events")
    assert response.status_code == _expected("GET", "/desk/events", login)


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
