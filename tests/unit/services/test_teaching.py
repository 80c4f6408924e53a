"""The start page's counts and places, for a class teacher, a school lead and a district."""

import pytest
from factories import NIGHT, District, make_contact, make_district, make_staff
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid, NotAllowed
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.services import people, places, staff, teaching
from bot.services.staff import StaffView


async def _view(session: AsyncSession, role: str, place_id: int) -> StaffView:
    person = await make_staff(session, now=NIGHT)
    await staff.grant(session, staff_id=person.id, place_id=place_id, role=role)
    return await staff.view(session, person, NIGHT)


async def _child(
    session: AsyncSession, ring: KeyRing, made: District, name: str, *, bound: bool, blocked: bool
) -> None:
    child = await people.add_child(
        session, place_id=made.class_.id, name=name, now=NIGHT, ring=ring
    )
    mother = await people.add_guardian(session, name="妈妈", now=NIGHT, ring=ring)
    tie = await people.tie(session, mother, child, "M", NIGHT)
    tie.custody_block = blocked
    if bound:
        contact = await make_contact(session, now=NIGHT, openid=f"o-{name}")
        contact.guardian_id = mother.id


async def test_a_class_is_counted_without_whoever_may_not_be_told(
    database: Database, ring: KeyRing
) -> None:
    async with database.write() as session:
        made = await make_district(session, now=NIGHT)
        await _child(session, ring, made, "安安", bound=True, blocked=False)
        await _child(session, ring, made, "宁宁", bound=False, blocked=False)
        await _child(session, ring, made, "乐乐", bound=True, blocked=True)
        view = await _view(session, "teacher", made.class_.id)
        (row,) = await teaching.figures(session, view)
    assert (row.name, row.school) == ("三年级2班", "晴川一小")
    assert (row.children, row.guardians, row.bound, row.silent) == (3, 2, 1, 2)


async def test_too_many_classes_are_shown_as_schools(
    database: Database, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "MOST_CLASSES", 1)
    async with database.write() as session:
        made = await make_district(session, now=NIGHT)
        grade = await places.add(session, kind="grade", name="四年级", parent=made.school)
        await places.add(session, kind="class", name="四年级1班", parent=grade)
        await _child(session, ring, made, "安安", bound=True, blocked=False)
        view = await _view(session, "district", made.district.id)
        rows = await teaching.figures(session, view)
    assert [(row.kind, row.name, row.children) for row in rows] == [
        ("school", "晴川一小", 1),
        ("school", "晴川二中", 0),
    ]


async def test_a_lead_writes_to_the_school_its_grades_and_classes(database: Database) -> None:
    async with database.write() as session:
        made = await make_district(session, now=NIGHT)
        grade = await places.add(session, kind="grade", name="四年级", parent=made.school)
        lower = await places.add(session, kind="class", name="四年级1班", parent=grade)
        await places.add(session, kind="committee", name="家委会", parent=made.school)
        made.class_.state = "closed"
        view = await _view(session, "lead", made.school.id)
        found = await teaching.audiences(session, view)
        below = await teaching.audiences(session, view, within=grade.id)
        for place_id in (made.class_.id, made.district.id + 999):
            with pytest.raises(InputInvalid):
                await teaching.require_audience(session, view, place_id)
        with pytest.raises(NotAllowed):
            await teaching.require_audience(session, view, made.other_school.id)
        await teaching.require_audience(session, view, lower.id)
    assert [(row.kind, row.name) for row in found] == [
        ("school", "晴川一小"),
        ("grade", "四年级"),
        ("class", "四年级1班"),
    ]
    assert [row.name for row in below] == ["四年级", "四年级1班"]
