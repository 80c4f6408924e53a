"""Children, guardians and how they are found; everybody is invented."""

import pytest
from factories import District, make_contact, make_district
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import FixedClock
from bot.core.errors import Conflict, InputInvalid
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, Guardian
from bot.db.models.place import CLOSED
from bot.services import people, places

PHONE = "13800138001"


@pytest.mark.parametrize(
    ("written", "digits"),
    [
        ("13800138001", PHONE),
        (" 138-0013-8001 ", PHONE),
        ("+86 138 0013 8001", PHONE),
        ("008613800138001", PHONE),
        ("８６１３８００１３８００１", PHONE),
        ("0571-88881234", None),
        ("12800138001", None),
        ("138001380011", None),
        ("电话", None),
        ("", None),
    ],
)
def test_phone_is_eleven_digits(written: str, digits: str | None) -> None:
    assert people.normalise_phone(written) == digits


@given(st.text())
def test_any_text_is_a_phone_or_none(text: str) -> None:
    digits = people.normalise_phone(text)
    assert digits is None or (len(digits) == 11 and people.normalise_phone(digits) == digits)


@given(st.text())
@example("e \u0304")
def test_a_normal_name_stays_as_it_is(text: str) -> None:
    name = people.normalise_name(text)
    assert people.normalise_name(name) == name


async def _child(
    session: AsyncSession, ring: KeyRing, clock: FixedClock, place_id: int, name: str = "甲小苗"
) -> Child:
    return await people.add_child(session, place_id=place_id, name=name, now=clock.now(), ring=ring)


async def _guardian(
    session: AsyncSession, ring: KeyRing, clock: FixedClock, name: str = "甲大树"
) -> Guardian:
    return await people.add_guardian(session, name=name, phone=PHONE, now=clock.now(), ring=ring)


async def _world(session: AsyncSession, clock: FixedClock) -> tuple[District, int, int]:
    """Return the district, its class and a class of the other school."""
    made = await make_district(session, now=clock.now())
    other = await places.add(session, kind="class", name="初一1班", parent=made.other_school)
    return made, made.class_.id, other.id


async def test_a_child_is_found_by_its_guardians_phone_in_its_own_class_alone(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        made, class_id, other_id = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        guardian = await _guardian(session, ring, clock)
        await people.tie(session, guardian, child, "F", clock.now())
        found = await people.find_by_phone(session, ring, class_id, "138 0013 8001")
        assert [(one.id, two.id) for one, two in found] == [(guardian.id, child.id)]
        assert await people.find_by_phone(session, ring, made.school.id, PHONE) != []
        assert await people.find_by_phone(session, ring, other_id, PHONE) == []
        assert await people.find_by_phone(session, ring, class_id, "甲小苗") == []


async def test_a_custody_block_hides_the_child_from_the_phone(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        _, class_id, _ = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        guardian = await _guardian(session, ring, clock)
        held = await people.tie(session, guardian, child, "F", clock.now())
        held.custody_block = True
        await session.flush()
        assert await people.find_by_phone(session, ring, class_id, PHONE) == []
        assert await people.children_of_guardian(session, guardian.id) == []
        assert [
            row.custody_block for row in await people.guardians_of_child(session, child.id)
        ] == [True]


async def test_a_custody_block_survives_the_end_of_a_tie(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        _, class_id, _ = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        guardian = await _guardian(session, ring, clock)
        held = await people.tie(session, guardian, child, "F", clock.now())
        held.custody_block = True
        await people.untie(session, held, clock.now())
        assert await people.guardians_of_child(session, child.id) == []
        again = await people.tie(session, guardian, child, "O", clock.now())
        assert (again.id, again.custody_block, again.relation) == (held.id, True, "O")


async def test_one_guardian_has_children_in_two_schools(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        _, class_id, other_id = await _world(session, clock)
        guardian = await _guardian(session, ring, clock)
        for place_id, name in ((class_id, "甲小苗"), (other_id, "甲小禾")):
            child = await _child(session, ring, clock, place_id, name)
            await people.tie(session, guardian, child, "M", clock.now())
        mine = await people.children_of_guardian(session, guardian.id)
        assert [child.place_id for child in mine] == [class_id, other_id]
        assert [row.name for row in await people.children_of(session, other_id)] == ["甲小禾"]


async def test_grandparents_get_large_type(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        _, class_id, _ = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        grandmother = await _guardian(session, ring, clock, "甲奶奶")
        mother = await _guardian(session, ring, clock, "甲妈妈")
        await people.tie(session, grandmother, child, "GM", clock.now())
        await people.tie(session, mother, child, "M", clock.now())
        assert (grandmother.large_type, mother.large_type) == (True, False)


async def test_moving_and_leaving_keep_the_history(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        made, class_id, other_id = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        clock.advance(days=1)
        await people.move_child(session, child, other_id, clock.now())
        await people.move_child(session, child, other_id, clock.now())
        clock.advance(days=1)
        await people.leave(session, child, clock.now())
        stays = await people.history(session, child.id)
        assert [stay.place_id for stay in stays] == [other_id, class_id]
        assert [stay.ended_at is None for stay in stays] == [False, False]
        assert await people.children_of(session, made.district.id) == []
        with pytest.raises(Conflict):
            await people.move_child(session, child, class_id, clock.now())
        await people.come_back(session, child, class_id, clock.now())
        assert [row.id for row in await people.children_of(session, class_id)] == [child.id]


async def test_a_closed_class_takes_nobody(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        made, class_id, _ = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        closed = await places.add(session, kind="class", name="旧班", parent=made.school)
        closed.state = CLOSED
        with pytest.raises(Conflict, match="place_closed"):
            await people.move_child(session, child, closed.id, clock.now())
        with pytest.raises(Conflict, match="place_closed"):
            await _child(session, ring, clock, closed.id)
        with pytest.raises(InputInvalid):
            await _child(session, ring, clock, made.school.id)


async def test_rows_say_who_is_bound(database: Database, ring: KeyRing, clock: FixedClock) -> None:
    async with database.write() as session:
        made, class_id, _ = await _world(session, clock)
        child = await _child(session, ring, clock, class_id)
        guardian = await _guardian(session, ring, clock)
        await people.tie(session, guardian, child, "F", clock.now())
        before = await people.children_of(session, class_id)
        contact = await make_contact(session, now=clock.now(), place=made.class_)
        contact.guardian_id = guardian.id
        await session.flush()
        after = await people.children_of(session, class_id)
        assert [(row.bound, row.guardians[0].channels) for row in before + after] == [
            (False, ()),
            (True, ("wechat",)),
        ]


@pytest.mark.parametrize("name", ["", "  ", "长" * 61])
async def test_a_name_has_to_be_one(
    database: Database, ring: KeyRing, clock: FixedClock, name: str
) -> None:
    async with database.write() as session:
        _, class_id, _ = await _world(session, clock)
        with pytest.raises(InputInvalid):
            await _child(session, ring, clock, class_id, name)


async def test_a_wrong_phone_or_relation_is_refused(
    database: Database, ring: KeyRing, clock: FixedClock
) -> None:
    async with database.write() as session:
        _, class_id, _ = await _world(session, clock)
        child, guardian = (
            await _child(session, ring, clock, class_id),
            await _guardian(session, ring, clock),
        )
        with pytest.raises(InputInvalid, match="relation"):
            await people.tie(session, guardian, child, "X", clock.now())
        with pytest.raises(InputInvalid, match="phone"):
            await people.add_guardian(session, name="甲", phone="123", now=clock.now(), ring=ring)
