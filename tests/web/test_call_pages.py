"""Phone calls of the hotline: entered while they run or afterwards, into the same cases."""

import asyncio
from datetime import timedelta

import pytest
from desk_world import Browser, World
from sqlalchemy import func, select
from teacher_world import add_family

from bot.core.clock import to_shanghai
from bot.db.models import AuditEntry, Case, CaseEvent, PhoneCall

NOTE = "来电人说孩子今晚没有回家"
PHONE = "13900000077"


def _at(world: World, **ago: float) -> str:
    return to_shanghai(world.now - timedelta(**ago)).strftime("%Y-%m-%dT%H:%M")


def _form(world: World, **fields: str) -> dict[str, str]:
    return {
        "direction": "in",
        "started": _at(world, minutes=20),
        "ended": _at(world, minutes=5),
        "caller": "陈女士",
        "phone": PHONE,
        "note": NOTE,
        "who": "PC",
        "level": "3",
        "category": "RUN",
        "place": str(world.places["school_a"].id),
        **fields,
    }


async def _enter(
    browser: Browser, world: World, login: str = "counselor", **fields: str
) -> tuple[int, str]:
    client = browser(login)
    data = {"csrf": world.csrf[login], **_form(world, **fields)}
    answer = await client.post("/desk/calls", data=data)
    if answer.status_code == 303:
        return 303, (await client.get(answer.headers["location"])).text
    return answer.status_code, answer.text


async def _calls(world: World) -> list[PhoneCall]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(PhoneCall).order_by(PhoneCall.id)))


async def _case(world: World, case_id: int) -> Case:
    async with world.services.database.read() as session:
        return await session.get_one(Case, case_id)


async def test_an_empty_list_says_so_and_the_form_begins_now(
    world: World, browser: Browser
) -> None:
    client = browser("counselor")
    assert "还没有登记过电话" in (await client.get("/desk/calls")).text
    page = (await client.get("/desk/calls/new")).text
    assert 'value="2026-11-22T23:40"' in page
    assert "晴川一小" in page
    assert "晴川二中" not in page
    assert 'data-draft="new:call:note"' in page


async def test_a_call_opens_a_case_that_its_holder_has(world: World, browser: Browser) -> None:
    status, page = await _enter(browser, world)
    assert status == 303
    assert "已登记这个电话" in page
    assert NOTE in page
    (call,) = await _calls(world)
    assert (call.caller, call.phone, call.note) == ("陈女士", PHONE, NOTE)
    assert call.ended_at is not None
    assert call.ended_at - call.started_at == timedelta(minutes=15)
    case = await _case(world, call.case_id)
    assert (case.origin, case.level, case.family) == ("phone", "3", "missing")
    assert (case.state, case.accepted_by) == ("accepted", world.staff["counselor"].id)
    assert case.place_id == world.places["school_a"].id
    assert case.first_words_at == case.raised_at, "a person spoke from the first moment"
    assert f"紧急联系人：{PHONE}" in page
    async with world.services.database.read() as session:
        kinds = set(await session.scalars(select(CaseEvent.kind)))
        trail = await session.scalars(select(AuditEntry.data))
        assert PHONE not in str(list(trail))
    assert {"by_hand", "accepted", "call"} <= kinds


async def test_a_case_by_phone_speaks_of_no_chat_and_no_machine(
    world: World, browser: Browser
) -> None:
    _, page = await _enter(browser, world)
    assert "电话登记的个案，没有聊天窗口，请打电话。" in page
    assert "登记人判" in page
    for word in ("机器判", "机器的等级", "通讯录", "文字可能送不到", "家长会收到一句"):
        assert word not in page
    live = await browser("counselor").get("/desk/cases/1/live")
    assert "没有聊天窗口" in live.text
    await world.add_case("two", place="school_a", level="3")
    written = (await browser("counselor").get("/desk/cases/2")).text
    assert "机器判" in written
    assert "没有聊天窗口" not in written


async def test_a_call_that_runs_is_hung_up_on_the_cases_page(
    world: World, browser: Browser
) -> None:
    _, page = await _enter(browser, world, ended="")
    assert "接听中" in page
    assert "挂断，记下时间" in page
    (call,) = await _calls(world)
    world.services.clock.advance(minutes=10)
    data = {"csrf": world.csrf["counselor"], "note": "孩子已找到，在外婆家"}
    path = f"/desk/calls/{call.id}/end"
    other = {"csrf": world.csrf["second_counselor"]}
    assert (await browser("second_counselor").post(path, data=other)).status_code == 404
    answers = [await browser("counselor").post(path, data=data) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert "call_over" in answers[1].headers["location"]
    (call,) = await _calls(world)
    assert call.ended_at == world.now
    assert call.note == "孩子已找到，在外婆家"


async def test_a_double_click_is_one_call(world: World, browser: Browser) -> None:
    answers = await asyncio.gather(*(_enter(browser, world) for _ in range(4)))
    assert {status for status, _ in answers} == {303}
    assert len(await _calls(world)) == 1
    async with world.services.database.read() as session:
        assert await session.scalar(select(func.count(Case.id))) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"started": ""}, "请填开始时间"),
        ({"started": "昨天晚上"}, "请填开始时间"),
        ({"ended": "x"}, "结束时间看不懂"),
        ({"started": "2026-11-23T09:00", "ended": ""}, "时间在将来"),
        ({"ended": "2026-11-23T09:00"}, "时间在将来"),
        ({"ended": "2026-11-22T20:00"}, "结束时间早于开始时间"),
        ({"started": "2026-10-01T08:00", "ended": "2026-10-01T08:10"}, "30天内"),
        ({"started": "2026-11-22T08:00", "ended": ""}, "超过12小时"),
        ({"direction": "sideways"}, "来电还是去电"),
        ({"phone": "打我妈电话"}, "电话只能有数字"),
        ({"phone": "1" * 31}, "电话只能有数字"),
        ({"caller": "名" * 41}, "名字太长"),
        ({"note": "字" * 4001}, "要点太长"),
        ({"level": ""}, "请判一个等级"),
        ({"who": "ZZ"}, "谁在说"),
        ({"place": ""}, "请选学校"),
        ({"case": "七"}, "没有这个个案"),
        ({"case": "999999"}, "没有这个个案"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    world: World, browser: Browser, fields: dict[str, str], said: str
) -> None:
    status, page = await _enter(browser, world, **fields)
    assert status == 422
    assert said in page
    if "note" not in fields:
        assert NOTE in page
    assert await _calls(world) == []


