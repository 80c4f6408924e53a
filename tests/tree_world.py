"""A tree with people in it for tests of the tree and of staff; everybody is invented."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.engine import Database
from bot.db.models import AuditEntry, Child, ChildPlace, Contact, Place, Staff, StaffRole
from bot.services import leaving, places, staff, staffing
from bot.services.leaving import Open
from bot.services.staff import StaffView

# The first school day of a year, 09:00 in China.
SEPTEMBER = datetime(2026, 9, 1, 1, 0, tzinfo=UTC)
NAMES = ("一年级1班", "三年级2班", "六年级1班")


@dataclass
class TreeWorld:
    """A district with two schools; the first has three classes, the second grades of its own."""

    database: Database
    now: datetime = SEPTEMBER
    ids: dict[str, int] = field(default_factory=dict)

    async def place(self, name: str) -> Place:
        """Return a place as it stands."""
        async with self.database.read() as session:
            return await session.get_one(Place, self.ids[name])

    async def by(self, login: str) -> StaffView:
        """Return what a person may do now."""
        async with self.database.read() as session:
            person = await session.scalar(select(Staff).where(Staff.login == login))
            assert person is not None
            return await staff.view(session, person, self.now)

    async def child_places(self, child_id: int) -> list[tuple[int, bool]]:
        """Return where a child was, and whether it is there still."""
        async with self.database.read() as session:
            rows = await session.scalars(
                select(ChildPlace).where(ChildPlace.child_id == child_id).order_by(ChildPlace.id)
            )
            return [(row.place_id, row.ended_at is None) for row in rows]

    async def child(self, child_id: int) -> Child:
        """Return a child as it stands."""
        async with self.database.read() as session:
            return await session.get_one(Child, child_id)


async def make_child(session: AsyncSession, place_id: int, now: datetime, name: str) -> int:
    """Add a child to a class."""
    child = Child(
        place_id=place_id, name=name, name_key="0" * 64, source="test", created_at=now, born=None
    )
    session.add(child)
    await session.flush()
    session.add(ChildPlace(child_id=child.id, place_id=place_id, started_at=now))
    await session.flush()
    return child.id


async def make_person(
    session: AsyncSession, login: str, now: datetime, roles: list[tuple[str, int]]
) -> int:
    """Add a member of staff with roles."""
    person = Staff(login=login, name=f"{login}老师", password_hash="unused", created_at=now)
    session.add(person)
    await session.flush()
    for role, place_id in roles:
        await staff.grant(session, staff_id=person.id, place_id=place_id, role=role)
    return person.id


async def make_tree(database: Database, now: datetime = SEPTEMBER) -> TreeWorld:
    """Build the tree: a district, two schools, classes, three children, a contact and staff."""
    world = TreeWorld(database, now)
    ids = world.ids
    async with database.write() as session:
        district = await places.add(session, kind="district", name="晴川区", parent=None)
        school = await places.add(session, kind="school", name="晴川一小", parent=district)
        other = await places.add(session, kind="school", name="晴川二中", parent=district)
        ids |= {"district": district.id, "school": school.id, "other": other.id}
        for number, name in enumerate(NAMES):
            place = await places.add(
                session, kind="class", name=name, parent=school, scene=f"scene-{number}"
            )
            ids[name] = place.id
            ids[f"child {name}"] = await make_child(session, place.id, now, f"孩子{number}")
        for name in ("初一", "初三"):
            grade = await places.add(session, kind="grade", name=name, parent=other)
            ids[name] = grade.id
            place = await places.add(session, kind="class", name="1班", parent=grade)
            ids[f"{name} 1班"] = place.id
            ids[f"child {name}"] = await make_child(session, place.id, now, f"孩子{name}")
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id="parent",
            place_id=ids["三年级2班"],
            created_at=now,
        )
        session.add(contact)
        await session.flush()
        ids["contact"] = contact.id
        for login, role, at in (
            ("admin", "admin", "district"),
            ("district", "district", "district"),
            ("admin_a", "admin", "school"),
            ("admin_b", "admin", "other"),
            ("lead_a", "lead", "school"),
            ("lead_b", "lead", "other"),
            ("counselor_a", "counselor", "school"),
            ("teacher_a", "teacher", "三年级2班"),
        ):
            ids[f"staff {login}"] = await make_person(session, login, now, [(role, ids[at])])
    return world


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
