"""Retention: nothing goes of what is open, held, waiting or on its way, however old it is."""

import pytest
from factories import make_case, make_contact, make_delivery, make_message
from retention_world import DAY, NIGHT, child_left, count, run_night
from sqlalchemy import select

from bot.db.engine import Database
from bot.db.models import (
    Case,
    Delivery,
    Guardian,
    Guardianship,
    LegalHold,
    Message,
)
from bot.services import retention


async def test_nothing_of_an_open_case_goes_however_old(database: Database) -> None:
    old = NIGHT - 5000 * DAY
    async with database.write() as session:
        contact = await make_contact(session, now=old)
        contact.emergency_contact = "13800000000"
        for level in ("0", "1", "3"):
            message = await make_message(session, contact, now=old, level=level, state="done")
            await make_delivery(session, contact, now=old, state="accepted", message=message)
        await make_delivery(session, contact, now=old, state="accepted")
        closed = await make_case(session, contact, now=old, state="closed")
        closed.closed_at, closed.close_reason = old, "false_alarm"
        await make_case(session, contact, now=old)
    run = await run_night(database)
    assert (retention.gone_in(run), run.overdue) == ({}, 0)
    assert await count(database, Message) == 3
    assert await count(database, Delivery) == 4
    assert await count(database, Case) == 2
    async with database.write() as session:
        for case in await session.scalars(select(Case)):
            case.state, case.closed_at = "closed", old
    assert retention.gone_in(await run_night(database, NIGHT + DAY))["case_files"] == 1
    assert await count(database, Message) == 0


@pytest.mark.parametrize("kind", ["contact", "child", "case"])
async def test_a_hold_keeps_everything_of_its_person(database: Database, kind: str) -> None:
    old = NIGHT - 5000 * DAY
    async with database.write() as session:
        child = await child_left(session, old)
        guardian = Guardian(name="晴爸", source="import", created_at=old)
        session.add(guardian)
        await session.flush()
        session.add(
            Guardianship(guardian_id=guardian.id, child_id=child.id, relation="F", created_at=old)
        )
        contact = await make_contact(session, now=old)
        contact.guardian_id, contact.name = guardian.id, "晴爸"
        await make_message(session, contact, now=old, state="done")
        case = await make_case(session, contact, now=old, state="closed")
        case.closed_at = old
        stranger = await make_contact(session, now=old)
        await make_message(session, stranger, now=old, state="done")
        held = {"contact": contact.id, "child": child.id, "case": case.id}[kind]
        session.add(LegalHold(kind=kind, object_id=held, reason="函", created_at=old))
    run = await run_night(database)
    assert (retention.gone_in(run), run.overdue) == ({"chat": 1}, 0)
    async with database.write() as session:
        (await session.scalars(select(LegalHold))).one().released_at = NIGHT
    gone = retention.gone_in(await run_night(database, NIGHT + DAY))
    assert {"chat", "case_files", "children_left", "guardians_left"} <= set(gone)


async def test_what_waits_or_is_on_its_way_is_not_taken(database: Database) -> None:
    old = NIGHT - 400 * DAY
    async with database.write() as session:
        contact = await make_contact(session, now=NIGHT)
        await make_delivery(session, contact, now=old, state="queued")
        await make_message(session, contact, now=old, state="stored")
    assert retention.gone_in(await run_night(database)) == {}
