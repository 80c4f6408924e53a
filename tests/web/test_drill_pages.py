"""Drills: a practice alarm from the button to the report, and what a machine may not do in one."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.core.phrases import load_alerts
from bot.db.models import Case, CaseEvent, Contact, Delivery, Drill, Job, Shift
from bot.services import cases, drills, going_live, ladder
from bot.services.alerts import AlertPolicy, AlertTarget

WORDS = "您好，我是学校的心理老师，谢谢您告诉我，孩子现在安全吗？"


@pytest.fixture(autouse=True)
def group(world: World) -> None:
    """A group that is called, and somebody on duty."""
    targets = [AlertTarget("duty", "school")]
    world.services.policy = AlertPolicy(targets, load_alerts(), "https://xinqing.example.cn/desk")


async def post(
    world: World, client: httpx2.AsyncClient, who: str, path: str, /, **form: Any
) -> Any:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[who]} | form)


async def on_duty(world: World) -> None:
    """Put the counselor on duty for a day."""
    async with world.services.database.write() as session:
        shift = Shift(
            place_id=world.places["school_a"].id,
            staff_id=world.staff["counselor"].id,
            tier="counselor",
            starts_at=world.now - timedelta(hours=1),
            ends_at=world.now + timedelta(days=1),
            wakes=True,
        )
        session.add(shift)


async def begin(world: World, browser: Browser, who: str = "lead", level: str = "3") -> Drill:
    """Start a drill at school A by the page."""
    place = str(world.places["school_a"].id)
    answer = await post(world, browser(who), who, "/desk/drills", place=place, level=level)
    assert answer.status_code == 303, answer.text
    return await newest(world)


async def newest(world: World) -> Drill:
    """Return the newest drill."""
    async with world.services.database.read() as session:
        row = await session.scalar(select(Drill).order_by(Drill.id.desc()).limit(1))
    assert row is not None
    return row


async def case_of(world: World, row: Drill) -> Case:
    """Return a drill's case."""
    async with world.services.database.read() as session:
        return await session.get_one(Case, row.case_id)


async def call_arrives(world: World, state: str = "accepted") -> None:
    """Let every call that waits end in a state."""
    async with world.services.database.write() as session:
        for row in await session.scalars(select(Delivery).where(Delivery.route == "alert")):
            row.state, row.finished_at = state, world.now


async def look(world: World, row: Drill) -> Drill:
    """Do what the job does."""
    async with world.services.database.write() as session:
        await drills.look(session, row.case_id or 0, now=world.now)
    return await newest(world)


async def closed(world: World, browser: Browser, row: Drill) -> Any:
    """Close a drill's case as the counselor."""
    form = {"reason": "drill", "note": "按演练走完"}
    path = f"/desk/cases/{row.case_id}/close"
    return await post(world, browser("counselor"), "counselor", path, **form)


async def test_a_drill_from_the_button_to_the_report(world: World, browser: Browser) -> None:
    await on_duty(world)
    row = await begin(world, browser)
    case = await case_of(world, row)
    assert (case.drill, case.level, case.state) == (True, "3", "open")
    counselor = browser("counselor")
    assert "演练" in (await counselor.get("/desk")).text
    world.services.clock.advance(minutes=1)
    await call_arrives(world)
    accepted = await post(world, counselor, "counselor", f"/desk/cases/{case.id}/accept")
    assert accepted.status_code == 303
    world.services.clock.advance(minutes=2)
    page = (await counselor.get(f"/desk/cases/{case.id}")).text
    assert "没有真的家长，写什么都不会发出去" in page
    path = f"/desk/cases/{case.id}/drill-words"
    assert (await post(world, counselor, "counselor", path, words=WORDS)).status_code == 303
    assert (await case_of(world, row)).first_words_at == world.now
    assert (await closed(world, browser, row)).status_code == 303
    async with world.services.database.read() as session:
        job = await session.scalar(select(Job).where(Job.key == f"drill.closed:{case.id}"))
    assert job is not None
    row = await look(world, row)
    assert row.state == "passed", row.report
    assert row.report["problems"] == ["guardian_missed"]
    lead = browser("lead")
    page = (await lead.get(f"/desk/drills/{row.id}")).text
    assert "通过" in page
    assert "平台确认收到" in page
    assert "counselor老师" in page
    assert "没有按时告知监护人" in page
    assert WORDS not in page
    assert "通过" in (await lead.get("/desk/drills")).text


