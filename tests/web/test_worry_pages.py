"""A teacher's worry through the pages: two taps, true words, and the counselor's answer."""

import re

from desk_world import Browser, World
from sqlalchemy import select
from teacher_world import add_family

from bot.core.phrases import load_alerts
from bot.db.models import AuditEntry, Case, CaseEvent, Delivery, Told, Worry
from bot.services.alerts import AlertPolicy, AlertTarget

KEY = re.compile(r'name="key" value="([^"]+)"')
ANSWER = "已经接手。我会马上给您打电话"


def class_page(world: World, name: str = "class_a") -> str:
    return f"/teacher/classes/{world.places[name].id}/worry"


async def send(
    world: World,
    browser: Browser,
    child_id: int,
    *,
    reason: str = "wish",
    words: str = "",
    key: str = "k1",
    by: str = "teacher",
) -> int:
    """Raise a worry as somebody and return the answer's status."""
    data = {
        "csrf": world.csrf[by],
        "child": str(child_id),
        "reason": reason,
        "words": words,
        "key": key,
    }
    return (await browser(by).post(class_page(world), data=data)).status_code


async def raised(world: World) -> list[tuple[Worry, Case]]:
    async with world.services.database.read() as session:
        rows = await session.execute(
            select(Worry, Case).join(Case, Case.id == Worry.case_id).order_by(Worry.id)
        )
        return [(row.Worry, row.Case) for row in rows]


async def test_two_taps_bring_a_child_into_the_queue(world: World, browser: Browser) -> None:
    world.services.policy = AlertPolicy(
        [AlertTarget("s", "school")], load_alerts(), "https://x.example/desk"
    )
    child = await add_family(world, "安安")
    client = browser("teacher")
    assert class_page(world) in (await client.get("/teacher")).text
    page = (await client.get(class_page(world))).text
    assert page.count('name="reason"') == 6
    assert KEY.search(page)
    assert await send(world, browser, child, words="课间和同桌说的") == 303
    [(worry, case)] = await raised(world)
    assert (worry.child_id, worry.place_id) == (child, world.places["class_a"].id)
    assert worry.words == "课间和同桌说的"
    assert (case.origin, case.level, case.family) == ("worry", "3", "self_harm")
    assert (case.child_id, case.place_id) == (child, world.places["school_a"].id)
    async with world.services.database.read() as session:
        alert = (await session.scalars(select(Delivery))).one()
        actions = set(await session.scalars(select(AuditEntry.action)))
    for private in ("安安", "同桌", "teacher"):
        assert private not in alert.body
    assert {"people.listed", "worry.raised"} <= actions
    own = (await client.get("/teacher/worries?done=raised")).text
    for words in ("已经进入值班台", f"编号{case.id}", "等人接手", "说过不想活"):
        assert words in own
    queue = (await browser("counselor").get("/desk")).text
    assert f"/desk/cases/{case.id}" in queue


async def test_the_teacher_is_told_the_truth_when_nobody_is_on_duty(
    world: World, browser: Browser
) -> None:
    child = await add_family(world, "安安")
    await send(world, browser, child)
    own = (await browser("teacher").get("/teacher/worries")).text
    assert "没有能叫醒的老师在值班" in own
    assert "分钟内应有人联系" not in own


async def test_the_same_form_twice_is_one_worry(world: World, browser: Browser) -> None:
    child = await add_family(world, "安安")
    assert await send(world, browser, child) == 303
    assert await send(world, browser, child) == 303
    assert len(await raised(world)) == 1


async def test_again_within_the_hour_adds_to_the_case_and_may_raise_it(
    world: World, browser: Browser
) -> None:
    child, other = await add_family(world, "安安"), await add_family(world, "宁宁")
    await send(world, browser, child, reason="changed")
    await send(world, browser, child, reason="injury", key="k2")
    await send(world, browser, other, reason="bullied", key="k3")
    rows = await raised(world)
    assert [case.id for _, case in rows] == [rows[0][1].id, rows[0][1].id, rows[2][1].id]
    assert rows[2][1].id != rows[0][1].id
    assert (rows[0][1].level, rows[0][1].family) == ("3", "abuse")


async def test_words_beside_it_raise_the_level(world: World, browser: Browser) -> None:
    child = await add_family(world, "安安")
    await send(world, browser, child, reason="changed", words="她现在站在教学楼楼顶要跳下去")
    [(_, case)] = await raised(world)
    assert case.level == "3!"


async def test_a_bad_form_comes_back_with_its_words(world: World, browser: Browser) -> None:
    child = await add_family(world, "安安")
    data = {"csrf": world.csrf["teacher"], "child": str(child), "reason": "nonsense"}
    answer = await browser("teacher").post(
        class_page(world), data=data | {"words": "写了半天的话", "key": "k"}
    )
    assert answer.status_code == 422
    assert "请选一个原因" in answer.text
    assert "写了半天的话" in answer.text
    assert await raised(world) == []


async def test_another_schools_teacher_reaches_nothing(world: World, browser: Browser) -> None:
    theirs = await add_family(world, "乐乐", place="class_b")
    client = browser("teacher")
    assert (await client.get(class_page(world, "class_b"))).status_code == 404
    assert await send(world, browser, theirs) == 404
    assert await raised(world) == []


async def test_the_counselor_answers_and_the_teacher_sees_only_that(
    world: World, browser: Browser
) -> None:
    child = await add_family(world, "安安")
    await send(world, browser, child, words="手臂上有新的伤", reason="injury")
    [(worry, case)] = await raised(world)
    page = browser("counselor")
    csrf = {"csrf": world.csrf["counselor"]}
    await page.post(f"/desk/cases/{case.id}/accept", data=csrf)
    shown = (await page.get(f"/desk/cases/{case.id}")).text
    path = f"/desk/cases/{case.id}/worries/{worry.id}/answer"
    for words in (path, "手臂上有新的伤", "安安", "首接负责"):
        assert words in shown
    data = csrf | {"answer": "call", "answer_words": "十分钟后到"}
    empty = await page.post(path, data=csrf)
    assert empty.status_code == 422
    assert (await page.post(path, data=data)).status_code == 303
    assert (await page.post(path, data=data)).status_code == 409
    async with world.services.database.read() as session:
        row = await session.get_one(Worry, worry.id)
        told = (await session.scalars(select(Told))).one()
        case = await session.get_one(Case, case.id)
        kinds = set(await session.scalars(select(CaseEvent.kind)))
    assert (row.answered_at, row.answered_by) == (world.now, world.staff["counselor"].id)
    assert (told.who, told.words.startswith(ANSWER)) == ("class_teacher", True)
    assert case.first_words_at == world.now
    assert {"worry", "worry_answered", "by_hand"} <= kinds
    own = (await browser("teacher").get("/teacher/worries")).text
    assert ANSWER in own
    assert "十分钟后到" in own
    assert (await browser("teacher").get(f"/desk/cases/{case.id}")).status_code in (403, 404)


async def test_another_schools_counselor_cannot_answer(world: World, browser: Browser) -> None:
    child = await add_family(world, "安安")
    await send(world, browser, child)
    [(worry, case)] = await raised(world)
    path = f"/desk/cases/{case.id}/worries/{worry.id}/answer"
    data = {"csrf": world.csrf["other_counselor"], "answer": "call"}
    assert (await browser("other_counselor").post(path, data=data)).status_code == 404
