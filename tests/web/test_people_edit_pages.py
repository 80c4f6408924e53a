"""Pages that put children and guardians in by hand; everybody is invented."""

import re
from typing import Any

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, Child, Guardian, Guardianship
from bot.services import people

MOTHER, FATHER = "18800000301", "18800000302"


async def post(
    world: World, client: httpx2.AsyncClient, who: str, path: str, **form: Any
) -> httpx2.Response:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[who]} | form)


async def add(world: World, client: httpx2.AsyncClient, **more: str) -> httpx2.Response:
    """Send the form of a new child of class A as the school's leader."""
    form = {
        "place": str(world.places["class_a"].id),
        "name": "晴小雨",
        "student_no": "D7",
        "born": "2017-03",
        "guardian_name": "雨妈妈",
        "relation": "M",
        "phone": "188 0000 0301",
    }
    return await post(world, client, "lead", "/admin/people/new", **(form | more))


async def children(world: World) -> list[Child]:
    """Return everybody's children, the first one first."""
    async with world.services.database.read() as session:
        return list(await session.scalars(select(Child).order_by(Child.id)))


async def guardians(world: World) -> list[tuple[str, str | None, str, bool]]:
    """Return name, phone, relation and whether it holds, of every tie."""
    async with world.services.database.read() as session:
        rows = await session.execute(
            select(Guardian, Guardianship)
            .join(Guardianship, Guardianship.guardian_id == Guardian.id)
            .order_by(Guardianship.id)
        )
        return [(one.name, one.phone, tie.relation, tie.ended_at is None) for one, tie in rows]


def seen(page: str, action: str) -> str:
    """Return what a form of a page sends back of what it showed."""
    found = re.search(rf'action="{action}".*?name="seen" value="([^"]*)"', page, re.DOTALL)
    assert found, action
    return found.group(1)


async def test_a_child_with_its_mother_is_put_in_once(world: World, browser: Browser) -> None:
    client = browser("lead")
    listed = (await client.get(f"/admin/people?place={world.places['class_a'].id}")).text
    assert "/admin/people/new?place=" in listed
    assert "新增孩子" in (await client.get("/admin/people/new")).text
    made = await add(world, client)
    assert made.status_code == 303, made.text
    page = (await client.get(made.headers["location"])).text
    assert "孩子加好了" in page
    assert MOTHER in page
    again = await add(world, client, student_no="", phone="", guardian_name="")
    assert again.status_code == 409
    assert "确实是另一个孩子" in again.text
    assert 'value="晴小雨"' in again.text
    number = await add(world, client, name="别人")
    assert (number.status_code, "这个学号已经是" in number.text) == (409, True)
    assert [one.born for one in await children(world)] == ["2017-03"]
    other = await add(world, client, student_no="D8", same="1")
    assert other.status_code == 303
    assert [one.source for one in await children(world)] == ["hand", "hand"]
    # One mother of two children, known by name and phone.
    async with world.services.database.read() as session:
        assert len((await session.scalars(select(Guardian.id))).all()) == 1
        actions = list(await session.scalars(select(AuditEntry.action)))
        data = [str(one.data) for one in await session.scalars(select(AuditEntry))]
    assert actions.count("people.child_added") == 2
    assert not any("晴小雨" in one or MOTHER in one for one in data)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"place": ""}, "请选一个班"),
        ({"name": " "}, "姓名要写"),
        ({"phone": "12345"}, "11位手机号"),
        ({"guardian_name": ""}, "家长姓名要写"),
        ({"born": "2017-13"}, "出生年月写成"),
        ({"born": "2199-01"}, "出生年月写成"),
        ({"student_no": "1" * 41}, "学号不能超过"),
        ({"relation": "X"}, "请选一个关系"),
    ],
)
async def test_a_form_with_something_wrong_puts_nothing_in(
    world: World, browser: Browser, changed: dict[str, str], says: str
) -> None:
    answer = await add(world, browser("lead"), **changed)
    assert answer.status_code == 422
    assert says in answer.text
    assert await children(world) == []
    assert await guardians(world) == []


async def test_a_phone_that_somebody_else_has_is_asked_about(
    world: World, browser: Browser
) -> None:
    client = browser("lead")
    where = (await add(world, client)).headers["location"].partition("?")[0]
    form = {"guardian_name": "雨爸爸", "relation": "F", "phone": MOTHER}
    asked = await post(world, client, "lead", f"{where}/guardians", **form)
    assert asked.status_code == 409
    assert "本班的雨妈妈" in asked.text
    assert "确实共用这个电话" in asked.text
    saved = await post(world, client, "lead", f"{where}/guardians", **form, shared="1")
    assert saved.status_code == 303
    twice = await post(world, client, "lead", f"{where}/guardians", **form, shared="1")
    assert (twice.status_code, "已经在下面的名单里" in twice.text) == (409, True)
    assert await guardians(world) == [
        ("雨妈妈", MOTHER, "M", True),
        ("雨爸爸", MOTHER, "F", True),
    ]
    async with world.services.database.write() as session:
        ring, now = world.services.ring, world.now
        child = await people.add_child(
            session, place_id=world.places["class_b"].id, name="乙三", now=now, ring=ring
        )
        other = await people.add_guardian(session, name="乙三妈", phone=FATHER, now=now, ring=ring)
        await people.tie(session, other, child, "M", now)
    form = {"guardian_name": "雨奶奶", "relation": "GM", "phone": FATHER}
    asked = await post(world, client, "lead", f"{where}/guardians", **form)
    assert "在别的班已经登记" in asked.text
    assert "乙三妈" not in asked.text


