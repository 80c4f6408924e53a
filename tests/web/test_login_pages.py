"""Signing in through the pages: cookie, form token, first password, errors that say nothing."""

import re
from datetime import timedelta

import httpx2
import pytest
from desk_world import Browser, World

from bot.services import brakes, passwords, staff
from bot.web.guard import FORM_COOKIE, LOGIN_COOKIE


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with its least cost."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(passwords, "_argon2", quick)


@pytest.fixture
async def password(world: World) -> str:
    """A new member of staff's one-time password; the login is `new`."""
    async with world.services.database.write() as session:
        person, word = await staff.create_staff(session, login="new", name="新老师", now=world.now)
        place = world.places["school_a"].id
        await staff.grant(session, staff_id=person.id, place_id=place, role="counselor")
    return word


async def _sign_in(
    client: httpx2.AsyncClient, login: str, password: str, goal: str = ""
) -> httpx2.Response:
    page = await client.get("/login", params={"next": goal})
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    fields = {"csrf": token.group(1), "login": login, "password": password, "next": goal}
    return await client.post("/login", data=fields)


async def test_first_login_leads_to_a_new_password_and_then_to_the_desk(
    browser: Browser, password: str
) -> None:
    client = browser()
    response = await _sign_in(client, "new", password, "/desk")
    assert (response.status_code, response.headers["location"]) == (303, "/password")
    barred = await client.get("/desk")
    assert (barred.status_code, barred.headers["location"]) == (303, "/password")
    form = await client.get("/password")
    token = re.search(r'name="csrf" value="([^"]+)"', form.text)
    assert token
    fields = {"csrf": token.group(1), "old": password, "new": "春天的十个字密码呀", "again": "别的"}
    assert (await client.post("/password", data=fields)).status_code == 422
    fields["new"] = fields["again"] = "春天的十个字密码呀呀"
    done = await client.post("/password", data=fields)
    assert (done.status_code, done.headers["location"]) == (303, "/desk")
    assert (await client.get("/desk")).status_code == 200


async def test_the_cookie_is_closed_to_scripts_and_other_sites(
    browser: Browser, password: str
) -> None:
    near = await _sign_in(browser(), "new", password)
    cookie = next(c for c in near.headers.get_list("set-cookie") if c.startswith(LOGIN_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Secure" not in cookie
    far = await browser(base="https://desk.example.cn").get("/login")
    assert "Secure" in far.headers["set-cookie"]
    assert far.headers["strict-transport-security"]


async def test_plain_http_from_elsewhere_is_warned_about(browser: Browser) -> None:
    page = await browser(base="http://desk.example.cn").get("/login")
    assert "https" in page.text


@pytest.mark.parametrize("login", ["new", "nobody"])
async def test_wrong_password_and_unknown_login_read_the_same(
    browser: Browser, password: str, login: str
) -> None:
    response = await _sign_in(browser(), login, "wrong password")
    assert response.status_code == 401
    assert "登录名或密码不对" in response.text
    assert LOGIN_COOKIE not in response.headers.get("set-cookie", "")


async def test_guessing_is_slowed_and_says_so(browser: Browser, password: str) -> None:
    client = browser()
    for _ in range(brakes.BRAKES["pair"].free):
        await _sign_in(client, "new", "wrong")
    response = await _sign_in(client, "new", password)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert "错误次数太多" in response.text


async def test_a_login_form_without_its_cookie_or_token_is_refused(
    browser: Browser, password: str
) -> None:
    client = browser()
    fields = {"login": "new", "password": password, "csrf": ""}
    assert (await client.post("/login", data=fields)).status_code == 403
    page = await client.get("/login")
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    other = browser()
    other.cookies.set(FORM_COOKIE, "another-browser", domain="127.0.0.1")
    fields["csrf"] = token.group(1)
    assert (await other.post("/login", data=fields)).status_code == 403


@pytest.mark.parametrize(
    "goal", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "desk"]
)
async def test_nobody_is_led_off_the_site(browser: Browser, world: World, goal: str) -> None:
    response = await browser("counselor").get("/login", params={"next": goal})
    assert (response.status_code, response.headers["location"]) == (303, "/desk")


async def test_signing_out_needs_the_token_and_ends_the_login(
    browser: Browser, world: World
) -> None:
    client = browser("counselor")
    assert (await client.post("/logout", data={"csrf": "x"})).status_code == 403
    assert (await client.get("/desk")).status_code == 200
    done = await client.post("/logout", data={"csrf": world.csrf["counselor"]})
    assert done.headers["location"] == "/login"
    again = browser("counselor")
    assert (await again.get("/desk")).headers["location"] == "/login?next=/desk"


async def test_a_page_that_refreshes_itself_does_not_keep_a_login_alive(
    browser: Browser, world: World
) -> None:
    client = browser("counselor")
    for _ in range(5):
        world.services.clock.advance(minutes=29)
        status = (await client.get("/desk/queue")).status_code
    assert status == 401
    busy = browser("second_counselor")
    # 145 minutes have passed for this one as well
    assert (await busy.get("/desk")).status_code == 303


async def test_a_person_at_work_stays_signed_in(browser: Browser, world: World) -> None:
    client = browser("counselor")
    for _ in range(4):
        world.services.clock.advance(minutes=100)
        assert (await client.get("/desk")).status_code == 200
    world.services.clock.moment += timedelta(hours=8)
    assert (await client.get("/desk")).status_code == 303
