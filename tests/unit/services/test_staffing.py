"""Accounts and roles: nobody reaches another school, above themself, or themself."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from tree_world import TreeWorld, actions, grant, leave, make_tree, person, role_of

from bot.core.errors import InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import (
    Staff,
    StaffRole,
)
from bot.services import passwords, staffing
from bot.services.staff_ids import IdTaken
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


async def _set_id(
    world: TreeWorld, login: str, to: str, external_id: str, seen: str = ""
) -> str | None:
    """Put an id into an account as somebody and return what stands there."""
    by = await world.by(login)
    async with world.database.write() as session:
        await staffing.set_id(
            session,
            by,
            world.ids[f"staff {to}"],
            external_id=external_id,
            seen=seen,
            now=world.now,
        )
    async with world.database.read() as session:
        return (await session.get_one(Staff, world.ids[f"staff {to}"])).external_id


async def test_an_id_is_put_in_changed_and_taken_away(world: TreeWorld) -> None:
    assert await _set_id(world, "admin_a", "teacher_a", " ding.wang_1 ") == "ding.wang_1"
    assert await _set_id(world, "admin_a", "teacher_a", "ding.wang_1") == "ding.wang_1"
    assert await _set_id(world, "admin_a", "teacher_a", "manager7", "ding.wang_1") == "manager7"
    assert await _set_id(world, "admin_a", "teacher_a", "", "manager7") is None
    assert await actions(world) == ["staff.id_changed"] * 3


async def test_an_id_belongs_to_one_open_account(world: TreeWorld) -> None:
    await _set_id(world, "admin_a", "teacher_a", "ding1")
    with pytest.raises(IdTaken, match="id_taken"):
        await _set_id(world, "admin_a", "counselor_a", "ding1")
    with pytest.raises(IdTaken, match="id_row"):
        await _set_id(world, "admin_a", "teacher_a", "ding2", "older")
    await leave(world, "admin_a", "teacher_a")
    assert await _set_id(world, "admin_a", "counselor_a", "ding1") == "ding1"
    by = await world.by("admin_a")
    async with world.database.write() as session:
        await staffing.reactivate(session, by, world.ids["staff teacher_a"], now=world.now)
    async with world.database.read() as session:
        back = await session.get_one(Staff, world.ids["staff teacher_a"])
    assert (back.active, back.external_id) == (True, None)


@pytest.mark.parametrize(
    ("login", "to", "raised"),
    [
        ("lead_a", "teacher_a", NotAllowed),
        ("admin_a", "admin_a", NotAllowed),
        ("admin_a", "district", NotFound),
        ("admin_b", "teacher_a", NotFound),
    ],
)
async def test_who_may_not_put_an_id_in(
    world: TreeWorld, login: str, to: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised):
        await _set_id(world, login, to, "ding1")


@pytest.mark.parametrize("wrong", ["王老师", "a b", "x" * 65, "a\nb"])
async def test_what_is_no_id(world: TreeWorld, wrong: str) -> None:
    with pytest.raises(InputInvalid):
        await _set_id(world, "admin_a", "teacher_a", wrong)


async def test_a_district_without_an_administrator_opens_accounts(world: TreeWorld) -> None:
    by = await world.by("district")
    made, _ = await staffing.create(
        world.database,
        by,
        login="first.admin",
        name="李老师",
        role="admin",
        place_id=world.ids["district"],
        now=world.now,
    )
    assert made
    for role, place in (("lead", "school"), ("teacher", "三年级2班"), ("district", "district")):
        await staffing.create(
            world.database,
            by,
            login=f"{role}.new",
            name="王老师",
            role=role,
            place_id=world.ids[place],
            now=world.now,
        )
