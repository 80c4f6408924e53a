"""The case's clocks, follow-ups and plan, the list of follow-ups and the overdue board."""

from datetime import datetime, timedelta

import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import CarePlan, Case, CaseEvent, Delivery, FollowUp
from bot.services import follow_ups


async def act(
    browser: Browser, world: World, case_id: int, what: str, login: str = "counselor", **form: str
) -> tuple[int, str]:
    client = browser(login)
    data = {"csrf": world.csrf[login], **form}
    response = await client.post(f"/desk/cases/{case_id}/{what}", data=data)
    if response.status_code == 303:
        response = await client.get(response.headers["location"])
        return 303, response.text
    return response.status_code, response.text


async def planned(world: World, name: str = "one", **case: object) -> tuple[int, dict[str, int]]:
    """Return a case with its follow-ups planned, and their ids by kind."""
    case_id = await world.add_case(name, place="school_a", level="3")
    async with world.services.database.write() as session:
        row = await session.get_one(Case, case_id)
        row.state, row.accepted_at = "accepted", world.now
        row.accepted_by = world.staff["counselor"].id
        for key, value in case.items():
            setattr(row, key, value)
        found = await follow_ups.plan(session, row, by=world.staff["counselor"].id, now=world.now)
        return case_id, {one.kind: one.id for one in found}


async def row(world: World, follow_up_id: int) -> FollowUp:
    async with world.services.database.read() as session:
        return await session.get_one(FollowUp, follow_up_id)


