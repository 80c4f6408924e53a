"""Accounts, signing in, the brake on guessing, and roles by place."""

import asyncio
import base64
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.errors import InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Login, Staff, StaffRole
from bot.services import passwords, places, staff
from bot.services.brakes import BRAKES, Brake, SignInRefused, SignInSlowed
from bot.services.login_reads import LoginReads
from bot.services.staff import SignedIn

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
RING = KeyRing.parse(f"k1:{base64.b64encode(bytes(32)).decode()}")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with its least cost: the tests need its answers, not its slowness."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(passwords, "_argon2", quick)


async def _create(database: Database, login: str = "lin.jing") -> str:
    async with database.write() as session:
        _, password = await staff.create_staff(session, login=login, name="林静", now=NOW)
    return password


async def _sign_in(
    database: Database,
    password: str,
    *,
    login: str = "lin.jing",
    address: str = "10.0.0.1",
    now: datetime = NOW,
) -> SignedIn:
    return await staff.sign_in(
        database, RING, login=login, password=password, address=address, now=now
    )


async def _who(database: Database, token: str, now: datetime) -> SignedIn | None:
    return await LoginReads(database, FixedClock(now)).identify(RING, token)


async def test_the_one_time_password_opens_and_must_be_changed(database: Database) -> None:
    password = await _create(database)
    opened = await _sign_in(database, password, login=" LIN.jing ")
    assert opened.staff.must_change_password
    assert opened.staff.name == "林静"
    async with database.read() as session:
        rows = (await session.scalars(select(Login))).all()
    assert opened.token not in {rows[0].token_hash, rows[0].csrf}


@pytest.mark.parametrize("login", ["lin.jing", "nobody", ""])
async def test_wrong_password_and_unknown_login_look_alike(database: Database, login: str) -> None:
    await _create(database)
    with pytest.raises(SignInRefused, match=r"^sign-in refused$"):
        await _sign_in(database, "wrong", login=login)


async def test_an_unknown_login_is_hashed_as_well(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str | None] = []
    real = passwords._verify

    def watched(password: str, stored: str | None) -> bool:
        seen.append(stored)
        return real(password, stored)

    monkeypatch.setattr(passwords, "_verify", watched)
    with pytest.raises(SignInRefused):
        await _sign_in(database, "wrong", login="nobody")
    assert seen == [None]
    assert not real(passwords._nobody(), None)


async def test_a_closed_account_is_refused_and_signed_out(database: Database) -> None:
    password = await _create(database)
    opened = await _sign_in(database, password)
    async with database.write() as session:
        await staff.deactivate(session, login="lin.jing")
    assert await _who(database, opened.token, NOW) is None
    with pytest.raises(SignInRefused):
        await _sign_in(database, password)


async def test_failures_slow_a_login_from_one_address(database: Database) -> None:
    password = await _create(database)
    for _ in range(BRAKES["pair"].free):
        with pytest.raises(SignInRefused) as refused:
            await _sign_in(database, "wrong")
        assert not isinstance(refused.value, SignInSlowed)
    with pytest.raises(SignInSlowed):
        await _sign_in(database, password)
    # the right person elsewhere is not locked out
    assert (await _sign_in(database, password, address="10.0.0.2")).token
    later = NOW + timedelta(seconds=BRAKES["pair"].longest + 1)
    assert (await _sign_in(database, password, now=later)).token


async def test_many_tries_at_once_do_not_slip_past_the_brake(database: Database) -> None:
    await _create(database)
    tries = (_sign_in(database, f"wrong {number}") for number in range(30))
    errors = await asyncio.gather(*tries, return_exceptions=True)
    judged = [error for error in errors if not isinstance(error, SignInSlowed)]
    assert len(judged) == BRAKES["pair"].free


async def test_one_address_trying_many_logins_is_slowed(database: Database) -> None:
    for number in range(BRAKES["address"].free):
        with pytest.raises(SignInRefused):
            await _sign_in(database, "wrong", login=f"nobody{number}")
    with pytest.raises(SignInSlowed):
        await _sign_in(database, "wrong", login="another")


async def test_signing_in_takes_the_counted_failures_back(database: Database) -> None:
    password = await _create(database)
    for _ in range(BRAKES["pair"].free * 3):
        assert (await _sign_in(database, password)).token


@given(st.integers(0, 500), st.integers(0, 40), st.integers(1, 600))
def test_the_brake_never_loosens_with_more_failures(failures: int, free: int, longest: int) -> None:
    brake = Brake(free, longest)
    assert timedelta(0) <= brake.wait(failures) <= brake.wait(failures + 1)
    assert brake.wait(failures + 1) <= timedelta(seconds=longest)
    assert bool(brake.wait(failures)) == (failures >= free)


async def test_a_login_ends_after_two_idle_and_after_twelve_hours(database: Database) -> None:
    opened = await _sign_in(database, await _create(database))
    assert await _who(database, opened.token, NOW + timedelta(minutes=119)) is not None
    assert await _who(database, opened.token, NOW + timedelta(hours=2)) is None
    moment = NOW
    while moment < NOW + timedelta(hours=12):
        assert await _who(database, opened.token, moment) is not None
        async with database.write() as session:
            await staff.touch(session, login_id=opened.login_id, now=moment)
        moment += timedelta(minutes=90)
    assert await _who(database, opened.token, NOW + timedelta(hours=12)) is None


