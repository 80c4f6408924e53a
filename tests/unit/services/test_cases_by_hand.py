"""A case without a message stands in the same queue, with the same ladder, as any other."""

import pytest
from factories import NIGHT, District, make_district, make_shift
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import AuditEntry, Case, CaseEvent, Contact, Delivery, Job
from bot.services import cases, contacts
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.cases_by_hand import open_by_hand
from bot.services.staff import StaffView

POLICY = AlertPolicy([AlertTarget("s", "school")], load_alerts(), "http://desk.example/desk")


async def opened(
    session: AsyncSession,
    town: District,
    by: StaffView | None = None,
    *,
    level: str = "3",
    categories: tuple[str, ...] = ("SI",),
    drill: bool = False,
) -> Case:
    return await open_by_hand(
        session,
        POLICY,
        by,
        place_id=town.class_.id,
        level=level,
        categories=categories,
        origin="drill" if drill else "worry",
        who="T",
        drill=drill,
        now=NIGHT,
    )


async def test_it_is_called_and_climbs_like_any_other(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        await make_shift(session, town.school, town.counselor, start=NIGHT)
        case = await opened(session, town, town.as_counselor)
    async with database.read() as session:
        case = await session.get_one(Case, case.id)
        assert (case.place_id, case.tier, case.level, case.family) == (
            town.school.id,
            "school",
            "3",
            "self_harm",
        )
        assert (case.origin, case.speaker, case.subject) == ("worry", "other_adult", "child")
        assert (case.message_id, case.phone_now, case.uncovered) == (None, True, False)
        events = list(await session.scalars(select(CaseEvent).order_by(CaseEvent.id)))
        assert [event.kind for event in events] == ["opened", "alerted", "by_hand"]
        assert events[-1].staff_id == town.counselor.id
        alert = (await session.scalars(select(Delivery))).one()
        assert (alert.case_id, alert.target) == (case.id, "s")
        kinds = set(await session.scalars(select(Job.kind)))
        assert {"alert.send", "ladder.step"} <= kinds


async def test_nothing_can_be_written_to_its_contact(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town)
        contact = await session.get_one(Contact, case.contact_id)
        assert contact.channel == contacts.PHONE
        assert not contacts.can_write(contact, NIGHT)
        accepted = await cases.accept(session, town.as_counselor, case.id, now=NIGHT)
        assert accepted.accepted_by == town.counselor.id


async def test_two_cases_by_hand_never_meet_in_one_contact(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        first, second = await opened(session, town), await opened(session, town)
        assert first.contact_id != second.contact_id
        assert first.id != second.id


@pytest.mark.parametrize(
    ("categories", "kind"), [(("ABU",), "school"), (("TCH",), "district"), (("SI",), "school")]
)
async def test_category_decides_whose_desk(
    database: Database, categories: tuple[str, ...], kind: str
) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, categories=categories)
        assert case.tier == kind


async def test_a_call_of_no_danger_wakes_nobody(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        await opened(session, town, level="1", categories=())
        assert (await session.scalars(select(Delivery))).all() == []


async def test_a_drill_is_marked_and_claims_no_exception_from_consent(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, drill=True)
        assert case.drill
        alert = (await session.scalars(select(Delivery))).one()
        assert alert.source == "phrase:alert.drill@1"
        assert "演练" in alert.body
        assert (await session.scalars(select(AuditEntry))).all() == []
