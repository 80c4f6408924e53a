"""The second factor through the pages: setting up, signing in, being made to, being set back."""

import re
from datetime import timedelta

import httpx2
import pyotp
import pytest
from desk_world import Browser, World
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select

from bot.db.models import AuditEntry, Login, Staff
from bot.services import passwords

OWN = "/account/second-factor"
PASSWORD = "春天的十个字密码呀"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with its least cost."""
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(passwords, "_argon2", quick)


@pytest.fixture(autouse=True)
async def known_password(world: World, quick_hashes: None) -> None:
    """Everybody has the same password."""
    hashed = await passwords.hash_password(PASSWORD)
    async with world.services.database.write() as session:
        for person in await session.scalars(select(Staff)):
            person.password_hash = hashed


async def _post(
    client: httpx2.AsyncClient, world: World, login: str, path: str, **fields: str
) -> httpx2.Response:
    return await client.post(path, data={"csrf": world.csrf[login], **fields})


async def _set_up(browser: Browser, world: World, login: str) -> tuple[str, httpx2.Response]:
    client = browser(login)
    assert (await _post(client, world, login, f"{OWN}/begin")).headers["location"] == OWN
    page = (await client.get(OWN)).text
    assert "<svg" in page
    found = re.search(r"密钥：<code>([A-Z2-7 ]+)</code>", page)
    assert found
    secret = found.group(1).replace(" ", "")
    code = pyotp.TOTP(secret).at(world.now)
    return secret, await _post(client, world, login, f"{OWN}/confirm", code=code)


async def _sign_in(client: httpx2.AsyncClient, login: str, goal: str = "") -> httpx2.Response:
    page = await client.get("/login", params={"next": goal})
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    fields = {"csrf": token.group(1), "login": login, "password": PASSWORD, "next": goal}
    return await client.post("/login", data=fields)


async def _send_code(client: httpx2.AsyncClient, where: str, code: str) -> httpx2.Response:
    page = (await client.get(where)).text
    fields = dict(re.findall(r'name="(csrf|next)" value="([^"]*)"', page))
    return await client.post("/login/code", data=fields | {"code": code})


async def test_recovery_codes_are_shown_by_one_answer_only(browser: Browser, world: World) -> None:
    _, done = await _set_up(browser, world, "counselor")
    codes = re.findall(r"<li><code>([a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4})</code></li>", done.text)
    assert len(set(codes)) == 10
    assert done.headers["cache-control"] == "no-store"
    later = (await browser("counselor").get(OWN)).text
    assert not any(code in later for code in codes)
    assert "<strong>10</strong> 个恢复码" in later
    assert "<svg" not in later


async def test_after_the_password_only_the_code_page_opens(browser: Browser, world: World) -> None:
    secret, _ = await _set_up(browser, world, "counselor")
    client = browser()
    asked = await _sign_in(client, "counselor", "/rules")
    assert asked.headers["location"] == "/login/code?next=%2Frules"
    for path in ("/desk", "/password", OWN, "/permits"):
        assert (await client.get(path)).headers["location"].startswith("/login?next=")
    shown = (await client.get("/login/code")).text
    assert "counselor老师" not in shown
    wrong = await _send_code(client, asked.headers["location"], "000000")
    assert (wrong.status_code, "验证码不对" in wrong.text) == (401, True)
    world.services.clock.advance(seconds=30)
    code = pyotp.TOTP(secret).at(world.now)
    done = await _send_code(client, asked.headers["location"], code)
    assert (done.status_code, done.headers["location"]) == (303, "/rules")
    assert (await client.get("/desk")).status_code == 200
    second = browser()
    await _sign_in(second, "counselor")
    assert (await _send_code(second, "/login/code", code)).status_code == 401


async def test_a_wait_says_how_long(browser: Browser, world: World) -> None:
    await _set_up(browser, world, "counselor")
    client = browser()
    await _sign_in(client, "counselor")
    for _ in range(5):
        await _send_code(client, "/login/code", "000000")
    slowed = await _send_code(client, "/login/code", "000000")
    assert slowed.status_code == 429
    assert int(slowed.headers["retry-after"]) > 0
    assert "秒后再试" in slowed.text


async def test_whoever_waits_for_a_code_can_leave(browser: Browser, world: World) -> None:
    await _set_up(browser, world, "counselor")
    client = browser()
    await _sign_in(client, "counselor")
    page = (await client.get("/login/code")).text
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert token
    left = await client.post("/logout", data={"csrf": token.group(1)})
    assert left.headers["location"] == "/login"
    async with world.services.database.read() as session:
        assert not (await session.scalars(select(Login).where(Login.waits_for_code))).all()


async def test_where_it_is_demanded_nothing_else_opens_first(
    browser: Browser, world: World
) -> None:
    world.services.second_factor_required = True
    client = browser("counselor")
    for path in ("/desk", "/rules", "/permits"):
        assert (await client.get(path)).headers["location"] == OWN
    assert "按规定" in (await client.get(OWN)).text
    assert (await client.get("/password")).status_code == 200
    # who can't change anything of other people's is not asked for it
    assert (await browser("teacher").get(OWN)).status_code == 200
    assert (await browser("editor").get("/desk")).status_code == 403
    await _set_up(browser, world, "counselor")
    assert (await client.get("/desk")).status_code == 200


async def test_a_one_time_password_is_changed_before_the_factor(
    browser: Browser, world: World
) -> None:
    world.services.second_factor_required = True
    async with world.services.database.write() as session:
        (await session.get_one(Staff, world.staff["counselor"].id)).must_change_password = True
    client = browser("counselor")
    assert (await client.get("/desk")).headers["location"] == "/password"
    assert (await client.get(OWN)).headers["location"] == "/password"


async def test_a_new_factor_ends_the_other_browsers(browser: Browser, world: World) -> None:
    other = browser()
    await _sign_in(other, "counselor")
    assert (await other.get("/desk")).status_code == 200
    await _set_up(browser, world, "counselor")
    assert (await other.get("/desk")).status_code == 303
    assert (await browser("counselor").get("/desk")).status_code == 200


async def test_an_admin_sets_a_colleague_back(browser: Browser, world: World) -> None:
    await _set_up(browser, world, "counselor")
    path = f"/admin/staff/{world.staff['counselor'].id}/second-factor"
    admin = browser("admin")
    assert "counselor老师" in (await admin.get(path)).text
    refused = await _post(admin, world, "admin", path, reason="whatever")
    assert (refused.status_code, "请选一个原因" in refused.text) == (422, True)
    assert (await browser("counselor").get("/desk")).status_code == 200
    done = await _post(admin, world, "admin", path, reason="lost")
    assert "已重设" in done.text
    assert (await browser("counselor").get("/desk")).status_code == 303
    assert (await _sign_in(browser(), "counselor")).headers["location"] == "/desk"
    async with world.services.database.read() as session:
        entry = await session.scalar(
            select(AuditEntry).where(AuditEntry.action == "second_factor.reset")
        )
    assert entry is not None
    assert entry.data == {"reason": "lost"}
    own = f"/admin/staff/{world.staff['admin'].id}/second-factor"
    assert (await admin.get(own)).status_code == 403


async def test_a_code_page_is_for_waiting_logins(browser: Browser, world: World) -> None:
    client = browser("counselor")
    assert (await client.get("/login/code")).headers["location"] == "/desk"
    assert (await browser().get("/login/code")).headers["location"].startswith("/login?next=")
    world.services.clock.moment += timedelta(hours=13)
    assert (await client.get("/login/code")).status_code == 303
