"""The tree: create, rename, move, merge, close, and the way back; nobody reaches another school."""

import asyncio

import pytest
from factories import make_contact
from sqlalchemy import select
from tree_world import TreeWorld, make_child, make_tree

from bot.core.errors import InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import AuditEntry, Binding, Contact, Place, PlaceChange
from bot.services import places, tree, tree_log, tree_people, tree_undo
from bot.services.tree_log import TreeConflict


@pytest.fixture
async def world(database: Database) -> TreeWorld:
    """Two schools."""
    return await make_tree(database)


async def create(
    world: TreeWorld, login: str, parent: str, kind: str, name: str, **more: str
) -> Place:
    """Add a place as somebody and remember its id by name."""
    by = await world.by(login)
    async with world.database.write() as session:
        place = await tree.create(
            session,
            by,
            parent_id=world.ids[parent],
            kind=kind,
            name=name,
            key=more.get("key", tree_log.new_batch()),
            topic=more.get("topic", ""),
            now=world.now,
        )
    world.ids[name] = place.id
    return place


async def rename(world: TreeWorld, login: str, place: str, name: str, row: int = 0) -> Place:
    """Rename a place as somebody who has just seen it, or who saw another version."""
    by, version = await world.by(login), (await world.place(place)).row_version
    async with world.database.write() as session:
        return await tree.rename(
            session, by, world.ids[place], name=name, row_version=row or version, now=world.now
        )


async def move(world: TreeWorld, login: str, place: str, to: str, row: int = 0) -> Place:
    """Move a place as somebody."""
    by, version = await world.by(login), (await world.place(place)).row_version
    async with world.database.write() as session:
        return await tree.move(
            session,
            by,
            world.ids[place],
            parent_id=world.ids[to],
            row_version=row or version,
            now=world.now,
        )


async def merge(world: TreeWorld, login: str, place: str, into: str) -> Place:
    """Merge a class into another one as somebody."""
    by, version = await world.by(login), (await world.place(place)).row_version
    async with world.database.write() as session:
        return await tree_people.merge(
            session,
            by,
            world.ids[place],
            into_id=world.ids[into],
            row_version=version,
            now=world.now,
        )


async def close(world: TreeWorld, login: str, place: str) -> Place:
    """Close a place as somebody."""
    by, version = await world.by(login), (await world.place(place)).row_version
    async with world.database.write() as session:
        return await tree.close(session, by, world.ids[place], row_version=version, now=world.now)


async def undo_last(world: TreeWorld, login: str, place: str) -> Place:
    """Undo what was done to a place last."""
    by = await world.by(login)
    async with world.database.write() as session:
        done = await tree_log.history(session, world.ids[place])
        return await tree_undo.undo(session, by, done[0].row.id, now=world.now)


async def check_paths(world: TreeWorld) -> None:
    """Every path is its parent's with the own id behind it."""
    async with world.database.read() as session:
        rows = {place.id: place for place in await session.scalars(select(Place))}
    for place in rows.values():
        above = rows[place.parent_id].path if place.parent_id else "/"
        assert place.path == f"{above}{place.id}/"


async def test_a_grade_with_a_class_and_what_stands_beside(world: TreeWorld) -> None:
    grade = await create(world, "admin_a", "school", "grade", "四年级")
    one = await create(world, "admin_a", "四年级", "class", "四年级1班")
    await create(world, "admin_a", "四年级1班", "committee", "班家委会")
    await create(world, "admin", "district", "department", "区医院", topic="hospital")
    assert (grade.stage, one.stage) == ("D", "D")
    assert one.scene
    assert one.scene.startswith("p-")
    await check_paths(world)
    async with world.database.read() as session:
        shown = await tree.outline(session, await world.by("admin"))
        actions = list(await session.scalars(select(AuditEntry.action)))
    assert [node.depth for node in shown if node.place.id == world.ids["班家委会"]] == [4]
    assert {node.place.name: node.children for node in shown}["晴川区"] == 5
    assert actions.count("place.created") == 4


async def test_a_form_that_is_sent_twice_makes_one_place(world: TreeWorld) -> None:
    first = await create(world, "admin_a", "school", "class", "二年级1班", key="key-of-the-form")
    again = await create(world, "admin_a", "school", "class", "二年级1班", key="key-of-the-form")
    assert first.id == again.id


@pytest.mark.parametrize(
    ("parent", "kind", "name", "topic", "field"),
    [
        ("school", "school", "新学校", "", "kind"),
        ("三年级2班", "class", "新班", "", "kind"),
        ("school", "class", "  ", "", "name"),
        ("school", "class", "长" * 61, "", "name"),
        ("school", "district", "新区", "", "kind"),
        ("school", "department", "医院", "", "topic"),
        ("school", "class", "新班", "police", "topic"),
    ],
)
async def test_what_can_not_be_made(
    world: TreeWorld, parent: str, kind: str, name: str, topic: str, field: str
) -> None:
    with pytest.raises(InputInvalid) as error:
        await create(world, "admin", parent, kind, name, topic=topic)
    assert error.value.field == field


