"""Accounts, roles and leaving: nobody reaches another school, above themself, or themself."""

import asyncio
from datetime import timedelta

import pytest
from factories import make_case, make_contact
from sqlalchemy import func, select
from tree_world import TreeWorld, make_person, make_tree

from bot.core.errors import InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import (
    AuditEntry,
    Binding,
    Case,
    CaseEvent,
    Contact,
    Course,
    Notice,
    Place,
    Shift,
    Staff,
    StaffRole,
)
from bot.services import leaving, passwords, rights, staff, staffing
from bot.services.leaving import Open
from bot.services.staffing import StaffConflict


@pytest.fixture
async def world(database: Database) -> TreeWorld:
    """Two schools with staff."""
    return await make_tree(database)


@pytest.fixture(autouse=True)
def _quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash without argon2's 140 milliseconds."""

    async def hashed(password: str) -> str:
        return f"hash:{password}"

    monkeypatch.setattr(passwords, "hash_password", hashed)


async def grant(
    world: TreeWorld, login: str, to: str, role: str, place: str, days: int | None = None
) -> StaffRole:
    """Give a role as somebody, for some days or for good."""
    by = await world.by(login)
    async with world.database.write() as session:
        return await staffing.grant(
            session,
            by,
            world.ids[f"staff {to}"],
            role=role,
            place_id=world.ids[place],
            ends_at=world.now + timedelta(days=days) if days else None,
            now=world.now,
        )


async def role_of(world: TreeWorld, login: str) -> StaffRole:
    """Return somebody's first role."""
    async with world.database.read() as session:
        query = select(StaffRole).where(StaffRole.staff_id == world.ids[f"staff {login}"])
        row = await session.scalar(query.order_by(StaffRole.id))
        assert row is not None
        return row


async def leave(
    world: TreeWorld, login: str, who: str, to: str = "", classes: bool = False
) -> Open:
    """Let somebody leave."""
    by = await world.by(login)
    async with world.database.write() as session:
        return await leaving.leave(
            session,
            by,
            world.ids[f"staff {who}"],
            to_id=world.ids[f"staff {to}"] if to else None,
            classes=classes,
            now=world.now,
        )


async def person(world: TreeWorld, login: str) -> Staff:
    """Return an account as it stands."""
    async with world.database.read() as session:
        return await session.get_one(Staff, world.ids[f"staff {login}"])


