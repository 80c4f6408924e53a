"""Transfers: who has a case answers for it until somebody else has it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from factories import make_staff
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Case, CaseEvent, CaseForm, Contact, Draft, Job
from bot.services import cases, conversations, drafts, places, staff, transfers
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.staff import StaffView

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
POLICY = AlertPolicy([AlertTarget("district", "district")], load_alerts(), "https://x")


@dataclass
class Desk:
    """One accepted case with those around it."""

    session: AsyncSession
    case: Case
    one: StaffView
    two: StaffView
    stranger: StaffView
    district: StaffView


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A level-2 case that the first of two counselors of a school has accepted and holds."""
    async with database.write() as session:
        district = await places.add(session, kind="district", name="晴川区", parent=None)
        school = await places.add(session, kind="school", name="一小", parent=district)
        other = await places.add(session, kind="school", name="二中", parent=district)
        people = {}
        for login, role, place in (
            ("one", "counselor", school),
            ("two", "counselor", school),
            ("stranger", "counselor", other),
            ("district", "district", district),
        ):
            person = await make_staff(session, login=login, now=NOW)
            await staff.grant(session, staff_id=person.id, place_id=place.id, role=role)
            people[login] = await staff.view(session, person, NOW)
        contact = Contact(
            channel="wechat", account="demo", external_id="p", place_id=school.id, created_at=NOW
        )
        session.add(contact)
        await session.flush()
        case = Case(
            contact_id=contact.id,
            place_id=school.id,
            level="2",
            family="self_harm",
            opened_at=NOW,
            raised_at=NOW,
            tier="school",
        )
        session.add(case)
        await session.flush()
        await cases.accept(session, people["one"], case.id, now=NOW)
        await conversations.take(session, people["one"], contact.id, now=NOW)
        yield Desk(session, case, **people)


async def test_until_somebody_takes_it_a_case_stays_where_it_is(desk: Desk) -> None:
    await transfers.offer(
        desk.session, desk.one, desk.case, to_id=desk.two.id, note="下班了", now=NOW
    )
    assert desk.case.accepted_by == desk.one.id
    found = await transfers.offered(desk.session, desk.case, now=NOW)
    assert found is not None
    assert (found.from_id, found.to_id) == (desk.one.id, desk.two.id)
    assert [
        one.case_id for one in await transfers.waiting_for(desk.session, desk.two, now=NOW)
    ] == [desk.case.id]
    assert await transfers.waiting_for(desk.session, desk.one, now=NOW) == []
    late = NOW + transfers.LASTS
    assert await transfers.offered(desk.session, desk.case, now=late) is None
    assert await transfers.waiting_for(desk.session, desk.two, now=late) == []
    with pytest.raises(Conflict):
        await transfers.take(desk.session, desk.two, desk.case, now=late)


async def test_who_takes_it_gets_the_conversation_the_forms_and_the_drafts(desk: Desk) -> None:
    session, case = desk.session, desk.case
    form = CaseForm(
        case_id=case.id, kind="risk", answers={}, author_id=desk.one.id, made_at=NOW, state="draft"
    )
    session.add(form)
    for field, text in (("note", "写了一半"), ("text", "家长您"), ("told", "甲的")):
        await drafts.keep(session, desk.one, f"case:{case.id}:{field}", text, now=NOW)
    await drafts.keep(session, desk.two, f"case:{case.id}:told", "乙的", now=NOW)
    await transfers.offer(session, desk.one, case, to_id=desk.two.id, note="交给你", now=NOW)
    await transfers.take(session, desk.two, case, now=NOW)
    assert (case.accepted_by, form.author_id) == (desk.two.id, desk.two.id)
    contact = await session.get_one(Contact, case.contact_id)
    assert contact.holder_id == desk.two.id
    own = await drafts.of_case(session, desk.two, case.id)
    assert own == {f"case:{case.id}:note": "写了一半", f"case:{case.id}:told": "乙的"}
    left = await session.scalars(select(Draft.text).where(Draft.staff_id == desk.one.id))
    assert set(left) == {"家长您", "甲的"}
    told = await session.scalars(select(Job.payload).where(Job.kind == "contact.tell"))
    assert "case.transferred" in [payload["phrase"] for payload in told]
    with pytest.raises(Conflict):
        await transfers.take(session, desk.two, case, now=NOW)