async def test_a_call_is_added_to_an_open_case_of_ones_own(world: World, browser: Browser) -> None:
    mine = await world.add_case("one", place="school_a", level="3")
    theirs = await world.add_case("two", place="school_b", level="3")
    status, page = await _enter(browser, world, case=str(mine), level="", place="")
    assert status == 303
    assert NOTE in page
    status, page = await _enter(browser, world, case=str(theirs), caller="别人")
    assert (status, "没有这个个案" in page) == (422, True)
    async with world.services.database.write() as session:
        case = await session.get_one(Case, mine)
        case.state, case.closed_at = "closed", world.now
    status, page = await _enter(browser, world, case=str(mine), caller="再打来")
    assert (status, "已经结案" in page) == (409, True)
    assert [call.case_id for call in await _calls(world)] == [mine]


async def test_a_child_is_found_by_name_within_reach_without_its_name_in_the_address(
    world: World, browser: Browser
) -> None:
    child_id = await add_family(world, "林小满", parent="林女士")
    client = browser("counselor")
    data = {"csrf": world.csrf["counselor"], **_form(world), "child_name": "林小满"}
    page = (await client.post("/desk/calls/find", data=data)).text
    assert "三年级2班" in page
    assert f'name="child" value="{child_id}"' in page
    assert NOTE in page
    other = {"csrf": world.csrf["other_counselor"], **_form(world), "child_name": "林小满"}
    page = (await browser("other_counselor").post("/desk/calls/find", data=other)).text
    assert "没有找到" in page
    status, _ = await _enter(browser, world, child=str(child_id), child_name="林小满", place="")
    assert status == 303
    (call,) = await _calls(world)
    assert (await _case(world, call.case_id)).child_id == child_id
    page = (await client.post("/desk/calls/find", data=data)).text
    assert f"已有个案 {call.case_id}" in page
    elsewhere = _form(world, child=str(child_id), place=str(world.places["school_b"].id))
    sent = {"csrf": world.csrf["other_counselor"], **elsewhere}
    assert (await browser("other_counselor").post("/desk/calls", data=sent)).status_code == 404


async def test_a_teachers_misconduct_goes_to_the_district_and_is_not_shown_to_the_school(
    world: World, browser: Browser
) -> None:
    status, page = await _enter(browser, world, category="TCH", level="2")
    assert status == 303
    assert "已交到区里的值班台" in page
    assert NOTE not in page
    (call,) = await _calls(world)
    case = await _case(world, call.case_id)
    assert (case.place_id, case.state) == (world.places["district"].id, "open")
    assert (await browser("counselor").get(f"/desk/cases/{case.id}")).status_code == 404


async def test_the_list_is_filtered_counted_and_tells_no_word(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", level="3")
    for number in range(31):
        started = _at(world, minutes=60 + number)
        await _enter(browser, world, case=str(case_id), started=started, ended=started)
    await _enter(browser, world, started=_at(world, hours=30), ended=_at(world, hours=29))
    client = browser("second_counselor")
    page = (await client.get("/desk/calls")).text
    assert "共 32 个" in page
    assert "第 1 / 2 页" in page
    assert "今天：31 个" in page
    assert "最近7天：32 个" in page
    for word in (NOTE, PHONE, "陈女士"):
        assert word not in page
    assert "第 2 / 2 页" in (await client.get("/desk/calls?page=2")).text
    assert "共 1 个" in (await client.get("/desk/calls?day=2026-11-21")).text
    assert "共 31 个" in (await client.get(f"/desk/calls?case={case_id}")).text
    assert "没有找到" in (await client.get("/desk/calls?case=4040")).text
    assert "要写数字" in (await client.get("/desk/calls?case=abc&day=heute&page=-3")).text
    assert "共 0 个" in (await browser("other_counselor").get("/desk/calls")).text


async def test_what_is_typed_before_a_call_is_entered_is_kept_for_its_author(
    world: World, browser: Browser
) -> None:
    client = browser("counselor")
    data = {"csrf": world.csrf["counselor"], "field": "new:call:note", "text": NOTE}
    assert (await client.post("/desk/drafts", data=data)).status_code == 204
    kept = (await client.get("/desk/calls/drafts")).json()
    assert kept["drafts"] == {"new:call:note": NOTE}
    assert kept["staff"] == world.staff["counselor"].id
    other = (await browser("second_counselor").get("/desk/calls/drafts")).json()
    assert other["drafts"] == {}
    status, _ = await _enter(browser, world, drafts="new:call:note")
    assert status == 303
    assert (await client.get("/desk/calls/drafts")).json()["drafts"] == {}
