"""A ladder whose worker dies: no step is lost, none is done twice; and where a climb begins."""

from datetime import timedelta

import pytest
from factories import make_contact
from house import DISTRICT_GROUP, GROUP, URGENT, Home, Houses
from sqlalchemy import select, update

from bot.core.clock import epoch_ms
from bot.db.models import CaseEvent, Delivery, Job
from bot.services import cases
from bot.services.cases import Cause


async def climbed(home: Home) -> list[int]:
    async with home.house.services.database.read() as session:
        rows = await session.scalars(
            select(CaseEvent.data).where(CaseEvent.kind == "climbed").order_by(CaseEvent.id)
        )
        return [int(str(row["step"])) for row in rows]


async def keys(home: Home) -> list[str]:
    return [row.key for row in await home.deliveries("alert")]


async def test_no_step_is_lost_when_the_worker_dies_between_two(
    houses: Houses, staffed: Home
) -> None:
    await staffed.say(URGENT)
    start = staffed.clock.now()
    await staffed.work()
    await staffed.wait(minutes=3)
    assert await climbed(staffed) == [1]
    # Nobody works from here on; another process starts, late.
    again = await houses.make()
    again.clock.moment = start + timedelta(minutes=8)
    await again.work()
    assert await climbed(again) == [1, 2], "the step of minute 6 is made up for"
    again.clock.moment = start + timedelta(minutes=10)
    await again.work()
    assert await climbed(again) == [1, 2, 3], "and the one of minute 10 comes in time"
    found = await keys(again)
    assert len(found) == len(set(found))
    assert {row.state for row in await again.deliveries("alert")} == {"accepted"}


async def test_a_step_that_a_dead_worker_holds_is_done_by_the_next(
    houses: Houses, staffed: Home
) -> None:
    await staffed.say(URGENT)
    start = staffed.clock.now()
    await staffed.work()
    lease = epoch_ms(start + timedelta(minutes=4))
    async with staffed.write() as session:
        held = {"state": "leased", "owner": "dead", "lease_until": lease, "attempts": 1}
        await session.execute(update(Job).where(Job.kind == "ladder.step").values(**held))
    again = await houses.make()
    again.clock.moment = start + timedelta(minutes=5)
    await again.work()
    again.clock.advance(seconds=30)
    await again.work()
    assert await climbed(again) == [1]
    found = await keys(again)
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    "cause",
    [
        Cause("3", ("TCH",), "PC", "child"),
        Cause("3", ("TCH", "SA"), "S", "self"),
        Cause("3!", ("SI-AT",), "PS", "self"),
    ],
    ids=["a teacher's misconduct", "a pupil about a teacher", "an adult's own risk"],
)
async def test_what_is_the_districts_is_never_called_out_at_the_school(
    staffed: Home, cause: Cause
) -> None:
    now = staffed.clock.now()
    async with staffed.write() as session:
        contact = await make_contact(session, now=now, place=staffed.place.class_)
        policy = staffed.house.services.policy
        await cases.open_or_raise(session, policy, contact, None, cause, now=now)
    for _ in range(6):
        await staffed.work()
        staffed.clock.advance(minutes=5)
    assert staffed.alerts(GROUP) == []
    assert len(staffed.alerts(DISTRICT_GROUP)) > 1


@pytest.mark.parametrize("codes", [("SA",), ("ABU",), ("DV",), ("DV", "SI-PL")])
async def test_violence_at_home_begins_with_the_school_counselor_and_bars_the_guardians(
    staffed: Home, codes: tuple[str, ...]
) -> None:
    now = staffed.clock.now()
    async with staffed.write() as session:
        contact = await make_contact(session, now=now, place=staffed.place.class_)
        policy = staffed.house.services.policy
        cause = Cause("3", codes, "PC", "child")
        case = await cases.open_or_raise(session, policy, contact, None, cause, now=now)
        assert (case.tier, case.guardians_barred) == ("school", True)
    await staffed.work()
    rows = await staffed.rows(Delivery, Delivery.route == "alert")
    assert {row.target for row in rows} == {"school"}
