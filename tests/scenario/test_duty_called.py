"""Those on duty are called one by one, and the next way at once when none got through."""

from datetime import timedelta
from typing import Any

from factories import SCENE
from house import DANGER, PARENT, ROBOT, Home, Houses
from sqlalchemy import update

from bot.core.clock import epoch_ms
from bot.db.models import Alarm, CaseEvent, Delivery, Job, Staff, WorkTask
from bot.db.models.job import LEASED
from bot.services import alert_next

DUTY: dict[str, Any] = {"kind": "dingtalk_work", "robot": ROBOT, "people": "duty"}
SPARE = {"kind": "dingtalk_ding", "robot": ROBOT, "people": "t009", "spare": True}
OUR_ROBOT = {
    ROBOT: {
        "app_key": "dingtestappkey000001",
        "app_secret": "test_app_secret_ABC",
        "robot_code": "dingrobot01",
        "agent_id": 7,
        "api_base": "http://platform",
        "oapi_base": "http://platform",
        "stream": False,
    }
}


async def make(houses: Houses, *, known: bool = True, **alert: dict[str, Any]) -> Home:
    """Build a home whose counselor is on duty; `known`: the organisation knows their id."""
    home = await houses.make(alert=alert, dingtalk=OUR_ROBOT)
    async with home.write() as session:
        person = await session.get_one(Staff, home.place.counselor.id)
        person.external_id = "t001"
    await home.on_duty()
    for one in ("t001", "t009") if known else ("t009",):
        home.platform.follow(one)
    await home.driver.follow(PARENT, SCENE)
    await home.work()
    home.platform.sent.clear()
    return home


def heard(home: Home, person: str) -> list[str]:
    return [one.text for one in home.platform.sent if one.recipient == person]


async def kinds(home: Home) -> list[str]:
    return [event.kind for event in await home.rows(CaseEvent)]


async def calls(home: Home) -> list[Delivery]:
    return await home.rows(Delivery, Delivery.route == "alert", Delivery.case_id.is_not(None))


async def test_who_is_on_duty_gets_a_work_notification_with_proof(houses: Houses) -> None:
    home = await make(houses, desk=DUTY, ding=SPARE)
    await home.say(DANGER)
    await home.work()
    (text,) = heard(home, "t001")
    for private in ("不想活", "林静", "晴川", PARENT):
        assert private not in text
    await home.wait(minutes=1)
    (call,) = await calls(home)
    assert (call.staff_id, call.state) == (home.place.counselor.id, "accepted")
    (task,) = await home.rows(WorkTask)
    assert (task.people, task.delivered) == (["t001"], 1)
    await home.wait(seconds=31)
    assert heard(home, "t009") == []


async def test_who_was_not_reached_makes_the_next_way_ring(houses: Houses) -> None:
    home = await make(houses, known=False, desk=DUTY, ding=SPARE)
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=1)
    assert "alert_passed_on" in await kinds(home)
    assert len(heard(home, "t009")) == 1
    assert [(row.target, row.state) for row in await calls(home)][:2] == [
        ("desk", "failed"),
        ("ding", "accepted"),
    ]
    assert "alert_nobody" not in await kinds(home)


async def test_everything_failed_is_said_on_the_desk(houses: Houses) -> None:
    home = await make(houses, known=False, desk=DUTY)
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=2)
    assert "alert_nobody" in await kinds(home)
    assert "alert_nobody" in {alarm.kind for alarm in await home.rows(Alarm)}
    case = await home.case()
    assert case.state == "open", "the queue does not depend on alerts"
    async with home.house.services.database.read() as session:
        view = home.place.as_counselor
        assert await alert_next.unsent(session, view) == [case.id]


async def test_with_nobody_on_duty_no_person_is_called_and_it_is_said(houses: Houses) -> None:
    home = await houses.make(alert={"desk": DUTY}, dingtalk=OUR_ROBOT)
    await home.driver.follow(PARENT, SCENE)
    await home.say(DANGER)
    await home.work()
    assert await calls(home) == []
    assert "alert_nobody" in await kinds(home)


async def test_a_worker_that_dies_over_a_call_loses_and_doubles_nothing(houses: Houses) -> None:
    home = await make(houses, desk=DUTY)
    await home.say(DANGER)
    # Held by a worker that is never heard of again: its lease runs out, another one sends.
    gone = epoch_ms(home.clock.now() + timedelta(seconds=30))
    async with home.write() as session:
        await session.execute(
            update(Job)
            .where(Job.kind == "alert.send")
            .values(state=LEASED, owner="dead", lease_until=gone, attempts=1)
        )
    await home.work()
    assert heard(home, "t001") == []
    assert (await home.case()).state == "open"
    await home.wait(seconds=60)
    await home.work()
    assert len(heard(home, "t001")) == 1
    await home.wait(minutes=1)
    assert [row.state for row in await calls(home)] == ["accepted"]
    assert len(heard(home, "t001")) == 1


async def test_the_case_shows_who_was_called(houses: Houses) -> None:
    home = await make(houses, desk=DUTY)
    await home.say(DANGER)
    await home.work()
    await home.wait(minutes=1)
    async with home.house.services.database.read() as session:
        (row,) = await alert_next.calls_of(session, (await home.case()).id)
    assert (row.way, row.person, row.state) == ("desk", home.place.counselor.name, "accepted")
