"""An import checked, applied and undone; everybody is invented."""

from collections.abc import Sequence

import pytest
from factories import District, make_contact, make_district
from import_world import Importer, excel, phone
from sqlalchemy import func, select

from bot.core.clock import FixedClock
from bot.core.errors import Conflict
from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, ChildPlace, Guardian, Guardianship, Place
from bot.services import people, places
from bot.services.importing import batches

ROWS: Sequence[Sequence[object]] = (
    ("1", "甲一", "三年级2班", "甲一妈", "妈妈", phone(1), "甲一爸", "父亲", phone(2)),
    ("2", "甲二", "三(2)班", "甲一妈", "母亲", phone(1)),
    ("3", "乙三", "3年级2班", "乙三奶奶", "奶奶", 18800000003.0),
)


@pytest.fixture
async def district(database: Database, clock: FixedClock) -> District:
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
        await places.add(session, kind="class", name="三年级3班", parent=made.school)
        return made


@pytest.fixture
def importer(database: Database, ring: KeyRing, clock: FixedClock, district: District) -> Importer:
    return Importer(database, clock, ring, district.school.id)


async def _count(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return {
            model.__tablename__: await session.scalar(select(func.count()).select_from(model)) or 0
            for model in (Child, ChildPlace, Guardian, Guardianship)
        }


EMPTY = {"child": 0, "child_place": 0, "guardian": 0, "guardianship": 0}
FULL = {"child": 3, "child_place": 3, "guardian": 3, "guardianship": 4}


async def test_a_dry_run_changes_nothing(importer: Importer) -> None:
    batch_id = await importer.check(ROWS)
    assert await _count(importer.database) == EMPTY
    batch = await importer.batch(batch_id)
    assert (batch.state, batch.total, batch.done) == ("checked", 3, 3)
    assert batch.counts["ready"] == 3
    assert batch.counts["code.adds_child"] == 3


async def test_applied_rows_are_children_with_guardians(
    importer: Importer, district: District, clock: FixedClock
) -> None:
    await importer.done(ROWS)
    assert await _count(importer.database) == FULL
    async with importer.database.read() as session:
        children = await people.children_of(session, district.class_.id)
        found = await people.find_by_phone(session, importer.ring, district.school.id, phone(1))
    assert [(row.name, row.student_no) for row in children] == [
        ("乙三", "3"),
        ("甲一", "1"),
        ("甲二", "2"),
    ]
    assert {child.name for _, child in found} == {"甲一", "甲二"}
    assert len({guardian.id for guardian, _ in found}) == 1
    assert [
        one.large_type for row in children for one in row.guardians if one.relation == "GM"
    ] == [True]


async def test_the_same_file_again_changes_nothing(importer: Importer, clock: FixedClock) -> None:
    first = await importer.done(ROWS)
    second = await importer.done(ROWS)
    assert second != first
    assert await _count(importer.database) == FULL
    assert [state for state, _ in await importer.rows(second)] == ["same"] * 3


async def test_a_double_click_is_one_batch(importer: Importer) -> None:
    content = excel(ROWS)
    assert await importer.check_file(content) == await importer.check_file(content)


async def test_undo_takes_away_what_the_import_made(importer: Importer) -> None:
    batch_id = await importer.done(ROWS)
    await importer.undo(batch_id)
    assert await _count(importer.database) == EMPTY
    assert [state for state, _ in await importer.rows(batch_id)] == ["undone"] * 3
    assert (await importer.batch(batch_id)).state == "undone"


async def test_undo_restores_what_the_import_changed(
    importer: Importer, district: District, clock: FixedClock
) -> None:
    first = await importer.done(ROWS[:2])
    clock.advance(days=1)
    changed = (
        ("1", "甲一", "三年级3班", "甲一妈", "姑姑", phone(9), "甲一爸", "父亲", phone(2)),
        ("2", "甲二", "三年级2班", "甲二舅", "舅舅", phone(7)),
    )
    second = await importer.done(changed)
    codes = [code for _, row in await importer.rows(second) for code in row]
    assert {"moves", "relation_changed", "phone_changed", "adds_guardian"} <= set(codes)
    async with importer.database.read() as session:
        assert len(await people.find_by_phone(session, importer.ring, 1, phone(9))) == 2
    await importer.undo(second)
    assert await _count(importer.database) == {
        "child": 2,
        "child_place": 2,
        "guardian": 2,
        "guardianship": 3,
    }
    async with importer.database.read() as session:
        children = await people.children_of(session, district.class_.id)
        found = await people.find_by_phone(session, importer.ring, 1, phone(1))
        stays = [await people.history(session, row.id) for row in children]
    assert [one.relation for row in children for one in row.guardians] == ["M", "F", "M"]
    assert len(found) == 2
    assert [[stay.ended_at for stay in one] for one in stays] == [[None], [None]]
    await importer.undo(first)
    assert await _count(importer.database) == EMPTY


async def test_undo_leaves_what_was_used_since(
    importer: Importer, district: District, clock: FixedClock
) -> None:
    batch_id = await importer.done(ROWS)
    async with importer.database.write() as session:
        found = await people.find_by_phone(session, importer.ring, 1, phone(2))
        contact = await make_contact(session, now=clock.now(), place=district.class_)
        contact.guardian_id = found[0][0].id
    await importer.undo(batch_id)
    rows = await importer.rows(batch_id)
    assert [state for state, _ in rows] == ["kept", "undone", "undone"]
    assert rows[0][1][-1] == "undo_guardian"
    async with importer.database.read() as session:
        left = await people.children_of(session, district.school.id)
    assert [(row.name, len(row.guardians)) for row in left] == [("甲一", 2)]


async def test_undo_leaves_a_child_that_was_moved_since(
    importer: Importer, district: District, clock: FixedClock
) -> None:
    batch_id = await importer.done(ROWS[2:])
    async with importer.database.write() as session:
        child = await session.scalar(select(Child))
        other = await session.scalar(select(Place.id).where(Place.name == "三年级3班"))
        assert child is not None
        assert other is not None
        await people.move_child(session, child, other, clock.now())
    await importer.undo(batch_id)
    assert await importer.rows(batch_id) == [
        ("kept", ["adds_child", "adds_guardian", "undo_changed"])
    ]


async def test_a_guardian_of_another_school_keeps_their_phone(
    importer: Importer, district: District, clock: FixedClock
) -> None:
    async with importer.database.write() as session:
        other = await places.add(
            session, kind="class", name="初一1班", parent=district.other_school
        )
    elsewhere = Importer(importer.database, clock, importer.ring, district.other_school.id)
    await elsewhere.done([("9", "甲大", "初一1班", "甲一妈", "妈妈", phone(1))])
    await importer.done(ROWS[:1])
    assert (await _count(importer.database))["guardian"] == 2
    third = await importer.done([("1", "甲一", "三年级2班", "甲一妈", "妈妈", phone(8))])
    assert await importer.rows(third) == [("done", ["phone_kept"])]
    async with importer.database.read() as session:
        found = await people.find_by_phone(session, importer.ring, other.id, phone(1))
    assert [child.name for _, child in found] == ["甲大"]


async def test_a_custody_block_is_not_touched(importer: Importer, clock: FixedClock) -> None:
    await importer.done(ROWS[:1])
    async with importer.database.write() as session:
        held = (await session.scalars(select(Guardianship).order_by(Guardianship.id))).all()[1]
        held.custody_block = True
    second = await importer.done(
        [("1", "甲一", "三年级2班", "甲一爸", "叔叔", phone(6), "甲一妈", "妈妈", phone(1))]
    )
    assert "blocked" in (await importer.rows(second))[0][1]
    async with importer.database.read() as session:
        held = await session.get_one(Guardianship, held.id)
        guardian = await session.get_one(Guardian, held.guardian_id)
    assert (held.relation, held.custody_block, guardian.phone) == ("F", True, phone(2))


async def test_one_child_in_two_rows_is_put_together(importer: Importer) -> None:
    rows = (
        ("", "甲一", "三年级2班", "甲一妈", "妈妈", phone(1)),
        ("", "甲一", "三年级2班", "甲一爸", "爸爸", phone(2)),
    )
    batch_id = await importer.check(rows)
    assert [codes for _, codes in await importer.rows(batch_id)] == [
        ["adds_child", "adds_guardian"],
        ["again:2", "adds_guardian"],
    ]
    await importer.apply(batch_id)
    assert await _count(importer.database) == {
        "child": 1,
        "child_place": 1,
        "guardian": 2,
        "guardianship": 2,
    }
    await importer.undo(batch_id)
    assert await _count(importer.database) == EMPTY


async def test_two_imports_of_one_school_take_turns(importer: Importer) -> None:
    first, second = await importer.check(ROWS[:1]), await importer.check(ROWS[1:])
    async with importer.database.write() as session:
        await batches.apply(session, None, first, row_version=None, now=importer.now)
    with pytest.raises(Conflict, match="import_runs"):
        async with importer.database.write() as session:
            await batches.apply(session, None, second, row_version=None, now=importer.now)
    with pytest.raises(Conflict, match="state"):
        async with importer.database.write() as session:
            await batches.apply(session, None, first, row_version=None, now=importer.now)


async def test_the_second_of_two_people_is_told(importer: Importer) -> None:
    batch_id = await importer.check(ROWS)
    shown = (await importer.batch(batch_id)).row_version
    await importer.apply(batch_id)
    with pytest.raises(Conflict, match="row"):
        async with importer.database.write() as session:
            await batches.undo(session, None, batch_id, row_version=shown, now=importer.now)


def test_every_table_that_points_at_people_is_asked() -> None:
    pointing = {
        table.name
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "child"
    }
    assert {"binding", "consent", "notice_child"} <= pointing
