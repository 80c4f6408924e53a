"""Codes of an authenticator app: their window, that none works twice, recovery, and resetting."""

import base64
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Alarm, AuditEntry, Place, RecoveryCode, Staff
from bot.services import passwords, places, second_factor, staff
from bot.services.brakes import BRAKES, SignInRefused, SignInSlowed
from bot.services.login_reads import LoginReads
from bot.services.second_factor import STEP_SECONDS, fitting_step, step_of, tidy
from bot.services.staff import SignedIn

NOW = datetime(2026, 11, 22, 15, 40, 10, tzinfo=UTC)
RING = KeyRing.parse(f"k1:{base64.b64encode(bytes(32)).decode()}")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = timedelta(seconds=STEP_SECONDS)
MOMENTS = st.integers(1_600_000_000, 3_700_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with its least cost."""
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(passwords, "_argon2", quick)


def _code(secret: str, moment: datetime) -> str:
    return pyotp.TOTP(secret).at(moment)


@given(MOMENTS, st.integers(-5, 5))
def test_a_code_fits_in_its_own_step_and_one_to_each_side(moment: datetime, steps: int) -> None:
    taken = fitting_step(SECRET, _code(SECRET, moment + steps * STEP), after=0, now=moment)
    here = step_of(moment)
    near = {_code(SECRET, moment + n * STEP): here + n for n in (-1, 0, 1)}
    assert taken == near.get(_code(SECRET, moment + steps * STEP))
    if abs(steps) <= 1:
        assert taken is not None


@given(MOMENTS, st.integers(-3, 3))
def test_no_step_is_taken_again_nor_any_before_it(moment: datetime, used: int) -> None:
    after = step_of(moment) + used
    for n in (-1, 0, 1):
        step = fitting_step(SECRET, _code(SECRET, moment + n * STEP), after=after, now=moment)
        assert step is None or step > after


def test_an_app_shows_our_name_and_the_login() -> None:
    shown = pyotp.parse_uri(second_factor.address("lin", SECRET))
    assert (shown.issuer, shown.name, shown.secret) == ("心晴", "lin", SECRET)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_only_compared(text: str) -> None:
    plain = tidy(text)
    assert plain.isascii()
    assert fitting_step(SECRET, plain, after=step_of(NOW) + 1, now=NOW) is None


@pytest.mark.parametrize("typed", ["123 456", "１２３４５６", " 123-456 "])
def test_spaces_dashes_and_full_width_digits_are_read(typed: str) -> None:
    assert tidy(typed) == "123456"


async def _member(database: Database, login: str, role: str, place: Place) -> str:
    async with database.write() as session:
        person, password = await staff.create_staff(session, login=login, name="林静", now=NOW)
        await staff.grant(session, staff_id=person.id, place_id=place.id, role=role)
    return password


@pytest.fixture
async def tree(database: Database) -> dict[str, Place]:
    """A district with two schools."""
    async with database.write() as session:
        district = await places.add(session, kind="district", name="区", parent=None)
        one = await places.add(session, kind="school", name="一", parent=district)
        two = await places.add(session, kind="school", name="二", parent=district)
    return {"district": district, "one": one, "two": two}


async def _sign_in(database: Database, login: str, password: str, now: datetime = NOW) -> SignedIn:
    return await staff.sign_in(
        database, RING, login=login, password=password, address="10.0.0.1", now=now
    )


async def _set_up(
    database: Database, caller: SignedIn, now: datetime = NOW
) -> tuple[str, list[str]]:
    async with database.write() as session:
        secret = await second_factor.begin(session, caller.staff.id)
    code = _code(secret, now)
    codes = await second_factor.confirm(database, RING, caller=caller, code=code, now=now)
    return secret, codes


async def _who(database: Database, token: str, now: datetime = NOW) -> SignedIn | None:
    return await LoginReads(database, FixedClock(now)).identify(RING, token)


async def test_setting_up_signs_other_browsers_out_and_hides_the_secret(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    here, there = [await _sign_in(database, "lin", password) for _ in range(2)]
    async with database.write() as session:
        first = await second_factor.begin(session, here.staff.id)
        assert await second_factor.begin(session, here.staff.id) == first
    with pytest.raises(SignInRefused):
        await second_factor.confirm(database, RING, caller=here, code="000000", now=NOW)
    secret, codes = await _set_up(database, here)
    assert secret == first
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert await _who(database, there.token) is None
    assert await _who(database, here.token) is not None
    async with database.read() as session:
        stored = (await session.scalars(select(RecoveryCode.code_hash))).all()
        raw = (await session.connection()).exec_driver_sql
        column = (await raw("SELECT totp_secret FROM staff")).scalar_one()
    assert not {code.replace("-", "") for code in codes} & set(stored)
    assert secret not in column
    with pytest.raises(Conflict):
        async with database.write() as session:
            await second_factor.begin(session, here.staff.id)


async def test_a_right_password_waits_for_a_code_that_works_once(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    secret, _ = await _set_up(database, await _sign_in(database, "lin", password))
    later = NOW + STEP
    waiting = await _sign_in(database, "lin", password, later)
    assert waiting.waits_for_code
    assert await _who(database, waiting.token, later) is None
    with pytest.raises(SignInRefused):
        # the code with which it was set up
        await second_factor.finish_sign_in(
            database, RING, caller=waiting, code=_code(secret, NOW), now=later
        )
    code = _code(secret, later)
    opened = await second_factor.finish_sign_in(
        database, RING, caller=waiting, code=code, now=later
    )
    assert opened.token != waiting.token
    assert opened.staff.has_factor
    assert await _who(database, opened.token, later) is not None
    assert await _who(database, waiting.token, later) is None
    again = await _sign_in(database, "lin", password, later)
    with pytest.raises(SignInRefused):
        await second_factor.finish_sign_in(database, RING, caller=again, code=code, now=later)


async def test_a_waiting_login_does_not_wait_for_ever(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    secret, _ = await _set_up(database, await _sign_in(database, "lin", password))
    waiting = await _sign_in(database, "lin", password, NOW + STEP)
    late = NOW + STEP + staff.WAITS
    with pytest.raises(SignInRefused):
        await second_factor.finish_sign_in(
            database, RING, caller=waiting, code=_code(secret, late), now=late
        )


async def test_a_recovery_code_works_once_and_for_its_owner_only(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    other_password = await _member(database, "zhou", "counselor", tree["two"])
    _, codes = await _set_up(database, await _sign_in(database, "lin", password))
    await _set_up(database, await _sign_in(database, "zhou", other_password))
    stranger = await _sign_in(database, "zhou", other_password)
    with pytest.raises(SignInRefused):
        await second_factor.finish_sign_in(database, RING, caller=stranger, code=codes[0], now=NOW)
    waiting = await _sign_in(database, "lin", password)
    await second_factor.finish_sign_in(
        database, RING, caller=waiting, code=codes[0].upper(), now=NOW
    )
    async with database.read() as session:
        assert (await second_factor.state(session, waiting.staff.id)).left == 9
    again = await _sign_in(database, "lin", password)
    with pytest.raises(SignInRefused):
        await second_factor.finish_sign_in(database, RING, caller=again, code=codes[0], now=NOW)


async def test_guessing_codes_is_slowed_for_the_account(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    secret, _ = await _set_up(database, await _sign_in(database, "lin", password))
    waiting = await _sign_in(database, "lin", password)
    for _ in range(BRAKES["code"].free):
        with pytest.raises(SignInRefused):
            await second_factor.finish_sign_in(
                database, RING, caller=waiting, code="000000", now=NOW
            )
    # another browser of the same account is slowed as well
    other = await _sign_in(database, "lin", password)
    with pytest.raises(SignInSlowed):
        await second_factor.finish_sign_in(
            database, RING, caller=other, code=_code(secret, NOW + STEP), now=NOW
        )
    async with database.read() as session:
        alarm = (await session.scalars(select(Alarm))).one()
    assert alarm.key == f"codes_guessed:{waiting.staff.id}"
    later = NOW + timedelta(seconds=BRAKES["code"].longest)
    opened = await second_factor.finish_sign_in(
        database, RING, caller=other, code=_code(secret, later), now=later
    )
    assert not opened.waits_for_code


async def test_new_codes_void_the_old_and_removing_needs_a_code(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    caller = await _sign_in(database, "lin", password)
    secret, old = await _set_up(database, caller)
    later = NOW + STEP
    new = await second_factor.renew_codes(
        database, RING, caller=caller, code=_code(secret, later), now=later
    )
    assert not set(old) & set(new)
    with pytest.raises(SignInRefused):
        await second_factor.remove(database, RING, caller=caller, code=old[0], now=later)
    await second_factor.remove(database, RING, caller=caller, code=new[0], now=later)
    assert not (await _sign_in(database, "lin", password, later)).waits_for_code
    async with database.read() as session:
        actions = (await session.scalars(select(AuditEntry.action))).all()
    assert {"second_factor.set", "second_factor.codes", "second_factor.removed"} <= set(actions)


async def test_an_admin_resets_within_reach_with_a_reason_and_never_their_own(
    database: Database, tree: dict[str, Place]
) -> None:
    password = await _member(database, "lin", "counselor", tree["one"])
    await _member(database, "boss", "district", tree["district"])
    caller = await _sign_in(database, "lin", password)
    await _set_up(database, caller)
    admins = {
        name: (await _sign_in(database, name, await _member(database, name, "admin", place))).staff
        for name, place in (("admin1", tree["one"]), ("admin2", tree["two"]))
    }
    async with database.read() as session:
        boss = await staff.by_login(session, "boss")

    async def reset(by: str, staff_id: int, reason: str = "lost") -> None:
        async with database.write() as session:
            await second_factor.reset(
                session, admins[by], staff_id=staff_id, reason=reason, now=NOW
            )

    for by, whose in (("admin2", caller.staff.id), ("admin1", boss.id), ("admin1", 999)):
        with pytest.raises(NotFound):
            await reset(by, whose)
    with pytest.raises(NotAllowed):
        await reset("admin1", admins["admin1"].id)
    with pytest.raises(InputInvalid):
        await reset("admin1", caller.staff.id, "because")
    assert await _who(database, caller.token) is not None
    await reset("admin1", caller.staff.id)
    assert await _who(database, caller.token) is None
    assert not (await _sign_in(database, "lin", password)).waits_for_code
    async with database.read() as session:
        person = await session.get_one(Staff, caller.staff.id)
        entry = await session.scalar(
            select(AuditEntry).where(AuditEntry.action == "second_factor.reset")
        )
    assert person.totp_secret is None
    assert entry is not None
    assert (entry.staff_id, entry.data) == (admins["admin1"].id, {"reason": "lost"})