async def test_two_open_places_side_by_side_have_two_names(world: TreeWorld) -> None:
    with pytest.raises(TreeConflict, match="name"):
        await create(world, "admin_a", "school", "class", "三年级2班")
    with pytest.raises(TreeConflict, match="name"):
        await rename(world, "admin_a", "一年级1班", "三年级2班")


async def test_whoever_saw_an_older_state_is_told(world: TreeWorld) -> None:
    await rename(world, "admin_a", "三年级2班", "三年级(2)班")
    with pytest.raises(TreeConflict, match="row"):
        await rename(world, "admin", "三年级2班", "三年级二班", row=1)
    with pytest.raises(TreeConflict, match="row"):
        await move(world, "admin", "三年级2班", "other", row=1)
    assert (await world.place("三年级2班")).name == "三年级(2)班"
    # the same button twice is no conflict
    await rename(world, "admin_a", "三年级2班", "三年级(2)班", row=1)


async def test_two_admins_move_one_class_at_the_same_time(world: TreeWorld) -> None:
    await create(world, "admin_a", "school", "grade", "三年级")
    await create(world, "admin_a", "school", "grade", "五年级")
    moves = [
        move(world, login, "三年级2班", to, row=1)
        for login, to in (("admin", "三年级"), ("admin_a", "五年级"))
    ]
    done = await asyncio.gather(*moves, return_exceptions=True)
    conflicts = [one for one in done if isinstance(one, TreeConflict)]
    assert [str(one) for one in conflicts] == ["row"]
    assert len([one for one in done if isinstance(one, Place)]) == 1
    await check_paths(world)


async def test_a_grade_moves_with_everything_below_it(world: TreeWorld) -> None:
    await create(world, "admin", "初一 1班", "committee", "班家委会")
    moved = await move(world, "admin", "初一", "school")
    assert moved.path == f"{(await world.place('school')).path}{moved.id}/"
    await check_paths(world)
    assert world.ids["班家委会"] in (await world.by("admin_a")).at("admin")
    assert world.ids["班家委会"] not in (await world.by("admin_b")).at("admin")
    await undo_last(world, "admin", "初一")
    await check_paths(world)
    assert world.ids["班家委会"] in (await world.by("admin_b")).at("admin")


async def test_a_place_hangs_only_where_its_kind_may(world: TreeWorld) -> None:
    with pytest.raises(InputInvalid):
        await move(world, "admin", "初一", "三年级2班")
    with pytest.raises(InputInvalid):
        await move(world, "admin", "三年级2班", "district")


async def test_children_and_contacts_go_into_the_other_class_and_back(world: TreeWorld) -> None:
    child = world.ids["child 三年级2班"]
    home, into = world.ids["三年级2班"], world.ids["一年级1班"]
    await merge(world, "admin_a", "三年级2班", "一年级1班")
    merged = await world.place("三年级2班")
    assert (merged.state, merged.closed_at) == ("merged", world.now)
    assert (await world.child(child)).place_id == into
    assert await world.child_places(child) == [(home, False), (into, True)]
    async with world.database.read() as session:
        assert (await session.get_one(Contact, world.ids["contact"])).place_id == into
        assert await places.of_scene(session, "scene-1") is None
    await undo_last(world, "admin_a", "三年级2班")
    back = await world.place("三年级2班")
    assert (back.state, back.closed_at) == ("open", None)
    assert await world.child_places(child) == [(home, False), (into, False), (home, True)]
    async with world.database.read() as session:
        assert (await session.get_one(Contact, world.ids["contact"])).place_id == home
        assert await places.of_scene(session, "scene-1") is not None


async def test_who_waits_for_a_yes_waits_in_the_other_class_and_back(world: TreeWorld) -> None:
    home, into = world.ids["三年级2班"], world.ids["一年级1班"]
    async with world.database.write() as session:
        both = await make_contact(session, now=world.now)
        for contact_id, place_id in (
            (world.ids["contact"], home),
            (both.id, home),
            (both.id, into),
        ):
            session.add(
                Binding(contact_id=contact_id, place_id=place_id, claim={}, created_at=world.now)
            )

    async def asked() -> list[int]:
        async with world.database.read() as session:
            return list(await session.scalars(select(Binding.place_id).order_by(Binding.id)))

    await merge(world, "admin_a", "三年级2班", "一年级1班")
    assert await asked() == [into, home, into]
    await undo_last(world, "admin_a", "三年级2班")
    assert await asked() == [home, home, into]


async def test_a_merge_is_not_undone_when_a_child_has_gone_on(world: TreeWorld) -> None:
    await merge(world, "admin_a", "三年级2班", "一年级1班")
    async with world.database.write() as session:
        children = [world.ids["child 三年级2班"]]
        await tree_people.put_children(session, children, world.ids["六年级1班"], world.now)
    with pytest.raises(TreeConflict, match="people"):
        await undo_last(world, "admin_a", "三年级2班")
    assert (await world.place("三年级2班")).state == "merged"


