"""Staff: accounts, signing in, and what a person may see by role and place.

Called by the pages and by the `staff` commands. Signing in and changing a password open their own
short transactions (they take the database, not a session): argon2 must not run while a write lock
is held that the storing of messages waits for, and a failure has to be counted although the
request fails.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.core.errors import InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Login, Place, Staff, StaffRole
from bot.db.models.staff import ROLES
from bot.services import audit, brakes, passwords
from bot.services.brakes import SignInRefused

EXPIRES = timedelta(hours=12)
IDLE = timedelta(hours=2)
TOUCH_EVERY = timedelta(minutes=1)
# How long a right password waits for its code.
WAITS = timedelta(minutes=10)
# Made once: an alias takes longer to make than its statement takes to run.
_BELOW = aliased(Place)


@dataclass(frozen=True, slots=True)
class StaffView:
    """A signed-in member of staff.

    Args:
        places: for each role the ids of the places it covers, subtree included.
        has_factor: a second factor is set up.
    """

    id: int
    login: str
    name: str
    must_change_password: bool
    places: Mapping[str, frozenset[int]]
    has_factor: bool = False

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles that are held anywhere."""
        return frozenset(self.places)

    def at(self, *roles: str) -> frozenset[int]:
        """Return the ids of the places at which any of these roles is held."""
        return frozenset().union(*(self.places.get(role, frozenset()) for role in roles))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser in which somebody has signed in.

    Args:
        token: known only right after signing in.
        waits_for_code: the password was right, the second factor is still missing.
    """

    login_id: int
    csrf: str
    seen_at: datetime
    expires_at: datetime
    staff: StaffView
    token: str = ""
    waits_for_code: bool = False

    def due_touch(self, now: datetime) -> bool:
        """Say whether the last use was noted long enough ago to note another."""
        return now - self.seen_at > TOUCH_EVERY


async def create_staff(
    session: AsyncSession, *, login: str, name: str, now: datetime, phone: str | None = None
) -> tuple[Staff, str]:
    """Add a member of staff and return them with a password that works once.

    Raises:
        InputInvalid: the login is taken or is not a plain short name.
    """
    password = passwords.one_time_password()
    hashed = await passwords.hash_password(password)
    person = await add(session, login=login, name=name, password_hash=hashed, now=now, phone=phone)
    return person, password


async def add(
    session: AsyncSession,
    *,
    login: str,
    name: str,
    password_hash: str,
    now: datetime,
    phone: str | None = None,
) -> Staff:
    """Add a member of staff whose one-time password has been hashed already.

    Raises:
        InputInvalid: the login is taken or is not a plain short name.
    """
    wanted = login.strip().lower()
    if not wanted or len(wanted) > 64 or not wanted.replace(".", "").replace("-", "").isalnum():
        raise InputInvalid("login: letters, digits, dot and dash, at most 64", field="login")
    if await session.scalar(select(Staff.id).where(Staff.login == wanted)) is not None:
        raise InputInvalid("login is taken", field="login")
    person = Staff(
        login=wanted,
        name=name,
        phone=phone,
        password_hash=password_hash,
        must_change_password=True,
        active=True,
        created_at=now,
    )
    session.add(person)
    await session.flush()
    return person


async def by_login(session: AsyncSession, login: str) -> Staff:
    """Return the member of staff of a login.

    Raises:
        NotFound: no such login.
    """
    person = await session.scalar(select(Staff).where(Staff.login == login.strip().lower()))
    if person is None:
        raise NotFound("no such login")
    return person


async def reset_password(session: AsyncSession, *, login: str) -> str:
    """Give a member of staff a new one-time password and end all their browsers.

    Raises:
        NotFound: no such login.
    """
    person = await by_login(session, login)
    password = passwords.one_time_password()
    person.password_hash = await passwords.hash_password(password)
    person.must_change_password = True
    await session.execute(delete(Login).where(Login.staff_id == person.id))
    return password


async def deactivate(session: AsyncSession, *, login: str) -> None:
    """Close an account; its browsers are signed out at once.

    Raises:
        NotFound: no such login.
    """
    person = await by_login(session, login)
    person.active = False
    await session.execute(delete(Login).where(Login.staff_id == person.id))


async def grant(
    session: AsyncSession,
    *,
    staff_id: int,
    place_id: int,
    role: str,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> StaffRole:
    """Give a role at a place and everything below it, from and until a moment.

    Raises:
        InputInvalid: no such role, or it ends before it begins.
    """
    if role not in ROLES:
        raise InputInvalid(f"role: one of {', '.join(ROLES)}", field="role")
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise InputInvalid("a role ends after it begins", field="ends_at")
    row = StaffRole(
        staff_id=staff_id, place_id=place_id, role=role, starts_at=starts_at, ends_at=ends_at
    )
    session.add(row)
    await session.flush()
    return row


def held_now(now: datetime) -> ColumnElement[bool]:
    """Match the roles that hold at a moment: `starts_at` belongs to them, `ends_at` does not."""
    begun = StaffRole.starts_at.is_(None) | (StaffRole.starts_at <= now)
    return begun & (StaffRole.ends_at.is_(None) | (StaffRole.ends_at > now))


async def places_of(
    session: AsyncSession, staff_ids: Collection[int], now: datetime
) -> dict[int, dict[str, frozenset[int]]]:
    """Return by person, for each of their roles, the ids of the places it covers, subtree included.

    A subtree is read once, however many hold a role at its top.
    """
    held = (
        await session.execute(
            select(StaffRole.staff_id, StaffRole.role, StaffRole.place_id).where(
                StaffRole.staff_id.in_(staff_ids), held_now(now)
            )
        )
    ).all()
    below: dict[int, set[int]] = {place_id: set() for _, _, place_id in held}
    pairs = await session.execute(
        select(Place.id, _BELOW.id)
        .join(_BELOW, _BELOW.path.startswith(Place.path))
        .where(Place.id.in_(below))
    )
    for top, place_id in pairs:
        below[top].add(place_id)
    whole = {top: frozenset(ids) for top, ids in below.items()}
    found: dict[int, dict[str, frozenset[int]]] = {staff_id: {} for staff_id in staff_ids}
    for staff_id, role, top in held:
        before = found[staff_id].get(role)
        found[staff_id][role] = whole[top] if before is None else before | whole[top]
    return found


async def view(session: AsyncSession, person: Staff, now: datetime) -> StaffView:
    """Return what the pages need to know of a member of staff."""
    return seen(person, (await places_of(session, (person.id,), now))[person.id])


def seen(person: Staff, places: Mapping[str, frozenset[int]]) -> StaffView:
    """Return what the pages need to know of a member of staff whose places have been read."""
    return StaffView(
        id=person.id,
        login=person.login,
        name=person.name,
        must_change_password=person.must_change_password,
        places=places,
        has_factor=person.totp_since is not None,
    )


async def sign_in(
    database: Database, ring: KeyRing, *, login: str, password: str, address: str, now: datetime
) -> SignedIn:
    """Check a password and open a login for this browser; with a second factor it waits for that.

    Raises:
        SignInSlowed: too many failures of this login or address.
        SignInRefused: login or password wrong, or the account is closed.
    """
    wanted = login.strip().lower()[:64]
    counted = brakes.subjects(ring, pair=f"{wanted}\n{address}", address=address, login=wanted)
    async with database.write() as session:
        await brakes.press(session, counted, now)
        person = await session.scalar(select(Staff).where(Staff.login == wanted))
    known = person is not None and person.active
    stored = person.password_hash if person is not None and known else None
    if not await passwords.verify_password(password, stored) or person is None:
        raise SignInRefused("sign-in refused")
    async with database.write() as session:
        await brakes.release(session, (counted["pair"], counted["login"]))
        return await _open_login(session, ring, person.id, now)


async def _open_login(
    session: AsyncSession, ring: KeyRing, staff_id: int, now: datetime
) -> SignedIn:
    person = await session.get_one(Staff, staff_id)
    await session.execute(delete(Login).where(Login.expires_at <= now))
    waits = person.totp_since is not None
    token = secrets.token_urlsafe(32)
    row = Login(
        staff_id=person.id,
        token_hash=fingerprint(ring, token),
        csrf=secrets.token_urlsafe(24),
        waits_for_code=waits,
        created_at=now,
        seen_at=now,
        expires_at=now + (WAITS if waits else EXPIRES),
    )
    session.add(row)
    await session.flush()
    if not waits:
        await _record_signed_in(session, person.id, now)
    return signed_in(row, await view(session, person, now), token)


async def complete(
    session: AsyncSession, ring: KeyRing, *, login_id: int, now: datetime
) -> SignedIn:
    """Open a login that waited for a code, under a new token; `second_factor` has checked it.

    Raises:
        SignInRefused: it has expired or has been opened meanwhile.
    """
    row = await session.get(Login, login_id, with_for_update=True)
    if row is None or not row.waits_for_code or row.expires_at <= now:
        raise SignInRefused("the login does not wait any more")
    person = await session.get_one(Staff, row.staff_id)
    token = secrets.token_urlsafe(32)
    row.token_hash, row.csrf = fingerprint(ring, token), secrets.token_urlsafe(24)
    row.waits_for_code, row.seen_at, row.expires_at = False, now, now + EXPIRES
    await _record_signed_in(session, person.id, now)
    return signed_in(row, await view(session, person, now), token)


async def _record_signed_in(session: AsyncSession, staff_id: int, now: datetime) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action="signed_in",
        object_kind="staff",
        object_id=staff_id,
        now=now,
    )


def signed_in(row: Login, person: StaffView, token: str = "") -> SignedIn:
    """Return an open login with what its person may."""
    return SignedIn(
        row.id, row.csrf, row.seen_at, row.expires_at, person, token, row.waits_for_code
    )


def fingerprint(ring: KeyRing, token: str) -> str:
    """Return what is kept of a login's cookie."""
    return ring.fingerprint(token, purpose="login.token")


