"""Leaving: what is open goes to somebody who may take it, and no parent is left alone."""

from datetime import timedelta

import pytest
from factories import make_case, make_contact
from sqlalchemy import func, select
from tree_world import TreeWorld, actions, grant, leave, make_person, make_tree, person

from bot.core.errors import InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import (
    Binding,
    Case,
    CaseEvent,
    Contact,
    Course,
    Notice,
    Place,
    Shift,
)
from bot.services import leaving, rights, staff, staffing
from bot.services.staffing import StaffConflict


@pytest.fixture
async def world(database: Database) -> TreeWorld:
    """Two schools with staff."""
    return await make_tree(database)


async def make_open(world: TreeWorld) -> dict[str, int]:
    """Give the counselor and the teacher of the first school something to do."""
    ids = world.ids
    counselor, teacher = ids["staff counselor_a"], ids["staff teacher_a"]
    async with world.database.write() as session:
        place = await session.get_one(Place, ids["三年级2班"])
        contact = await make_contact(session, now=world.now, place=place)
        contact.holder_id, contact.held_since = counselor, world.now
        case = await make_case(session, contact, now=world.now, place=place, state="accepted")
        case.accepted_by = counselor
        notice = Notice(
            key="n1",
            author_id=teacher,
            place_id=place.id,
            title="家长会",
            body="周五下午两点",
            created_at=world.now,
        )
        course = Course(
            kind="event",
            place_id=place.id,
            title="讲座",
            summary="讲座",
            starts_at=world.now + timedelta(days=1),
            ends_at=world.now + timedelta(days=2),
            author_id=teacher,
            created_at=world.now,
            updated_at=world.now,
        )
        binding = Binding(
            contact_id=ids["contact"], place_id=place.id, claim={}, created_at=world.now
        )
        shifts = [
            Shift(
                place_id=ids["school"],
                staff_id=counselor,
                starts_at=world.now + timedelta(days=start),
                ends_at=world.now + timedelta(days=start + 2),
            )
            for start in (-1, 3)
        ]
        session.add_all([notice, course, binding, *shifts])
        await session.flush()
        ids["staff new"] = await make_person(
            session, "new", world.now, [("counselor", ids["school"])]
        )
        return {"case": case.id, "contact": contact.id, "notice": notice.id, "course": course.id}


async def test_a_teacher_leaves_and_another_one_takes_over(world: TreeWorld) -> None:
    made = await make_open(world)
    async with world.database.read() as session:
        open_ = await leaving.open_of(session, world.ids["staff teacher_a"], now=world.now)
    assert open_.counts == {
        "cases": 0,
        "held": 0,
        "shifts": 0,
        "notices": 1,
        "courses": 1,
        "bindings": 1,
    }
    left = await leave(world, "admin_a", "teacher_a", "new", classes=True)
    assert not any(left.counts.values())
    successor = await world.by("new")
    assert rights.may(successor, "binding.decide", world.ids["三年级2班"])
    async with world.database.read() as session:
        assert (await session.get_one(Notice, made["notice"])).author_id == successor.id
        assert (await session.get_one(Course, made["course"])).author_id == successor.id
    gone = await person(world, "teacher_a")
    assert not gone.active
    assert not (await world.by("teacher_a")).roles
    assert await actions(world) == [
        "role.granted",
        "work.handed_over",
        "role.revoked",
        "staff.left",
    ]


async def test_without_the_class_the_successor_takes_nothing_of_it(world: TreeWorld) -> None:
    await make_open(world)
    left = await leave(world, "admin_a", "teacher_a", "new")
    assert (left.counts["notices"], left.counts["courses"], left.counts["bindings"]) == (1, 1, 1)
    await grant(world, "admin_a", "new", "teacher", "三年级2班")
    left = await leave(world, "admin_a", "teacher_a", "new")
    assert not any(left.counts.values())
    assert (await actions(world)).count("staff.left") == 1


async def test_no_parent_is_left_alone(world: TreeWorld) -> None:
    made = await make_open(world)
    for to in ("", "teacher_a"):
        with pytest.raises(StaffConflict, match="successor"):
            await leave(world, "admin_a", "counselor_a", to)
    assert (await person(world, "counselor_a")).active
    left = await leave(world, "admin_a", "counselor_a", "new")
    assert not any(left.counts.values())
    new = world.ids["staff new"]
    async with world.database.read() as session:
        assert (await session.get_one(Case, made["case"])).accepted_by == new
        assert (await session.get_one(Contact, made["contact"])).holder_id == new
        assert set(await session.scalars(select(Shift.staff_id))) == {new}
        kinds = list(await session.scalars(select(CaseEvent.kind)))
    assert kinds == ["handed_over"]


async def test_whoever_leaves_is_on_duty_no_longer(world: TreeWorld) -> None:
    made = await make_open(world)
    async with world.database.write() as session:
        case = await session.get_one(Case, made["case"])
        contact = await session.get_one(Contact, made["contact"])
        case.accepted_by = contact.holder_id = None
    left = await leave(world, "admin_a", "counselor_a")
    assert left.counts["shifts"] == 2
    async with world.database.read() as session:
        ends = list(await session.scalars(select(Shift.ends_at)))
        assert await session.scalar(select(func.count()).select_from(Shift)) == 1
    assert ends == [world.now]


async def test_a_successor_works_here(world: TreeWorld) -> None:
    for to in ("lead_b", "teacher_a"):
        with pytest.raises(InputInvalid):
            await leave(world, "admin_a", "teacher_a", to)


async def test_leaving_twice_is_leaving_once_and_an_account_comes_back_bare(
    world: TreeWorld,
) -> None:
    await leave(world, "admin_a", "teacher_a")
    await leave(world, "admin_a", "teacher_a")
    assert (await actions(world)).count("staff.left") == 1
    by = await world.by("admin_a")
    async with world.database.read() as session:
        gone = await staffing.listing(session, by, now=world.now, left=True)
    assert [one.person.login for one in gone] == ["teacher_a"]
    with pytest.raises(StaffConflict):
        await grant(world, "admin_a", "teacher_a", "teacher", "一年级1班")
    with pytest.raises((NotAllowed, NotFound)):
        async with world.database.write() as session:
            await staffing.reactivate(
                session, await world.by("admin_b"), world.ids["staff teacher_a"], now=world.now
            )
    async with world.database.write() as session:
        await staffing.reactivate(session, by, world.ids["staff teacher_a"], now=world.now)
    back = await person(world, "teacher_a")
    assert back.active
    async with world.database.read() as session:
        assert not (await staff.view(session, back, world.now)).roles