async def test_the_case_says_what_is_due_and_what_was_missed(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", level="3", ago=timedelta(minutes=7))
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    panel = page[page.index('id="panel-clocks"') :]
    assert "已超时" in panel
    assert "2分00秒" in panel
    assert "还剩" in panel
    assert "告知监护人" in panel


async def test_no_guardian_clock_where_the_guardian_may_be_the_danger(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", level="3", family="abuse")
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    panel = page[page.index('id="panel-clocks"') : page.index('id="panel-told"')]
    assert "<strong>告知监护人" not in panel
    assert "由人来决定" in panel


def call(case_id: int, at: datetime, way: str, step: int, **more: object) -> Delivery:
    """Return one call of a step of a climb."""
    whom = more.get("staff_id", "")
    values: dict[str, object] = {
        "key": f"alert:{case_id}:1700000000000:3!:{step}:{way}:{whom}",
        "case_id": case_id,
        "route": "alert",
        "target": way,
        "kind": "alert",
        "body": "叫人",
        "created_at": at,
    }
    return Delivery(**(values | more))


async def test_the_proof_of_each_step(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", level="3!")
    at, later = world.now, world.now + timedelta(minutes=3)
    second = world.staff["second_counselor"].id
    async with world.services.database.write() as session:
        for step, moment in enumerate((at, later, later + timedelta(minutes=3))):
            data: dict[str, object] = {"step": step, "n": 1}
            session.add(CaseEvent(case_id=case_id, at=moment, kind="alerted", data=data))
        failed = "ChannelRefused: 310000"
        passed_on = at + timedelta(seconds=90)
        session.add(call(case_id, at, "group-one", 0, state="failed", reason=failed))
        session.add(call(case_id, passed_on, "group-two", 0, state="accepted"))
        session.add(call(case_id, later, "staff", 1, state="accepted", staff_id=second))
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert page.count("group-one") == 1, "who was called stands in one place"
    panel = page[page.index("逐级呼叫：") :]
    first, then, last = panel.index("第 1 级"), panel.index("第 2 级"), panel.index("第 3 级")
    assert "group-one" in panel[first:then]
    assert "310000" in panel[first:then]
    assert "group-two" in panel[first:then], "tried later, because the first one failed"
    assert "second_counselor老师" in panel[then:last]
    assert "没有可叫的通道" in panel[last:]


async def test_a_follow_up_is_done_with_a_note(world: World, browser: Browser) -> None:
    case_id, ids = await planned(world)
    which = str(ids["24h"])
    status, page = await act(browser, world, case_id, "followups/done", follow_up=which, note=" ")
    assert status == 422
    assert "请写几句" in page
    status, page = await act(
        browser, world, case_id, "followups/done", follow_up=which, note="妈妈说孩子睡了"
    )
    assert status == 303
    assert "这次回访完成" in page
    assert "妈妈说孩子睡了" in page
    assert (await row(world, ids["24h"])).state == "done"
    status, page = await act(
        browser, world, case_id, "followups/done", follow_up=which, note="我也打了"
    )
    assert status == 409
    assert "已被处理" in page


async def test_what_was_typed_comes_back_when_it_is_refused(world: World, browser: Browser) -> None:
    case_id, ids = await planned(world)
    status, page = await act(
        browser,
        world,
        case_id,
        "followups/move",
        follow_up=str(ids["1w"]),
        day="2020-01-01",
        note="家长出差要晚几天",
    )
    assert status == 422
    assert "家长出差要晚几天" in page
    assert "请重选" in page


@pytest.mark.parametrize("day", ["", "morgen", "2026-13-01", "9999-12-31"])
async def test_a_day_that_is_none(world: World, browser: Browser, day: str) -> None:
    case_id, _ = await planned(world)
    status, page = await act(browser, world, case_id, "followups/add", day=day)
    assert status == 422
    assert "日期" in page


async def test_somebody_elses_follow_up_is_not_found(world: World, browser: Browser) -> None:
    case_id, _ = await planned(world)
    other_id, others = await planned(world, "two")
    form = {"follow_up": str(others["24h"]), "note": "不是这个个案的"}
    assert (await act(browser, world, case_id, "followups/done", **form))[0] == 404
    assert (await act(browser, world, other_id, "followups/done", login="other_counselor", **form))[
        0
    ] == 404
    assert (await row(world, others["24h"])).state == "due"


async def test_moved_called_off_and_given(world: World, browser: Browser) -> None:
    case_id, ids = await planned(world)
    second = str(world.staff["second_counselor"].id)
    for what, form in (
        ("move", {"follow_up": str(ids["1w"]), "day": "2026-12-03", "note": "约了周四"}),
        ("off", {"follow_up": str(ids["6m"]), "note": "已转学"}),
        ("give", {"follow_up": str(ids["3m"]), "owner": second}),
        ("add", {"day": "2026-11-25"}),
    ):
        status, page = await act(browser, world, case_id, f"followups/{what}", **form)
        assert status == 303, page
    assert (await row(world, ids["6m"])).state == "cancelled"
    assert (await row(world, ids["3m"])).owner_id == int(second)
    form = {"follow_up": str(ids["1m"]), "owner": str(world.staff["other_counselor"].id)}
    assert (await act(browser, world, case_id, "followups/give", **form))[0] == 422


PLAN = {
    "goal": "孩子愿意回到课堂",
    "steps": "每周二见一次\n班主任每天看一眼",
    "review": "2026-12-10",
}


async def test_a_plan_and_its_versions(world: World, browser: Browser) -> None:
    case_id, _ = await planned(world)
    me = str(world.staff["counselor"].id)
    status, page = await act(browser, world, case_id, "care-plan", owner=me, replaces="", **PLAN)
    assert status == 303
    assert "孩子愿意回到课堂" in page
    again = PLAN | {"goal": "按时睡觉"}
    status, page = await act(browser, world, case_id, "care-plan", owner=me, replaces="", **again)
    assert status == 409, "somebody has written one since this page was opened"
    assert "按时睡觉" in page
    async with world.services.database.read() as session:
        (first,) = await session.scalars(select(CarePlan))
    form = {"owner": me, "replaces": str(first.id)}
    assert (await act(browser, world, case_id, "care-plan", **form, **again))[0] == 303
    status, page = await act(browser, world, case_id, "care-plan/end", replaces=str(first.id))
    assert status == 409
    form["replaces"] = str(first.id + 1)
    status, page = await act(browser, world, case_id, "care-plan/end", **form)
    assert status == 303
    assert "以前的各版（2）" in page
    async with world.services.database.read() as session:
        rows = list(await session.scalars(select(CarePlan)))
    assert all(row.ended_at is not None for row in rows)


@pytest.mark.parametrize(
    ("field", "value"), [("goal", " "), ("steps", ""), ("review", "2026-11-01"), ("owner", "999")]
)
async def test_a_plan_that_lacks_something(
    world: World, browser: Browser, field: str, value: str
) -> None:
    case_id, _ = await planned(world)
    form = {**PLAN, "owner": str(world.staff["counselor"].id), "replaces": "", field: value}
    status, page = await act(browser, world, case_id, "care-plan", **form)
    assert status == 422
    assert "每周二见一次" in page or field == "steps"


async def test_the_list_shows_ones_own_and_no_words(world: World, browser: Browser) -> None:
    case_id, _ = await planned(world)
    page = (await browser("counselor").get("/desk/followups")).text
    assert page.count(f"个案{case_id}<") == 5
    assert "站在阳台" not in page
    assert "您名下没有" in (await browser("second_counselor").get("/desk/followups")).text
    page = (await browser("second_counselor").get("/desk/followups?view=here")).text
    assert page.count(f"个案{case_id}<") == 5
    page = (await browser("other_counselor").get("/desk/followups?view=here&page=x")).text
    assert "没有要做的" in page
    assert (await browser("lead").get("/desk/followups")).status_code == 403


async def test_a_long_list_has_pages(world: World, browser: Browser) -> None:
    for number in range(11):
        await planned(world, f"case{number}")
    page = (await browser("counselor").get("/desk/followups")).text
    assert "后一页" in page
    assert page.count("<tr") == 51
    page = (await browser("counselor").get("/desk/followups?view=mine&page=9")).text
    assert "前一页" in page
    assert page.count("<tr") == 6


async def test_the_overdue_board_has_the_worst_first(world: World, browser: Browser) -> None:
    assert "没有逾期" in (await browser("counselor").get("/desk/overdue")).text
    two = await world.add_case("two", place="school_a", level="3", ago=timedelta(hours=3))
    one = await world.add_case("one", place="school_a", level="3!", ago=timedelta(minutes=5))
    other = await world.add_case("other", place="school_b", level="3!", ago=timedelta(hours=5))
    page = (await browser("counselor").get("/desk/overdue")).text
    assert page.index(f"个案{one}<") < page.index(f"个案{two}<")
    assert f"个案{other}<" not in page
    page = (await browser("district").get("/desk/overdue")).text
    assert page.index(f"个案{other}<") < page.index(f"个案{one}<")
    page = (await browser("lead").get("/desk/overdue")).text
    assert f"个案{one}<" in page
    assert f'href="/desk/cases/{one}' not in page, "a lead has no text to read"


async def test_an_overdue_follow_up_stands_on_the_board(world: World, browser: Browser) -> None:
    case_id, ids = await planned(world, first_words_at=world.now, guardian_at=world.now)
    async with world.services.database.write() as session:
        first = await session.get_one(FollowUp, ids["24h"])
        first.due_at = world.now - timedelta(hours=1)
    page = (await browser("second_counselor").get("/desk/overdue")).text
    assert "24小时回访" in page
    assert f"/desk/cases/{case_id}#panel-follow_ups" in page
    page = (await browser("counselor").get("/desk/followups?view=late")).text
    assert "已过期1小时00分" in page
