"""The pages of staff: seen and changed within reach, a password is shown once."""

import re
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, Case, Notice, Staff, StaffRole
from bot.services import passwords


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash without argon2's 140 milliseconds."""

    async def hashed(password: str) -> str:
        return f"hash:{password}"

    monkeypatch.setattr(passwords, "hash_password", hashed)


async def post(
    world: World, client: httpx2.AsyncClient, who: str, path: str, /, **form: Any
) -> httpx2.Response:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[who]} | form)


async def roles_of(world: World, login: str) -> list[StaffRole]:
    """Return somebody's roles, the first one first."""
    async with world.services.database.read() as session:
        query = select(StaffRole).join(Staff, Staff.id == StaffRole.staff_id)
        rows = await session.scalars(query.where(Staff.login == login).order_by(StaffRole.id))
        return list(rows)


async def test_who_is_listed(world: World, browser: Browser) -> None:
    page = (await browser("lead").get("/admin/staff")).text
    assert "teacher老师" in page
    assert "other_lead老师" not in page
    assert "新建账号" not in page
    assert "新建账号" in (await browser("admin").get("/admin/staff")).text
    assert "没有停用的账号" in (await browser("lead").get("/admin/staff?left=1")).text
    for login in ("teacher", "counselor", "editor"):
        assert (await browser(login).get("/admin/staff")).status_code == 403
    other = world.staff["teacher"].id
    assert (await browser("other_lead").get(f"/admin/staff/{other}")).status_code == 404


async def test_a_new_account_and_its_password(world: World, browser: Browser) -> None:
    client, class_a = browser("admin"), str(world.places["class_a"].id)
    form = {
        "login": "wang",
        "name": "王老师",
        "role": "teacher",
        "place": class_a,
        "starts": "2026-09-01",
        "until": "2027-07-10",
    }
    made = await post(world, client, "admin", "/admin/staff", **form)
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    shown = re.search(r'id="password">([^<]+)<', made.text)
    assert shown
    async with world.services.database.read() as session:
        person = await session.scalar(select(Staff).where(Staff.login == "wang"))
        entries = list(await session.scalars(select(AuditEntry)))
    assert person is not None
    assert person.password_hash == f"hash:{shown.group(1)}"
    assert not any("王老师" in str(one.data) or shown.group(1) in str(one.data) for one in entries)
    (role,) = await roles_of(world, "wang")
    # the day in China, the last one included
    assert role.starts_at == datetime(2026, 8, 31, 16, 0, tzinfo=UTC)
    assert role.ends_at == datetime(2027, 7, 10, 16, 0, tzinfo=UTC)
    assert shown.group(1) not in (await client.get(f"/admin/staff/{person.id}")).text
    again = await post(world, client, "admin", "/admin/staff", **form)
    assert again.status_code == 422
    assert "登录名" in again.text
    assert 'value="王老师"' in again.text


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"login": "a b"}, "登录名"),
        ({"name": " "}, "名字要写"),
        ({"place": ""}, "这个角色不能"),
        ({"role": "counselor"}, "这个角色不能"),
        ({"starts": "昨天"}, "开始日期"),
        ({"until": "2020-01-01"}, "结束日期"),
        ({"until": "9999-12-31"}, "结束日期"),
    ],
)
async def test_a_form_with_something_wrong(
    world: World, browser: Browser, changed: dict[str, str], says: str
) -> None:
    form = {
        "login": "wang",
        "name": "王老师",
        "role": "teacher",
        "place": str(world.places["class_a"].id),
    } | changed
    answer = await post(world, browser("admin"), "admin", "/admin/staff", **form)
    assert answer.status_code == 422
    assert says in answer.text
    assert await roles_of(world, "wang") == []


async def test_a_role_is_given_and_taken(world: World, browser: Browser) -> None:
    client, who = browser("admin"), f"/admin/staff/{world.staff['teacher'].id}"
    form = {"role": "lead", "place": str(world.places["school_a"].id)}
    assert (await post(world, client, "admin", f"{who}/grant", **form)).status_code == 303
    page = (await client.get(f"{who}?done=granted")).text
    assert "已授予" in page
    assert "学校负责人" in page
    role = (await roles_of(world, "teacher"))[-1]
    taken = await post(world, client, "admin", f"{who}/revoke", role_id=str(role.id))
    assert taken.status_code == 303
    assert "已结束" in (await client.get(who)).text
    assert (await roles_of(world, "teacher"))[-1].ends_at == world.now


