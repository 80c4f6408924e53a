"""False alarms and misses: marked at the desk, agreed by a second person, counted without names."""

import asyncio

import pytest
from desk_world import ROLES, WORDS, Browser, World
from risk_case_world import actions, mark, post, rows

from bot.core.levels import LEVELS
from bot.db.models import Assessment, Case, Message
from bot.services import audit
from bot.services.risk_cases import REFUSALS
from bot.web.render import category_codes, labels

RIGHTS = {
    ("GET", "/rules/cases"): {"counselor", "lead", "district"},
    ("POST", "/rules/cases"): {"counselor", "lead", "district"},
    ("GET", "/rules/cases/{id}"): {"counselor", "lead", "district"},
    ("POST", "/rules/cases/{id}/agree"): {"lead", "district"},
    ("POST", "/rules/cases/{id}/reject"): {"lead", "district"},
}


async def _calm(world: World, name: str, text: str) -> int:
    """Let the parent of a case write something that the screen found harmless."""
    async with world.services.database.write() as session:
        message = Message(
            channel="wechat",
            account="demo",
            platform_id=f"calm-{name}-{text}",
            contact_id=world.contacts[name],
            kind="text",
            text=text,
            media_id="",
            sent_at=world.now,
            received_at=world.now,
            level="3!",
            state="done",
        )
        session.add(message)
        await session.flush()
        session.add(
            Assessment(
                message_id=message.id,
                contact_id=message.contact_id,
                level="3!",
                fresh_level="0",
                categories=["SI-AT"],  # of the conversation
                spans=[],
                reasons=[],
                rule_ids=[],
                rule_version="2026.11.1",
                created_at=world.now,
            )
        )
        return message.id


