"""The second factor of staff: codes of an authenticator app (TOTP), and recovery codes.

Called by the account's pages and by the `staff` commands. Source: RFC 6238 (30 seconds, SHA-1, six
digits, one step of tolerance to each side, no code twice).
"""

import secrets
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from hmac import compare_digest
from importlib.resources import files
from unicodedata import normalize

import pyotp
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import RecoveryCode, Staff
from bot.services import alarms, audit, brakes, rights, staff
from bot.services.brakes import SignInRefused, SignInSlowed
from bot.services.staff import SignedIn, StaffView

STEP_SECONDS = 30
TOLERANCE = 1
RECOVERY_CODES = 10
RESET_REASONS = ("lost", "new_phone", "misused")
TOTP, RECOVERY = "totp", "recovery"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class State:
    """What a person's page shows.

    Args:
        since: None while it is not in use.
        left: recovery codes that have not been used.
    """

    since: datetime | None
    left: int


def step_of(moment: datetime) -> int:
    """Return the number of the time step a moment lies in."""
    return int(moment.timestamp()) // STEP_SECONDS


def fitting_step(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """Return the time step whose code this is, None when it is none that may be taken.

    Args:
        after: the newest step whose code has been taken; it and all before it are used up.
    """
    totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
    here = step_of(now)
    found = None
    for step in range(here - TOLERANCE, here + TOLERANCE + 1):
        same = compare_digest(totp.generate_otp(step).encode(), code.encode())
        if same and step > after:
            found = step
    return found


def tidy(code: str) -> str:
    """Return a code as it is compared: half-width, small letters, no spaces and dashes."""
    plain = normalize("NFKC", code).lower()
    return "".join(char for char in plain if char.isascii() and char.isalnum())[:64]


def address(login: str, secret: str) -> str:
    """Return what the QR code says to an authenticator app; it holds the login, never a name."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=_issuer())


@cache
def _issuer() -> str:
    source = files("bot.services").joinpath("second_factor.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(source)["issuer"])


async def state(session: AsyncSession, staff_id: int) -> State:
    """Return whether a person has a second factor, and how many recovery codes are left."""
    person = await session.get_one(Staff, staff_id)
    left = await session.scalar(
        select(func.count(RecoveryCode.id)).where(
            RecoveryCode.staff_id == staff_id, RecoveryCode.used_at.is_(None)
        )
    )
    return State(person.totp_since, left or 0)


async def begin(session: AsyncSession, staff_id: int) -> str:
    """Return the secret that a person is about to set up; it counts after its first code.

    Asked again before that code it is the same, so that a page loaded twice spoils nothing.

    Raises:
        Conflict: a second factor is in use.
    """
    person = await session.get_one(Staff, staff_id, with_for_update=True)
    if person.totp_since is not None:
        raise Conflict("in_use")
    if person.totp_secret is None:
        person.totp_secret = pyotp.random_base32()
    return person.totp_secret


async def pending(session: AsyncSession, staff_id: int) -> str | None:
    """Return the secret whose setting up was begun and is not finished."""
    person = await session.get_one(Staff, staff_id)
    return None if person.totp_since is not None else person.totp_secret


async def confirm(
    database: Database, ring: KeyRing, *, caller: SignedIn, code: str, now: datetime
) -> list[str]:
    """Take the first code of a new app into use and return the recovery codes, once.

    All other browsers of the person are signed out.

    Raises:
        Conflict: nothing was begun, or it is in use already.
        SignInRefused: the code does not fit; `SignInSlowed` after too many.
    """
    counted = await _press(database, ring, caller.staff.id, now)
    async with database.write() as session:
        person = await session.get_one(Staff, caller.staff.id, with_for_update=True)
        if person.totp_secret is None or person.totp_since is not None:
            raise Conflict("not_begun")
        step = fitting_step(person.totp_secret, tidy(code), after=0, now=now)
        if step is None:
            raise SignInRefused("code refused")
        person.totp_since, person.totp_step = now, step
        codes = await _new_codes(session, ring, person.id)
        await _changed(session, caller, "second_factor.set", now)
        await brakes.release(session, counted)
    return codes


async def renew_codes(
    database: Database, ring: KeyRing, *, caller: SignedIn, code: str, now: datetime
) -> list[str]:
    """Return ten new recovery codes for a fresh code; the old ones are void.

    Raises:
        SignInRefused: the code does not fit; `SignInSlowed` after too many.
    """
    counted = await _press(database, ring, caller.staff.id, now)
    async with database.write() as session:
        await _take(session, ring, caller.staff.id, code, now)
        codes = await _new_codes(session, ring, caller.staff.id)
        await _changed(session, caller, "second_factor.codes", now)
        await brakes.release(session, counted)
    return codes


async def remove(
    database: Database, ring: KeyRing, *, caller: SignedIn, code: str, now: datetime
) -> None:
    """Take one's own second factor out of use, for a code; all other browsers are signed out.

    Raises:
        SignInRefused: the code does not fit; `SignInSlowed` after too many.
    """
    counted = await _press(database, ring, caller.staff.id, now)
    async with database.write() as session:
        await _take(session, ring, caller.staff.id, code, now)
        await _clear(session, await session.get_one(Staff, caller.staff.id))
        await _changed(session, caller, "second_factor.removed", now)
        await brakes.release(session, counted)


async def finish_sign_in(
    database: Database, ring: KeyRing, *, caller: SignedIn, code: str, now: datetime
) -> SignedIn:
    """Open a login that waits, for a code of the app or a recovery code.

    Raises:
        SignInRefused: neither fits; `SignInSlowed` after too many.
    """
    counted = await _press(database, ring, caller.staff.id, now)
    async with database.write() as session:
        way = await _take(session, ring, caller.staff.id, code, now)
        if way == RECOVERY:
            await _record(session, caller.staff.id, caller.staff.id, "second_factor.recovery", now)
        await brakes.release(session, counted)
        return await staff.complete(session, ring, login_id=caller.login_id, now=now)


async def reset(
    session: AsyncSession, by: StaffView, *, staff_id: int, reason: str, now: datetime
) -> None:
    """Take somebody's second factor away; their browsers are signed out at once.

    Raises:
        InputInvalid: not one of `RESET_REASONS`.
        NotFound: there is no such colleague within reach.
        NotAllowed: it is one's own.
    """
    person = await rights.require_over(session, by, "factor.reset", staff_id, now)
    await reset_unasked(session, person, reason=reason, by=by.id, now=now)


async def reset_unasked(
    session: AsyncSession, person: Staff, *, reason: str, by: int | None, now: datetime
) -> None:
    """Do the same for whoever has checked the right to it: the operator at the machine.

    Raises:
        InputInvalid: not one of `RESET_REASONS`.
    """
    if reason not in RESET_REASONS:
        raise InputInvalid("reason", field="reason")
    await _clear(session, person)
    await staff.end_others(session, staff_id=person.id, login_id=None)
    await _record(session, by, person.id, "second_factor.reset", now, reason=reason)


async def _press(database: Database, ring: KeyRing, staff_id: int, now: datetime) -> Sequence[str]:
    """Count a try; whoever has to wait knows the password and guesses at codes: that is alarmed.

    Raises:
        SignInSlowed: there have been too many.
    """
    counted = brakes.subjects(ring, code=str(staff_id))
    try:
        async with database.write() as session:
            await brakes.press(session, counted, now)
    except SignInSlowed:
        async with database.write() as session:
            await alarms.raise_alarm(session, "codes_guessed", now=now, subject=str(staff_id))
        raise
    return list(counted.values())


async def _take(
    session: AsyncSession, ring: KeyRing, staff_id: int, code: str, now: datetime
) -> str:
    """Use up a code and return which kind it was.

    Raises:
        SignInRefused: it is none, or was used before.
    """
    person = await session.get_one(Staff, staff_id, with_for_update=True, populate_existing=True)
    if person.totp_secret is None or person.totp_since is None:
        raise SignInRefused("no second factor")
    plain = tidy(code)
    step = fitting_step(person.totp_secret, plain, after=person.totp_step, now=now)
    if step is not None:
        person.totp_step = step
        return TOTP
    used = await session.scalar(
        update(RecoveryCode)
        .where(
            RecoveryCode.staff_id == staff_id,
            RecoveryCode.code_hash == _fingerprint(ring, staff_id, plain),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.id)
    )
    if used is None:
        raise SignInRefused("code refused")
    return RECOVERY


async def _new_codes(session: AsyncSession, ring: KeyRing, staff_id: int) -> list[str]:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == staff_id))
    codes = ["".join(secrets.choice(_LETTERS) for _ in range(12)) for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(staff_id=staff_id, code_hash=_fingerprint(ring, staff_id, code))
        for code in codes
    )
    return [f"{code[:4]}-{code[4:8]}-{code[8:]}" for code in codes]


def _fingerprint(ring: KeyRing, staff_id: int, code: str) -> str:
    return ring.fingerprint(f"{staff_id}\n{code}", purpose="recovery.code")


async def _clear(session: AsyncSession, person: Staff) -> None:
    person.totp_secret, person.totp_since = None, None
    await session.execute(delete(RecoveryCode).where(RecoveryCode.staff_id == person.id))


async def _changed(session: AsyncSession, caller: SignedIn, action: str, now: datetime) -> None:
    await staff.end_others(session, staff_id=caller.staff.id, login_id=caller.login_id)
    await _record(session, caller.staff.id, caller.staff.id, action, now)


async def _record(
    session: AsyncSession, by: int | None, whose: int, action: str, now: datetime, **data: object
) -> None:
    await audit.record(
        session,
        staff_id=by,
        action=action,
        object_kind="staff",
        object_id=whose,
        now=now,
        data=data,
    )