async def test_nothing_of_a_drill_goes_to_a_parent(world: World, browser: Browser) -> None:
    await on_duty(world)
    row = await begin(world, browser)
    counselor = browser("counselor")
    await post(world, counselor, "counselor", f"/desk/cases/{row.case_id}/accept")
    await post(world, counselor, "counselor", f"/desk/cases/{row.case_id}/drill-words", words=WORDS)
    await closed(world, browser, row)
    async with world.services.database.read() as session:
        sent = list(await session.scalars(select(Delivery)))
        contact = await session.get_one(Contact, (await case_of(world, row)).contact_id)
    assert {one.route for one in sent} == {"alert"}
    assert all("【心晴演练】" in one.body for one in sent)
    assert contact.channel == "phone"


async def test_nobody_comes_and_the_drill_has_failed_but_its_case_stays(
    world: World, browser: Browser
) -> None:
    row = await begin(world, browser)
    world.services.clock.advance(minutes=24)
    assert (await look(world, row)).state == "running", "the ladder's end and the grace"
    world.services.clock.advance(minutes=2)
    row = await look(world, row)
    assert row.state == "failed"
    assert row.report["problems"][:2] == ["nobody", "no_receipt"]
    assert "uncovered" in row.report["problems"]
    case = await case_of(world, row)
    assert case.state == "open", "a machine closes no case"
    async with world.services.database.read() as session:
        prefix = f"ladder:{case.id}:"
        waiting = await session.scalars(
            select(Job.state).where(Job.key.startswith(prefix), Job.state.in_(("sched", "ready")))
        )
        assert list(waiting) == []
    page = (await browser("lead").get(f"/desk/drills/{row.id}")).text
    assert "没有人接手" in page
    assert "看值班表上当时是谁" in page
    other = await post(world, browser("other_lead"), "other_lead", f"/desk/drills/{row.id}/end")
    assert other.status_code == 404
    ended = await post(world, browser("lead"), "lead", f"/desk/drills/{row.id}/end")
    assert ended.status_code == 303
    case = await case_of(world, row)
    assert (case.state, case.closed_by) == ("closed", world.staff["lead"].id)
    assert (await newest(world)).state == "failed"
    again = await post(world, browser("lead"), "lead", f"/desk/drills/{row.id}/end")
    assert again.status_code == 409


async def test_the_starter_stops_a_drill_that_nobody_took(world: World, browser: Browser) -> None:
    row = await begin(world, browser)
    await post(world, browser("lead"), "lead", f"/desk/drills/{row.id}/end")
    assert (await newest(world)).state == "stopped"
    assert (await case_of(world, row)).state == "closed"


async def test_too_late_and_without_a_receipt_is_not_passed(world: World, browser: Browser) -> None:
    await on_duty(world)
    row = await begin(world, browser)
    world.services.clock.advance(minutes=6)
    await post(world, browser("counselor"), "counselor", f"/desk/cases/{row.case_id}/accept")
    await call_arrives(world, "failed")
    await closed(world, browser, row)
    row = await look(world, row)
    assert row.state == "failed"
    assert row.report["problems"][:2] == ["late_ack", "no_receipt"]


async def test_a_receipt_that_still_comes_is_waited_for(world: World, browser: Browser) -> None:
    await on_duty(world)
    row = await begin(world, browser)
    world.services.clock.advance(minutes=1)
    await post(world, browser("counselor"), "counselor", f"/desk/cases/{row.case_id}/accept")
    await closed(world, browser, row)
    assert (await look(world, row)).state == "running"
    await call_arrives(world)
    assert (await look(world, row)).state == "passed"


