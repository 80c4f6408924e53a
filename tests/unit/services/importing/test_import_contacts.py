"""What a directory brings besides children: contacts, teachers' ids; everybody is invented."""

import pytest
from factories import NIGHT, make_contact, make_district
from import_world import Importer, Listed, imported
from sqlalchemy import func, select

from bot.core.clock import FixedClock
from bot.core.errors import NotAllowed
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import (
    AuditEntry,
    Binding,
    Child,
    Contact,
    Guardian,
    Guardianship,
    ImportBatch,
    Place,
    Staff,
    StaffRole,
)
from bot.jobs.registry import JobRun
from bot.services import bindings, directory_contacts, notice_plan, staff
from bot.services.importing import batches
from bot.services.importing.directory import ListedChild, ListedClass
from bot.services.staff import StaffView

MOTHER, FATHER = ("u-m", "甲一妈", "M"), ("u-f", "甲一爸", "F")
CHILDREN = (
    ListedChild("u-1", "甲一", "1", (MOTHER, FATHER)),
    ListedChild("u-2", "甲二", "2", (MOTHER,)),
)
CLASS = ListedClass("三年级2班", CHILDREN)


@pytest.fixture
async def importer(database: Database, ring: KeyRing, clock: FixedClock) -> Importer:
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
    return Importer(database, clock, ring, made.school.id)


async def _contacts(importer: Importer) -> dict[str, str]:
    """Return whose each contact is, by name; empty: nobody's."""
    async with importer.database.read() as session:
        rows = await session.execute(
            select(Contact.external_id, Guardian.name).outerjoin(
                Guardian, Guardian.id == Contact.guardian_id
            )
        )
        return {external_id: name or "" for external_id, name in rows}


async def _applied(importer: Importer) -> int:
    batch_id = await imported(importer, Listed(CLASS))
    await importer.apply(batch_id)
    return batch_id


async def test_guardians_can_be_told_before_they_ever_wrote(importer: Importer) -> None:
    batch_id = await _applied(importer)
    assert await _contacts(importer) == {"u-m": "甲一妈", "u-f": "甲一爸"}
    async with importer.database.read() as session:
        contact = await session.scalar(select(Contact).where(Contact.external_id == "u-m"))
        ways = await session.scalars(select(Binding.way))
        place = await session.get_one(Place, importer.place_id)
        _, by_way, without = await notice_plan.count(session, place, now=importer.now, templates=())
    assert contact is not None
    assert (contact.channel, contact.account) == ("dingtalk", "school1")
    assert set(ways) == {"directory"}
    assert (by_way, without) == ({"dingtalk": 2}, {})
    await importer.undo(batch_id)
    assert [state for state, _ in await importer.rows(batch_id)] == ["undone"] * 2
    async with importer.database.read() as session:
        for model in (Contact, Binding, Child, Guardian, Guardianship):
            assert await session.scalar(select(func.count()).select_from(model)) == 0, model


async def test_a_contact_that_is_there_is_bound_and_stays_after_undoing(
    importer: Importer,
) -> None:
    async with importer.database.write() as session:
        contact = await make_contact(session, now=importer.now)
        contact.channel, contact.external_id = "dingtalk", "u-m"
        contact.account, contact.last_incoming_at = "school1", importer.now
    batch_id = await _applied(importer)
    assert await _contacts(importer) == {"u-m": "甲一妈", "u-f": "甲一爸"}
    await importer.undo(batch_id)
    assert await _contacts(importer) == {"u-m": ""}


async def test_who_is_kept_from_the_child_gets_no_contact(importer: Importer) -> None:
    first = await _applied(importer)
    await importer.undo(first)
    async with importer.database.write() as session:
        assert await session.scalar(select(func.count(Contact.id))) == 0
    await importer.done([("1", "甲一", "三年级2班", "甲一爸", "爸爸", "", "甲一妈", "妈妈", "")])
    async with importer.database.write() as session:
        for held, guardian in await session.execute(
            select(Guardianship, Guardian).join(Guardian, Guardian.id == Guardianship.guardian_id)
        ):
            guardian.external_id = "u-f" if held.relation == "F" else None
            held.custody_block = held.relation == "F"
    await _applied(importer)
    assert await _contacts(importer) == {"u-m": "甲一妈"}


async def test_who_took_themself_away_is_not_bound_again(importer: Importer) -> None:
    await _applied(importer)
    async with importer.database.write() as session:
        contact = await session.scalar(select(Contact).where(Contact.external_id == "u-m"))
        assert contact is not None
        await bindings.leave(session, contact, now=importer.now, reason="asked")
        await directory_contacts.recognise(session, contact, home="", now=importer.now)
    await _applied(importer)
    assert (await _contacts(importer))["u-m"] == ""


async def test_first_words_are_recognised_at_the_robots_place_only(importer: Importer) -> None:
    batch_id = await imported(importer, Listed(CLASS))
    async with importer.database.write() as session:
        batch = await session.get_one(ImportBatch, batch_id)
        batch.name = "another robot"
    await importer.apply(batch_id)
    async with importer.database.write() as session:
        school = await session.get_one(Place, importer.place_id)
        school.scene = "school-1"
        other = await session.scalar(select(Place).where(Place.name == "晴川二中"))
        assert other is not None
        other.scene = "school-2"
        contact = await make_contact(session, now=importer.now)
        contact.channel, contact.external_id = "dingtalk", "u-m"
        await session.flush()
        await directory_contacts.recognise(session, contact, home="school-2", now=importer.now)
        whose = [contact.guardian_id]
        await directory_contacts.recognise(session, contact, home="school-1", now=importer.now)
        whose.append(contact.guardian_id)
    assert whose[0] is None
    assert whose[1]
    await importer.undo(batch_id)
    assert [state for state, _ in await importer.rows(batch_id)] == ["undone"] * 2


