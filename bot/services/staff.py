"""Staff: accounts, signing in, and what a person may see by role and place.

Called by the pages and by the `staff` commands. Signing in and changing a password open their own
short transactions (they take the database, not a session): argon2 must not run while a write lock
is held that the storing of messages waits for, and a failure has to be counted although the
request fails.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.core.errors import InputInvalid, NotFound, XinqingError
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.locks import Turn, take_turn
from bot.db.models import Login, LoginFailure, Place, Staff, StaffRole
from bot.db.models.staff import ROLES
from bot.services import audit, passwords

EXPIRES = timedelta(hours=12)
IDLE = timedelta(hours=2)
TOUCH_EVERY = timedelta(minutes=1)
FAILURE_WINDOW = timedelta(minutes=15)


class SignInRefused(XinqingError):
    """The login or the password is wrong; which one is never said."""

    status = 401
    phrase_key = "error.sign_in"


class SignInSlowed(SignInRefused):
    """Too many failures; the next try has to wait.

    Args:
        seconds: how long, from now.
    """

    status = 429
    phrase_key = "error.sign_in_slowed"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"wait {seconds} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Brake:
    """After `free` failures each further one doubles the wait, up to `longest` seconds."""

    free: int
    longest: int

    def wait(self, failures: int) -> timedelta:
        """Return how long after the last failure the next try is refused."""
        over = failures - self.free
        return timedelta(seconds=min(2 ** min(over, 20), self.longest) if over >= 0 else 0)


# A stranger who guesses at one login from afar can't lock the counselor out: the long wait is per
# login and address together; a login alone is only slowed by seconds.
BRAKES: Mapping[str, Brake] = {
    "pair": Brake(free=5, longest=300),
    "address": Brake(free=20, longest=300),
    "login": Brake(free=30, longest=5),
}


@dataclass(frozen=True, slots=True)
class StaffView:
    """A signed-in member of staff.

    Args:
        places: for each role the ids of the places it covers, subtree included.
    """

    id: int
    login: str
    name: str
    must_change_password: bool
    places: Mapping[str, frozenset[int]]

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles that are held anywhere."""
        return frozenset(self.places)

    def at(self, *roles: str) -> frozenset[int]:
        """Return the ids of the places at which any of these roles is held."""
        return frozenset().union(*(self.places.get(role, frozenset()) for role in roles))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A browser in which somebody has signed in; `token` is known only right after signing in."""

    login_id: int
    csrf: str
    seen_at: datetime
    expires_at: datetime
    staff: StaffView
    token: str = ""

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
    wanted = login.strip().lower()
    if not wanted or len(wanted) > 64 or not wanted.replace(".", "").replace("-", "").isalnum():
        raise InputInvalid("login: letters, digits, dot and dash, at most 64", field="login")
    if await session.scalar(select(Staff.id).where(Staff.login == wanted)) is not None:
        raise InputInvalid("login is taken", field="login")
    password = passwords.one_time_password()
    person = Staff(
        login=wanted,
        name=name,
        phone=phone,
        password_hash=await passwords.hash_password(password),
        must_change_password=True,
        active=True,
        created_at=now,
    )
    session.add(person)
    await session.flush()
    return person, password


async def reset_password(session: AsyncSession, *, login: str) -> str:
    """Give a member of staff a new one-time password and end all their browsers.

    Raises:
        NotFound: no such login.
    """
    person = await session.scalar(select(Staff).where(Staff.login == login.strip().lower()))
    if person is None:
        raise NotFound("no such login")
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
    person = await session.scalar(select(Staff).where(Staff.login == login.strip().lower()))
    if person is None:
        raise NotFound("no such login")
    person.active = False
    await session.execute(delete(Login).where(Login.staff_id == person.id))


async def grant(
    session: AsyncSession,
    *,
    staff_id: int,
    place_id: int,
    role: str,
    ends_at: datetime | None = None,
) -> None:
    """Give a role at a place and everything below it.

    Raises:
        InputInvalid: no such role.
    """
    if role not in ROLES:
        raise InputInvalid(f"role: one of {', '.join(ROLES)}", field="role")
    session.add(StaffRole(staff_id=staff_id, place_id=place_id, role=role, ends_at=ends_at))
    await session.flush()


async def places_of(
    session: AsyncSession, staff_id: int, now: datetime
) -> dict[str, frozenset[int]]:
    """Return for each role of a person the ids of the places it covers, subtree included."""
    below = aliased(Place)
    held = await session.execute(
        select(StaffRole.role, below.id)
        .join(Place, Place.id == StaffRole.place_id)
        .join(below, below.path.startswith(Place.path))
        .where(
            StaffRole.staff_id == staff_id,
            (StaffRole.ends_at.is_(None)) | (StaffRole.ends_at > now),
        )
    )
    found: dict[str, set[int]] = {}
    for role, place_id in held:
        found.setdefault(role, set()).add(place_id)
    return {role: frozenset(ids) for role, ids in found.items()}


async def view(session: AsyncSession, person: Staff, now: datetime) -> StaffView:
    """Return what the pages need to know of a member of staff."""
    return StaffView(
        id=person.id,
        login=person.login,
        name=person.name,
        must_change_password=person.must_change_password,
        places=await places_of(session, person.id, now),
    )


async def sign_in(
    database: Database, ring: KeyRing, *, login: str, password: str, address: str, now: datetime
) -> SignedIn:
    """Check a password and open a login for this browser.

    Every try is counted as a failure first and taken back when it succeeds, so that many tries at
    once can't slip past the brake.

    Raises:
        SignInSlowed: too many failures of this login or address.
        SignInRefused: login or password wrong, or the account is closed.
    """
    wanted = login.strip().lower()[:64]
    subjects = _subjects(ring, wanted, address)
    async with database.write() as session:
        await _brake(session, subjects, now)
        person = await session.scalar(select(Staff).where(Staff.login == wanted))
    known = person is not None and person.active
    stored = person.password_hash if person is not None and known else None
    if not await passwords.verify_password(password, stored) or person is None:
        raise SignInRefused("sign-in refused")
    async with database.write() as session:
        await session.execute(
            delete(LoginFailure).where(
                LoginFailure.subject.in_((subjects["pair"], subjects["login"]))
            )
        )
        return await _open_login(session, ring, person.id, now)


def _subjects(ring: KeyRing, login: str, address: str) -> dict[str, str]:
    texts = {"pair": f"{login}\n{address}", "address": address, "login": login}
    return {
        kind: ring.fingerprint(text, purpose=f"login-failure.{kind}")
        for kind, text in texts.items()
    }


async def _brake(session: AsyncSession, subjects: Mapping[str, str], now: datetime) -> None:
    # Tries of one moment must not all count the failures before any of them has added its own.
    await take_turn(session, Turn.SIGN_IN)
    await session.execute(delete(LoginFailure).where(LoginFailure.at <= now - FAILURE_WINDOW))
    for kind, subject in subjects.items():
        query = select(LoginFailure.at).where(LoginFailure.subject == subject)
        moments = (await session.scalars(query)).all()
        until = max(moments, default=now) + BRAKES[kind].wait(len(moments))
        if until > now:
            raise SignInSlowed(int((until - now).total_seconds()) + 1)
    session.add_all(LoginFailure(subject=subject, at=now) for subject in subjects.values())


async def _open_login(
    session: AsyncSession, ring: KeyRing, staff_id: int, now: datetime
) -> SignedIn:
    person = await session.get_one(Staff, staff_id)
    await session.execute(delete(Login).where(Login.expires_at <= now))
    token = secrets.token_urlsafe(32)
    row = Login(
        staff_id=person.id,
        token_hash=_fingerprint(ring, token),
        csrf=secrets.token_urlsafe(24),
        created_at=now,
        seen_at=now,
        expires_at=now + EXPIRES,
    )
    session.add(row)
    await audit.record(
        session,
        staff_id=person.id,
        action="signed_in",
        object_kind="staff",
        object_id=person.id,
        now=now,
    )
    seen = await view(session, person, now)
    return SignedIn(row.id, row.csrf, now, row.expires_at, seen, token)


def _fingerprint(ring: KeyRing, token: str) -> str:
    return ring.fingerprint(token, purpose="login.token")


async def identify(
    session: AsyncSession, ring: KeyRing, *, token: str, now: datetime
) -> SignedIn | None:
    """Return who has signed in with this cookie; None when unknown, expired, idle or closed."""
    query = (
        select(Login, Staff)
        .join(Staff, Staff.id == Login.staff_id)
        .where(
            Login.token_hash == _fingerprint(ring, token),
            Login.expires_at > now,
            Login.seen_at > now - IDLE,
            Staff.active.is_(True),
        )
    )
    row = (await session.execute(query)).first()
    if row is None:
        return None
    login, person = row
    seen = await view(session, person, now)
    return SignedIn(login.id, login.csrf, login.seen_at, login.expires_at, seen)


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
        await session.execute(delete(Login).where(Login.staff_id == staff_id, Login.id != login_id))
        await audit.record(
            session,
            staff_id=staff_id,
            action="password_changed",
            object_kind="staff",
            object_id=staff_id,
            now=now,
        )
