"""Which groups are called at which step of the ladder, and what an alert may say."""

from datetime import UTC, datetime, timedelta

import pytest
from factories import make_case, make_contact, make_district
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from bot.core.phrases import load_alerts
from bot.db.engine import Database
from bot.db.models import Delivery, Job
from bot.services import alerts, ladder
from bot.services.alerts import TIER_RANK, AlertPolicy, AlertTarget

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
targets = st.lists(
    st.builds(AlertTarget, st.text("abc", min_size=1, max_size=3), st.sampled_from([*TIER_RANK])),
    max_size=6,
)


def policy(*found: AlertTarget) -> AlertPolicy:
    return AlertPolicy(found, load_alerts(), "http://desk.example/desk")


@given(targets, st.integers(0, 20))
def test_each_step_calls_all_before_it_and_in_the_end_everybody(
    found: list[AlertTarget], step: int
) -> None:
    made = policy(*found)
    now, after = made.called_at(step), made.called_at(step + 1)
    assert bool(now) is bool(found)
    assert all(target in after for target in now)
    assert sorted(made.called_at(20), key=repr) == sorted(found, key=repr)


def test_the_nearest_group_first_and_the_next_one_up_where_there_is_none() -> None:
    school, district = AlertTarget("s", "school"), AlertTarget("d", "district")
    assert policy(district, school).called_at(0) == [school]
    assert policy(district, school).called_at(1) == [school, district]
    assert policy(district).called_at(0) == [district]
    assert policy().called_at(5) == []


@given(targets, st.integers(0, 20), st.sampled_from(["school", "district"]))
def test_nobody_below_the_desk_of_a_case_is_called_unless_they_stand_in(
    found: list[AlertTarget], step: int, lowest: str
) -> None:
    called = policy(*found).called_at(step, lowest)
    assert "class" not in {target.tier for target in called}
    if any(target.tier == "district" for target in found) and lowest == "district":
        assert {target.tier for target in called} == {"district"}
    assert bool(called) is any(target.tier != "class" for target in found)


async def test_an_alert_of_a_step_is_queued_once(database: Database) -> None:
    made = policy(AlertTarget("s", "school"))
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        contact = await make_contact(session, now=NOW, openid="oSecretPerson")
        case = await make_case(session, contact, now=NOW, place=place.school, level="3!")
        later = NOW + timedelta(minutes=7, seconds=59)
        assert await alerts.raise_alerts(session, made, case, step=0, key="1:0", now=later) == 1
        (delivery,) = (await session.scalars(select(Delivery))).all()
        (job,) = (await session.scalars(select(Job).where(Job.kind == "alert.send"))).all()
    assert delivery.body == load_alerts().format(
        "alert.case", case=case.id, level="3!", minutes=7, url="http://desk.example/desk"
    )
    assert (job.lane, job.prio, job.payload) == ("alert:s", 0, {"delivery": delivery.id})
    assert "oSecretPerson" not in delivery.body


@pytest.mark.parametrize(
    ("state", "true"),
    [("queued", True), ("sending", True), ("accepted", True), ("failed", False)],
)
async def test_notifying_is_said_only_while_it_is_so(
    database: Database, state: str, true: bool
) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NOW)
        case = await make_case(session, contact, now=NOW)
        made = policy(AlertTarget("s", "school"))
        await alerts.raise_alerts(session, made, case, step=0, key="1:0", now=NOW)
        (delivery,) = (await session.scalars(select(Delivery))).all()
        delivery.state = state
        await session.flush()
        assert await alerts.under_way(session, case) is true


async def test_without_a_group_nobody_is_being_notified(database: Database) -> None:
    async with database.write() as session:
        contact = await make_contact(session, now=NOW)
        case = await make_case(session, contact, now=NOW)
        assert await ladder.start(session, policy(), case, now=NOW) == 0
        assert not await alerts.under_way(session, case)
        assert (await session.scalars(select(Job.kind))).all() == ["alert.look", "ladder.step"]


async def test_a_step_of_an_older_climb_does_nothing(database: Database) -> None:
    made = policy(AlertTarget("s", "school"))
    async with database.write() as session:
        contact = await make_contact(session, now=NOW)
        case = await make_case(session, contact, now=NOW)
        old = ladder.round_key(case)
        case.level = "3!"
        await ladder.climb(session, made, case_id=case.id, round_=old, step=1, now=NOW)
        await ladder.climb(session, made, case_id=4711, round_=old, step=1, now=NOW)
        case.state = "accepted"
        current = ladder.round_key(case)
        await ladder.climb(session, made, case_id=case.id, round_=current, step=1, now=NOW)
        assert (await session.scalars(select(Delivery))).all() == []
        case.state = "open"
        await ladder.climb(session, made, case_id=case.id, round_=current, step=1, now=NOW)
        assert len((await session.scalars(select(Delivery))).all()) == 1
        assert case.step == 1


def test_only_levels_for_a_person_have_a_ladder() -> None:
    assert [ladder.climbs(level) for level in ("0", "1", "2", "3", "3!")] == [
        False,
        False,
        True,
        True,
        True,
    ]
