"""Staff and their roles as administrators see and change them: accounts, granting, revoking.

Called by the pages under `/admin/staff`. Nobody grants at a place they don't cover, a role that is
above theirs, or anything to themselves. Ending somebody's work is in `bot.services.leaving`.
"""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import Login, Place, Staff, StaffRole
from bot.db.models.place import OPEN
from bot.services import audit, passwords, rights, staff, staff_ids
from bot.services.staff import StaffView

NAME_LENGTH = 40


class StaffConflict(Conflict):
    """A change of somebody's account or roles that does not go; the message is its code."""


@dataclass(frozen=True, slots=True)
class Held:
    """One role somebody has, had or will have.

    Args:
        state: `now`, `later` or `ended`.
        mine: the reader may take it back.
    """

    row: StaffRole
    place: Place
    state: str
    mine: bool


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff with those of their roles that the reader may know of."""

    person: Staff
    roles: tuple[Held, ...]

    @property
    def present(self) -> tuple[Held, ...]:
        """Return the roles that hold now or will."""
        return tuple(held for held in self.roles if held.state != "ended")


@cache
def _table() -> Mapping[str, Mapping[str, Sequence[str]]]:
    source = files("bot.services").joinpath("staffing.toml").read_text(encoding="utf-8")
    return tomllib.loads(source)


def kinds_of(role: str) -> Collection[str]:
    """Return the kinds of places at which a role can be held."""
    return _table()["kinds"].get(role, ())


def grantable(by: StaffView, place_id: int) -> frozenset[str]:
    """Return the roles that a person may give at a place."""
    if not rights.may(by, "role.grant", place_id):
        return frozenset()
    given = [roles for own, roles in _table()["grants"].items() if place_id in by.at(own)]
    return frozenset().union(*given)


def roles_anywhere(by: StaffView) -> list[str]:
    """Return the roles that a person may give somewhere, in their order."""
    mine = {role for own, roles in _table()["grants"].items() if by.at(own) for role in roles}
    return [role for role in _table()["kinds"] if role in mine]


async def places_to_grant(session: AsyncSession, by: StaffView) -> list[Place]:
    """Return the open places at which a person may grant roles, from the top down."""
    rows = await session.scalars(
        select(Place)
        .where(Place.id.in_(rights.places_for(by, "role.grant")), Place.state == OPEN)
        .order_by(Place.path)
    )
    return list(rows)


def state_of(row: StaffRole, now: datetime) -> str:
    """Return whether a role holds now, later, or has ended."""
    if row.ends_at is not None and row.ends_at <= now:
        return "ended"
    return "later" if row.starts_at is not None and row.starts_at > now else "now"


async def listing(
    session: AsyncSession, by: StaffView, *, now: datetime, left: bool = False
) -> list[Colleague]:
    """Return who works, or worked, at the places a person covers.

    Args:
        left: those whose account is closed, instead of those who work.
    """
    seen = rights.places_for(by, "staff.read")
    rows = await session.execute(
        select(Staff, StaffRole, Place)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .join(Place, Place.id == StaffRole.place_id)
        .where(StaffRole.place_id.in_(seen), Staff.active.is_(not left))
        .order_by(Staff.id, StaffRole.id)
    )
    people: dict[int, tuple[Staff, list[Held]]] = {}
    for person, row, place in rows:
        held = Held(row, place, state_of(row, now), _may_change(by, row))
        people.setdefault(person.id, (person, []))[1].append(held)
    return [Colleague(person, tuple(roles)) for person, roles in people.values()]


def _may_change(by: StaffView, row: StaffRole) -> bool:
    return row.staff_id != by.id and row.role in grantable(by, row.place_id)


async def colleague(
    session: AsyncSession, by: StaffView, staff_id: int, *, now: datetime
) -> Colleague:
    """Return one member of staff.

    Raises:
        NotFound: there is none, or none that works where the reader does.
    """
    seen = rights.places_for(by, "staff.read")
    rows = await session.execute(
        select(Staff, StaffRole, Place)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .join(Place, Place.id == StaffRole.place_id)
        .where(Staff.id == staff_id, StaffRole.place_id.in_(seen))
        .order_by(StaffRole.id)
    )
    found = [(person, row, place) for person, row, place in rows]
    if not found:
        raise NotFound("no such colleague")
    roles = [Held(row, place, state_of(row, now), _may_change(by, row)) for _, row, place in found]
    return Colleague(found[0][0], tuple(roles))


async def require_account(
    session: AsyncSession, by: StaffView, staff_id: int, *, now: datetime
) -> Staff:
    """Let a person pass who may close an account or reset its password, and return its owner.

    Every role the other one has or will have must be one that they could have given.

    Raises:
        NotFound: no such colleague where they work.
        NotAllowed: it is themself, or somebody they could not have appointed.
    """
    person = (await colleague(session, by, staff_id, now=now)).person
    rows = list(
        await session.scalars(
            select(StaffRole).where(
                StaffRole.staff_id == staff_id,
                or_(StaffRole.ends_at.is_(None), StaffRole.ends_at > now),
            )
        )
    )
    # Who has left is judged by what they were.
    rows = rows or list(
        await session.scalars(select(StaffRole).where(StaffRole.staff_id == staff_id))
    )
    reach = rights.places_for(by, "staff.change")
    if staff_id == by.id or not all(
        row.place_id in reach and row.role in grantable(by, row.place_id) for row in rows
    ):
        raise NotAllowed("an account out of reach")
    return person


async def may_end(session: AsyncSession, by: StaffView, staff_id: int, *, now: datetime) -> bool:
    """Say whether a person may close an account or reset its password."""
    try:
        await require_account(session, by, staff_id, now=now)
    except NotAllowed:
        return False
    return True


async def create(
    database: Database,
    by: StaffView,
    *,
    login: str,
    name: str,
    role: str,
    place_id: int,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> tuple[int, str]:
    """Add a member of staff with a first role; return their id and a password that works once.

    Takes the database: hashing must not happen while a write lock is held.

    Raises:
        NotAllowed: the place or the role is out of reach.
        InputInvalid: login, name, role or time don't fit.
    """
    rights.require(by, "staff.change", place_id)
    shown = _clean_name(name)
    password = passwords.one_time_password()
    hashed = await passwords.hash_password(password)
    async with database.write() as session:
        person = await staff.add(session, login=login, name=shown, password_hash=hashed, now=now)
        await _note(session, by, "staff.created", person.id, now)
        await _grant(session, by, person.id, role, place_id, starts_at, ends_at, now)
    return person.id, password


def _clean_name(name: str) -> str:
    wanted = " ".join(name.split())
    if not wanted or len(wanted) > NAME_LENGTH:
        raise InputInvalid("name", field="name")
    return wanted


async def reset_password(database: Database, by: StaffView, staff_id: int, *, now: datetime) -> str:
    """Give a colleague a password that works once, and sign them out everywhere.

    Raises:
        NotFound: no such colleague where they work.
        NotAllowed: it is themself, or somebody above them.
        StaffConflict: the account is closed.
    """
    password = passwords.one_time_password()
    hashed = await passwords.hash_password(password)
    async with database.write() as session:
        person = await require_account(session, by, staff_id, now=now)
        if not person.active:
            raise StaffConflict("inactive")
        person.password_hash, person.must_change_password = hashed, True
        await session.execute(delete(Login).where(Login.staff_id == staff_id))
        await _note(session, by, "staff.password_reset", staff_id, now)
    return password


async def reactivate(session: AsyncSession, by: StaffView, staff_id: int, *, now: datetime) -> None:
    """Open a closed account again; its roles stay ended, its platform's id if it is still free.

    Raises:
        NotFound: no such colleague where they work.
        NotAllowed: somebody above them.
    """
    person = await require_account(session, by, staff_id, now=now)
    if not person.active:
        person.active = True
        if person.external_id and await staff_ids.holder(session, person.external_id, person.id):
            person.external_id = None
        await _note(session, by, "staff.returned", staff_id, now)


async def set_id(
    session: AsyncSession,
    by: StaffView,
    staff_id: int,
    *,
    external_id: str,
    seen: str,
    now: datetime,
) -> None:
    """Put in, change or (empty) take away a colleague's id in DingTalk's organisation.

    Raises:
        NotFound, NotAllowed: as `require_account`.
        InputInvalid: not an id.
        StaffConflict: the account is closed.
        IdTaken: another open account has it, or somebody was faster.
    """
    wanted = staff_ids.clean(external_id)
    person = await require_account(session, by, staff_id, now=now)
    if not person.active:
        raise StaffConflict("inactive")
    await staff_ids.put(session, person, wanted, seen=seen, by=by.id, now=now)


async def grant(
    session: AsyncSession,
    by: StaffView,
    staff_id: int,
    *,
    role: str,
    place_id: int,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> StaffRole:
    """Give a colleague a role at a place; the same one twice is one.

    Raises:
        NotFound: no such colleague where they work.
        NotAllowed: it is themself, or place or role are out of reach.
        InputInvalid: role, place or time don't fit; the message is a code.
        StaffConflict: the account is closed.
    """
    person = (await colleague(session, by, staff_id, now=now)).person
    if not person.active:
        raise StaffConflict("inactive")
    return await _grant(session, by, staff_id, role, place_id, starts_at, ends_at, now)


async def _grant(
    session: AsyncSession,
    by: StaffView,
    staff_id: int,
    role: str,
    place_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    now: datetime,
) -> StaffRole:
    if staff_id == by.id:
        raise NotAllowed("not to oneself")
    rights.require(by, "role.grant", place_id)
    place = await session.get_one(Place, place_id)
    if place.kind not in kinds_of(role):
        raise InputInvalid("role.place", field="place")
    if role not in grantable(by, place_id):
        raise NotAllowed("a role above one's own")
    if place.state != OPEN:
        raise StaffConflict("place")
    if ends_at is not None and ends_at <= (starts_at or now):
        raise InputInvalid("role.time", field="until")
    # Two clicks on one button come one after the other, not both first.
    await session.get_one(Staff, staff_id, with_for_update=True, populate_existing=True)
    there = await session.scalar(
        select(StaffRole).where(
            StaffRole.staff_id == staff_id,
            StaffRole.place_id == place_id,
            StaffRole.role == role,
            StaffRole.starts_at == starts_at,
            StaffRole.ends_at == ends_at,
        )
    )
    if there is not None:
        return there
    row = StaffRole(
        staff_id=staff_id,
        place_id=place_id,
        role=role,
        starts_at=starts_at,
        ends_at=ends_at,
        granted_by=by.id,
        granted_at=now,
    )
    session.add(row)
    await session.flush()
    await _note(session, by, "role.granted", staff_id, now, role=role, place=place_id)
    return row


async def revoke(session: AsyncSession, by: StaffView, role_id: int, *, now: datetime) -> StaffRole:
    """End a colleague's role now; what has ended stays ended.

    Raises:
        NotFound: no such role at a place they cover.
        NotAllowed: it is their own, or above what they may give.
    """
    row = await session.get(StaffRole, role_id, with_for_update=True)
    if row is None or row.place_id not in rights.places_for(by, "staff.read"):
        raise NotFound("no such role")
    if not _may_change(by, row):
        raise NotAllowed("not a role of theirs to take")
    if state_of(row, now) != "ended":
        await end_role(session, by, row, now)
    return row


async def end_role(session: AsyncSession, by: StaffView, row: StaffRole, now: datetime) -> None:
    """End one role and write it down; whoever calls has checked the right."""
    row.ends_at = now
    await session.flush()
    await _note(session, by, "role.revoked", row.staff_id, now, role=row.role, place=row.place_id)


async def _note(
    session: AsyncSession,
    by: StaffView,
    action: str,
    staff_id: int,
    now: datetime,
    **data: object,
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="staff",
        object_id=staff_id,
        now=now,
        data=data,
    )
