"""Nobody on duty, from end to end; and a district that has not passed its drill yet."""

from datetime import timedelta

from factories import NIGHT
from house import CALM, DANGER, DISTRICT_GROUP, GROUP, URGENT, Home, Houses
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.db.models import Absence, Case, Drill, Shift
from bot.services import cases, drills, roster, roster_watch, waking

NOBODY, NOTIFYING, NOT_OPEN = "现在没有值班老师", "正在通知", "还在开通准备中"


async def test_with_an_empty_roster_the_parent_is_told_and_the_district_called(home: Home) -> None:
    await home.driver.follow("oParent0001", "class-302")
    reply = await home.say(URGENT)
    assert NOBODY in reply
    assert NOTIFYING not in reply
    assert "110" in reply
    assert "120" in reply
    await home.work()
    case = await home.case()
    assert case.uncovered, "the gap at this moment stands in the case"
    assert "uncovered" in await home.events()
    for _ in range(4):
        await home.wait(minutes=4)
    assert home.alerts(DISTRICT_GROUP), "the district is called"
    assert not [text for text in home.alerts(DISTRICT_GROUP) if "楼顶" in text]
    async with home.write() as session:
        found = await roster_watch.watch(session, home.house.services.policy, now=home.clock.now())
    assert {gap.place.kind for gap in found} == {"district"}
    assert "roster_gap" in await home.alarms()


async def test_who_is_on_sick_leave_is_not_on_duty(staffed: Home) -> None:
    async with staffed.write() as session:
        session.add(
            Absence(
                staff_id=staffed.place.counselor.id,
                starts_at=NIGHT - timedelta(hours=1),
                ends_at=NIGHT + timedelta(hours=8),
                kind="sick",
                made_by=staffed.place.counselor.id,
                made_at=NIGHT,
            )
        )
    await staffed.driver.follow("oParent0001", "class-302")
    assert NOBODY in await staffed.say(DANGER)
    assert (await staffed.case()).uncovered


async def test_whom_nothing_wakes_is_found_by_the_watch(staffed: Home) -> None:
    async with staffed.write() as session:
        assert await waking.refresh(session, staffed.clock.now()) > 0
        shifts = list(await session.scalars(select(Shift)))
        assert not any(shift.wakes for shift in shifts), "no number, no id, no browser"
        assert not await roster.covered(session, staffed.place.school, staffed.clock.now())


async def test_live_mode_answers_nothing_ordinary_before_a_drill(
    houses: Houses, clock: FixedClock
) -> None:
    home = await houses.make()
    # Live mode itself refuses to start with unsigned phrases; this is what it hands the handlers.
    object.__setattr__(home.house.router._services, "mode", "live")
    await home.driver.follow("oParent0001", "class-302")
    assert NOT_OPEN in await home.say(CALM)
    assert NOT_OPEN in await home.say("课程")
    danger = await home.say(DANGER, parent="oParent0002")
    assert NOT_OPEN not in danger
    assert "110" in danger
    assert await home.rows(Case)
    async with home.write() as session:
        session.add(
            Drill(
                place_id=home.place.school.id,
                level="3",
                started_by=home.place.counselor.id,
                started_at=clock.now(),
                state="passed",
                report={"mode": "live"},
            )
        )
    assert NOT_OPEN not in await home.say("孩子挑食怎么办")
    clock.advance(days=370)
    assert NOT_OPEN in await home.say("孩子挑食怎么办？")


async def test_a_drill_runs_through_the_worker(staffed: Home) -> None:
    now = staffed.clock.now()
    async with staffed.write() as session:
        row = await drills.start(
            session,
            staffed.house.services.policy,
            staffed.place.as_district,
            place_id=staffed.place.school.id,
            level="3!",
            mode="demo",
            now=now,
        )
    await staffed.work()
    assert any("【心晴演练】" in text for text in staffed.alerts(GROUP))
    assert row.case_id is not None
    await staffed.wait(seconds=40)
    await staffed.take_case(row.case_id)
    async with staffed.write() as session:
        by, now = staffed.place.as_counselor, staffed.clock.now()
        await cases.close(session, by, row.case_id, reason="drill", note="走完了", now=now)
    await staffed.work()
    (found,) = await staffed.rows(Drill)
    assert found.state == "passed", found.report
    assert staffed.sent() == [], "nothing of it reached a parent"


async def test_a_drill_that_nobody_takes_fails_by_itself_and_is_closed_by_nobody(
    home: Home,
) -> None:
    async with home.write() as session:
        await drills.start(
            session,
            home.house.services.policy,
            home.place.as_district,
            place_id=home.place.school.id,
            level="3!",
            mode="demo",
            now=home.clock.now(),
        )
    for _ in range(8):
        await home.wait(minutes=3)
    (found,) = await home.rows(Drill)
    assert found.state == "failed"
    assert found.report["problems"][0] == "nobody"
    calls = len(await home.deliveries("alert"))
    for _ in range(4):
        await home.wait(minutes=15)
    assert len(await home.deliveries("alert")) == calls, "nobody is called for ever in a drill"
    assert (await home.case()).state == "open"
