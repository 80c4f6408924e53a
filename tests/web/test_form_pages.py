"""Forms of a case through the pages: draft, signature, addendum, screening, plan."""

import asyncio

import pytest
from desk_world import Browser, World
from files_world import RISK, TOLD, audit_of, begin, post, rows, sign

from bot.db.models import Case, CaseEvent, CaseForm, Told
from bot.services import forms


@pytest.fixture
async def case_id(world: World) -> int:
    return await world.add_case("one", place="school_a")


async def test_from_a_draft_to_an_addendum(browser: Browser, world: World, case_id: int) -> None:
    path = await begin(browser, world, case_id, "risk")
    assert await begin(browser, world, case_id, "risk") == path
    half = {"f.state": "坐在阳台门口哭", "f.factors.loss": "yes"}
    saved = await post(browser, world, path, do="save", seen="1", **half)
    assert saved.headers["location"] == f"{path}?done=form_saved"
    refused = await post(browser, world, path, do="sign", seen="2", **half)
    assert refused.status_code == 422
    for words in ("判断的依据</a>：这一项要填，才能签署", "坐在阳台门口哭", 'value="yes" checked'):
        assert words in refused.text
    await sign(browser, world, path, seen="2", **RISK)
    again = await post(browser, world, path, do="sign", seen="2", **RISK)
    assert again.status_code == 303
    late = await post(browser, world, path, do="save", seen="3", **RISK | {"f.state": "别的"})
    assert (late.status_code, "已经签署，不能再改" in late.text) == (409, True)
    (form,) = await rows(world, CaseForm)
    assert form.answers["factors"] == "loss\nsleep"
    assert (form.state, form.author_id) == ("signed", world.staff["counselor"].id)
    added = await post(browser, world, f"{path}/amend")
    below = added.headers["location"]
    more = {"f.what": "下一步", "f.words": "妈妈请假三天", "f.why": "后来来电"}
    await sign(browser, world, below, **more)
    page = (await browser("counselor").get(path)).text
    for words in ("近期丧失、分手、挨打骂、丢脸的事\n几天睡不着", "补记", "妈妈请假三天"):
        assert words in page
    async with world.services.database.read() as session:
        assert await forms.states(session, case_id) == {"risk": "signed"}
    signed = [row.data["kind"] for row in await rows(world, CaseEvent) if row.kind == "form_signed"]
    assert signed == ["risk", "risk"]
    assert len(await audit_of(world, "form.signed")) == 2
    panel = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "只收了一部分" in panel


async def test_two_people_in_one_draft_lose_nothing(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "contact")
    first = await post(browser, world, path, do="save", seen="1", **{"f.words": "甲写的"})
    assert first.status_code == 303
    second = await post(
        browser, world, path, login="second_counselor", do="save", seen="1", **{"f.words": "乙写的"}
    )
    assert second.status_code == 409
    for words in ("另一位老师刚才也改了", "甲写的", "乙写的", 'name="seen" value="2"'):
        assert words in second.text
    (form,) = await rows(world, CaseForm)
    assert form.answers == {"words": "甲写的"}
    both = {"f.words": "甲写的，乙写的"}
    merged = await post(browser, world, path, login="second_counselor", do="save", seen="2", **both)
    assert merged.status_code == 303


async def test_a_text_that_is_too_long_comes_back_whole(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "contact")
    long = "写" * 9000
    refused = await post(browser, world, path, do="save", seen="1", **{"f.words": long})
    assert refused.status_code == 422
    assert long in refused.text
    assert "太长了，请缩短" in refused.text


async def test_a_draft_can_be_dropped_and_a_signed_form_not(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "risk")
    gone = await post(browser, world, f"{path}/discard")
    assert "done=form_discarded" in gone.headers["location"]
    assert await rows(world, CaseForm) == []
    path = await begin(browser, world, case_id, "risk")
    await sign(browser, world, path, **RISK)
    kept = await post(browser, world, f"{path}/discard")
    assert (kept.status_code, len(await rows(world, CaseForm))) == (409, 1)


async def test_the_screener_advises_and_changes_nothing(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "cssrs")
    yes = {"f.asked": "self", "f.q1": "yes", "f.q2": "yes", "f.q3": "no", "f.q4": "yes"}
    await sign(browser, world, path, **yes, **{"f.q5": "no", "f.q6": "within"})
    page = (await browser("counselor").get(path)).text
    for words in ("这是筛查，不是诊断", "第4、6问", "等级由人判断"):
        assert words in page
    (case,) = await rows(world, Case)
    assert (case.level, case.judged_level) == ("3!", None)


async def test_a_plan_begins_with_the_numbers_in_force(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "safety_plan")
    (form,) = await rows(world, CaseForm)
    assert {"110", "120", "12356"} <= {
        line.split()[0] for line in form.answers["lines"].split("\n")
    }
    plan = dict.fromkeys(("signs", "own", "places", "people", "surroundings"), "和妈妈说")
    fields = {f"f.{name}": words for name, words in plan.items()}
    await sign(
        browser,
        world,
        path,
        **fields,
        **{"f.lines": form.answers["lines"], "f.with": "孩子和妈妈", "f.review": "2026-11-30"},
    )
    copy = await post(browser, world, f"{path}/print", reason="family", **{"as": "page"})
    assert "和妈妈说" in copy.text
    for words in ("三级", "个案", "3!", "孩子和妈妈"):
        assert words not in copy.text


async def test_clicks_at_the_same_moment_make_one_of_each(
    browser: Browser, world: World, case_id: int
) -> None:
    opened = await asyncio.gather(*(begin(browser, world, case_id, "risk") for _ in range(4)))
    assert len(set(opened)) == 1
    path = opened[0]
    saves = (post(browser, world, path, do="sign", seen="1", **RISK) for _ in range(3))
    told = (post(browser, world, f"/desk/cases/{case_id}/told", **TOLD) for _ in range(3))
    answers = await asyncio.gather(*saves, *told)
    assert {answer.status_code for answer in answers} <= {303, 409}
    (form,) = await rows(world, CaseForm)
    assert (form.state, form.answers["state"]) == ("signed", RISK["f.state"])
    assert len(await rows(world, Told)) == 1
    assert [row.kind for row in await rows(world, CaseEvent)].count("form_signed") == 1
