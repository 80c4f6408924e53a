"""September: what goes up, what graduates, once a year, and back again."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from tree_world import SEPTEMBER, TreeWorld, make_tree

from bot.core.errors import InputInvalid, NotAllowed
from bot.db.engine import Database
from bot.db.models import AuditEntry, Place, PlaceChange
from bot.services import move_up, places, tree, tree_undo
from bot.services.move_up import Plan
from bot.services.tree_log import TreeConflict


@pytest.fixture
async def world(database: Database) -> TreeWorld:
    """Two schools on the first of September."""
    return await make_tree(database)


async def planned(world: TreeWorld, login: str, school: str) -> Plan:
    """Return the plan that somebody is shown."""
    by = await world.by(login)
    async with world.database.read() as session:
        return await move_up.plan(session, by, world.ids[school], now=world.now)


async def carry_out(world: TreeWorld, login: str, plan: Plan, **changed: str) -> PlaceChange:
    """Agree to a plan as it was proposed, but for what is changed by grade's name."""
    by = await world.by(login)
    decisions = {group.key: changed.get(group.name, group.decision) for group in plan.groups}
    async with world.database.write() as session:
        return await move_up.carry_out(
            session, by, plan.school.id, decisions=decisions, digest=plan.digest, now=world.now
        )


async def names(world: TreeWorld, school: str) -> list[tuple[str, str]]:
    """Return the names and states of a school's grades and classes in order."""
    path = (await world.place(school)).path
    async with world.database.read() as session:
        rows = await session.execute(
            select(Place.name, Place.state)
            .where(Place.path.startswith(path), Place.kind.in_(("grade", "class")))
            .order_by(Place.id)
        )
        return [(name, state) for name, state in rows]


