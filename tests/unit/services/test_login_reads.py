"""The open logins of many pages: one reading for all, and never a right that has ended."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, event

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Login, Place, Staff, StaffRole
from bot.services import places, staff
from bot.services.login_reads import LoginReads

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
RING = KeyRing.parse(f"k1:{base64.b64encode(bytes(32)).decode()}")


async def _add(database: Database, number: int, role: str, place: Place) -> Login:
    """Add somebody who has signed in."""
    async with database.write() as session:
        person = await staff.add(
            session, login=f"p{number}", name=f"老师{number}", password_hash="x", now=NOW
        )
        await staff.grant(session, staff_id=person.id, place_id=place.id, role=role)
        row = Login(
            staff_id=person.id,
            token_hash=staff.fingerprint(RING, f"token{number}"),
            csrf=f"csrf{number}",
            created_at=NOW,
            seen_at=NOW,
            expires_at=NOW + staff.EXPIRES,
        )
        session.add(row)
    return row


@pytest.fixture
async def tree(database: Database) -> dict[str, Place]:
    async with database.write() as session:
        district = await places.add(session, kind="district", name="区", parent=None)
        found = {"district": district}
        for name in ("a", "b"):
            found[name] = await places.add(session, kind="school", name=name, parent=district)
    return found


@contextmanager
def _counted(database: Database) -> Iterator[list[str]]:
    """Collect the statements that the database is asked."""
    asked: list[str] = []

    def note(*arguments: Any) -> None:
        if arguments[2].startswith("SELECT"):
            asked.append(arguments[2])

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)


async def test_fifty_at_once_cost_as_much_as_one(
    database: Database, tree: dict[str, Place]
) -> None:
    logins = [
        await _add(database, number, "district" if number < 4 else "counselor", place)
        for number, place in enumerate([tree["district"]] * 4 + [tree["a"]] * 3 + [tree["b"]] * 3)
    ]
    reads = LoginReads(database, FixedClock(NOW))
    with _counted(database) as asked:
        seen = await asyncio.gather(*(reads.still(logins[n % 10].id) for n in range(50)))
    assert len(asked) == 3
    for number, person in enumerate(seen):
        assert person is not None
        assert person.login == f"p{number % 10}"
    assert seen[0] is not None
    assert seen[0].places == {"district": frozenset(one.id for one in tree.values())}
    assert seen[5] is not None
    assert seen[5].places == {"counselor": frozenset({tree["a"].id})}
    with _counted(database) as asked:
        found = await asyncio.gather(*(reads.identify(RING, f"token{n}") for n in range(11)))
    assert len(asked) == 3
    assert [one and one.csrf for one in found] == [*(f"csrf{n}" for n in range(10)), None]


async def test_two_roles_of_one_person_stay_apart_and_add_up(
    database: Database, tree: dict[str, Place]
) -> None:
    login = await _add(database, 1, "counselor", tree["a"])
    async with database.write() as session:
        for role, place in (("counselor", "b"), ("lead", "b")):
            await staff.grant(session, staff_id=login.staff_id, place_id=tree[place].id, role=role)
    person = await LoginReads(database, FixedClock(NOW)).still(login.id)
    assert person is not None
    assert person.places == {
        "counselor": frozenset({tree["a"].id, tree["b"].id}),
        "lead": frozenset({tree["b"].id}),
    }


@pytest.mark.parametrize("what", ["login", "account", "idle", "expired", "code", "role"])
async def test_what_has_ended_is_gone_at_the_next_question(
    database: Database, tree: dict[str, Place], what: str
) -> None:
    gone, other = [await _add(database, n, "counselor", tree["a"]) for n in (1, 2)]
    reads = LoginReads(database, FixedClock(NOW))
    assert await reads.still(gone.id) is not None
    async with database.write() as session:
        row = await session.get_one(Login, gone.id)
        if what == "login":
            await session.execute(delete(Login).where(Login.id == gone.id))
        elif what == "account":
            (await session.get_one(Staff, gone.staff_id)).active = False
        elif what == "idle":
            row.seen_at = NOW - staff.IDLE
        elif what == "expired":
            row.expires_at = NOW
        elif what == "code":
            row.waits_for_code = True
        else:
            await session.execute(delete(StaffRole).where(StaffRole.staff_id == gone.staff_id))
    first, second, known = await asyncio.gather(
        reads.still(gone.id), reads.still(other.id), reads.identify(RING, "token1")
    )
    assert second is not None
    if what == "role":
        assert first is not None
        assert first.places == {}
    else:
        assert first is None
        assert known is None
    waiting = await reads.identify(RING, "token1", waiting=True)
    assert (waiting is not None) == (what in {"role", "code"})


async def test_a_role_counts_from_its_moment(database: Database, tree: dict[str, Place]) -> None:
    login = await _add(database, 1, "counselor", tree["a"])
    async with database.write() as session:
        row = await session.get_one(StaffRole, 1)
        row.ends_at = NOW + timedelta(hours=1)
    clock = FixedClock(NOW)
    reads = LoginReads(database, clock)
    before = await reads.still(login.id)
    assert before is not None
    assert before.roles == {"counselor"}
    clock.advance(hours=1)
    after = await reads.still(login.id)
    assert after is not None
    assert after.roles == frozenset()