async def test_a_false_alarm_is_marked_and_changes_nothing_else(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a")
    message = await world.message_of("one")
    client = browser("counselor")
    page = (await client.get(f"/desk/cases/{case_id}")).text
    assert f'href="/desk/cases/{case_id}?mark={message}#mark"' in page
    assert ">误报</a>" in page
    form = (await client.get(f"/desk/cases/{case_id}?mark={message}")).text
    assert "标了不会改变本个案的等级，也不会结案" in form
    assert 'value="3!"  disabled' in form
    answer = await mark(browser, world, level="1", category="DIS", note="在说晾衣服")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/desk/cases/{case_id}?done=mark#message-{message}"
    shown = (await client.get(answer.headers["location"])).text
    assert "本个案的等级没有变" in shown
    assert "counselor老师标为误报，应该是关注(最低)（待复核）" in shown
    assert "撤销" in shown
    (row,) = await rows(world)
    assert (row.kind, row.expected_level, row.found_level, row.state) == (
        "false_alarm",
        "1",
        "3!",
        "new",
    )
    assert (row.text, row.note, row.rule_ids) == (WORDS, "在说晾衣服", ["si_at.height"])
    assert (row.found_category, row.rule_version) == ("SI-AT", "2026.11.1")
    assert row.place_id == world.places["school_a"].id
    async with world.services.database.read() as session:
        case = await session.get_one(Case, case_id)
    assert (case.level, case.state) == ("3!", "open")


async def test_a_miss_is_marked_at_a_message_that_did_not_fire(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a")
    await _calm(world, "one", "他这几天不说话")
    message = await _calm(world, "one", "他把最喜欢的东西都送人了")
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert ">漏报</a>" in page
    path = f"/desk/cases/{case_id}/mark"
    answer = await post(
        browser, world, "counselor", path, message=str(message), level="3", category="SI-PL"
    )
    assert answer.status_code == 303
    (row,) = await rows(world)
    assert (row.kind, row.expected_level, row.expected_category) == ("missed", "3", "SI-PL")
    assert (row.found_level, row.found_category) == ("0", "NONE")
    # what was as dangerous by itself would decide the case
    assert row.turns == ["他这几天不说话"]
    async with world.services.database.read() as session:
        assert (await session.get_one(Case, case_id)).level == "3!"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "请选应该是几级"),
        ({"level": "7"}, "请选应该是几级"),
        ({"level": "1"}, "请选类别"),
        ({"level": "1", "category": "NONE"}, "请选类别"),
        ({"level": "1", "category": "XYZ"}, "请选类别"),
        ({"level": "3!", "category": "DIS"}, "和机器判的等级一样"),
        ({"level": "0", "note": "长" * 1001}, "说明最多1,000个字"),
    ],
)
async def test_what_is_wrong_with_a_mark_is_said_with_the_form_open(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    await world.add_case("one", place="school_a")
    answer = await mark(browser, world, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="mark-note"' in answer.text
    assert await rows(world) == []


async def test_no_level_means_no_danger(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    assert (await mark(browser, world, level="0", note="\0没有\0")).status_code == 303
    (row,) = await rows(world)
    assert (row.expected_category, row.note) == ("NONE", "没有")


async def test_of_a_double_click_one_is_kept(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    answers = await asyncio.gather(*(mark(browser, world, level="0") for _ in range(4)))
    assert {answer.status_code for answer in answers} == {303}
    assert len(await rows(world)) == 1
    me = world.staff["counselor"].id
    assert await actions(world) == [("risk_case.marked", me)]


async def test_two_people_one_case_the_last_judgement(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    await mark(browser, world, level="0")
    await mark(browser, world, login="second_counselor", level="2", category="DIS")
    (row,) = await rows(world)
    assert (row.expected_level, row.staff_id) == ("2", world.staff["second_counselor"].id)
    assert await actions(world) == [
        ("risk_case.marked", world.staff["counselor"].id),
        ("risk_case.marked", world.staff["second_counselor"].id),
    ]
    message = str(await world.message_of("one"))
    path = f"/desk/cases/{case_id}/unmark"
    answer = await post(browser, world, "counselor", path, message=message)
    assert answer.status_code == 409
    assert "后来有别人改标过" in answer.text
    assert len(await rows(world)) == 1


async def test_a_mark_can_be_taken_back(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    await mark(browser, world, level="0")
    message = str(await world.message_of("one"))
    path = f"/desk/cases/{case_id}/unmark"
    for _ in range(2):
        answer = await post(browser, world, "counselor", path, message=message)
        assert answer.status_code == 303
    assert await rows(world) == []
    assert [name for name, _ in await actions(world)] == ["risk_case.marked", "risk_case.undone"]
    await mark(browser, world, level="0")
    (row,) = await rows(world)
    assert (await post(browser, world, "lead", f"/rules/cases/{row.id}/agree")).status_code == 303
    answer = await post(browser, world, "counselor", path, message=message)
    assert answer.status_code == 409
    assert "已经有人复核过了" in answer.text


@pytest.mark.parametrize(
    ("login", "status"),
    [
        ("counselor", 303),
        ("district", 303),
        ("other_counselor", 404),
        ("lead", 403),
        ("teacher", 403),
        ("admin", 403),
        ("editor", 403),
    ],
)
async def test_who_may_mark(world: World, browser: Browser, login: str, status: int) -> None:
    await world.add_case("one", place="school_a")
    assert (await mark(browser, world, login=login, level="0")).status_code == status
    assert len(await rows(world)) == (status == 303)


async def test_a_message_of_another_parent_can_t_be_marked(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    await world.add_case("two", place="school_b")
    message = str(await world.message_of("two"))
    path = f"/desk/cases/{world.cases['one']}/mark"
    for strange in (message, "", "x", "99999999999999999999", "-1"):
        answer = await post(browser, world, "counselor", path, message=strange, level="0")
        assert answer.status_code == 404
    assert await rows(world) == []


@pytest.mark.parametrize("login", [None, *ROLES])
async def test_rights(world: World, browser: Browser, login: str | None) -> None:
    role, place = ROLES[login] if login else ("", "")
    for number, ((method, path), roles) in enumerate(RIGHTS.items()):
        name = f"case{number}"
        await world.add_case(name, place="school_a")
        row = await world.add_rule_case(name)
        csrf = {"csrf": world.csrf[login]} if login else {}
        answer = await browser(login).request(
            method, path.replace("{id}", str(row)), data=csrf if method == "POST" else None
        )
        if login is None:
            assert answer.status_code in (303, 401)
            continue
        if role not in roles:
            wanted = {403}
        elif "{id}" in path and place == "school_b":
            wanted = {404}
        else:
            wanted = {422} if path == "/rules/cases" and method == "POST" else {200, 303}
        assert answer.status_code in wanted, (login, method, path)
        if answer.status_code >= 400:
            assert WORDS not in answer.text


async def test_the_list_counts_first_and_shows_no_words(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    row = await world.add_rule_case("one")
    page = (await browser("lead").get("/rules/cases")).text
    assert 'aria-current="page">待复核 <span class="count">1</span>' in page
    assert f"用例{row}" in page
    assert "晴川一小" in page
    assert "counselor老师" in page
    assert WORDS not in page
    assert await actions(world) == [("risk_case.marked", world.staff["counselor"].id)]
    other = (await browser("other_lead").get("/rules/cases")).text
    assert "没有待复核的用例" in other
    assert "还没有人标过" in other


async def test_opening_one_shows_the_words_and_is_logged(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    row = await world.add_rule_case("one")
    for login, buttons in (("counselor", False), ("lead", True), ("district", True)):
        page = (await browser(login).get(f"/rules/cases/{row}")).text
        assert WORDS in page
        assert "si_at.height" in page
        assert (f"/rules/cases/{row}/agree" in page) is buttons
    reads = [who for name, who in await actions(world) if name == "risk_case.read"]
    assert reads == [world.staff[login].id for login in ("counselor", "lead", "district")]
    async with world.services.database.read() as session:
        assert await audit.verify(session) is None


async def test_a_second_person_decides(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    row = await world.add_rule_case("one")
    for _ in range(2):
        answer = await post(browser, world, "lead", f"/rules/cases/{row}/agree")
        assert answer.headers["location"] == "/rules/cases?done=agreed"
    answer = await post(browser, world, "district", f"/rules/cases/{row}/reject")
    assert answer.status_code == 409
    assert "已经有人复核过了" in answer.text
    (kept,) = await rows(world)
    assert (kept.state, kept.decided_by) == ("agreed", world.staff["lead"].id)
    page = (await browser("district").get("/rules/cases?state=agreed&done=agreed")).text
    assert "已同意。发布规则前会用它检查" in page
    assert "lead老师已同意" in page


async def test_nobody_agrees_with_their_own(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    row = await world.add_rule_case("one", by="district")
    assert "自己标的要由另一个人复核" in (await browser("district").get(f"/rules/cases/{row}")).text
    answer = await post(browser, world, "district", f"/rules/cases/{row}/agree")
    assert answer.status_code == 409
    assert "自己标的要由另一个人复核" in answer.text
    assert (await rows(world))[0].state == "new"


async def test_what_only_the_district_may_see(world: World, browser: Browser) -> None:
    for name, place in (("loose", None), ("own", "district")):
        await world.add_case(name, place=place)
        row = await world.add_rule_case(name, by="district")
        for login in ("counselor", "lead"):
            assert (await browser(login).get(f"/rules/cases/{row}")).status_code == 404
            assert f"用例{row}" not in (await browser(login).get("/rules/cases")).text
        assert (await browser("district").get(f"/rules/cases/{row}")).status_code == 200


async def test_twenty_on_a_page(world: World, browser: Browser) -> None:
    for number in range(23):
        await world.add_case(f"c{number}", place="school_a")
        await world.add_rule_case(f"c{number}")
    client = browser("counselor")
    first = (await client.get("/rules/cases")).text
    second = (await client.get("/rules/cases?state=new&page=2")).text
    assert first.count('id="rule-case-') == 20
    assert second.count('id="rule-case-') == 3
    assert "第2页，共2页" in second
    for strange in ("0", "-1", "99", "x", "9" * 30):
        answer = await client.get(f"/rules/cases?page={strange}&state=nothing&done=x")
        assert answer.status_code == 200


async def test_markup_stays_text(world: World, browser: Browser) -> None:
    evil = "<script>alert(1)</script><img src=x>"
    await world.add_case("evil", place="school_a", text=evil, fired="<img")
    message = await world.message_of("evil")
    case_id = world.cases["evil"]
    form = (await browser("counselor").get(f"/desk/cases/{case_id}?mark={message}")).text
    await mark(browser, world, "evil", level="0", note=evil)
    (row,) = await rows(world)
    page = (await browser("lead").get(f"/rules/cases/{row.id}")).text
    for shown in (form, page):
        assert "<script>alert" not in shown
        assert "<img" not in shown


async def test_the_parents_words_are_encrypted(world: World, browser: Browser) -> None:
    await world.add_case("one", place="school_a")
    await mark(browser, world, level="0", note="这是说明")
    async with world.services.database.read() as session:
        raw = await session.connection()
        row = (await raw.exec_driver_sql("SELECT text, turns, note FROM rule_case")).one()
    assert all(value.startswith("k1.") for value in row)


def test_every_code_has_its_words() -> None:
    words = labels()
    assert set(words["risk_case"]) >= REFUSALS
    assert set(words["mark"]) == set(LEVELS)
    assert set(words["risk_case_kind"]) == {"false_alarm", "missed", "written"}
    assert set(words["risk_case_state"]) == {"new", "agreed", "rejected"}
    assert "NONE" in category_codes()
    assert "SI" not in category_codes()