async def test_an_accepted_drill_that_nobody_closes_fails_after_a_day(
    world: World, browser: Browser
) -> None:
    await on_duty(world)
    row = await begin(world, browser)
    await post(world, browser("counselor"), "counselor", f"/desk/cases/{row.case_id}/accept")
    await call_arrives(world)
    world.services.clock.advance(hours=23)
    assert (await look(world, row)).state == "running"
    world.services.clock.advance(hours=2)
    row = await look(world, row)
    assert (row.state, row.report["problems"][0]) == ("failed", "not_closed")


async def test_one_drill_at_a_place_at_a_time(world: World, browser: Browser) -> None:
    await begin(world, browser)
    place = str(world.places["school_a"].id)
    again = await post(world, browser("lead"), "lead", "/desk/drills", place=place, level="2")
    assert again.status_code == 409
    assert "已经有一次演练在进行" in again.text


@pytest.mark.parametrize("level", ["", "1", "9"])
async def test_a_drill_needs_a_level(world: World, browser: Browser, level: str) -> None:
    place = str(world.places["school_a"].id)
    answer = await post(world, browser("lead"), "lead", "/desk/drills", place=place, level=level)
    assert (answer.status_code, "请选演练的等级" in answer.text) == (422, True)


async def test_no_drill_at_another_school(world: World, browser: Browser) -> None:
    place = str(world.places["school_b"].id)
    answer = await post(world, browser("lead"), "lead", "/desk/drills", place=place, level="3")
    assert answer.status_code == 404


async def test_a_real_case_is_closed_by_no_drill_and_takes_no_drill_words(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("mother", place="school_a")
    counselor = browser("counselor")
    await post(world, counselor, "counselor", f"/desk/cases/{case_id}/accept")
    words = await post(
        world, counselor, "counselor", f"/desk/cases/{case_id}/drill-words", words=WORDS
    )
    assert (words.status_code, "这不是演练" in words.text) == (409, True)
    form = {"reason": "drill", "note": "当演练"}
    answer = await post(world, counselor, "counselor", f"/desk/cases/{case_id}/close", **form)
    assert answer.status_code == 422
    page = (await counselor.get(f"/desk/cases/{case_id}")).text
    assert 'value="drill"' not in page


async def test_a_real_case_stands_before_a_drill_of_a_higher_level(
    world: World, browser: Browser
) -> None:
    row = await begin(world, browser, level="3!")
    real = await world.add_case("father", place="school_a", level="2")
    page = (await browser("counselor").get("/desk")).text
    assert page.index(f'id="case-{real}"') < page.index(f'id="case-{row.case_id}"')


async def test_a_district_goes_live_by_a_drill_in_live_mode(world: World, browser: Browser) -> None:
    district, school = world.places["district"], world.places["school_a"]

    async def opened(place_id: int | None) -> bool:
        async with world.services.database.read() as session:
            return await going_live.is_open(session, place_id, world.now)

    assert not await opened(school.id)
    for mode, open_after in (("demo", False), ("live", True)):
        async with world.services.database.write() as session:
            row = Drill(
                place_id=school.id,
                level="3",
                started_by=world.staff["lead"].id,
                started_at=world.now,
                state="passed",
                report={"mode": mode},
            )
            session.add(row)
        assert await opened(school.id) is open_after
        assert await opened(None) is open_after
    assert await opened(district.id)
    world.services.clock.advance(days=366)
    assert not await opened(school.id)


async def test_what_a_drill_wrote_is_in_the_timeline(world: World, browser: Browser) -> None:
    row = await begin(world, browser)
    async with world.services.database.read() as session:
        kinds = set(
            await session.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == row.case_id))
        )
    assert {"opened", "by_hand", "alerted", "uncovered"} <= kinds
    assert cases.CLOSE_REASONS[-1] == "drill"
    assert ladder.climbs(row.level)
