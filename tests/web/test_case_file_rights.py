"""What stands in a case's file is shown to whoever works on the case, and to nobody beside."""

import pytest
from desk_world import Browser, World
from file_world import SECRET, fill_file
from sqlalchemy import select
from starlette.applications import Starlette
from teacher_world import add_family
from visiting import visit

from bot.db.models import AuditEntry, CareTask, Case, Child, ReadPermit
from bot.services import audit_list
from bot.web.guard import LOGIN_COOKIE
from bot.web.table import TABLE

OPEN_PAGES = sorted(path for method, path in TABLE if method == "GET" and "{" not in path)


async def _file(world: World) -> int:
    """Make a case of school A about a child of its class, with one row of every table."""
    case_id = await world.add_case("one", place="school_a", level="3", family="abuse")
    child_id = await add_family(world, "林小满", parent="林女士")
    async with world.services.database.write() as session:
        case, child = await session.get_one(Case, case_id), await session.get_one(Child, child_id)
        place, staff = world.places["class_a"], world.staff["counselor"]
        await fill_file(session, case, staff, place, child, at=world.now)
        # What a teacher is to do, and no more than that, is written for them.
        for task in await session.scalars(select(CareTask)):
            task.do, task.dont, task.answer = "多看一眼", "不追问", ""
    return case_id


async def test_whoever_works_on_the_case_sees_it(world: World, browser: Browser) -> None:
    case_id = await _file(world)
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert SECRET in page


@pytest.mark.parametrize("login", ["lead", "teacher", "editor", "admin", "other_counselor"])
async def test_nobody_beside_is_shown_a_word_of_it(
    world: World, app: Starlette, login: str
) -> None:
    """Each page that has no number in its address, as somebody without a part in the case."""
    case_id = await _file(world)
    cookies = {LOGIN_COOKIE: world.tokens[login]}
    shown = []
    for path in [*OPEN_PAGES, f"/desk/cases/{case_id}", f"/desk/cases/{case_id}/live"]:
        answer = await visit(app, "GET", path, cookies=cookies)
        if SECRET in answer.text:
            shown.append(path)
    assert not shown


async def test_the_desk_itself_shows_the_file_on_no_page_but_the_cases(
    world: World, app: Starlette
) -> None:
    """Lists are read without a reason, so they hold nothing of what the reason is asked for."""
    await _file(world)
    allowed = {"/desk/followups"}
    shown = []
    for path in OPEN_PAGES:
        cookies = {LOGIN_COOKIE: world.tokens["second_counselor"]}
        answer = await visit(app, "GET", path, cookies=cookies)
        if SECRET in answer.text and path not in allowed:
            shown.append(path)
    assert not shown


async def test_a_permit_shows_the_dialogue_and_nothing_of_the_file(
    world: World, browser: Browser
) -> None:
    """Also with the glass broken: a report's words are read by those who work on the case."""
    case_id = await _file(world)
    async with world.services.database.write() as session:
        permit = ReadPermit(
            staff_id=world.staff["lead"].id,
            kind="case",
            object_id=case_id,
            reason="家长投诉，核对当时的对话",
            state="broken",
            broken_glass=True,
            asked_at=world.now,
            ends_at=world.now.replace(hour=23),
        )
        session.add(permit)
    page = await browser("lead").get(f"/permits/{permit.id}/record")
    assert page.status_code == 200
    assert "站在阳台" in page.text
    assert SECRET not in page.text


async def test_the_yearly_report_counts_what_was_done_to_minors_records(
    world: World, browser: Browser
) -> None:
    """Every action of the new pages has its words; what touches a minor's record is counted."""
    counted = {
        "report.decided": "change",
        "report.agreed": "approve",
        "report.made": "share",
        "call.entered": "change",
        "case.refused": "refuse",
        "case.read": "read",
    }
    actions = audit_list.actions()
    assert {name: actions[name].get("minors") for name in counted} == counted
    case_id = await world.add_case("two", place="school_a", asks=True)
    client = browser("counselor")
    data = {"csrf": world.csrf["counselor"], "reason": "complaint"}
    await client.post(f"/desk/cases/{case_id}/reason", data=data)
    await client.get(f"/desk/cases/{case_id}")
    async with world.services.database.read() as session:
        entry = await session.scalar(select(AuditEntry).where(AuditEntry.action == "case.read"))
    assert entry is not None
    assert entry.data["reason"] == "complaint", "the report's purpose is made of this code"