async def test_only_classes_of_one_school_are_merged(world: TreeWorld) -> None:
    for into in ("初一 1班", "school", "三年级2班"):
        with pytest.raises(InputInvalid):
            await merge(world, "admin", "三年级2班", into)


async def test_a_class_with_children_is_not_closed(world: TreeWorld) -> None:
    with pytest.raises(TreeConflict, match="children"):
        await close(world, "admin_a", "三年级2班")
    with pytest.raises(TreeConflict, match="children"):
        await close(world, "admin", "school")
    await create(world, "admin", "school", "grade", "二年级")
    await create(world, "admin", "二年级", "class", "1班")
    with pytest.raises(TreeConflict, match="places"):
        await close(world, "admin", "二年级")
    closed = await close(world, "admin", "1班")
    assert (closed.state, closed.closed_at) == ("closed", world.now)
    async with world.database.read() as session:
        assert await places.of_scene(session, closed.scene or "") is None
        shown = await tree.outline(session, await world.by("admin"))
        everything = await tree.outline(session, await world.by("admin"), closed=True)
    assert closed.id not in {node.place.id for node in shown}
    assert closed.id in {node.place.id for node in everything}


async def test_nothing_is_undone_on_which_something_stands(world: TreeWorld) -> None:
    await rename(world, "admin_a", "三年级2班", "甲班")
    await rename(world, "admin_a", "三年级2班", "乙班")
    by = await world.by("admin_a")
    async with world.database.read() as session:
        done = await tree_log.history(session, world.ids["三年级2班"])
    assert [(one.row.after["name"], one.last) for one in done] == [("乙班", True), ("甲班", False)]
    with pytest.raises(TreeConflict, match="later"):
        async with world.database.write() as session:
            await tree_undo.undo(session, by, done[1].row.id, now=world.now)
    for name in ("甲班", "三年级2班"):
        async with world.database.write() as session:
            done = [
                one for one in await tree_log.history(session, world.ids["三年级2班"]) if one.last
            ]
            assert (await tree_undo.undo(session, by, done[0].row.id, now=world.now)).name == name
    # undone twice is undone once
    async with world.database.write() as session:
        await tree_undo.undo(session, by, done[0].row.id, now=world.now)
    assert (await world.place("三年级2班")).name == "三年级2班"


async def test_a_place_made_by_mistake_is_closed_again_while_it_is_empty(world: TreeWorld) -> None:
    await create(world, "admin_a", "school", "class", "五年级9班")
    async with world.database.write() as session:
        await make_child(session, world.ids["五年级9班"], world.now, "孩子")
    with pytest.raises(TreeConflict, match="children"):
        await undo_last(world, "admin_a", "五年级9班")
    await merge(world, "admin_a", "五年级9班", "一年级1班")
    await create(world, "admin_a", "school", "class", "五年级8班")
    assert (await undo_last(world, "admin_a", "五年级8班")).state == "closed"


@pytest.mark.parametrize("login", ["admin_b", "lead_a", "teacher_a", "counselor_a"])
async def test_nobody_changes_what_is_not_theirs(world: TreeWorld, login: str) -> None:
    await rename(world, "admin_a", "三年级2班", "甲班")
    with pytest.raises(NotAllowed):
        await create(world, login, "school", "class", "新班")
    with pytest.raises(NotAllowed):
        await rename(world, login, "三年级2班", "乙班")
    with pytest.raises(NotAllowed):
        await move(world, login, "三年级2班", "other")
    with pytest.raises(NotAllowed):
        await merge(world, login, "三年级2班", "一年级1班")
    with pytest.raises(NotAllowed):
        await close(world, login, "三年级2班")
    with pytest.raises((NotAllowed, NotFound)):
        await undo_last(world, login, "三年级2班")
    assert (await world.place("三年级2班")).name == "甲班"
    async with world.database.read() as session:
        changes = list(await session.scalars(select(PlaceChange.kind)))
    assert changes == ["rename"]


async def test_a_school_s_admin_neither_takes_nor_gives_classes(world: TreeWorld) -> None:
    with pytest.raises(NotAllowed):
        await move(world, "admin_a", "三年级2班", "other")
    with pytest.raises(NotAllowed):
        await move(world, "admin_a", "初一 1班", "school")
    with pytest.raises(NotAllowed):
        await close(world, "admin_a", "school")


async def test_reading_stops_at_the_own_school(world: TreeWorld) -> None:
    async with world.database.read() as session:
        counselor = await world.by("counselor_a")
        shown = {node.place.id for node in await tree.outline(session, counselor)}
        assert {world.ids["school"], world.ids["三年级2班"]} <= shown
        for name in ("district", "other"):
            assert world.ids[name] not in shown
            with pytest.raises(NotFound):
                await tree.read(session, counselor, world.ids[name])
        assert await tree.outline(session, await world.by("teacher_a")) == []
        here = await world.place("三年级2班")
        assert await tree.targets(session, await world.by("admin_a"), here) == []
        found = await tree.targets(session, await world.by("admin"), here)
    assert [place.name for place in found] == ["晴川二中", "初一", "初三"]
