"""Swaps in any order of steps: the shift changes its person exactly when one was approved."""

import asyncio
from datetime import timedelta
from random import Random

import pytest
from factories import District, make_district, make_shift, make_staff, seen_as
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.errors import XinqingError
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Shift, ShiftSwap, Staff, StaffRole
from bot.services import swaps
from bot.services.staff import StaffView

STEPS = {
    "agree": swaps.agree,
    "refuse": swaps.refuse,
    "withdraw": swaps.withdraw,
    "approve": swaps.approve,
}
# From where each step may lead on, by whom; everything else is refused and changes nothing.
ALLOWED = {
    ("asked", "agree", "colleague"): "agreed",
    ("asked", "refuse", "colleague"): "refused",
    ("agreed", "refuse", "colleague"): "refused",
    ("asked", "refuse", "keeper"): "refused",
    ("agreed", "refuse", "keeper"): "refused",
    ("asked", "withdraw", "asker"): "withdrawn",
    ("agreed", "withdraw", "asker"): "withdrawn",
    ("agreed", "approve", "keeper"): "approved",
}


class People:
    """Who takes part: the one whose shift it is, the colleague who is asked, the keeper."""

    def __init__(self, district: District, colleague: Staff, keeper: Staff) -> None:
        school = (district.school,)
        self.district = district
        self.views: dict[str, StaffView] = {
            "asker": seen_as(district.counselor, counselor=school),
            "colleague": seen_as(colleague, counselor=school),
            "keeper": seen_as(keeper, lead=school),
        }


@pytest.fixture
async def people(database: Database, clock: FixedClock, ring: KeyRing) -> People:
    """A school with two counselors and a lead."""
    async with database.write() as session:
        district = await make_district(session, now=clock.now())
        colleague = await make_staff(session, now=clock.now(), login="second")
        keeper = await make_staff(session, now=clock.now(), login="keeper")
        for person, role in ((district.counselor, "counselor"), (colleague, "counselor")):
            place_id = district.school.id
            session.add(StaffRole(staff_id=person.id, place_id=place_id, role=role))
    return People(district, colleague, keeper)


async def asked(database: Database, people: People, clock: FixedClock, day: int) -> ShiftSwap:
    """Have a shift on a day of its own, and ask for a swap of it."""
    async with database.write() as session:
        starts = clock.now() + timedelta(days=day)
        district = people.district
        shift = await make_shift(
            session, district.school, district.counselor, start=starts, hours=8
        )
        return await swaps.ask(
            session,
            people.views["asker"],
            shift.id,
            to_id=people.views["colleague"].id,
            now=clock.now(),
        )


async def test_any_order_of_steps_follows_the_table(
    database: Database, people: People, clock: FixedClock
) -> None:
    random = Random(6)
    for day in range(1, 25):
        swap = await asked(database, people, clock, day)
        state = "asked"
        for _ in range(6):
            step, who = random.choice(sorted(STEPS)), random.choice(sorted(people.views))
            expected = ALLOWED.get((state, step, who), state)
            try:
                async with database.write() as session:
                    await STEPS[step](session, people.views[who], swap.id, now=clock.now())
            except XinqingError:
                assert expected == state, f"{who} may {step} what is {state}"
            state = expected
            async with database.read() as session:
                row = await session.get_one(ShiftSwap, swap.id)
                shift = await session.get_one(Shift, swap.shift_id)
            assert row.state == state, f"{step} by {who}"
            now_whose = "colleague" if state == "approved" else "asker"
            assert shift.staff_id == people.views[now_whose].id


async def test_of_two_who_settle_at_once_one_wins(
    database: Database, people: People, clock: FixedClock
) -> None:
    swap = await asked(database, people, clock, 1)
    async with database.write() as session:
        await swaps.agree(session, people.views["colleague"], swap.id, now=clock.now())

    async def settle(step: str, who: str) -> str:
        try:
            async with database.write() as session:
                row = await STEPS[step](session, people.views[who], swap.id, now=clock.now())
                return row.state
        except XinqingError:
            return "refused it"

    found = await asyncio.gather(settle("approve", "keeper"), settle("withdraw", "asker"))
    assert sorted(found) in (["approved", "refused it"], ["refused it", "withdrawn"])
    async with database.read() as session:
        shift = await session.get_one(Shift, swap.shift_id)
    won = "colleague" if "approved" in found else "asker"
    assert shift.staff_id == people.views[won].id


async def test_what_was_not_settled_before_the_shift_is_over(
    database: Database, people: People, clock: FixedClock
) -> None:
    swap = await asked(database, people, clock, 1)
    clock.advance(days=1, minutes=1)
    async with database.write() as session:
        assert await swaps.expire(session, clock.now()) == 1
        assert await swaps.expire(session, clock.now()) == 0
        row = await session.scalar(select(ShiftSwap).where(ShiftSwap.id == swap.id))
    assert row is not None
    assert row.state == "over"
