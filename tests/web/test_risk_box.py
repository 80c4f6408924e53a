"""The test box: what a text is judged to be, why, and that nothing of it stays anywhere."""

import re
from collections.abc import Callable

import pytest
from desk_world import Browser, World
from sqlalchemy import func, select

from bot.db.base import Base
from bot.services import rulesets
from bot.services.rule_files import packaged
from bot.web.riskbox import pieces
from knowledge.risk import Span
from knowledge.risk.assess import default_rules
from knowledge.risk.classifier import Proposal
from knowledge.risk.values import Level
from knowledge.risk.variants import scratch

LEDGE = "孩子站在阳台上不肯下来，说不想活了，作业还没写完。"
ALLOWED = ("counselor", "lead", "district")


async def _try(browser: Browser, world: World, login: str = "counselor", **fields: str):  # type: ignore[no-untyped-def]
    data = {"csrf": world.csrf[login], **fields}
    return await browser(login).post("/rules/try", data=data)


@pytest.mark.parametrize("login", ALLOWED)
async def test_a_text_is_judged_and_explained(world: World, browser: Browser, login: str) -> None:
    answer = await _try(browser, world, login, text=LEDGE, who="PC")
    assert answer.status_code == 200
    page = answer.text
    assert "3!(最高)" in page
    assert "si.act.on_site" in page
    assert "suicide.toml" in page
    assert re.search(r"<mark>站在<sup>1(,\d)*</sup></mark><mark>阳台<sup>1(,\d)*</sup>", page)
    assert "去掉这条规则" in page
    assert "换一个人说" in page
    assert "这套规则没有用模型" in page
    assert LEDGE in page  # the form keeps it
    assert "不保存" in page


@pytest.mark.parametrize("login", [None, "teacher", "editor", "admin"])
async def test_nobody_else_may_use_it(world: World, browser: Browser, login: str | None) -> None:
    client = browser(login)
    shown = await client.get("/rules/try")
    sent = await client.post(
        "/rules/try", data={"csrf": world.csrf[login] if login else "", "text": LEDGE}
    )
    assert sent.status_code == (403 if login else 401)
    assert (shown.status_code == 403) if login else (shown.headers["location"][:7] == "/login?")
    assert "si.act.on_site" not in sent.text


async def test_without_the_forms_token_nothing_is_judged(browser: Browser) -> None:
    answer = await browser("counselor").post("/rules/try", data={"text": LEDGE})
    assert answer.status_code == 403
    assert "阳台" not in answer.text


async def test_what_was_held_back_is_told_in_chinese(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, text="孩子说不想死")).text
    assert "前面有否定" in page
    assert '<mark class="off">想死</mark>' in page
    assert "没有规则命中" in page


async def test_earlier_messages_and_an_open_case_count(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, text="好的谢谢", turn2="我真的好难受,撑不下去")).text
    assert "在前面第1条来信里" in page
    assert "只看这一条" in page
    page = (await _try(browser, world, text="好的谢谢", floor="3")).text
    assert "个案已结" in page
    assert "3(第二高)" in page


class _Feathers:
    version = "feathers-1"

    def propose(self, turns: object, places: object = (), *, hinted: bool = False) -> Proposal:
        return Proposal(Level.HIGH, "DIS", 0.87, "像是说到羽毛。")


