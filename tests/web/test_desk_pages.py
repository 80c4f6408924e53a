"""What the desk shows and does: order, words, accept, take over, write, close, audit."""

import asyncio
import re
from datetime import timedelta

import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.core.errors import Conflict
from bot.db.models import AuditEntry, Case, Contact, Delivery
from bot.services import audit, cases


async def _post(
    browser: Browser, world: World, login: str, case_id: int, action: str, **fields: str
) -> tuple[int, str]:
    client = browser(login)
    data = {"csrf": world.csrf[login], **fields}
    response = await client.post(f"/desk/cases/{case_id}/{action}", data=data)
    if response.status_code == 303:
        shown = await client.get(response.headers["location"])
        return 303, shown.text
    return response.status_code, response.text


async def _accepted(browser: Browser, world: World, name: str = "one", level: str = "3!") -> int:
    case_id = await world.add_case(name, place="school_a", level=level)
    assert (await _post(browser, world, "counselor", case_id, "accept"))[0] == 303
    assert (await _post(browser, world, "counselor", case_id, "take"))[0] == 303
    return case_id


async def _audited(world: World, action: str) -> list[tuple[int | None, int | None]]:
    async with world.services.database.read() as session:
        rows = await session.execute(
            select(AuditEntry.staff_id, AuditEntry.object_id)
            .where(AuditEntry.action == action)
            .order_by(AuditEntry.id)
        )
        return [(row.staff_id, row.object_id) for row in rows]


async def test_an_empty_desk_says_so(browser: Browser) -> None:
    page = (await browser("counselor").get("/desk")).text
    assert "现在没有人在等" in page
    assert 'data-open="0"' in page


async def test_the_most_urgent_stands_first_then_the_longest_wait(
    world: World, browser: Browser
) -> None:
    hour = timedelta(hours=1)
    two = await world.add_case("two", place="school_a", level="2", ago=5 * hour)
    three = await world.add_case("three", place="school_a", level="3", ago=hour)
    late = await world.add_case("late", place="school_a", level="3!", ago=timedelta(minutes=1))
    early = await world.add_case("early", place="school_a", level="3!", ago=hour)
    page = (await browser("counselor").get("/desk")).text
    order = [int(found) for found in re.findall(r'<li id="case-(\d+)"', page)]
    assert order == [early, late, three, two]
    assert "紧急(最高)" in page
    assert "1小时00分" in page
    assert "家长说孩子" in page
    assert "<mark>站在阳台</mark>" in page
    assert "已超时" in page


async def test_a_case_page_says_why_it_fired(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "人已经在高处,正在发生" in page
    assert "si_at.height" in page
    assert "2026.11.1" in page
    assert "孩子<mark>站在阳台</mark>上不肯下来" in page
    assert "11-22 23:38:00" in page  # Asia/Shanghai


async def test_a_parents_markup_stays_text(world: World, browser: Browser) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{7*7}}</textarea>"
    case_id = await world.add_case("evil", place="school_a", text=evil, fired="<img src=x")
    client = browser("counselor")
    for path in ("/desk", "/desk/queue", f"/desk/cases/{case_id}", f"/desk/cases/{case_id}/live"):
        page = (await client.get(path)).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)" in page
    await _post(browser, world, "counselor", case_id, "accept")
    await _post(browser, world, "counselor", case_id, "take")
    _, page = await _post(browser, world, "counselor", case_id, "write", text=evil)
    assert "<script>alert" not in page
    assert "<img" not in page


