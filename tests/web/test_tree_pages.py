"""The pages of the tree: shown within reach, changed by forms, the second of two is told."""

import re
from typing import Any

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import select
from tree_world import make_child

from bot.db.models import Place
from bot.services import places
from bot.web.tree_words import words


async def place(world: World, name: str) -> Place:
    """Return a place as it stands."""
    async with world.services.database.read() as session:
        return await session.get_one(Place, world.places[name].id)


async def post(
    world: World, client: httpx2.AsyncClient, who: str, path: str, /, **form: Any
) -> httpx2.Response:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[who]} | form)


async def named(world: World, name: str) -> Place | None:
    """Return a place by its name, or None."""
    async with world.services.database.read() as session:
        return await session.scalar(select(Place).where(Place.name == name))


def field(page: str, name: str) -> str:
    """Return the value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return found.group(1)


@pytest.mark.parametrize(
    ("login", "sees", "not_seen"),
    [
        ("admin", ["晴川区", "晴川一小", "晴川二中", "九月升级"], []),
        ("lead", ["晴川一小", "三年级2班", "九月升级"], ["晴川二中", "晴川区"]),
        ("counselor", ["晴川一小", "三年级2班"], ["晴川二中", "晴川区", "九月升级"]),
    ],
)
async def test_the_tree_ends_where_the_role_ends(
    browser: Browser, login: str, sees: list[str], not_seen: list[str]
) -> None:
    page = (await browser(login).get("/admin/tree")).text
    assert all(name in page for name in sees)
    assert not any(name in page for name in not_seen)


async def test_a_teacher_has_no_tree(world: World, browser: Browser) -> None:
    for path in ("/admin/tree", f"/admin/tree/{world.places['class_a'].id}"):
        assert (await browser("teacher").get(path)).status_code == 403


async def test_a_place_of_another_school_is_not_found(world: World, browser: Browser) -> None:
    path = f"/admin/tree/{world.places['class_a'].id}"
    for login in ("other_lead", "other_counselor"):
        assert (await browser(login).get(path)).status_code == 404
    page = (await browser("lead").get(path)).text
    assert "三年级2班" in page
    assert "改名</summary>" not in page
    assert "改名</summary>" in (await browser("admin").get(path)).text


async def test_a_class_is_made_renamed_moved_and_closed(world: World, browser: Browser) -> None:
    client = browser("admin")
    school = f"/admin/tree/{world.places['school_a'].id}"
    page = (await client.get(school)).text
    assert "还没有改动过" in page
    for name, kind in (("四年级", "grade"), ("四年级1班", "class")):
        key = field((await client.get(school)).text, "key")
        for _ in range(2):
            made = await post(
                world, client, "admin", f"{school}/create", key=key, kind=kind, name=name
            )
            assert made.status_code == 303
    grade, class_ = await named(world, "四年级"), await named(world, "四年级1班")
    assert grade is not None
    assert class_ is not None
    path = f"/admin/tree/{class_.id}"
    assert "已新建" in (await client.get(f"{path}?done=created")).text
    await post(world, client, "admin", f"{path}/rename", name="四年级（1）班", row="1")
    page = (await client.get(path)).text
    assert "改名：四年级1班 → 四年级（1）班" in page
    await post(world, client, "admin", f"{path}/move", parent=str(grade.id), row=field(page, "row"))
    page = (await client.get(path)).text
    assert "移动：晴川一小 → 四年级" in page
    assert page.count("撤销：") == 1
    change = field(page, "change")
    undone = await post(world, client, "admin", f"{path}/undo", change=change)
    assert undone.headers["location"].endswith("done=undone")
    page = (await client.get(path)).text
    assert "已撤销" in page
    await post(world, client, "admin", f"{path}/close", row=field(page, "row"))
    assert "已关闭" in (await client.get(path)).text
    assert "四年级（1）班" not in (await client.get("/admin/tree")).text
    assert "四年级（1）班" in (await client.get("/admin/tree?closed=1")).text


async def test_the_second_of_two_is_told_and_nothing_is_lost(
    world: World, browser: Browser
) -> None:
    path = f"/admin/tree/{world.places['class_a'].id}"
    await post(world, browser("admin"), "admin", f"{path}/rename", name="甲班", row="1")
    form = {"name": "乙班", "row": "1", "rename": "1"}
    second = await post(world, browser("district"), "district", f"{path}/rename", **form)
    assert second.status_code == 409
    assert "刚被别人改过" in second.text
    assert 'value="乙班"' in second.text
    assert (await place(world, "class_a")).name == "甲班"


@pytest.mark.parametrize(
    ("action", "form", "status", "says"),
    [
        ("create", {"kind": "school", "name": "学校", "key": "k" * 20}, 422, "不能建这一种"),
        ("create", {"kind": "class", "name": " ", "key": "k" * 20}, 422, "名字要写"),
        ("create", {"kind": "class", "name": "新班", "key": ""}, 422, "刷新"),
        (
            "create",
            {"kind": "class", "name": "新班", "key": "k" * 20, "entry_year": "二零"},
            422,
            "入学年份",
        ),
        ("create", {"kind": "class", "name": "三年级2班", "key": "k" * 20}, 409, "同名"),
        ("rename", {"name": "", "row": "1"}, 422, "名字要写"),
        ("rename", {"name": "新名字", "row": "x"}, 409, "刚被别人改过"),
        ("move", {"row": "1"}, 422, "从列表里选"),
        ("merge", {"row": "1"}, 422, "同一所学校"),
        ("close", {"row": "1"}, 409, "没关闭的班级"),
        ("undo", {}, 422, "刷新"),
    ],
)
async def test_what_does_not_go_is_said_in_chinese(
    world: World, browser: Browser, action: str, form: dict[str, str], status: int, says: str
) -> None:
    path = f"/admin/tree/{world.places['school_a'].id}/{action}"
    answer = await post(world, browser("admin"), "admin", path, **form)
    assert answer.status_code == status
    assert says in answer.text


@pytest.mark.parametrize("action", ["create", "rename", "move", "merge", "close"])
@pytest.mark.parametrize("login", ["lead", "teacher", "counselor", "other_lead"])
async def test_forms_of_others_change_nothing(
    world: World, browser: Browser, action: str, login: str
) -> None:
    ids = {name: str(row.id) for name, row in world.places.items()}
    answer = await post(
        world,
        browser(login),
        login,
        f"/admin/tree/{ids['class_a']}/{action}",
        name="甲班",
        kind="committee",
        key="k" * 20,
        row="1",
        parent=ids["school_b"],
        into=ids["class_b"],
    )
    assert answer.status_code == 403
    assert (await place(world, "class_a")).row_version == 1


async def test_merging_moves_the_children_and_kills_the_code(
    world: World, browser: Browser
) -> None:
    client, school = browser("admin"), world.places["school_a"].id
    async with world.services.database.write() as session:
        other = await places.add(
            session,
            kind="class",
            name="三年级3班",
            parent=await session.get_one(Place, school),
            scene="s3",
        )
        await make_child(session, other.id, world.now, "孩子")
    path = f"/admin/tree/{other.id}"
    assert "1名孩子" in (await client.get(path)).text
    into = str(world.places["class_a"].id)
    merged = await post(world, client, "admin", f"{path}/merge", into=into, row="1")
    assert merged.status_code == 303
    page = (await client.get(path)).text
    assert "并入三年级2班，孩子1名" in page
    assert "已并入别的班" in page
    async with world.services.database.read() as session:
        assert await places.of_scene(session, "s3") is None


async def test_september_with_a_preview(world: World, browser: Browser) -> None:
    client = browser("lead")
    school = world.places["school_a"].id
    page = (await client.get("/admin/tree/move-up")).text
    assert "三年级2班→四年级2班" in page
    assert "现在不是七月到十月" in page
    form = {"school": str(school), "digest": field(page, "digest"), "d.years.3": "up"}
    for _ in range(2):
        done = await post(world, client, "lead", "/admin/tree/move-up", **form)
        assert done.headers["location"] == f"/admin/tree/move-up?school={school}&done=up"
    assert (await place(world, "class_a")).name == "四年级2班"
    page = (await client.get(f"/admin/tree/move-up?school={school}&done=up")).text
    assert "已经办过升级了" in page
    change = field(page, "change")
    class_a = world.places["class_a"].id
    undone = await post(world, client, "lead", f"/admin/tree/{class_a}/undo", change=change)
    assert undone.status_code == 303
    assert (await place(world, "class_a")).name == "三年级2班"


async def test_september_asks_again_when_something_changed(world: World, browser: Browser) -> None:
    client, school = browser("lead"), str(world.places["school_a"].id)
    page = (await client.get("/admin/tree/move-up")).text
    path = f"/admin/tree/{world.places['class_a'].id}"
    await post(world, browser("admin"), "admin", f"{path}/rename", name="三年级3班", row="1")
    form = {"school": school, "digest": field(page, "digest"), "d.years.3": "up"}
    answer = await post(world, client, "lead", "/admin/tree/move-up", **form)
    assert answer.status_code == 409
    assert "三年级3班→四年级3班" in answer.text
    stay = {"school": school, "digest": field(answer.text, "digest"), "d.years.3": "stay"}
    answer = await post(world, client, "lead", "/admin/tree/move-up", **stay)
    assert answer.status_code == 422
    assert "没有什么可做的" in answer.text


async def test_september_of_another_school_is_refused(world: World, browser: Browser) -> None:
    other = world.places["school_b"].id
    client = browser("lead")
    assert (await client.get(f"/admin/tree/move-up?school={other}")).status_code == 403
    answer = await post(
        world,
        client,
        "lead",
        "/admin/tree/move-up",
        school=str(other),
        digest="",
        **{"d.years.3": "up"},
    )
    assert answer.status_code == 403
    assert (await post(world, client, "lead", "/admin/tree/move-up")).status_code == 422
    many = (await browser("admin").get("/admin/tree/move-up")).text
    assert "看预览" in many
    assert "确认升级" not in many


def test_every_code_has_words() -> None:
    assert {"row", "name", "closed", "children", "places", "people", "later", "tree"} <= set(
        words()["trouble"]
    )
    assert all(text for group in words().values() for text in group.values())
