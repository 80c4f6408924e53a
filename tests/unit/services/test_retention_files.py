"""Retention of a case's file: it goes whole with its case, and stays while the case is open."""

from datetime import datetime

import pytest
from factories import make_case, make_contact, make_district
from file_world import SECRET, fill_file
from retention_world import DAY, NIGHT, child_left, count, run_night
from sqlalchemy import select, text

from bot.db.base import Base
from bot.db.engine import Database
from bot.db.models import (
    Case,
    CaseForm,
    Child,
    Drill,
    Guardian,
    Guardianship,
    LegalHold,
    PhoneCall,
    Report,
    RuleCase,
    Told,
)
from bot.db.models.delivery import Delivery

OLD = NIGHT - 5000 * DAY
# What else points to a case; each is forgotten by a rule and a test of its own.
ELSEWHERE = {Delivery.__tablename__, RuleCase.__tablename__}


async def _full_case(
    database: Database, *, at: datetime = OLD, state: str = "closed", reason: str = "answered"
) -> tuple[int, int]:
    """Add a case with a whole file about a child that left long ago; return both ids."""
    async with database.write() as session:
        here = await make_district(session, now=at)
        child = await child_left(session, at)
        contact = await make_contact(session, now=at)
        case = await make_case(session, contact, now=at, place=here.school, state=state)
        await fill_file(session, case, here.counselor, here.school, child, at=at)
        if state == "closed":
            case.closed_at, case.close_reason = at, reason
        return case.id, child.id


def _tables() -> set[str]:
    """Return the tables that point to a case."""
    return {
        table.name
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if any(key.target_fullname == "risk_case.id" for key in column.foreign_keys)
    }


async def _filled(database: Database) -> set[str]:
    """Return those of them in which something of a case stands."""
    async with database.read() as session:
        return {
            name
            for name in _tables()
            if await session.scalar(text(f"SELECT count(*) FROM {name} WHERE case_id IS NOT NULL"))
        }


async def test_every_table_of_the_file_goes_with_its_case(database: Database) -> None:
    await _full_case(database)
    assert await _filled(database) == _tables() - ELSEWHERE, (
        "a table that points to a case is not in tests/file_world.py"
    )
    await run_night(database)
    assert await _filled(database) == set()
    assert await count(database, Case) == 0
    # That a drill was held, and how it went, is no part of anybody's file.
    assert await count(database, Drill) == 1


async def test_nothing_of_an_open_file_goes_however_old(database: Database) -> None:
    await _full_case(database, state="accepted")
    await run_night(database)
    assert await _filled(database) == _tables() - ELSEWHERE


async def test_what_was_written_about_a_false_alarm_goes_first_and_its_report_stays(
    database: Database,
) -> None:
    await _full_case(database, at=NIGHT - 10 * DAY, reason="false_alarm")
    await run_night(database)
    for model in (CaseForm, Told, PhoneCall):
        assert await count(database, model) == 0
    assert await count(database, Report) == 1
    assert await count(database, Case) == 1


async def test_the_child_of_an_open_case_keeps_its_name_and_so_do_its_guardians(
    database: Database,
) -> None:
    """A call by somebody unknown has no guardian's contact: the case itself names the child."""
    case_id, child_id = await _full_case(database, state="accepted")
    async with database.write() as session:
        guardian = Guardian(name="晴爸", source="import", created_at=OLD)
        session.add(guardian)
        await session.flush()
        session.add(
            Guardianship(guardian_id=guardian.id, child_id=child_id, relation="F", created_at=OLD)
        )
    await run_night(database)
    async with database.write() as session:
        assert (await session.get_one(Child, child_id)).name == "小晴"
        assert (await session.scalars(select(Guardian))).one().name == "晴爸"
        case = await session.get_one(Case, case_id)
        case.state, case.closed_at, case.close_reason = "closed", OLD, "answered"
    await run_night(database, NIGHT + DAY)
    async with database.read() as session:
        assert (await session.get_one(Child, child_id)).name == ""
        assert (await session.scalars(select(Guardian))).one().erased_at is not None


@pytest.mark.parametrize("kind", ["case", "child"])
async def test_a_hold_keeps_the_child_and_the_whole_file(database: Database, kind: str) -> None:
    case_id, child_id = await _full_case(database)
    async with database.write() as session:
        held = {"case": case_id, "child": child_id}[kind]
        session.add(LegalHold(kind=kind, object_id=held, reason="函", created_at=OLD))
    await run_night(database)
    async with database.read() as session:
        assert (await session.get_one(Child, child_id)).name == "小晴"
        assert (await session.scalars(select(Report))).one().words == SECRET
    assert await _filled(database) == _tables() - ELSEWHERE