async def _person(importer: Importer, login: str, name: str, role: str) -> int:
    async with importer.database.write() as session:
        person = Staff(login=login, name=name, password_hash="x", created_at=importer.now)
        session.add(person)
        await session.flush()
        await staff.grant(session, staff_id=person.id, place_id=importer.place_id, role=role)
        return person.id


async def _view(importer: Importer, staff_id: int) -> StaffView:
    async with importer.database.read() as session:
        return await staff.view(session, await session.get_one(Staff, staff_id), importer.now)


async def test_teachers_are_matched_and_given_their_id_when_ticked(importer: Importer) -> None:
    admin = await _person(importer, "admin", "管理员", "admin")
    lead = await _person(importer, "lead", "许校长", "lead")
    wang = await _person(importer, "wang", "王老师", "teacher")
    await _person(importer, "li1", "李老师", "teacher")
    await _person(importer, "li2", "李老师", "teacher")
    async with importer.database.read() as session:
        everybody = await session.scalar(select(func.count(Staff.id)))
    teachers = (("t-w", "王老师"), ("t-n", "赵老师"), ("t-l", "李老师"), ("t-a", "管理员"))
    batch_id = await imported(importer, Listed(ListedClass("三年级2班", (), teachers)))
    assert await importer.rows(batch_id) == [
        ("ask", ["teacher_match"]),
        ("wrong", ["teacher_unknown"]),
        ("wrong", ["teacher_two"]),
        ("ask", ["teacher_match"]),
    ]
    with pytest.raises(NotAllowed):
        await importer.choose(batch_id, [1], await _view(importer, lead))
    by = await _view(importer, admin)
    await importer.choose(batch_id, [1, 4], by)
    async with importer.database.write() as session:
        await batches.apply(session, by, batch_id, row_version=None, now=importer.now)
    async with importer.database.write() as session:
        await importer.imports.apply_chunk(session, _run(batch_id, 0, admin))
    assert [state for state, _ in await importer.rows(batch_id)] == [
        "done",
        "wrong",
        "wrong",
        "wrong",
    ]
    assert (await importer.rows(batch_id))[3][1][-1] == "teacher_above"
    async with importer.database.read() as session:
        assert (await session.get_one(Staff, wang)).external_id == "t-w"
        assert await session.scalar(select(func.count(Staff.id))) == everybody
    again = await imported(importer, Listed(ListedClass("三年级2班", (), teachers[:1])))
    assert await importer.rows(again) == [("same", ["teacher_known"])]
    await importer.undo(batch_id)
    async with importer.database.read() as session:
        assert (await session.get_one(Staff, wang)).external_id is None
        entries = list(
            await session.scalars(
                select(AuditEntry.action).where(AuditEntry.action == "staff.id_changed")
            )
        )
    assert len(entries) == 2


def _run(batch_id: int, done: int, by: int) -> JobRun:
    payload: dict[str, object] = {"batch": batch_id, "done": done, "by": by}
    return JobRun(1, batches.APPLY, "k", payload, 1, "main", NIGHT, False)


async def test_an_import_stops_when_its_starter_may_no_longer(importer: Importer) -> None:
    lead = await _person(importer, "lead", "许校长", "lead")
    other = await _person(importer, "admin", "管理员", "admin")
    by = await _view(importer, lead)
    batch_id = await imported(importer, Listed(CLASS))
    async with importer.database.write() as session:
        await batches.apply(session, by, batch_id, row_version=None, now=importer.now)
        (await session.get_one(Staff, lead)).active = False
    async with importer.database.write() as session:
        await importer.imports.apply_chunk(session, _run(batch_id, 0, lead))
    batch = await importer.batch(batch_id)
    assert (batch.state, batch.problem, batch.done) == ("failed", "rights", 0)
    assert await _contacts(importer) == {}
    async with importer.database.write() as session:
        again = await _view(importer, other)
        await batches.apply(session, again, batch_id, row_version=None, now=importer.now)
    async with importer.database.write() as session:
        await importer.imports.apply_chunk(session, _run(batch_id, 0, other))
    assert (await importer.batch(batch_id)).state == "applied"
    async with importer.database.write() as session:
        await batches.undo(session, again, batch_id, row_version=None, now=importer.now)
        for role in (await session.scalars(select(StaffRole))).all():
            role.ends_at = importer.now
    async with importer.database.write() as session:
        await importer.imports.undo_chunk(session, _run(batch_id, 0, other))
    batch = await importer.batch(batch_id)
    assert (batch.state, batch.problem) == ("failed", "rights")
    assert len(await _contacts(importer)) == 2
    async with importer.database.read() as session:
        stopped = await session.scalars(
            select(AuditEntry.id).where(AuditEntry.action == "import.stopped")
        )
        assert len(stopped.all()) == 2