async def test_a_token_that_was_not_given_out_is_nobody(database: Database) -> None:
    opened = await _sign_in(database, await _create(database))
    assert await _who(database, opened.token + "x", NOW) is None
    async with database.write() as session:
        await staff.sign_out(session, login_id=opened.login_id)
    assert await _who(database, opened.token, NOW) is None


async def test_a_new_password_signs_other_browsers_out(database: Database) -> None:
    old = await _create(database)
    here, there = await _sign_in(database, old), await _sign_in(database, old)
    await staff.change_password(
        database,
        staff_id=here.staff.id,
        login_id=here.login_id,
        old=old,
        new="晴天里的一把伞够长了",
        now=NOW,
    )
    assert await _who(database, there.token, NOW) is None
    still = await _who(database, here.token, NOW)
    assert still is not None
    assert not still.staff.must_change_password
    with pytest.raises(SignInRefused):
        await _sign_in(database, old)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("short", "password.short"),
        ("x" * 129, "password.long"),
        ("ab" * 8, "password.weak"),
        ("Lin.Jing-2026!", "password.weak"),
    ],
)
async def test_bad_new_passwords_are_refused(database: Database, new: str, code: str) -> None:
    old = await _create(database)
    here = await _sign_in(database, old)
    with pytest.raises(InputInvalid, match=f"^{code}$"):
        await staff.change_password(
            database, staff_id=here.staff.id, login_id=here.login_id, old=old, new=new, now=NOW
        )


async def test_the_same_password_again_and_a_wrong_old_one(database: Database) -> None:
    old = await _create(database)
    here = await _sign_in(database, old)
    ids = {"staff_id": here.staff.id, "login_id": here.login_id}
    with pytest.raises(InputInvalid, match="same"):
        await staff.change_password(database, **ids, old=old, new=old, now=NOW)
    with pytest.raises(SignInRefused):
        await staff.change_password(database, **ids, old="no", new="long enough words", now=NOW)


async def test_a_reset_gives_a_new_one_time_password(database: Database) -> None:
    old = await _create(database)
    opened = await _sign_in(database, old)
    async with database.write() as session:
        new = await staff.reset_password(session, login="lin.jing")
    assert await _who(database, opened.token, NOW) is None
    assert (await _sign_in(database, new)).staff.must_change_password
    async with database.write() as session:
        with pytest.raises(NotFound):
            await staff.reset_password(session, login="nobody")


@pytest.mark.parametrize("login", ["", "a b", "x" * 65, "<script>", "13800000000@qq.com"])
async def test_odd_logins_are_refused(database: Database, login: str) -> None:
    async with database.write() as session:
        with pytest.raises(InputInvalid):
            await staff.create_staff(session, login=login, name="某", now=NOW)


async def test_roles_cover_the_subtree_and_end(database: Database) -> None:
    await _create(database)
    async with database.write() as session:
        person = (await session.scalars(select(Staff))).one()
        district = await places.add(session, kind="district", name="区", parent=None)
        one = await places.add(session, kind="school", name="一", parent=district)
        two = await places.add(session, kind="school", name="二", parent=district)
        grade = await places.add(session, kind="class", name="班", parent=one)
        soon = NOW + timedelta(days=1)
        await staff.grant(session, staff_id=person.id, place_id=one.id, role="counselor")
        await staff.grant(
            session, staff_id=person.id, place_id=district.id, role="district", ends_at=soon
        )
        today = await staff.view(session, person, NOW)
        assert today.at("counselor") == {one.id, grade.id}
        assert today.at("district") == {district.id, one.id, two.id, grade.id}
        assert today.at("lead") == frozenset()
        later = await staff.view(session, person, soon)
        assert later.roles == {"counselor"}
        with pytest.raises(InputInvalid):
            await staff.grant(session, staff_id=person.id, place_id=one.id, role="root")


async def test_a_role_holds_from_its_beginning_until_before_its_end(database: Database) -> None:
    """Every beginning with every end, asked hour by hour."""
    await _create(database)
    hours = (None, *range(-2, 3))

    def at(hour: int | None) -> datetime | None:
        return None if hour is None else NOW + timedelta(hours=hour)

    async with database.write() as session:
        person = (await session.scalars(select(Staff))).one()
        place = await places.add(session, kind="school", name="一", parent=None)
        row = StaffRole(staff_id=person.id, place_id=place.id, role="lead")
        session.add(row)
        for start, end in itertools.product(hours, hours):
            row.starts_at, row.ends_at = at(start), at(end)
            await session.flush()
            for hour in range(-3, 4):
                at_hour = NOW + timedelta(hours=hour)
                held = (await staff.places_of(session, [person.id], at_hour))[person.id]
                begun = start is None or start <= hour
                assert bool(held) == (begun and (end is None or hour < end)), (start, end, hour)


async def test_a_role_ends_after_it_begins(database: Database) -> None:
    await _create(database)
    async with database.write() as session:
        place = await places.add(session, kind="school", name="一", parent=None)
        for end in (NOW, NOW - timedelta(hours=1)):
            with pytest.raises(InputInvalid):
                await staff.grant(
                    session, staff_id=1, place_id=place.id, role="lead", starts_at=NOW, ends_at=end
                )