async def test_the_second_of_two_is_told_who_was_first(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    assert (await _post(browser, world, "counselor", case_id, "accept"))[0] == 303
    status, page = await _post(browser, world, "second_counselor", case_id, "accept")
    assert status == 409
    assert "counselor老师刚刚已经接手了这个个案" in page
    status, page = await _post(browser, world, "counselor", case_id, "accept")
    assert status == 409
    assert "你已经接手了这个个案" in page
    async with world.services.database.read() as session:
        case = await session.get_one(Case, case_id)
    assert case.accepted_by == world.staff["counselor"].id


async def test_a_long_reply_of_the_bot_is_folded(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    long, short = "很长的固定回复" * 20, "短的固定回复"
    async with world.services.database.write() as session:
        for number, body in enumerate((long, short, "")):
            session.add(
                Delivery(
                    key=f"bot-{number}",
                    contact_id=world.contacts["one"],
                    route="passive",
                    kind="risk",
                    body=body,
                    state="accepted",
                    created_at=world.now,
                )
            )
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert page.count('<details class="bubble">') == 1
    assert long in page
    assert f'<div class="bubble">{short}</div>' in page


async def test_of_many_at_once_one_accepts(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    who = ["counselor", "second_counselor", "district"] * 3
    answers = await asyncio.gather(
        *(_post(browser, world, login, case_id, "accept") for login in who)
    )
    assert sorted(status for status, _ in answers) == [303] + [409] * 8
    assert all("接手了这个个案" in page for status, page in answers if status == 409)


async def test_without_the_forms_token_nothing_happens(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    client = browser("counselor")
    for fields in ({}, {"csrf": ""}, {"csrf": world.csrf["second_counselor"]}, {"csrf": "非"}):
        response = await client.post(f"/desk/cases/{case_id}/accept", data=fields)
        assert response.status_code == 403
        assert "放得太久" in response.text
    async with world.services.database.read() as session:
        assert (await session.get_one(Case, case_id)).state == "open"


async def test_take_write_hand_back_close(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(
        browser, world, "counselor", case_id, "write", text="  我在,孩子现在安全吗?  "
    )
    assert status == 303
    assert "我在,孩子现在安全吗?" in page
    assert '<div class="line-state queued">排队</div>' in page
    assert "微信还能主动发 <strong>3</strong> 条" in page
    status, page = await _post(browser, world, "counselor", case_id, "release")
    assert (status, "接管会话</button>" in page) == (303, True)
    status, page = await _post(
        browser, world, "counselor", case_id, "close", reason="safe_with_plan", note="已面谈"
    )
    assert (status, "还不能结案" in page, "已面谈</textarea>" in page) == (409, True, True)
    judged = {"level": "1", "judge_reason": "孩子在家，安全"}
    assert (await _post(browser, world, "counselor", case_id, "judge", **judged))[0] == 303
    status, page = await _post(
        browser, world, "counselor", case_id, "close", reason="safe_with_plan", note="已面谈"
    )
    assert status == 303
    assert "目前安全，已有安全计划" in page
    assert "已面谈" in page
    async with world.services.database.read() as session:
        case = await session.get_one(Case, case_id)
        assert (case.state, case.close_note) == ("closed", "已面谈")


async def test_a_double_click_sends_once(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    assert (await _post(browser, world, "counselor", case_id, "write", text="在吗"))[0] == 303
    status, page = await _post(browser, world, "counselor", case_id, "write", text="在吗 ")
    assert status == 409
    assert "没有再发一遍" in page
    async with world.services.database.read() as session:
        assert len((await session.scalars(select(Delivery))).all()) == 1
    world.services.clock.advance(minutes=1)
    assert (await _post(browser, world, "counselor", case_id, "write", text="在吗"))[0] == 303


@pytest.mark.parametrize(
    ("text", "words"), [("", "还没有写内容"), ("  \n", "还没有写内容"), ("长" * 700, "太长了")]
)
async def test_words_that_cannot_be_sent(
    world: World, browser: Browser, text: str, words: str
) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(browser, world, "counselor", case_id, "write", text=text)
    assert status == 422
    assert words in page
    assert text.strip() in page


async def test_a_closed_window_says_to_phone(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    async with world.services.database.write() as session:
        contact = await session.get_one(Contact, world.contacts["one"])
        contact.window_used = 5
    status, page = await _post(browser, world, "counselor", case_id, "write", text="在吗")
    assert status == 409
    assert "请改打电话" in page
    assert "现在发不了" in page
    assert "在吗</textarea>" in page


async def test_only_the_holder_writes(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(browser, world, "second_counselor", case_id, "write", text="在吗")
    assert status == 409
    assert "counselor老师正在接管这个会话" in page
    assert (await _post(browser, world, "second_counselor", case_id, "take"))[0] == 409
    status, page = await _post(
        browser, world, "second_counselor", case_id, "close", reason="answered", note="x"
    )
    assert (status, "正在接管" in page) == (409, True)


async def test_steps_out_of_order_are_explained(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    status, page = await _post(browser, world, "counselor", case_id, "take")
    assert (status, "请先接手" in page) == (409, True)
    status, page = await _post(browser, world, "counselor", case_id, "write", text="在吗")
    assert (status, "请先接手" in page) == (409, True)
    status, page = await _post(
        browser, world, "counselor", case_id, "close", reason="answered", note="x"
    )
    assert (status, "请先接手" in page) == (409, True)


async def test_closing_needs_a_reason_and_for_level_three_a_note(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(browser, world, "counselor", case_id, "close", reason="", note="x")
    assert (status, "请选择结案原因" in page) == (422, True)
    status, page = await _post(
        browser, world, "counselor", case_id, "close", reason="false_alarm", note=" "
    )
    assert (status, "必须写说明" in page) == (422, True)
    status, page = await _post(
        browser, world, "counselor", case_id, "close", reason="", note="写了很久的说明"
    )
    assert (status, "写了很久的说明</textarea>" in page) == (422, True)
    async with world.services.database.read() as session:
        assert (await session.get_one(Case, case_id)).state == "accepted"
        contact = await session.get_one(Contact, world.contacts["one"])
        assert contact.holder_id == world.staff["counselor"].id  # the refusal undid nothing by half


async def test_failed_deliveries_are_not_glossed_over(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    await _post(browser, world, "counselor", case_id, "write", text="在吗")
    async with world.services.database.write() as session:
        row = (await session.scalars(select(Delivery))).one()
        row.state, row.reason = "failed", "ChannelRefused: 45015"
        (await session.get_one(Case, case_id)).phone_now = True
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "失败：平台拒收 45015" in page
    assert "现在就打电话" in page


async def test_every_showing_of_words_is_in_the_audit_trail(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", level="3")
    client, me = browser("counselor"), world.staff["counselor"].id
    await client.get("/desk")
    for _ in range(3):
        await client.get("/desk/queue")
    assert await _audited(world, "case.listed") == [(me, case_id)]
    await client.get(f"/desk/cases/{case_id}")
    await client.get(f"/desk/cases/{case_id}/live")
    assert await _audited(world, "case.read") == [(me, case_id)]
    await client.get(f"/desk/cases/{case_id}")
    world.services.clock.advance(minutes=11)
    await client.get("/desk/queue")
    await client.get(f"/desk/cases/{case_id}/live")
    assert len(await _audited(world, "case.listed")) == 2
    assert len(await _audited(world, "case.read")) == 3
    await browser("lead").get("/desk")
    assert len(await _audited(world, "case.listed")) == 2
    async with world.services.database.read() as session:
        assert await audit.verify(session) is None


async def test_accepting_is_refused_by_the_service_as_well(world: World) -> None:
    case_id = await world.add_case("one", place="school_a")
    both = [await world.seen(name) for name in ("counselor", "second_counselor")]
    async with world.services.database.write() as session:
        await cases.accept(session, both[0], case_id, now=world.now)
    async with world.services.database.write() as session:
        with pytest.raises(Conflict):
            await cases.accept(session, both[1], case_id, now=world.now)


@pytest.mark.parametrize(
    ("channel", "said"), [("wechat", "由服务号发出"), ("dingtalk", "由钉钉机器人发出")]
)
async def test_the_counselor_is_told_by_which_way_the_words_leave(
    browser: Browser, world: World, channel: str, said: str
) -> None:
    case_id = await _accepted(browser, world)
    async with world.services.database.write() as session:
        contact = await session.get_one(Contact, world.contacts["one"])
        contact.channel = channel
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert said in page