async def actions(world: TreeWorld) -> list[str]:
    """Return what the audit trail names."""
    async with world.database.read() as session:
        return list(await session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


async def test_a_new_account_has_a_role_and_a_password_that_works_once(world: TreeWorld) -> None:
    staff_id, password = await staffing.create(
        world.database,
        await world.by("admin_a"),
        login="New.Teacher",
        name="  王 老师 ",
        role="teacher",
        place_id=world.ids["三年级2班"],
        now=world.now,
    )
    async with world.database.read() as session:
        made = await session.get_one(Staff, staff_id)
        row = (await session.scalars(select(StaffRole).where(StaffRole.staff_id == staff_id))).one()
    assert (made.login, made.name, made.must_change_password) == ("new.teacher", "王 老师", True)
    assert made.password_hash == f"hash:{password}"
    assert (row.role, row.granted_by) == ("teacher", world.ids["staff admin_a"])
    assert await actions(world) == ["staff.created", "role.granted"]


@pytest.mark.parametrize(
    ("login", "name", "role", "place", "field"),
    [
        ("admin", "王老师", "teacher", "三年级2班", "login"),
        ("with space", "王老师", "teacher", "三年级2班", "login"),
        ("new", " ", "teacher", "三年级2班", "name"),
        ("new", "王老师", "counselor", "三年级2班", "place"),
        ("new", "王老师", "nobody", "三年级2班", "place"),
    ],
)
async def test_an_account_that_can_not_be_made_is_not_made_at_all(
    world: TreeWorld, login: str, name: str, role: str, place: str, field: str
) -> None:
    by = await world.by("admin_a")
    with pytest.raises(InputInvalid) as error:
        await staffing.create(
            world.database,
            by,
            login=login,
            name=name,
            role=role,
            place_id=world.ids[place],
            now=world.now,
        )
    assert error.value.field == field
    assert await actions(world) == []
    async with world.database.read() as session:
        assert await session.scalar(select(Staff.id).where(Staff.login == "new")) is None


async def test_a_role_holds_from_and_until(world: TreeWorld) -> None:
    by = await world.by("admin_a")
    async with world.database.write() as session:
        await staffing.grant(
            session,
            by,
            world.ids["staff lead_a"],
            role="teacher",
            place_id=world.ids["一年级1班"],
            starts_at=world.now + timedelta(days=2),
            ends_at=world.now + timedelta(days=4),
            now=world.now,
        )
    held = []
    for _ in range(5):
        held.append(bool((await world.by("lead_a")).at("teacher")))
        world.now += timedelta(days=1)
    assert held == [False, False, True, True, False]


async def test_one_role_is_granted_once_however_often_the_button_is_pressed(
    world: TreeWorld,
) -> None:
    rows = await asyncio.gather(
        *(
            grant(world, who, "lead_a", "teacher", "一年级1班")
            for who in ("admin", "admin_a", "admin")
        )
    )
    assert len({row.id for row in rows}) == 1
    assert (await actions(world)).count("role.granted") == 1


@pytest.mark.parametrize(
    ("by", "to", "role", "place"),
    [
        # not at a place they don't cover
        ("admin_b", "teacher_a", "teacher", "三年级2班"),
        ("admin_a", "teacher_a", "teacher", "初一 1班"),
        ("admin_a", "lead_a", "admin", "district"),
        # not to themselves
        ("admin_a", "admin_a", "counselor", "school"),
        ("district", "district", "admin", "district"),
        # not what is above them
        ("admin", "lead_a", "district", "district"),
        ("admin", "lead_a", "bureau", "district"),
        # not without the right
        ("lead_a", "teacher_a", "teacher", "一年级1班"),
        ("counselor_a", "teacher_a", "teacher", "一年级1班"),
        ("teacher_a", "lead_a", "teacher", "三年级2班"),
    ],
)
async def test_nobody_grants_out_of_their_reach(
    world: TreeWorld, by: str, to: str, role: str, place: str
) -> None:
    with pytest.raises((NotAllowed, NotFound)):
        await grant(world, by, to, role, place)
    assert await actions(world) == []


async def test_the_district_appoints_its_own(world: TreeWorld) -> None:
    assert (await grant(world, "district", "lead_a", "district", "district")).role == "district"
    with pytest.raises(InputInvalid):
        await grant(world, "district", "lead_a", "district", "school")
    with pytest.raises(InputInvalid):
        await grant(world, "district", "lead_a", "committee", "school")


@pytest.mark.parametrize("by", ["admin_b", "lead_a", "teacher_a", "counselor_a"])
async def test_roles_are_not_taken_by_others(world: TreeWorld, by: str) -> None:
    row = await role_of(world, "teacher_a")
    viewer = await world.by(by)
    with pytest.raises((NotAllowed, NotFound)):
        async with world.database.write() as session:
            await staffing.revoke(session, viewer, row.id, now=world.now)
    assert (await role_of(world, "teacher_a")).ends_at is None


async def test_a_role_that_is_taken_back_is_gone_at_once(world: TreeWorld) -> None:
    row, viewer = await role_of(world, "teacher_a"), await world.by("admin_a")
    for _ in range(2):
        async with world.database.write() as session:
            await staffing.revoke(session, viewer, row.id, now=world.now)
    assert not (await world.by("teacher_a")).roles
    assert await actions(world) == ["role.revoked"]
    async with world.database.read() as session:
        gone = await staffing.colleague(session, viewer, row.staff_id, now=world.now)
    assert [held.state for held in gone.roles] == ["ended"]
    own = await role_of(world, "admin_a")
    with pytest.raises(NotAllowed):
        async with world.database.write() as session:
            await staffing.revoke(session, viewer, own.id, now=world.now)


async def test_who_is_seen(world: TreeWorld) -> None:
    async with world.database.read() as session:
        seen = await staffing.listing(session, await world.by("lead_a"), now=world.now)
        assert [one.person.login for one in seen] == [
            "admin_a",
            "lead_a",
            "counselor_a",
            "teacher_a",
        ]
        assert not any(held.mine for one in seen for held in one.roles)
        everybody = await staffing.listing(session, await world.by("admin"), now=world.now)
        assert len(everybody) == 8
        with pytest.raises(NotFound):
            await staffing.colleague(
                session, await world.by("lead_b"), world.ids["staff teacher_a"], now=world.now
            )


@pytest.mark.parametrize(
    ("by", "who"),
    [
        ("admin_a", "admin_a"),
        ("admin_a", "admin"),
        ("admin_a", "admin_b"),
        ("admin_b", "teacher_a"),
        ("lead_a", "teacher_a"),
        ("district", "teacher_a"),
        ("admin", "district"),
    ],
)
async def test_no_account_out_of_reach_is_closed_or_opened(
    world: TreeWorld, by: str, who: str
) -> None:
    with pytest.raises((NotAllowed, NotFound)):
        await leave(world, by, who)
    viewer = await world.by(by)
    with pytest.raises((NotAllowed, NotFound)):
        await staffing.reset_password(
            world.database, viewer, world.ids[f"staff {who}"], now=world.now
        )
    assert (await person(world, who)).active
    assert (await person(world, who)).password_hash == "unused"


async def test_a_colleague_with_a_role_elsewhere_belongs_to_both(world: TreeWorld) -> None:
    """The admin of one school can't close the account of somebody who also works in the other."""
    await grant(world, "admin", "teacher_a", "teacher", "初一 1班")
    with pytest.raises(NotAllowed):
        await leave(world, "admin_a", "teacher_a")
    await leave(world, "admin", "teacher_a")
    assert not (await person(world, "teacher_a")).active


async def test_a_password_is_set_anew(world: TreeWorld) -> None:
    password = await staffing.reset_password(
        world.database, await world.by("admin_a"), world.ids["staff teacher_a"], now=world.now
    )
    changed = await person(world, "teacher_a")
    assert (changed.password_hash, changed.must_change_password) == (f"hash:{password}", True)
    await leave(world, "admin_a", "teacher_a")
    with pytest.raises(StaffConflict):
        await staffing.reset_password(
            world.database, await world.by("admin_a"), changed.id, now=world.now
        )


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