async def test_a_no_and_a_second_thought(desk: Desk) -> None:
    session, case = desk.session, desk.case
    for by, kind in ((desk.two, "transfer_declined"), (desk.one, "transfer_taken_back")):
        await transfers.offer(session, desk.one, case, to_id=desk.two.id, note="请接", now=NOW)
        with pytest.raises(Conflict):
            await transfers.offer(session, desk.one, case, to_id=desk.two.id, note="再", now=NOW)
        await transfers.decline(session, by, case, now=NOW)
        last = await session.scalar(select(CaseEvent).order_by(CaseEvent.id.desc()).limit(1))
        assert last is not None
        assert last.kind == kind
        assert case.accepted_by == desk.one.id
    with pytest.raises(Conflict):
        await transfers.decline(session, desk.two, case, now=NOW)


async def test_only_who_may_work_on_it_is_asked(desk: Desk) -> None:
    session, case = desk.session, desk.case
    known = await transfers.colleagues(session, desk.one, case, now=NOW)
    assert [one.id for one in known] == [desk.two.id]
    for wrong in (desk.stranger.id, desk.district.id, desk.one.id, 999_999, 0):
        with pytest.raises(InputInvalid):
            await transfers.offer(session, desk.one, case, to_id=wrong, note="x", now=NOW)
        with pytest.raises(InputInvalid):
            await transfers.invite(session, desk.one, case, second_id=wrong or -1, now=NOW)
    with pytest.raises(NotFound):
        await transfers.offer(session, desk.stranger, case, to_id=desk.two.id, note="x", now=NOW)
    with pytest.raises(Conflict):
        await transfers.offer(session, desk.two, case, to_id=desk.one.id, note="x", now=NOW)
    case.level = "3"
    await session.flush()
    known = await transfers.colleagues(session, desk.one, case, now=NOW)
    assert {one.id for one in known} == {desk.two.id, desk.district.id}


async def test_a_case_that_is_called_out_again_waits_for_everyone(desk: Desk) -> None:
    session, case = desk.session, desk.case
    await transfers.offer(session, desk.one, case, to_id=desk.two.id, note="请接", now=NOW)
    case.state = "open"
    await session.flush()
    assert await transfers.offered(session, case, now=NOW) is None
    with pytest.raises(Conflict):
        await transfers.take(session, desk.two, case, now=NOW)


async def test_the_district_is_called_for_level_three_only(desk: Desk) -> None:
    session, case, later = desk.session, desk.case, NOW + timedelta(minutes=20)
    with pytest.raises(Conflict, match="transfer_level"):
        await transfers.call_district(session, POLICY, desk.one, case, note="急", now=later)
    case.level = "3"
    await session.flush()
    with pytest.raises(InputInvalid):
        await transfers.call_district(session, POLICY, desk.one, case, note=" ", now=later)
    await transfers.call_district(session, POLICY, desk.one, case, note="急", now=later)
    assert (case.state, case.tier, case.raised_at) == ("open", "district", later)
    assert case.accepted_by == desk.one.id
    contact = await session.get_one(Contact, case.contact_id)
    assert contact.holder_id == desk.one.id
    steps = await session.scalars(select(Job.kind).where(Job.kind == "ladder.step"))
    assert list(steps)
    await cases.accept(session, desk.district, case.id, now=later)
    assert case.accepted_by == desk.district.id


async def test_a_second_person_is_named_and_let_go(desk: Desk) -> None:
    session, case = desk.session, desk.case
    await transfers.invite(session, desk.one, case, second_id=desk.two.id, now=NOW)
    assert case.second_id == desk.two.id
    await transfers.invite(session, desk.one, case, second_id=None, now=NOW)
    await session.flush()
    left = await session.scalar(select(Case.second_id).where(Case.id == case.id))
    assert left is None


async def test_who_takes_a_case_is_its_second_person_no_more(desk: Desk) -> None:
    session, case = desk.session, desk.case
    await transfers.invite(session, desk.one, case, second_id=desk.two.id, now=NOW)
    await transfers.offer(session, desk.one, case, to_id=desk.two.id, note="请接", now=NOW)
    await transfers.take(session, desk.two, case, now=NOW)
    assert (case.accepted_by, case.second_id) == (desk.two.id, None)
