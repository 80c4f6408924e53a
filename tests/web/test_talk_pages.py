"""What people decide on a case's page: level, notes, child, guardians, steps, transfers, drafts."""

import asyncio
from collections.abc import Mapping

import pytest
from desk_world import Browser, World
from sqlalchemy import select, update
from teacher_world import add_family

from bot.db.models import AuditEntry, Case, CaseEvent, CaseForm, Contact, Draft, Guardianship
from bot.services import read_reasons

WORDS = "孩子在家，妈妈陪着"


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


async def _accepted(browser: Browser, world: World, level: str = "3") -> int:
    case_id = await world.add_case("one", place="school_a", level=level)
    assert (await _post(browser, world, "counselor", case_id, "accept"))[0] == 303
    return case_id


async def _case(world: World, case_id: int) -> Case:
    async with world.services.database.read() as session:
        return await session.get_one(Case, case_id)


async def _kinds(world: World, case_id: int) -> list[str]:
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(CaseEvent.kind).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)
        )
        return list(rows)


async def _texts(world: World, case_id: int, kind: str) -> list[str]:
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(CaseForm).where(CaseForm.case_id == case_id, CaseForm.kind == kind)
        )
        return [row.answers["text"] for row in rows]


async def test_a_level_is_judged_with_its_reason(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(
        browser, world, "counselor", case_id, "judge", level="2", judge_reason=WORDS
    )
    assert (status, "已记下你判的等级" in page, WORDS in page) == (303, True, True)
    case = await _case(world, case_id)
    assert (case.level, case.judged_level, case.judged_at) == ("3", "2", world.now)
    assert "老师判了等级" in page


async def test_a_higher_judgement_raises_at_once_and_stays_with_its_person(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world, "2")
    await _post(browser, world, "counselor", case_id, "judge", level="3!", judge_reason=WORDS)
    case = await _case(world, case_id)
    assert (case.level, case.judged_level, case.state) == ("3!", "3!", "accepted")
    assert {"judged", "raised", "alerted"} <= set(await _kinds(world, case_id))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"level": "9", "judge_reason": WORDS}, "请选一个等级"),
        ({"level": "2", "judge_reason": "  "}, "还没有写字"),
        ({"level": "2", "judge_reason": "长" * 100_000}, "最多4000字"),
    ],
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(
    world: World, browser: Browser, fields: Mapping[str, str], words: str
) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(browser, world, "counselor", case_id, "judge", **fields)
    assert (status, words in page) == (422, True)
    assert f"{fields['judge_reason']}</textarea>" in page
    assert (await _case(world, case_id)).judged_level is None