async def test_nobody_lifts_themself(world: World, browser: Browser) -> None:
    client, me = browser("admin"), f"/admin/staff/{world.staff['admin'].id}"
    page = (await client.get(me)).text
    assert "自己的角色要由另一位管理员来改" in page
    assert "离岗：" not in page
    form = {"role": "counselor", "place": str(world.places["school_a"].id)}
    assert (await post(world, client, "admin", f"{me}/grant", **form)).status_code == 403
    assert (await post(world, client, "admin", f"{me}/leave")).status_code == 403
    assert (await post(world, client, "admin", f"{me}/password")).status_code == 403
    above = f"/admin/staff/{world.staff['teacher'].id}"
    form = {"role": "district", "place": str(world.places["district"].id)}
    assert (await post(world, client, "admin", f"{above}/grant", **form)).status_code == 403
    district = f"/admin/staff/{world.staff['district'].id}"
    assert (await post(world, client, "admin", f"{district}/password")).status_code == 403
    assert len(await roles_of(world, "admin")) == 1


@pytest.mark.parametrize("login", ["lead", "other_lead", "counselor", "teacher"])
async def test_forms_of_others_change_nothing(world: World, browser: Browser, login: str) -> None:
    client, who = browser(login), f"/admin/staff/{world.staff['teacher'].id}"
    form = {
        "role": "lead",
        "place": str(world.places["school_a"].id),
        "role_id": str((await roles_of(world, "teacher"))[0].id),
        "login": "wang",
        "name": "王老师",
    }
    for action in ("grant", "revoke", "password", "leave", "return"):
        answer = await post(world, client, login, f"{who}/{action}", **form)
        assert answer.status_code == 403, action
    assert (await post(world, client, login, "/admin/staff", **form)).status_code == 403
    assert [role.ends_at for role in await roles_of(world, "teacher")] == [None]


async def test_somebody_leaves_with_open_work(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.state, case.accepted_by = "accepted", world.staff["counselor"].id
        session.add(
            Notice(
                key="n1",
                author_id=world.staff["counselor"].id,
                place_id=world.places["class_a"].id,
                title="家长会",
                body="周五",
                created_at=world.now,
            )
        )
    client, who = browser("admin"), f"/admin/staff/{world.staff['counselor'].id}"
    page = (await client.get(who)).text
    assert "没结的个案：1" in page
    assert "没发出的通知：1" in page
    alone = await post(world, client, "admin", f"{who}/leave", leave="1")
    assert alone.status_code == 409
    assert "家长不能没人管" in alone.text
    to = str(world.staff["second_counselor"].id)
    gone = await post(world, client, "admin", f"{who}/leave", leave="1", to=to)
    assert gone.headers["location"].endswith("done=left_rest")
    page = (await client.get(who)).text
    assert "已停用" in page
    assert "还没有交出去的" in page
    assert "没结的个案" not in page
    assert (await browser("counselor").get("/desk")).status_code == 303
    assert "counselor老师" in (await client.get("/admin/staff?left=1")).text
    back = await post(world, client, "admin", f"{who}/return")
    assert back.headers["location"].endswith("done=returned")
    async with world.services.database.read() as session:
        assert (await session.get_one(Staff, world.staff["counselor"].id)).active
        assert (await session.get_one(Case, case_id)).accepted_by == int(to)


async def test_a_password_is_set_anew_and_the_browser_signed_out(
    world: World, browser: Browser
) -> None:
    who = f"/admin/staff/{world.staff['teacher'].id}"
    answer = await post(world, browser("admin"), "admin", f"{who}/password")
    assert answer.status_code == 200
    assert 'id="password"' in answer.text
    assert (await browser("teacher").get("/password")).headers["location"].startswith("/login")


async def test_a_colleagues_id_in_dingtalk(world: World, browser: Browser) -> None:
    client, who = browser("admin"), f"/admin/staff/{world.staff['teacher'].id}"
    assert "还没填" in (await client.get(who)).text
    saved = await post(world, client, "admin", f"{who}/dingtalk", external_id="ding-wang", seen="")
    assert saved.headers["location"].endswith("done=id_saved")
    page = (await client.get(f"{who}?done=id_saved")).text
    assert 'value="ding-wang"' in page
    assert "已保存" in page
    old = await post(world, client, "admin", f"{who}/dingtalk", external_id="x", seen="")
    assert (old.status_code, "刚被别人改过" in old.text) == (409, True)
    wrong = await post(
        world, client, "admin", f"{who}/dingtalk", external_id="王 老师", seen="ding-wang"
    )
    assert (wrong.status_code, "最多64位" in wrong.text) == (422, True)
    other = f"/admin/staff/{world.staff['counselor'].id}/dingtalk"
    taken = await post(world, client, "admin", other, external_id="ding-wang", seen="")
    assert (taken.status_code, "另一个在岗账号" in taken.text) == (409, True)
    lead = await post(world, browser("lead"), "lead", f"{who}/dingtalk", external_id="x")
    assert lead.status_code == 403