async def touch(session: AsyncSession, *, login_id: int, now: datetime) -> None:
    """Note that a person (not a page by itself) used this browser; at most one write a minute."""
    await session.execute(
        update(Login)
        .where(Login.id == login_id, Login.seen_at < now - TOUCH_EVERY)
        .values(seen_at=now)
    )


async def sign_out(session: AsyncSession, *, login_id: int) -> None:
    """Forget a browser."""
    await session.execute(delete(Login).where(Login.id == login_id))


async def end_others(session: AsyncSession, *, staff_id: int, login_id: int | None) -> None:
    """Sign a person out of all browsers but one, or of all."""
    theirs = delete(Login).where(Login.staff_id == staff_id)
    await session.execute(theirs if login_id is None else theirs.where(Login.id != login_id))


async def change_password(
    database: Database, *, staff_id: int, login_id: int, old: str, new: str, now: datetime
) -> None:
    """Change one's own password; all other browsers of the person are signed out.

    Raises:
        SignInRefused: the old password is wrong.
        InputInvalid: the new one is not good enough; the message is a code.
    """
    async with database.read() as session:
        person = await session.get_one(Staff, staff_id)
    if not await passwords.verify_password(old, person.password_hash):
        raise SignInRefused("old password is wrong")
    passwords.check_new(new, login=person.login, old=old)
    hashed = await passwords.hash_password(new)
    async with database.write() as session:
        await session.execute(
            update(Staff)
            .where(Staff.id == staff_id)
            .values(password_hash=hashed, must_change_password=False)
        )
        await end_others(session, staff_id=staff_id, login_id=login_id)
        await audit.record(
            session,
            staff_id=staff_id,
            action="password_changed",
            object_kind="staff",
            object_id=staff_id,
            now=now,
        )