async def test_nobody_judges_before_accepting(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a")
    status, page = await _post(
        browser, world, "counselor", case_id, "judge", level="2", judge_reason=WORDS
    )
    if status == 303:  # the page first asks why it is read
        assert (await _case(world, case_id)).judged_level is None
        return
    assert (status, "请先接手" in page) == (409, True)


async def test_steps_come_before_closing_or_are_left_out_with_a_reason(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world)
    ending = {"reason": "safe_with_plan", "note": "约好明天面谈"}
    status, page = await _post(browser, world, "counselor", case_id, "close", **ending)
    assert (status, "由你判等级" in page, "约好明天面谈</textarea>" in page) == (409, True, True)
    _, page = await _post(
        browser, world, "counselor", case_id, "judge", level="3", judge_reason=WORDS
    )
    assert "告诉能保护孩子的人" in page
    assert "和家长商定安全计划" in page
    assert "<li>排好回访" not in page  # judged: planned by itself
    for step in ("told", "safety_plan"):
        status, page = await _post(
            browser, world, "counselor", case_id, "steps", step=step, step_reason=f"因为{step}"
        )
        assert status == 303
    assert await _texts(world, case_id, "left_out_told") == ["因为told"]
    status, page = await _post(browser, world, "counselor", case_id, "close", **ending)
    assert (status, (await _case(world, case_id)).state) == (303, "closed")
    status, page = await _post(
        browser, world, "counselor", case_id, "steps", step="accept", step_reason="x"
    )
    assert status == 422


async def test_a_note_is_never_changed_and_after_closing_it_is_an_addendum(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world, "2")
    status, page = await _post(
        browser, world, "counselor", case_id, "notes", note_text="<b>第一次</b>😀\r\n通话"
    )
    assert (status, "&lt;b&gt;第一次&lt;/b&gt;😀" in page) == (303, True)
    await _post(browser, world, "counselor", case_id, "close", reason="answered", note="")
    status, page = await _post(browser, world, "counselor", case_id, "notes", note_text="又来电")
    assert (status, "结案后补记" in page) == (303, True)
    assert await _texts(world, case_id, "addendum") == ["又来电"]
    assert (await _kinds(world, case_id))[-1] == "addendum"


async def test_a_note_with_broken_characters_is_cleaned(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world, "2")
    status, _ = await _post(browser, world, "counselor", case_id, "notes", note_text="前\0后")
    assert status == 303
    assert await _texts(world, case_id, "note") == ["前后"]
    client = browser("counselor")
    raw = f"csrf={world.csrf['counselor']}&note_text=%ED%A0%80"
    response = await client.post(
        f"/desk/cases/{case_id}/notes",
        content=raw,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert response.status_code == 422


async def test_two_write_at_once_and_both_stay(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world, "2")
    await asyncio.gather(
        *(
            _post(browser, world, login, case_id, "notes", note_text=login)
            for login in ("counselor", "second_counselor")
        )
    )
    async with world.services.database.read() as session:
        asked = await session.scalar(
            select(CaseForm.id).where(CaseForm.author_id == world.staff["counselor"].id)
        )
    assert asked is not None


async def test_guardians_are_barred_with_a_reason(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world)
    status, page = await _post(
        browser, world, "counselor", case_id, "bar", barred="1", bar_reason="孩子说怕爸爸"
    )
    assert (status, "不得告诉监护人。" in page) == (303, True)
    assert (await _case(world, case_id)).guardians_barred
    status, page = await _post(
        browser, world, "counselor", case_id, "bar", barred="1", bar_reason="再说一次"
    )
    assert (status, "已经是这样了" in page, "再说一次" in page) == (409, True, True)
    assert await _texts(world, case_id, "barred") == ["孩子说怕爸爸"]


async def test_which_child_it_is_and_phones_that_leave_a_record(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world)
    child = await add_family(world, "晴小雨", parent="晴妈妈", phone="13800001111", bound=False)
    async with world.services.database.write() as session:
        tied = select(Guardianship.guardian_id).where(Guardianship.child_id == child)
        contact = await session.get_one(Contact, world.contacts["one"])
        contact.guardian_id = await session.scalar(tied)
    by = await world.seen("second_counselor")
    async with world.services.database.write() as session:
        await read_reasons.give(
            session, by, case_id, reason="supervision", words="", by_itself=False, now=world.now
        )
    page = (await browser("second_counselor").get(f"/desk/cases/{case_id}")).text
    assert ("晴小雨" in page, "13800001111" in page) == (True, False)
    for _ in range(2):
        page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
        assert "13800001111" in page  # who has the case in hand sees it, and it is recorded once
    status, page = await _post(browser, world, "counselor", case_id, "child", child=str(child))
    assert status == 303
    assert (await _case(world, case_id)).child_id == child
    for wrong in ("999999", "abc", "-1", "1" * 30):
        status, page = await _post(browser, world, "counselor", case_id, "child", child=wrong)
        assert status == (422 if wrong == "999999" else 303)
    shown = await browser("counselor").get(f"/desk/cases/{case_id}/phones")
    assert "13800001111" in shown.text
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "case.phones_read")
        )
        seen = [(row.object_id, row.staff_id) for row in rows]
    assert seen == [(case_id, world.staff["counselor"].id)] * 2
    async with world.services.database.write() as session:
        await session.execute(update(Guardianship).values(custody_block=True))
        (await session.get_one(Case, case_id)).child_id = child
    for path in ("", "/phones"):
        blocked = await browser("counselor").get(f"/desk/cases/{case_id}{path}")
        assert "13800001111" not in blocked.text
    assert (
        await browser("other_counselor").get(f"/desk/cases/{case_id}/phones")
    ).status_code == 404


