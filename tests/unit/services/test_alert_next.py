"""Who is called, and what happens when no call of a step gets through."""

from datetime import timedelta

import pytest
from factories import NIGHT, District, make_contact, make_district, make_shift, make_staff
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Alarm, Case, CaseEvent, Delivery, Job, PushSubscription
from bot.services import alert_next, alerts, cases, ladder
from bot.services.alert_people import PUSH, STAFF, nearest
from bot.services.alerts import AlertPolicy, AlertTarget
from bot.services.cases import Cause

SCHOOL = AlertTarget("group", "school")
TOP = AlertTarget("top", "district")
SPARE = AlertTarget("spare", "school", spare=True)
WORK = AlertTarget("work", "class", personal=STAFF)
BROWSER = AlertTarget("push", "class", personal=PUSH)


def policy(*targets: AlertTarget) -> AlertPolicy:
    return AlertPolicy(targets, load_alerts(), "http://desk.example/desk")


async def opened(
    session: AsyncSession,
    town: District,
    made: AlertPolicy,
    *,
    level: str = "3",
    drill: bool = False,
) -> Case:
    contact = await make_contact(session, now=NIGHT, place=town.class_)
    cause = Cause(level, ("SI-A",), "PC", "child")
    return await cases.open_or_raise(session, made, contact, None, cause, now=NIGHT, drill=drill)


async def sent(session: AsyncSession) -> list[Delivery]:
    return list(await session.scalars(select(Delivery).order_by(Delivery.id)))


def key_of(case: Case, step: int = 0) -> str:
    return f"{ladder.round_key(case)}:{step}"


async def look(session: AsyncSession, made: AlertPolicy, case: Case, step: int = 0) -> None:
    await alert_next.look(
        session, made, case_id=case.id, key=key_of(case, step), step=step, now=NIGHT
    )


async def give_up(session: AsyncSession, made: AlertPolicy, row: Delivery) -> None:
    row.state = "failed"
    await session.flush()
    await alert_next.failed(session, made, row, now=NIGHT)


async def test_those_on_duty_are_called_one_by_one_beside_the_group(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        away = await make_staff(session, now=NIGHT)
        town.counselor.external_id, away.external_id = "u1", "u2"
        await make_shift(session, town.school, town.counselor, start=NIGHT)
        await make_shift(session, town.school, town.district_counselor, start=NIGHT)
        await opened(session, town, policy(SCHOOL, WORK, BROWSER))
        rows = await sent(session)
    assert [(row.target, row.staff_id) for row in rows] == [
        ("group", None),
        ("work", town.counselor.id),
    ]
    assert len({row.key for row in rows}) == 2


async def test_a_browser_gets_the_number_and_no_other_word(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        await make_shift(session, town.school, town.counselor, start=NIGHT)
        row = PushSubscription(
            staff_id=town.counselor.id, digest="d", address="a", keys="{}", made_at=NIGHT
        )
        session.add(row)
        await session.flush()
        case = await opened(session, town, policy(BROWSER))
        (call,) = await sent(session)
    assert call.body == f"有一个个案需要接手（编号{case.id}）"


@pytest.mark.parametrize("drill", [False, True])
async def test_no_alert_holds_a_word_a_name_or_a_phone(database: Database, drill: bool) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        town.counselor.external_id, town.counselor.phone = "u1", "13800000009"
        await make_shift(session, town.school, town.counselor, start=NIGHT)
        made = policy(SCHOOL, TOP, WORK, SPARE)
        case = await opened(session, town, made, level="3!", drill=drill)
        for step in range(3):
            await alerts.raise_alerts(
                session, made, case, step=step, key=f"{key_of(case)}x{step}", now=NIGHT
            )
        await alerts.raise_handoff(session, made, case, now=NIGHT)
        bodies = [row.body for row in await sent(session)]
    assert len(bodies) > 5
    for body in bodies:
        for private in (town.counselor.name, "13800000009", "晴川", "三年级", "自伤", "孩子"):
            assert private not in body
        assert ("演练" in body) is drill or "家长请老师" in body


def test_every_alert_of_the_book_takes_codes_only() -> None:
    allowed = {"level", "case", "minutes", "url", "n"}
    assert {field for phrase in load_alerts() for field in phrase.fields} <= allowed


async def test_when_the_last_call_fails_the_next_way_is_used_at_once(database: Database) -> None:
    made = policy(SCHOOL, TOP, SPARE)
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, made)
        (first,) = await sent(session)
        await give_up(session, made, first)
        await alert_next.failed(session, made, first, now=NIGHT)
        rows = await sent(session)
        assert [row.target for row in rows] == ["group", "top"]
        await give_up(session, made, rows[1])
        rows = await sent(session)
        assert [row.target for row in rows] == ["group", "top", "spare"]
        assert await alert_next.unsent(session, town.as_counselor) == []
        await give_up(session, made, rows[2])
        assert len(await sent(session)) == 4, "the operator's post alone"
        assert await alert_next.unsent(session, town.as_counselor) == [case.id]
        assert await alert_next.unsent(session, town.as_district) == [case.id]
        kinds = [event.kind for event in await session.scalars(select(CaseEvent))]
        assert kinds.count("alert_passed_on") == 2
        assert kinds.count("alert_nobody") == 1
        alarm = (await session.scalars(select(Alarm))).one()
        assert alarm.kind == "alert_nobody"


async def test_while_another_call_is_under_way_nobody_else_is_woken(database: Database) -> None:
    made = policy(SCHOOL, AlertTarget("second", "school"), SPARE)
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, made)
        first, second = await sent(session)
        await give_up(session, made, first)
        assert len(await sent(session)) == 2
        second.state = "accepted"
        await session.flush()
        await look(session, made, case)
        assert len(await sent(session)) == 2


