"""A danger that comes while somebody closes the case is not lost in the closed one."""

import asyncio

import pytest
from factories import NIGHT, make_case, make_contact, make_district
from sqlalchemy import select

from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Case, Contact
from bot.services import cases
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause

POLICY = AlertPolicy([], load_alerts(), "http://desk.example/desk")
DANGER = Cause("2", ("SI-P",), "PC", "child")


@pytest.mark.postgresql(reason="one transaction after the other there")
async def test_a_danger_that_waits_for_a_closing_opens_a_case_of_its_own(
    database: Database,
) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        contact = await make_contact(session, now=NIGHT)
        case = await make_case(session, contact, now=NIGHT, place=town.school, level="2")
        await cases.accept(session, town.as_counselor, case.id, now=NIGHT)

    async def comes() -> None:
        async with database.write() as session:
            of = await session.get_one(Contact, contact.id)
            await cases.open_or_raise(session, POLICY, of, None, DANGER, now=NIGHT)

    async with database.write() as session:
        by = town.as_counselor
        await cases.close(session, by, case.id, reason="answered", note="好了", now=NIGHT)
        await session.flush()
        coming = asyncio.create_task(comes())
        await asyncio.wait([coming], timeout=0.5)
    await coming
    async with database.read() as session:
        states = list(await session.scalars(select(Case.state).order_by(Case.id)))
    assert states == ["closed", "open"]