async def test_who_is_asked_to_take_a_case_over_reads_it_on_the_desk(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world, "2")
    to = str(world.staff["second_counselor"].id)
    status, page = await _post(
        browser, world, "counselor", case_id, "transfer", to=to, transfer_note="我要去家访"
    )
    assert (status, "没接之前仍由你负责" in page) == (303, True)
    desk = (await browser("second_counselor").get("/desk")).text
    assert f"请你接手个案{case_id}" in desk
    assert "我要去家访" not in desk
    for login in ("counselor", "other_counselor"):
        assert "请你接手个案" not in (await browser(login).get("/desk")).text
    form = {"csrf": world.csrf["second_counselor"]}
    client = browser("second_counselor")
    answer = await client.post(f"/desk/cases/{case_id}/transfer/take", data=form)
    assert answer.status_code == 303
    assert (await _case(world, case_id)).accepted_by == world.staff["second_counselor"].id
    assert "我要去家访" in (await client.get(f"/desk/cases/{case_id}")).text


async def test_ready_words_stand_beside_the_box_and_are_not_sent(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world)
    _, page = await _post(browser, world, "counselor", case_id, "take")
    assert page.count('class="canned"') >= 25
    assert "待专业复核" in page
    assert "（24小时）" in page


async def test_a_draft_is_kept_given_back_and_dropped_when_sent(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world, "2")
    field, client = f"case:{case_id}:note", browser("counselor")
    form = {"csrf": world.csrf["counselor"], "field": field}
    for text in ("写到", "写到一半"):
        assert (await client.post("/desk/drafts", data={**form, "text": text})).status_code == 204
    found = (await client.get(f"/desk/cases/{case_id}/drafts")).json()
    assert found["drafts"] == {field: "写到一半"}
    assert (found["staff"], found["csrf"]) == (
        world.staff["counselor"].id,
        world.csrf["counselor"],
    )
    other = (await browser("second_counselor").get(f"/desk/cases/{case_id}/drafts")).status_code
    assert other in (200, 303)
    await _post(browser, world, "counselor", case_id, "notes", note_text="写完了", drafts=field)
    assert (await client.get(f"/desk/cases/{case_id}/drafts")).json()["drafts"] == {}


@pytest.mark.parametrize(
    ("field", "text", "status"),
    [
        ("case:{id}:note", "长" * 20_001, 422),
        ("case:{id}:", "x", 422),
        ("staff:1:password", "x", 422),
        ("case:{id}:note", "  ", 204),
        ("case:999999:note", "x", 404),
        ("new:call:note", "没有个案", 204),
    ],
)
async def test_where_drafts_are_kept_and_where_not(
    world: World, browser: Browser, field: str, text: str, status: int
) -> None:
    case_id = await _accepted(browser, world, "2")
    data = {"csrf": world.csrf["counselor"], "field": field.format(id=case_id), "text": text}
    answer = await browser("counselor").post("/desk/drafts", data=data)
    assert answer.status_code == status
    async with world.services.database.read() as session:
        rows = (await session.scalars(select(Draft.text))).all()
    assert rows == (["没有个案"] if field.startswith("new") else [])


async def test_another_schools_case_takes_no_draft(world: World, browser: Browser) -> None:
    case_id = await _accepted(browser, world, "2")
    form = {"csrf": world.csrf["other_counselor"], "field": f"case:{case_id}:note", "text": "x"}
    assert (await browser("other_counselor").post("/desk/drafts", data=form)).status_code == 404


async def test_a_login_that_ended_is_told_apart_from_a_stale_form(
    world: World, browser: Browser
) -> None:
    case_id = await _accepted(browser, world, "2")
    form = {"csrf": "old", "field": f"case:{case_id}:note", "text": "x"}
    assert (await browser("counselor").post("/desk/drafts", data=form)).status_code == 403
    assert (await browser().post("/desk/drafts", data=form)).status_code == 401
    assert (await browser().get(f"/desk/cases/{case_id}/drafts")).status_code == 401