async def test_a_childs_data_are_changed_and_changed_back(world: World, browser: Browser) -> None:
    client = browser("lead")
    where = (await add(world, client)).headers["location"].partition("?")[0]
    old = seen((await client.get(where)).text, f"{where}/change")
    form = {"name": "晴晓雨", "student_no": "", "born": ""}
    saved = await post(world, client, "lead", f"{where}/change", **form, seen=old)
    assert saved.status_code == 303, saved.text
    (child,) = await children(world)
    assert (child.name, child.student_no, child.student_key, child.born) == (
        "晴晓雨",
        None,
        None,
        None,
    )
    late = await post(world, client, "lead", f"{where}/change", **form, seen=old)
    assert (late.status_code, "刚被别人改过" in late.text) == (409, True)
    found = await post(world, client, "lead", "/admin/people", name="晴晓雨")
    assert where in found.text
    now = seen((await client.get(where)).text, f"{where}/change")
    form = {"name": "晴小雨", "student_no": "D7", "born": "2017-03"}
    assert (
        await post(world, client, "lead", f"{where}/change", **form, seen=now)
    ).status_code == 303
    assert (await children(world))[0].student_no == "D7"


async def test_a_guardians_name_and_phone_are_changed(world: World, browser: Browser) -> None:
    client = browser("lead")
    where = (await add(world, client)).headers["location"].partition("?")[0]
    path = f"{where}/guardians/1/person"
    old = seen((await client.get(where)).text, path)
    wrong = await post(world, client, "lead", path, guardian_name="雨妈", phone="1", seen=old)
    assert (wrong.status_code, "11位手机号" in wrong.text) == (422, True)
    assert 'value="雨妈"' in wrong.text
    form = {"guardian_name": "雨妈", "phone": FATHER}
    assert (await post(world, client, "lead", path, **form, seen=old)).status_code == 303
    assert await guardians(world) == [("雨妈", FATHER, "M", True)]
    late = await post(world, client, "lead", path, **form, seen=old)
    assert late.status_code == 409
    # An administrator changes the name and never sees the phone, which stays.
    admin = browser("admin")
    shown = (await admin.get(where)).text
    assert FATHER not in shown
    form = {"guardian_name": "雨妈妈", "phone": "", "seen": seen(shown, path)}
    assert (await post(world, admin, "admin", path, **form)).status_code == 303
    assert await guardians(world) == [("雨妈妈", FATHER, "M", True)]
    form = {"guardian_name": "雨妈妈", "drop_phone": "1"}
    form["seen"] = seen((await client.get(where)).text, path)
    assert (await post(world, client, "lead", path, **form)).status_code == 303
    assert await guardians(world) == [("雨妈妈", None, "M", True)]


async def test_who_has_children_elsewhere_is_not_changed_from_here(
    world: World, browser: Browser
) -> None:
    client = browser("lead")
    where = (await add(world, client)).headers["location"].partition("?")[0]
    async with world.services.database.write() as session:
        mother = await session.scalar(select(Guardian))
        assert mother is not None
        child = await people.add_child(
            session,
            place_id=world.places["class_b"].id,
            name="晴大雨",
            now=world.now,
            ring=world.services.ring,
        )
        await people.tie(session, mother, child, "M", world.now)
    path = f"{where}/guardians/1/person"
    form = {"guardian_name": "别人", "seen": seen((await client.get(where)).text, path)}
    answer = await post(world, client, "lead", path, **form)
    assert (answer.status_code, "区管理员" in answer.text) == (409, True)


async def test_somebody_added_by_mistake_goes_and_comes_back(
    world: World, browser: Browser
) -> None:
    client = browser("lead")
    where = (await add(world, client)).headers["location"].partition("?")[0]
    path = f"{where}/guardians/1/end"
    sent = seen((await client.get(where)).text, path)
    assert (await post(world, client, "lead", path, seen=sent)).status_code == 303
    assert (await guardians(world))[0][3] is False
    form = {"guardian_name": "雨妈妈", "relation": "M", "phone": MOTHER}
    assert (await post(world, client, "lead", f"{where}/guardians", **form)).status_code == 303
    assert await guardians(world) == [("雨妈妈", MOTHER, "M", True)]


@pytest.mark.parametrize(("login", "status"), [("teacher", 403), ("other_lead", 404)])
async def test_others_change_nothing(
    world: World, browser: Browser, login: str, status: int
) -> None:
    where = (await add(world, browser("lead"))).headers["location"].partition("?")[0]
    client = browser(login)
    for path in ("change", "guardians", "guardians/1/person", "guardians/1/end"):
        answer = await post(world, client, login, f"{where}/{path}", guardian_name="x")
        assert answer.status_code == status, path
    form = {"place": str(world.places["class_a"].id), "name": "乙二"}
    assert (await post(world, client, login, "/admin/people/new", **form)).status_code == status
    assert len(await children(world)) == 1