async def test_a_missing_receipt_is_as_good_as_a_failure(database: Database) -> None:
    made = policy(SCHOOL, SPARE)
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, made)
        (job,) = (await session.scalars(select(Job).where(Job.kind == "alert.look"))).all()
        assert job.run_at == epoch_ms(NIGHT + timedelta(seconds=90))
        await look(session, made, case)
        assert [row.target for row in await sent(session)] == ["group", "spare"]
        await look(session, made, case)
        assert len([row for row in await sent(session) if row.key.startswith("alert:")]) == 2


async def test_nothing_goes_on_once_somebody_has_the_case(database: Database) -> None:
    made = policy(SCHOOL, SPARE)
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, made)
        key = key_of(case)
        await cases.accept(session, town.as_counselor, case.id, now=NIGHT)
        await alert_next.look(session, made, case_id=case.id, key=key, step=0, now=NIGHT)
        assert len(await sent(session)) == 1


async def test_with_nothing_configured_the_desk_says_so(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        case = await opened(session, town, policy())
        (job,) = (await session.scalars(select(Job).where(Job.kind == "alert.look"))).all()
        assert job.run_at == epoch_ms(NIGHT)
        await look(session, policy(), case)
        assert await alert_next.unsent(session, town.as_counselor) == [case.id]
        later = NIGHT + timedelta(minutes=1)
        delivery = Delivery(
            key="later", case_id=case.id, route="alert", target="x", kind="alert", body="x",
            state="accepted", created_at=later, finished_at=later,
        )  # fmt: skip
        session.add(delivery)
        await session.flush()
        assert await alert_next.unsent(session, town.as_counselor) == []


async def test_a_way_with_a_home_is_for_its_place_only(database: Database) -> None:
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        town.school.scene, town.other_school.scene = "school-1", "school-2"
        here = AlertTarget("here", "school", home="school-1")
        there = AlertTarget("there", "school", home="school-2")
        await opened(session, town, policy(here, there))
        assert [row.target for row in await sent(session)] == ["here"]


async def test_the_district_case_calls_no_school_even_as_the_next(database: Database) -> None:
    made = policy(TOP, SCHOOL)
    async with database.write() as session:
        town = await make_district(session, now=NIGHT)
        contact = await make_contact(session, now=NIGHT, place=town.class_)
        cause = Cause("3", ("TCH",), "PC", "child")
        await cases.open_or_raise(session, made, contact, None, cause, now=NIGHT)
        (first,) = await sent(session)
        assert first.target == "top"
        await give_up(session, made, first)
        assert "group" not in [row.target for row in await sent(session)]


@pytest.mark.parametrize(
    ("level", "step", "called"),
    [
        ("3", 0, {1}),
        ("3", 1, {1, 2}),
        ("3", 2, {1, 2, 3}),
        ("3", 9, {1, 2, 3}),
        ("3!", 0, {1, 2, 3}),
    ],
)
def test_nearest_first_and_everybody_when_it_happens_now(
    level: str, step: int, called: set[int]
) -> None:
    assert nearest({1: "counselor", 2: "lead", 3: "district"}, level, step) == called


def test_where_no_counselor_is_on_duty_the_next_tier_stands_in() -> None:
    assert nearest({2: "lead", 3: "district"}, "3", 0) == {2}
    assert nearest({}, "3", 0) == set()
