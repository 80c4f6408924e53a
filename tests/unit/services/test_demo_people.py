"""The demonstration's children: in every class, bound where a simulated parent is theirs."""

import tomllib
from importlib.resources import files

import pytest
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Contact, Place, Staff
from bot.services import demo, notice_plan, people


@pytest.fixture
async def seeded(database: Database, ring: KeyRing, clock: FixedClock) -> Database:
    async with database.write() as session:
        await demo.seed(session, account="demo", now=clock.now())
    return database


async def test_every_class_has_children_and_a_grandmother_is_among_them(seeded: Database) -> None:
    async with seeded.read() as session:
        classes = (await session.scalars(select(Place).where(Place.kind == "class"))).all()
        rows = {place.scene: await people.children_of(session, place.id) for place in classes}
    assert {scene: len(found) for scene, found in rows.items()} == dict.fromkeys(rows, 6)
    guardians = [one for found in rows.values() for row in found for one in row.guardians]
    assert {one.relation for one in guardians if one.large_type} >= {"GM", "GMA"}
    assert sum(one.custody_block for one in guardians) == 1
    assert all(row.name.startswith("晴") for found in rows.values() for row in found)


async def test_a_simulated_mother_has_children_in_two_classes(seeded: Database) -> None:
    async with seeded.read() as session:
        contact = await session.scalar(select(Contact).where(Contact.external_id == "demo-mother"))
        assert contact is not None
        assert contact.guardian_id is not None
        children = await people.children_of_guardian(session, contact.guardian_id)
        aunt = await session.scalar(select(Contact).where(Contact.external_id == "demo-aunt"))
    assert [child.name for child in children] == ["晴小雪", "晴小雨"]
    assert aunt is not None
    assert aunt.guardian_id is None


async def test_a_shared_phone_finds_two_people(seeded: Database, ring: KeyRing) -> None:
    async with seeded.read() as session:
        place = await session.scalar(select(Place).where(Place.scene == "demo-class-101"))
        assert place is not None
        found = await people.find_by_phone(session, ring, place.id, "18800000104")
    assert [guardian.name for guardian, _ in found] == ["晴安安妈妈", "晴安安爸爸"]


async def test_the_simulators_teacher_is_known_and_its_dingtalk_families_can_be_written_to(
    seeded: Database, clock: FixedClock
) -> None:
    threads = tomllib.loads((files("bot.web") / "simulator.toml").read_text("utf-8"))["thread"]
    people_there = {one["key"] for one in threads if one["platform"] == "dingtalk"}
    async with seeded.read() as session:
        teacher = await session.scalar(select(Staff).where(Staff.login == "teacher1"))
        assert teacher is not None
        assert teacher.external_id in people_there
        families = (
            await session.scalars(select(Contact).where(Contact.channel == "dingtalk"))
        ).all()
    assert {one.external_id for one in families} < people_there
    ways = {notice_plan.way_to(one, clock.now(), ()).name for one in families}
    assert ways == {notice_plan.DINGTALK}
