"""Cases that people write themselves, how many the rules get right, and figures without names."""

import asyncio
import re

import pytest
from desk_world import Browser, World
from risk_case_world import actions, post, rows


async def test_figures_hold_numbers_only(world: World, browser: Browser) -> None:
    for number in range(3):
        await world.add_case(f"c{number}", place="school_a", level="3" if number else "3!")
        await world.add_rule_case(f"c{number}")
    page = (await browser("district").get("/rules/cases?state=agreed")).text
    table = page[page.index('id="figures"') :]
    plain = re.sub(r"<[^>]+>", " ", table)
    assert re.search(r"误报\s+3!\(最高\)\s+正在实施或近期行为\s+1\b", plain)
    assert re.search(r"误报\s+3\(第二高\)\s+正在实施或近期行为\s+2\b", plain)
    assert "老师" not in plain.split("误报按")[0]


async def test_the_agreed_ones_are_judged_by_the_live_rules(world: World, browser: Browser) -> None:
    ledge = "孩子站在阳台上不肯下来，说不想活了"
    for name, text in (("real", ledge), ("calm", "老师好，明天几点到校")):
        await world.add_case(name, place="school_a", text=text, fired=text[:2])
        row = await world.add_rule_case(name)
        await post(browser, world, "lead", f"/rules/cases/{row}/agree")
    page = (await browser("counselor").get("/rules/cases?run=1")).text
    assert "已同意的2条，现行规则做对1条" in page
    wrong = (await rows(world))[0].id
    assert f'<a href="/rules/cases/{wrong}">' in page
    assert ledge not in page
    world.services.screen.rules = None
    assert "用现行规则跑一遍" in (await browser("counselor").get("/rules/cases?run=1")).text


async def test_a_text_from_the_test_box_becomes_a_case(world: World, browser: Browser) -> None:
    fields = {
        "text": "他把遗书\0放在枕头下",
        "turn1": "他这几天不说话",
        "who": "PC",
        "rules": "live",
        "level": "3",
        "category": "SI-PL",
    }
    answers = await asyncio.gather(
        *(post(browser, world, "lead", "/rules/cases", **fields) for _ in range(3))
    )
    assert {answer.headers["location"] for answer in answers} == {"/rules/cases?done=written"}
    (row,) = await rows(world)
    assert (row.kind, row.text, row.turns) == (
        "written",
        "他把遗书放在枕头下",
        ["他这几天不说话"],
    )
    assert (row.who, row.expected_level, row.message_id) == ("PC", "3", None)
    assert row.place_id == world.places["school_a"].id
    assert await actions(world) == [("risk_case.written", world.staff["lead"].id)]
    answer = await post(browser, world, "lead", f"/rules/cases/{row.id}/agree")
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "还没有写要试的话"),
        ({"text": "好", "rules": "draft-99"}, "请从列表里选"),
        ({"text": "不想活了"}, "请选应该是几级"),
        ({"text": "不想活了", "level": "3"}, "请选类别"),
        ({"text": "好" * 100_001, "level": "0"}, "太长了"),
    ],
)
async def test_what_is_wrong_with_a_written_case(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    answer = await post(browser, world, "counselor", "/rules/cases", **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert await rows(world) == []


async def test_a_hundred_thousand_characters_can_be_kept(world: World, browser: Browser) -> None:
    text = "今天天气很好我们出去走走" * 8_333 + "好的好的"
    assert len(text) == 100_000
    answer = await post(browser, world, "counselor", "/rules/cases", text=text, level="0")
    assert answer.status_code == 303
    assert (await rows(world))[0].text == text
