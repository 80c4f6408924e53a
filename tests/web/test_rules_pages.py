"""The rules' pages: reading, editing, the second of two, checking, replay, words, publishing."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from desk_world import WORDS, Browser, World
from rules_world import add_draft
from sqlalchemy import select

import knowledge.risk
from bot.db.models import AuditEntry, Message, RuleChange, RuleReplay, RuleSet
from bot.services import rulesets
from bot.services.rule_files import packaged
from bot.web.rule_words import problem, words
from knowledge.risk.drafting import blocks

RULE = '[[rule]]\nid = "own.x"\ncategory = "DIS"\nlevel = "1"\nreason = "理由"\npatterns = "恐龙"\n'


async def stored(world: World, rules_id: int) -> RuleSet:
    """Return a rule set as it stands."""
    async with world.services.database.read() as session:
        return await rulesets.get(session, rules_id)


async def post(
    world: World, client: httpx2.AsyncClient, login: str, path: str, **form: Any
) -> httpx2.Response:
    """Send a form as somebody, with the newest row version unless another one is named."""
    rules_id = int(path.split("/")[2]) if path.split("/")[2].isdecimal() else 0
    row = (await stored(world, rules_id)).row_version if rules_id else 0
    data = {"csrf": world.csrf[login], "row": str(row)} | form
    return await client.post(path, data=data)


async def replayed(world: World, rules_id: int, *, state: str = "finished") -> None:
    """Write a replay that found one message."""
    async with world.services.database.write() as session:
        message = await session.scalar(select(Message).limit(1))
        assert message is not None
        replay = RuleReplay(
            rule_set_id=rules_id,
            state=state,
            days=30,
            live_version="a",
            new_version="b",
            since=world.now - timedelta(days=30),
            last_message=message.id,
            total=8,
            done=4,
            counts={"escalated": 3, "raised": 3, "levels": {"0>2": 3}, "categories": {}},
            started_at=world.now,
        )
        session.add(replay)
        await session.flush()
        session.add(
            RuleChange(
                rule_set_id=rules_id,
                replay_id=replay.id,
                message_id=message.id,
                live_level="0",
                new_level="2",
                categories=["DIS"],
                rule_ids={"gained": ["own.x"], "lost": []},
                created_at=world.now,
            )
        )


async def test_without_drafts_the_page_says_what_is_in_force(browser: Browser) -> None:
    page = (await browser("counselor").get("/rules")).text
    assert "软件附带的规则" in page
    assert "还没有草稿" in page
    assert "还没有人发布过" in page
    assert 'href="/rules"' in (await browser("counselor").get("/desk")).text


async def test_the_packaged_rules_can_be_read_and_not_changed(
    world: World, browser: Browser
) -> None:
    client = browser("lead")
    assert "自伤" in (await client.get("/rules/0")).text
    page = (await client.get("/rules/0/files/selfharm.toml?block=1")).text
    assert "nssi.self" in page
    assert "<textarea" not in page
    sent = await post(world, client, "lead", "/rules/0/files/selfharm.toml", block="1", text=RULE)
    assert sent.status_code == 404
    for path in ("/rules/0/files/other.toml", "/rules/99", "/rules/99/files/selfharm.toml"):
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("login", ["counselor", "lead", "district"])
async def test_a_draft_is_made_edited_and_read(world: World, browser: Browser, login: str) -> None:
    client = browser(login)
    made = await post(world, client, login, "/rules/drafts", name="方言 <b>", note="二中")
    assert made.headers["location"] == "/rules/1?done=draft"
    page = (await client.get("/rules/1?done=draft")).text
    assert "方言 &lt;b&gt;" in page
    assert "草稿建好了" in page
    block = blocks(packaged()["selfharm.toml"])[1]
    form = (await client.get("/rules/1/files/selfharm.toml?block=1")).text
    assert 'name="block" value="1"' in form
    text = block.text.replace('reason = "', 'reason = "改过：').replace("\n", "\r\n")
    sent = await post(world, client, login, "/rules/1/files/selfharm.toml", block="1", text=text)
    assert sent.headers["location"] == "/rules/1/files/selfharm.toml?done=saved#b1"
    row = await stored(world, 1)
    assert "\r" not in row.files["selfharm.toml"]
    assert row.files["selfharm.toml"].count("改过：") == 1
    diff = (await client.get("/rules/1/diff")).text
    assert "<ins>改过：</ins>" in diff
    assert "nssi.self" in diff
    assert "和正在用的不同" in (await client.get("/rules/1")).text


async def test_an_empty_name_is_refused_in_place(world: World, browser: Browser) -> None:
    sent = await post(world, browser("lead"), "lead", "/rules/drafts", name=" ", note="保留")
    assert sent.status_code == 422
    assert "请写名字" in sent.text
    assert "保留" in sent.text


async def test_a_slip_is_kept_and_explained_in_chinese(world: World, browser: Browser) -> None:
    rules_id = await add_draft(world)
    client = browser("counselor")
    text = RULE.replace('level = "1"', "level = 1")
    path = f"/rules/{rules_id}/files/selfharm.toml"
    sent = await post(world, client, "counselor", path, block="1", text=text)
    assert sent.headers["location"].endswith("?block=1&done=saved_broken")
    page = (await client.get(sent.headers["location"])).text
    assert "这一份规则读不通" in page
    assert "自伤（selfharm.toml），第" in page
    assert "own.x.level" in page
    assert "这一项要写成引号里的文字" in page
    assert "level = 1" in page
    assert "有错误" in (await client.get("/rules")).text
    district = browser("district")
    page = (await district.get(f"/rules/{rules_id}")).text
    assert "改好以前不能发布" in page
    for path, extra in (
        ("publish", {"live": "0", "reason": "x"}),
        ("shadow", {}),
        ("replay", {"days": "30"}),
        ("check", {}),
    ):
        sent = await post(world, district, "district", f"/rules/{rules_id}/{path}", **extra)
        assert sent.status_code == 409, path
        assert "规则读不通，改好以前不能检查、试运行或发布。" in sent.text
    mended = await post(
        world, client, "counselor", f"/rules/{rules_id}/files/selfharm.toml", block="all", text=RULE
    )
    assert "done=saved" in mended.headers["location"]
    assert (await stored(world, rules_id)).problem is None


async def test_the_second_of_two_is_told_and_keeps_what_was_written(
    world: World, browser: Browser
) -> None:
    rules_id = await add_draft(world)
    path = f"/rules/{rules_id}/files/selfharm.toml"
    first = RULE.replace("恐龙", "第一个人")
    assert (
        await post(world, browser("counselor"), "counselor", path, block="1", text=first)
    ).status_code == 303
    late = await post(
        world,
        browser("other_counselor"),
        "other_counselor",
        path,
        block="1",
        text=RULE.replace("恐龙", "第二个人"),
        row="1",
    )
    assert late.status_code == 409
    assert "别人刚刚改过这一份" in late.text
    assert "第二个人" in late.text
    assert "第一个人" in late.text
    assert "第二个人" not in str((await stored(world, rules_id)).files)
    again = await post(
        world, browser("district"), "district", f"/rules/{rules_id}/discard", row="1"
    )
    assert again.status_code == 409
    assert "刚才的操作没有执行" in again.text


async def test_what_is_no_draft_any_more_is_not_edited_and_the_words_stay(
    world: World, browser: Browser
) -> None:
    rules_id = await add_draft(world)
    client = browser("counselor")
    assert (await post(world, client, "counselor", f"/rules/{rules_id}/discard")).status_code == 303
    path = f"/rules/{rules_id}/files/selfharm.toml"
    late = await post(world, client, "counselor", path, block="1", text=RULE)
    assert late.status_code == 409
    assert "已经不是草稿" in late.text
    assert "恐龙" in late.text
    assert "放到一边的草稿" in (await client.get("/rules")).text


@pytest.mark.parametrize("block", ["", "99", "x", "-1"])
async def test_a_block_that_is_not_there_is_refused(
    world: World, browser: Browser, block: str
) -> None:
    rules_id = await add_draft(world)
    path = f"/rules/{rules_id}/files/selfharm.toml"
    sent = await post(world, browser("lead"), "lead", path, block=block, text=RULE)
    assert sent.status_code == 422
    assert (await stored(world, rules_id)).row_version == 1


async def test_a_check_says_what_fails_and_publishing_is_open_to_nobody(
    world: World, browser: Browser
) -> None:
    rules_id = await add_draft(world)
    client = browser("counselor")
    passed = await post(world, client, "counselor", f"/rules/{rules_id}/check")
    assert "检查通过" in passed.text
    blind = f"/rules/{rules_id}/files/suicide.toml"
    await post(world, client, "counselor", blind, block="all", text="# nothing\n")
    failed = await post(world, client, "counselor", f"/rules/{rules_id}/check")
    assert "E003" in failed.text
    assert "应该到3级，只判到" in failed.text
    refused = await post(
        world,
        browser("district"),
        "district",
        f"/rules/{rules_id}/publish",
        live="0",
        reason="试",
    )
    assert refused.status_code == 409
    assert "谁都不能发布" in refused.text
    assert "E003" in refused.text
    assert (await stored(world, rules_id)).state == "draft"


async def test_the_district_publishes_and_goes_back(world: World, browser: Browser) -> None:
    rules_id = await add_draft(world, "加恐龙")
    client = browser("district")
    path = f"/rules/{rules_id}/files/parent.toml"
    text = packaged()["parent.toml"] + RULE
    await post(world, client, "district", path, block="all", text=text)
    nothing = await post(
        world, client, "district", f"/rules/{rules_id}/publish", live="0", reason=" "
    )
    assert nothing.status_code == 422
    assert "请写为什么要换" in nothing.text
    late = await post(
        world, client, "district", f"/rules/{rules_id}/publish", live="7", reason="试"
    )
    assert late.status_code == 409
    assert "刚刚被别人换过" in late.text
    sent = await post(
        world, client, "district", f"/rules/{rules_id}/publish", live="0", reason="要恐龙"
    )
    assert sent.headers["location"] == "/rules?done=published"
    page = (await client.get("/rules?done=published")).text
    assert "加恐龙" in page
    assert "district老师" in page
    assert "要恐龙" in page
    assert "换回软件附带的规则" in page
    assert "换回软件附带的规则" not in (await browser("counselor").get("/rules")).text
    back = await post(
        world, client, "district", "/rules/0/back", live=str(rules_id), reason="不要了"
    )
    assert back.headers["location"] == "/rules?done=published"
    again = await post(world, client, "district", "/rules/0/back", live="2", reason="x")
    assert again.status_code == 409
    assert "正在用的就是它" in again.text
    assert "换回这一版" in (await client.get("/rules")).text


async def test_a_replay_is_begun_followed_and_stopped(world: World, browser: Browser) -> None:
    rules_id = await add_draft(world)
    client = browser("district")
    wrong = await post(world, client, "district", f"/rules/{rules_id}/replay", days="0")
    assert "天数请写1到365" in wrong.text
    sent = await post(world, client, "district", f"/rules/{rules_id}/replay", days="30")
    assert sent.headers["location"] == f"/rules/{rules_id}?done=replay"
    part = await client.get(f"/rules/{rules_id}/progress")
    assert 'hx-trigger="every 2s"' in part.text
    assert "HX-Refresh" not in part.headers
    assert "<progress" in part.text
    assert "<html" not in part.text
    twice = await post(world, client, "district", f"/rules/{rules_id}/replay", days="30")
    assert "已经有一次回放在进行" in twice.text
    await post(world, client, "district", f"/rules/{rules_id}/replay/stop")
    part = await client.get(f"/rules/{rules_id}/progress")
    assert part.headers["HX-Refresh"] == "true"
    assert "hx-trigger" not in part.text
    again = await post(world, client, "district", f"/rules/{rules_id}/replay/stop")
    assert "这次回放已经停了" in again.text


async def test_shadow_is_begun_and_stopped(world: World, browser: Browser) -> None:
    rules_id = await add_draft(world)
    client = browser("district")
    await post(world, client, "district", f"/rules/{rules_id}/shadow")
    page = (await client.get(f"/rules/{rules_id}?done=shadow")).text
    assert "影子运行中" in page
    assert "停止影子运行" in page
    assert "停止影子运行" not in (await browser("lead").get(f"/rules/{rules_id}")).text
    other = await add_draft(world)
    taken = await post(world, client, "district", f"/rules/{other}/shadow")
    assert "已经有另一份在影子运行" in taken.text
    await post(world, client, "district", f"/rules/{rules_id}/shadow/stop")
    assert (await stored(world, rules_id)).state == "draft"


async def test_counts_come_before_words_and_words_with_a_reason(
    world: World, browser: Browser
) -> None:
    await world.add_case("one", place="school_b")
    rules_id = await add_draft(world)
    await replayed(world, rules_id)
    client = browser("district")
    page = (await client.get(f"/rules/{rules_id}")).text
    assert WORDS not in page
    assert "看原话（会记入审计）" in page
    # The replay was made with other versions than those that stand now.
    assert "这次回放以后规则又改过" in page
    for login in ("counselor", "lead"):
        shown = (await browser(login).get(f"/rules/{rules_id}")).text
        assert "新增要人看的" in shown
        assert "看原话" not in shown
    path = f"/rules/{rules_id}/texts"
    form = {"source": "replay", "way": "escalated", "page": "1"}
    without = await post(world, client, "district", path, **form, why="")
    assert without.status_code == 422
    assert WORDS not in without.text
    read = await post(world, client, "district", path, **form, why="missed")
    assert WORDS in read.text
    assert "own.x" in read.text
    assert read.headers["Cache-Control"] == "no-store"
    none = await post(world, client, "district", path, **(form | {"way": "lowered"}), why="missed")
    assert WORDS not in none.text
    assert "没有您能看的来信" in none.text
    shadow = await post(
        world, client, "district", path, **(form | {"source": "shadow"}), why="missed"
    )
    assert WORDS not in shadow.text
    async with world.services.database.read() as session:
        trail = (
            await session.scalars(select(AuditEntry).where(AuditEntry.action == "rules.texts_read"))
        ).all()
    assert [(entry.data["count"], entry.data["why"]) for entry in trail] == [
        (1, "missed"),
        (0, "missed"),
        (0, "missed"),
    ]


@pytest.mark.parametrize("login", ["counselor", "lead", "teacher", "editor", "admin", None])
async def test_nobody_but_the_district_reads_words_or_decides(
    world: World, browser: Browser, login: str | None
) -> None:
    await world.add_case("one", place="school_a")
    rules_id = await add_draft(world)
    await replayed(world, rules_id)
    client = browser(login)
    for act in ("texts", "publish", "back", "replay", "replay/stop", "shadow", "shadow/stop"):
        sent = await client.post(
            f"/rules/{rules_id}/{act}",
            data={"csrf": world.csrf.get(login or "", ""), "why": "missed", "row": "1"},
        )
        assert sent.status_code == (401 if login is None else 403), act
        assert WORDS not in sent.text
    row = await stored(world, rules_id)
    assert (row.state, row.row_version) == ("draft", 1)


async def test_a_form_without_its_token_does_nothing(world: World, browser: Browser) -> None:
    rules_id = await add_draft(world)
    sent = await browser("district").post(
        f"/rules/{rules_id}/publish", data={"row": "1", "live": "0", "reason": "x"}
    )
    assert sent.status_code == 403
    assert (await stored(world, rules_id)).state == "draft"


def said(path: Path) -> set[str]:
    """Return what a module says is wrong with rules, as far as it is fixed."""
    names = {"RulesInvalid": 0, "PatternInvalid": 0, "_invalid": 3}
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in names and len(node.args) > names[name]:
                what = node.args[names[name]]
                what = what.values[0] if isinstance(what, ast.JoinedStr) else what
                found |= {str(what.value)} if isinstance(what, ast.Constant) else set()
        if isinstance(node, ast.Constant) and str(node.value).startswith("must be "):
            found.add(str(node.value))
    return found


def test_every_file_and_every_problem_has_its_chinese_words() -> None:
    assert set(packaged()) <= set(words()["file"])
    folder = Path(knowledge.risk.__file__).parent
    sources = [folder / name for name in ("loading.py", "patterns.py", "drafting.py")]
    found = {what for path in sources for what in said(path)}
    assert {"unknown filter", "no pattern", "write two brackets", "must be a number"} <= found
    assert len(found) > 25
    assert [what for what in found if problem(what) == what] == []


def test_a_problem_is_told_as_closely_as_it_is_known() -> None:
    assert problem("not TOML: Invalid value (at line 3)") != problem("not TOML: something new")
    assert "引号" in problem("not TOML: something new")