async def test_the_plan_says_what_becomes_of_each_class(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    assert plan.year == 2026
    assert not plan.unusual
    assert plan.done is None
    assert [(g.name, g.becomes, g.decision, g.children) for g in plan.groups] == [
        ("一年级", "二年级", "up", 1),
        ("三年级", "四年级", "up", 1),
        ("六年级", "", "graduate", 1),
    ]
    assert [step.becomes for group in plan.groups for step in group.steps] == [
        "二年级1班",
        "四年级2班",
        "六年级1班",
    ]


async def test_the_school_goes_up_and_the_last_grade_leaves(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    done = await carry_out(world, "lead_a", plan)
    assert await names(world, "school") == [
        ("二年级1班", "open"),
        ("四年级2班", "open"),
        ("六年级1班", "graduated"),
    ]
    assert (await world.place("三年级2班")).stage == "D"
    child = await world.child(world.ids["child 六年级1班"])
    assert (child.state, child.left_at) == ("left", world.now)
    assert await world.child_places(child.id) == [(world.ids["六年级1班"], False)]
    assert (await world.child(world.ids["child 三年级2班"])).state == "active"
    assert done.batch == f"up:{world.ids['school']}:2026:1"
    async with world.database.read() as session:
        assert await places.of_scene(session, "scene-2") is None
        assert await places.of_scene(session, "scene-1") is not None
        entry = (await session.scalars(select(AuditEntry))).one()
    assert (entry.action, entry.data["up"], entry.data["children"]) == ("place.moved_up", 2, 1)


async def test_a_class_in_a_grade_goes_with_it(world: TreeWorld) -> None:
    plan = await planned(world, "admin_b", "other")
    await carry_out(world, "admin_b", plan)
    assert await names(world, "other") == [
        ("初二", "open"),
        ("1班", "open"),
        ("初三", "graduated"),
        ("1班", "graduated"),
    ]
    assert (await world.child(world.ids["child 初三"])).state == "left"
    assert (await world.child(world.ids["child 初一"])).state == "active"


async def test_a_second_time_in_the_year_changes_nothing(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    first = await carry_out(world, "lead_a", plan)
    again = await carry_out(world, "admin", plan)
    later = await planned(world, "admin", "school")
    assert later.done is not None
    assert (await carry_out(world, "admin", later)).id == first.id == again.id
    assert (await names(world, "school"))[0] == ("二年级1班", "open")
    world.now += timedelta(days=365)
    next_year = await planned(world, "lead_a", "school")
    assert (next_year.year, next_year.done) == (2027, None)
    await carry_out(world, "lead_a", next_year)
    assert (await names(world, "school"))[0] == ("三年级1班", "open")


async def test_two_people_at_once_move_a_school_up_once(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    done = await asyncio.gather(
        *(carry_out(world, who, plan) for who in ("lead_a", "admin", "admin_a"))
    )
    assert len({one.batch for one in done}) == 1
    assert (await names(world, "school"))[0] == ("二年级1班", "open")
    async with world.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(PlaceChange)) == 3


async def test_what_has_changed_meanwhile_is_shown_again(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    by = await world.by("admin_a")
    async with world.database.write() as session:
        await tree.rename(
            session, by, world.ids["三年级2班"], name="三年级3班", row_version=1, now=world.now
        )
    with pytest.raises(TreeConflict, match="tree"):
        await carry_out(world, "lead_a", plan)
    assert (await world.child(world.ids["child 六年级1班"])).state == "active"


async def test_all_or_nothing(world: TreeWorld) -> None:
    """One class can't take a name that another one keeps, so nobody goes up."""
    by = await world.by("admin_a")
    async with world.database.write() as session:
        await tree.create(
            session,
            by,
            parent_id=world.ids["school"],
            kind="class",
            name="四年级2班",
            key="key-of-the-form",
            now=world.now - timedelta(days=200),
        )
    plan = await planned(world, "lead_a", "school")
    with pytest.raises(TreeConflict, match="name"):
        await carry_out(world, "lead_a", plan, 四年级="stay")
    assert [name for name, _ in await names(world, "school")][:2] == ["一年级1班", "三年级2班"]
    await carry_out(world, "lead_a", plan)
    assert [name for name, _ in await names(world, "school")][-1] == "五年级2班"


async def test_what_was_made_this_year_stays_by_itself(world: TreeWorld) -> None:
    by = await world.by("admin_a")
    async with world.database.write() as session:
        for name in ("一年级2班", "心语社团"):
            await tree.create(
                session,
                by,
                parent_id=world.ids["school"],
                kind="class",
                name=name,
                key=f"key-{name}",
                now=world.now,
            )
    plan = await planned(world, "lead_a", "school")
    assert [step.place.name for step in plan.loose] == ["心语社团"]
    first = [(g.decision, g.new, len(g.steps)) for g in plan.groups if g.name == "一年级"]
    assert first == [("up", False, 1), ("stay", True, 1)]


async def test_a_school_with_nine_grades_keeps_its_sixth(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    with pytest.raises(InputInvalid):
        await carry_out(world, "lead_a", plan, 六年级="up")
    await carry_out(world, "lead_a", plan, 六年级="stay", 三年级="stay")
    assert await names(world, "school") == [
        ("二年级1班", "open"),
        ("三年级2班", "open"),
        ("六年级1班", "open"),
    ]


async def test_nothing_decided_is_nothing_done(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    stay = {group.name: "stay" for group in plan.groups}
    with pytest.raises(InputInvalid):
        await carry_out(world, "lead_a", plan, **stay)


async def test_undone_as_a_whole_and_done_again(world: TreeWorld) -> None:
    plan = await planned(world, "lead_a", "school")
    done = await carry_out(world, "lead_a", plan)
    by = await world.by("lead_a")
    async with world.database.write() as session:
        await tree_undo.undo(session, by, done.id, now=world.now)
    assert await names(world, "school") == [
        ("一年级1班", "open"),
        ("三年级2班", "open"),
        ("六年级1班", "open"),
    ]
    child = await world.child(world.ids["child 六年级1班"])
    assert (child.state, child.left_at) == ("active", None)
    assert await world.child_places(child.id) == [(world.ids["六年级1班"], True)]
    async with world.database.read() as session:
        assert await places.of_scene(session, "scene-2") is not None
    again = await planned(world, "lead_a", "school")
    assert again.done is None
    assert (await carry_out(world, "lead_a", again)).batch.endswith(":2026:2")


async def test_not_undone_when_a_class_was_changed_since(world: TreeWorld) -> None:
    done = await carry_out(world, "lead_a", await planned(world, "lead_a", "school"))
    by = await world.by("admin_a")
    version = (await world.place("三年级2班")).row_version
    async with world.database.write() as session:
        await tree.rename(
            session,
            by,
            world.ids["三年级2班"],
            name="四年级二班",
            row_version=version,
            now=world.now,
        )
    with pytest.raises(TreeConflict, match="later"):
        async with world.database.write() as session:
            await tree_undo.undo(session, by, done.id, now=world.now)
    assert (await world.place("六年级1班")).state == "graduated"


@pytest.mark.parametrize("login", ["lead_b", "admin_b", "teacher_a", "counselor_a"])
async def test_no_other_school_s_people(world: TreeWorld, login: str) -> None:
    plan = await planned(world, "lead_a", "school")
    with pytest.raises(NotAllowed):
        await planned(world, login, "school")
    with pytest.raises(NotAllowed):
        await carry_out(world, login, plan)
    async with world.database.read() as session:
        mine = await move_up.schools(session, await world.by(login))
    assert world.ids["school"] not in {school.id for school in mine}


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (SEPTEMBER, 2026),
        (datetime(2026, 7, 31, 15, 59, tzinfo=UTC), 2025),
        # the first of August in China
        (datetime(2026, 7, 31, 16, 0, tzinfo=UTC), 2026),
        (datetime(2027, 1, 1, tzinfo=UTC), 2026),
    ],
)
def test_the_school_year(moment: datetime, year: int) -> None:
    assert move_up.school_year(moment) == year


async def test_a_place_that_is_no_school(world: TreeWorld) -> None:
    with pytest.raises(InputInvalid):
        await planned(world, "admin", "三年级2班")