async def test_the_models_part_is_shown(world: World, browser: Browser) -> None:
    rules = scratch(default_rules())
    rules.classifier = _Feathers()
    world.services.screen.rules = rules
    page = (await _try(browser, world, text="今天天气好，捡了羽毛")).text
    assert "87%" in page
    assert "像是说到羽毛" in page
    assert "比规则高，以它为准" in page
    assert "feathers-1" in page
    assert "去掉模型" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "还没有写要试的话"),
        ({"text": " \n "}, "还没有写要试的话"),
        ({"text": "\0\0"}, "还没有写要试的话"),
        ({"text": "好" * 100_001}, "太长了：最多100,000个字"),
        ({"text": "好", "turn1": "长" * 2001}, "前面的来信每条最多2,000个字"),
        ({"text": "好", "who": "XX"}, "请从列表里选"),
        ({"text": "好", "floor": "9"}, "请从列表里选"),
        ({"text": "好", "rules": "nobody"}, "请从列表里选"),
    ],
)
async def test_what_is_wrong_is_said_in_chinese(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    answer = await _try(browser, world, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="result"' not in answer.text


async def test_without_rules_it_says_so(world: World, browser: Browser) -> None:
    world.services.screen.rules = None
    answer = await _try(browser, world, text="好")
    assert answer.status_code == 422
    assert "现在没有能用的规则" in answer.text


async def test_a_hundred_thousand_characters_are_judged(world: World, browser: Browser) -> None:
    whole = "今天天气很好我们出去走走" * 8_000 + "孩子说不想活了"
    answer = await _try(browser, world, text=whole[-100_000:])
    assert answer.status_code == 200
    assert "文字太长，只试了前面几条规则" in answer.text
    assert "3(第二高)" in answer.text


async def test_more_than_a_form_may_hold_is_refused_in_chinese(
    world: World, browser: Browser
) -> None:
    answer = await _try(browser, world, text="好" * 300_000)
    assert answer.status_code == 413
    assert "内容太长" in answer.text


@pytest.mark.parametrize("odd", ["想\0死", "想\ud800死", "\ufeff想死", "🌊" * 50])
async def test_odd_characters_do_no_harm(world: World, browser: Browser, odd: str) -> None:
    body = b"csrf=" + world.csrf["counselor"].encode() + b"&text="
    body += "".join(f"%{byte:02X}" for byte in odd.encode("utf-8", "surrogatepass")).encode()
    answer = await browser("counselor").post(
        "/rules/try",
        content=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == (422 if "\ud800" in odd else 200)


async def test_markup_stays_text(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, text="<script>alert(1)</script>不想活了</textarea>")).text
    assert "<script>alert" not in page
    assert "&lt;/textarea&gt;" in page


async def test_nothing_of_it_stays(
    world: World, browser: Browser, logged: Callable[[], str]
) -> None:
    async def rows() -> dict[str, int]:
        async with world.services.database.read() as session:
            return {
                name: await session.scalar(select(func.count()).select_from(table)) or 0
                for name, table in Base.metadata.tables.items()
            }

    before = await rows()
    words = "这句话只在测试框里出现过想死"
    answer = await _try(browser, world, text=words, turn1="前一句也只在这里")
    assert answer.status_code == 200
    assert await rows() == before
    assert "测试框里出现过" not in logged()
    assert "前一句也" not in logged()
    assert not any("测试框里" in key[0] for key in default_rules().readings)
    assert "测试框里" not in str(answer.url)


def test_a_text_is_cut_where_stretches_begin_and_end() -> None:
    marked = [[Span(0, 2, "甲乙")], [Span(1, 3, "乙丙")], []]
    assert list(pieces("甲乙丙丁", marked)) == [
        ("甲", (1,)),
        ("乙", (1, 2)),
        ("丙", (2,)),
        ("丁", ()),
    ]
    assert list(pieces("", [])) == []
    assert list(pieces("甲", [])) == [("甲", ())]


async def test_a_draft_can_be_tried_and_the_live_rules_stay(world: World, browser: Browser) -> None:
    rules = scratch(default_rules())
    rules.classifier = _Feathers()
    world.services.screen.rules = rules
    person = await world.seen("counselor")
    async with world.services.database.write() as session:
        row = await rulesets.make_draft(session, person, name="青菜草稿", note="", now=world.now)
    more = '\n[[rule]]\nid = "own.cabbage"\ncategory = "DIS"\nlevel = "3!"\nreason = "提到青菜。"\n'
    await rulesets.save(
        world.services.database,
        person,
        row.id,
        file="mind.toml",
        text=packaged()["mind.toml"] + more + 'patterns = "青菜"\n',
        row_version=1,
        now=world.now,
    )
    page = (await _try(browser, world, text="孩子不爱吃青菜", rules=str(row.id))).text
    assert "own.cabbage" in page
    assert "提到青菜。" in page
    assert "feathers-1" in page
    assert f'<option value="{row.id}" selected>青菜草稿（草稿）</option>' in page
    assert "own.cabbage" not in (await _try(browser, world, text="孩子不爱吃青菜")).text
    async with world.services.database.write() as session:
        await rulesets.discard(session, person, row.id, row_version=2, now=world.now)
    answer = await _try(browser, world, text="孩子不爱吃青菜", rules=str(row.id))
    assert answer.status_code == 422
    assert "请从列表里选" in answer.text


async def test_a_broken_draft_is_not_offered(world: World, browser: Browser) -> None:
    person = await world.seen("counselor")
    async with world.services.database.write() as session:
        row = await rulesets.make_draft(session, person, name="坏草稿", note="", now=world.now)
    await rulesets.save(
        world.services.database,
        person,
        row.id,
        file="mind.toml",
        text="[[rule",
        row_version=1,
        now=world.now,
    )
    page = (await browser("counselor").get("/rules/try")).text
    assert "坏草稿" not in page
    answer = await _try(browser, world, text="孩子不爱吃青菜", rules=str(row.id))
    assert answer.status_code == 422
