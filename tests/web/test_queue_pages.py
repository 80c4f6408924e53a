"""The queue's pages: presence and offers, groups, words for levels, the overview."""

import re
from datetime import timedelta

from desk_world import Browser, World
from sqlalchemy import func, select, update

from bot.db.models import AuditEntry, Case, CaseOffer, Presence, Shift
from bot.services import cases


async def _post(
    browser: Browser, world: World, login: str, path: str, **fields: str
) -> tuple[int, str, str]:
    client = browser(login)
    response = await client.post(path, data={"csrf": world.csrf[login], **fields})
    if response.status_code != 303:
        return response.status_code, "", response.text
    where = response.headers["location"]
    return 303, where, (await client.get(where)).text


async def _flood(world: World, count: int) -> list[int]:
    return [
        await world.add_case(
            f"flood{number}",
            place="class_a",
            level="3",
            text="我要跳楼哈哈",
            fired="我要跳楼",
            ago=timedelta(seconds=30 + number),
        )
        for number in range(count)
    ]


async def test_the_next_one_is_offered_with_a_countdown(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    _, where, page = await _post(browser, world, "counselor", "/desk/next")
    assert where == "/desk"
    assert f"请你接手个案{case_id}" in page
    assert "还剩" in page
    assert "● 我在线" in page
    # Somebody else sees whom it is asked of, and may accept it all the same.
    other = (await browser("second_counselor").get("/desk")).text
    assert "正在问counselor老师" in other
    assert f'action="/desk/cases/{case_id}/accept"' in other
    assert "同时在线：counselor老师" in other
    assert "请你接手" not in other
    status, _, page = await _post(
        browser, world, "second_counselor", f"/desk/cases/{case_id}/accept"
    )
    assert status == 303
    mine = (await browser("counselor").get("/desk/offer")).text
    assert "请你接手" not in mine


async def test_letting_go_asks_the_next_one(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    await _post(browser, world, "second_counselor", "/desk/presence", state="ready")
    await _post(browser, world, "counselor", "/desk/next")
    async with world.services.database.read() as session:
        offer_id = await session.scalar(select(CaseOffer.id))
    path = f"/desk/offers/{offer_id}/decline"
    _, _, page = await _post(browser, world, "counselor", path)
    assert "已让给别人" in page
    assert "正在问second_counselor老师" in page
    _, _, page = await _post(browser, world, "counselor", path)
    assert "这次询问已经结束" in page
    assert "请你接手" in (await browser("second_counselor").get("/desk/offer")).text


async def test_nothing_to_offer_is_said(world: World, browser: Browser) -> None:
    await world.add_case("theirs", place="school_b")
    _, where, page = await _post(browser, world, "counselor", "/desk/next")
    assert where == "/desk?said=none_left"
    assert "现在没有可以询问你的个案" in page


async def test_the_open_page_is_the_sign_of_life(world: World, browser: Browser) -> None:
    client = browser("counselor")
    await _post(browser, world, "counselor", "/desk/presence", state="ready")
    world.services.clock.advance(seconds=60)
    assert "● 我在线" in (await client.get("/desk/offer")).text
    world.services.clock.advance(seconds=60)
    other = browser("second_counselor")
    assert "同时在线：counselor老师" in (await other.get("/desk/offer")).text
    world.services.clock.advance(seconds=31)
    assert "没有别的老师在线" in (await other.get("/desk/offer")).text
    _, _, page = await _post(browser, world, "counselor", "/desk/presence", state="away")
    assert "○ 暂离" in page


async def test_whoever_goes_away_reads_what_is_still_in_hand(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a")
    await _post(browser, world, "counselor", f"/desk/cases/{case_id}/accept")
    await _post(browser, world, "counselor", "/desk/presence", state="ready")
    assert "没结案的个案" not in (await browser("counselor").get("/desk/offer")).text
    _, _, page = await _post(browser, world, "counselor", "/desk/presence", state="away")
    assert "手上还有1个没结案的个案" in page
    assert "没结案的个案" not in (await browser("second_counselor").get("/desk/offer")).text


async def test_an_offer_ends_without_the_worker_too(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    await _post(browser, world, "counselor", "/desk/next")
    await _post(browser, world, "second_counselor", "/desk/presence", state="ready")
    world.services.clock.advance(seconds=31)
    assert "请你接手" in (await browser("second_counselor").get("/desk/offer")).text
    page = (await browser("counselor").get("/desk/offer")).text
    assert "请你接手" not in page
    assert "○ 暂离" in page


async def test_a_lead_has_no_bar_and_may_not_press_it(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    page = (await browser("lead").get("/desk")).text
    assert "接下一个" not in page
    assert (await browser("lead").get("/desk/offer")).status_code == 403
    assert (await _post(browser, world, "lead", "/desk/next"))[0] == 403


async def test_a_flood_is_one_group_that_opens(world: World, browser: Browser) -> None:
    ids = await _flood(world, 30)
    alone = await world.add_case("alone", place="school_a", level="3!")
    client = browser("counselor")
    page = (await client.get("/desk")).text
    assert "30个个案，命中的词相同" in page
    assert re.findall(r'<li id="case-(\d+)"', page) == [str(alone)]
    assert 'data-open="31"' in page
    key = re.search(r'data-keys="([\d,]+)"', page)
    assert key is not None
    opened = (await client.get(f"/desk/queue?opened={key[1]}&shown=1000")).text
    shown = {int(found) for found in re.findall(r'<li id="case-(\d+)"', opened)}
    assert shown == {alone, *ids}
    async with world.services.database.read() as session:
        listed = await session.scalar(
            select(func.count(AuditEntry.id)).where(AuditEntry.action == "case.listed")
        )
    assert listed == 31


async def test_a_group_is_accepted_case_by_case_after_a_yes(world: World, browser: Browser) -> None:
    ids = await _flood(world, 6)
    joined = ",".join(map(str, ids))
    status, _, page = await _post(
        browser, world, "counselor", "/desk/group", what="accept", cases=joined
    )
    assert status == 422
    assert "请先勾选确认" in page
    async with world.services.database.write() as session:
        other = await world.seen("second_counselor")
        await cases.accept(session, other, ids[0], now=world.now)
    _, _, page = await _post(
        browser, world, "counselor", "/desk/group", what="accept", cases=joined, sure="yes"
    )
    assert "已接手5个个案。没接上1个" in page
    async with world.services.database.read() as session:
        owners = {
            row.id: row.accepted_by
            for row in await session.execute(select(Case.id, Case.accepted_by))
        }
    assert owners[ids[0]] == world.staff["second_counselor"].id
    assert {owners[one] for one in ids[1:]} == {world.staff["counselor"].id}


async def test_a_group_is_closed_by_a_person_who_judged_it(world: World, browser: Browser) -> None:
    ids = await _flood(world, 5)
    joined = ",".join(map(str, ids))
    await _post(browser, world, "counselor", "/desk/group", what="accept", cases=joined, sure="yes")
    page = (await browser("counselor").get("/desk")).text
    assert "用同一个原因全部结案" in page
    assert "用同一个原因全部结案" not in (await browser("second_counselor").get("/desk")).text
    said = {"what": "close", "cases": joined, "sure": "yes", "reason": "false_alarm"}
    for missing in ({}, {"level": "3", "note": "闹着玩"}, {"level": "0", "note": " "}):
        status, _, _ = await _post(browser, world, "counselor", "/desk/group", **said, **missing)
        assert status == 422
    said |= {"level": "0", "note": "全班在群里闹着玩，班主任已当面核实。"}
    _, _, page = await _post(browser, world, "second_counselor", "/desk/group", **said)
    assert "已结案0个。没有结案5个" in page
    _, _, page = await _post(browser, world, "counselor", "/desk/group", **said)
    assert "已结案5个。没有结案0个" in page
    async with world.services.database.read() as session:
        rows = await session.execute(select(Case.state, Case.closed_by, Case.judged_level))
        assert {tuple(row) for row in rows} == {("closed", world.staff["counselor"].id, "0")}


async def test_a_group_of_another_school_changes_nothing(world: World, browser: Browser) -> None:
    theirs = await world.add_case("theirs", place="school_b")
    for sent in (f"{theirs}", "999999", "1,x,-3," + "9" * 40):
        _, _, page = await _post(
            browser, world, "counselor", "/desk/group", what="accept", cases=sent, sure="yes"
        )
        assert "已接手0个" in page or "没有选中" in page
    async with world.services.database.read() as session:
        assert (await session.get_one(Case, theirs)).state == "open"


async def test_five_hundred_cases_are_a_small_page(world: World, browser: Browser) -> None:
    for number in range(150):
        await world.add_case(
            f"n{number}", place="school_a", level="2", text=f"第{number}句", fired=f"第{number}句"
        )
    page = (await browser("counselor").get("/desk")).text
    assert len(re.findall(r'<li id="case-', page)) == 60
    assert "下面还有：重点(第三高) <strong>90</strong>个" in page
    more = (await browser("counselor").get("/desk/queue?shown=120")).text
    assert len(re.findall(r'<li id="case-', more)) == 120
    for strange in ("shown=-1", "shown=99999999", "opened=x,,1.5", "shown=&opened="):
        assert (await browser("counselor").get(f"/desk/queue?{strange}")).status_code == 200


async def test_a_token_goes_to_its_own_page_only(world: World, browser: Browser) -> None:
    """What is read once for many carries nobody else's token."""
    await world.add_case("one", place="school_a")
    for login in ("counselor", "second_counselor"):
        page = (await browser(login).get("/desk/queue")).text
        assert set(re.findall(r'name="csrf" value="([^"]+)"', page)) == {world.csrf[login]}


async def test_a_higher_judgement_moves_a_case_up(world: World, browser: Browser) -> None:
    low = await world.add_case("low", place="school_a", level="2")
    three = await world.add_case("three", place="school_a", level="3")
    async with world.services.database.write() as session:
        await session.execute(
            update(Case)
            .where(Case.id == low)
            .values(judged_level="3!", second_id=world.staff["second_counselor"].id)
        )
    page = (await browser("counselor").get("/desk")).text
    assert [int(found) for found in re.findall(r'<li id="case-(\d+)"', page)] == [low, three]
    assert "老师判断：紧急(最高)" in page


async def test_a_lead_names_the_levels(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a", level="3!")
    path = f"/desk/levels/{world.places['school_a'].id}"
    words = {"word-3!": "三级", "word-3": "二级", "word-2": "一级", "word-1": "关注"}
    status, _, page = await _post(browser, world, "lead", path, **words | {"word-3": "三级"})
    assert (status, "没有保存" in page, 'value="三级"' in page) == (422, True, True)
    _, _, page = await _post(browser, world, "lead", path, **words)
    assert "三级(最高)" in page
    assert "三级(最高)" in (await browser("counselor").get("/desk")).text
    assert (await browser("counselor").get("/desk/levels")).status_code == 403
    other = f"/desk/levels/{world.places['school_b'].id}"
    assert (await _post(browser, world, "lead", other, **words))[0] == 403
    _, _, page = await _post(browser, world, "lead", path, back="yes")
    assert "紧急(最高)" in page


async def test_the_overview_counts_and_names_nobodys_words(world: World, browser: Browser) -> None:
    await world.add_case("red", place="school_a", level="3!", ago=timedelta(minutes=9))
    await world.add_case("calm", place="class_a", level="2")
    await world.add_case("theirs", place="school_b", level="3")
    async with world.services.database.write() as session:
        session.add(
            Shift(
                place_id=world.places["school_b"].id,
                staff_id=world.staff["other_counselor"].id,
                starts_at=world.now - timedelta(hours=1),
                ends_at=world.now + timedelta(hours=1),
                wakes=True,
            )
        )
        session.add(
            Presence(
                staff_id=world.staff["counselor"].id,
                state="ready",
                since=world.now,
                seen_at=world.now,
            )
        )
    page = (await browser("district").get("/desk/overview")).text
    rows = re.findall(r'data-label="学校"><strong>([^<]+)', page)
    assert rows == ["晴川一小", "晴川二中", "晴川区"]
    assert "9分00秒" in page
    assert "other_counselor老师" in page
    assert "counselor老师" in page
    assert "阳台" not in page
    mine = (await browser("lead").get("/desk/overview")).text
    assert "晴川一小" in mine
    assert "晴川二中" not in mine


async def test_no_drill_is_counted_among_the_cases_of_a_school(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("low", place="school_a", level="2", ago=timedelta(hours=30))
    client = browser("district")
    assert "待接手 <strong>1</strong>" in (await client.get("/desk")).text
    counted = (await client.get("/desk/overview")).text
    assert "重点(第三高)" in counted
    async with world.services.database.write() as session:
        (await session.get_one(Case, case_id)).drill = True
    assert "辖区内其他个案" not in (await client.get("/desk/queue")).text
    counted = (await client.get("/desk/overview")).text
    assert "重点(第三高)" not in counted
    assert '<tr class="late">' not in counted
