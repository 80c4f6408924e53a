"""The teachers' pages about courses: writing, opening, cancelling, who comes, the list."""

import re
from datetime import datetime, timedelta
from io import BytesIO

import pytest
from course_world import make_course
from desk_world import Browser, World
from openpyxl import load_workbook
from sqlalchemy import select
from teacher_world import add_family

from bot.core.clock import SHANGHAI
from bot.db.models import AuditEntry, Contact, Course, Enrolment, Guardian, Job
from bot.services import courses, enrolments
from bot.web.course_forms import words

SATURDAY = datetime(2026, 11, 28, 14, 30, tzinfo=SHANGHAI)
FORM = {
    "kind": "course",
    "title": "写作业不再拉锯",
    "summary": "第一段。\n第二段。",
    "speaker": "学校心理老师",
    "where": "多功能厅",
    "starts_at": "2026-11-28T14:30",
    "ends_at": "2026-11-28T16:00",
    "closes_at": "",
    "places": "40",
    "stage_C": "yes",
}


async def post(
    world: World, browser: Browser, login: str, path: str, **form: str
) -> tuple[int, str, str]:
    answer = await browser(login).post(path, data={"csrf": world.csrf[login], **form})
    return answer.status_code, answer.headers.get("location", ""), answer.text


async def add(world: World, place: str = "class_a", **more: object) -> int:
    async with world.services.database.write() as session:
        row = await make_course(
            session,
            world.places[place],
            starts=SATURDAY,
            now=world.now,
            **more,  # type: ignore[arg-type]
        )
    return row.id


async def sign_up(world: World, course_id: int, contact_id: int) -> str:
    async with world.services.database.write() as session:
        done = await enrolments.sign_up(
            session, course_id, contact_id, now=world.now, since=world.now
        )
    return done.state


async def get(world: World, course_id: int) -> Course:
    async with world.services.database.read() as session:
        return await session.get_one(Course, course_id)


async def trail(world: World) -> list[str]:
    async with world.services.database.read() as session:
        rows = await session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [row.action for row in rows if row.action.startswith("course.")]


async def test_an_empty_list_says_what_to_do(browser: Browser) -> None:
    page = (await browser("teacher").get("/teacher/courses")).text
    assert "近期没有课程和活动" in page
    assert "点“新建”" in page
    assert "点“新建”" not in (await browser("counselor").get("/teacher/courses")).text
    assert "还没有结束" in (await browser("teacher").get("/teacher/courses?past=1")).text


async def test_a_course_is_written_opened_closed_and_cancelled(
    world: World, browser: Browser
) -> None:
    place = str(world.places["class_a"].id)
    for _ in range(2):
        status, where, _ = await post(
            world, browser, "teacher", "/teacher/courses", place=place, **FORM
        )
        assert (status, where) == (303, "/teacher/courses/1?done=created"), "twice is once"
    row = await get(world, 1)
    assert (row.state, row.starts_at, row.places, row.stages) == ("draft", SATURDAY, 40, "C")
    page = (await browser("teacher").get(where)).text
    assert "家长还看不到" in page
    assert "还没有人报名" in page
    for step, state in (("open", "open"), ("close", "closed"), ("open", "open")):
        version = str((await get(world, 1)).row_version)
        status, where, _ = await post(
            world, browser, "teacher", f"/teacher/courses/1/{step}", row=version
        )
        assert (status, (await get(world, 1)).state) == (303, state)
    contact = await _bound(world, "安安")
    assert await sign_up(world, 1, contact) == "enrolled"
    version = str((await get(world, 1)).row_version)
    status, where, _ = await post(
        world, browser, "teacher", "/teacher/courses/1/cancel", row=version
    )
    assert status == 303
    page = (await browser("teacher").get(where)).text
    assert "正在告诉报名的人" in page
    async with world.services.database.read() as session:
        jobs = list(await session.scalars(select(Job.payload).where(Job.kind == "courses.tell")))
    assert "called_off" in [job["what"] for job in jobs]
    assert set(await trail(world)) >= {"course.created", "course.open", "course.cancelled"}
    assert "已取消" in (await browser("teacher").get("/teacher/courses?past=1")).text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("starts_at", "2026-11-20T14:30", "开始时间已经过了"),
        ("starts_at", "", "开始时间没有写"),
        ("starts_at", "明天", "开始时间没有写"),
        ("starts_at", "2028-11-28T14:30", "太远"),
        ("ends_at", "2026-11-28T14:30", "要在开始时间之后"),
        ("ends_at", "2026-11-27T16:00", "要在开始时间之后"),
        ("ends_at", "2027-11-28T16:00", "最多31天"),
        ("closes_at", "2026-11-28T15:00", "要在开始之前"),
        ("closes_at", "2026-02-30T15:00", "截止时间写得不对"),
        ("places", "0", "1到10000"),
        ("places", "许多", "1到10000"),
        ("title", " ", "标题没有写"),
        ("title", "长" * 81, "最多80个字"),
        ("summary", "", "内容没有写"),
        ("kind", "party", "课程还是活动"),
        ("place", "", "请选一个"),
        ("place", "99999", "没有做这件事的权限"),
    ],
)
async def test_what_makes_no_sense_is_said_in_chinese_and_nothing_is_lost(
    world: World, browser: Browser, field: str, value: str, said: str
) -> None:
    form = {"place": str(world.places["class_a"].id), **FORM, field: value}
    status, _, page = await post(world, browser, "teacher", "/teacher/courses", **form)
    assert status in (422, 403)
    assert said in page or (status == 403 and "权限" in page)
    if status == 422 and field != "summary":
        assert "第二段。" in page
    async with world.services.database.read() as session:
        assert await session.scalar(select(Course.id)) is None


def test_every_code_has_its_words() -> None:
    import inspect

    codes = set(re.findall(r'InputInvalid\("(\w+)"', inspect.getsource(courses)))
    assert {"ends_before", "closes_after", "places_taken"} <= codes
    assert codes <= set(words()["input"])


async def test_the_second_of_two_people_is_told(world: World, browser: Browser) -> None:
    course_id = await add(world, state="draft")
    path = f"/teacher/courses/{course_id}"
    assert (await post(world, browser, "teacher", f"{path}/open", row="1"))[0] == 303
    for step in ("open", "cancel"):
        status, _, page = await post(world, browser, "lead", f"{path}/{step}", row="1")
        assert status == 409
        assert "刚被别人改过" in page
    status, _, page = await post(world, browser, "lead", f"{path}/edit", row="1", **FORM)
    assert status == 409
    assert "还没有存" in page
    assert (await post(world, browser, "lead", f"{path}/close", row="2"))[0] == 303
    status, _, page = await post(world, browser, "lead", f"{path}/close", row="3")
    assert (status, "做不了这一步" in page) == (409, True)


async def test_fewer_places_than_are_taken_are_refused_and_more_let_who_waits_move_up(
    world: World, browser: Browser
) -> None:
    course_id = await add(world, places=1)
    people = [await _bound(world, name) for name in ("安安", "宁宁", "乐乐")]
    states = [await sign_up(world, course_id, one) for one in people]
    assert states == ["enrolled", "waiting", "waiting"]
    path = f"/teacher/courses/{course_id}/edit"
    form = {**FORM, "places": "2"}
    assert (await post(world, browser, "teacher", path, row="1", **form))[0] == 303
    async with world.services.database.read() as session:
        found = list(await session.scalars(select(Enrolment.state).order_by(Enrolment.id)))
    assert found == ["enrolled", "enrolled", "waiting"]
    status, _, page = await post(
        world, browser, "teacher", path, row="2", **{**FORM, "places": "1"}
    )
    assert (status, "比已经报上的人少" in page) == (422, True)


async def test_names_only_for_who_may_read_the_list_of_children(
    world: World, browser: Browser
) -> None:
    course_id = await add(world, "district")
    await sign_up(world, course_id, await _bound(world, "安安"))
    await sign_up(world, course_id, await _bound(world, "别班", place="class_b"))
    await sign_up(world, course_id, await _unbound(world))
    path = f"/teacher/courses/{course_id}"
    page = (await browser("teacher").get(path)).text
    assert "安安" in page
    assert "别班" not in page
    assert "没有权限看" in page
    assert "还没有绑定孩子" in page
    assert await trail(world) == ["course.list_read"]
    for login in ("district", "counselor"):
        page = (await browser(login).get(path)).text
        assert "安安" not in page
        assert "没有权限看" in page
    assert await trail(world) == ["course.list_read"], "nobody's name was read"


async def test_the_list_as_a_file_is_safe_and_in_the_trail(world: World, browser: Browser) -> None:
    course_id = await add(world)
    await sign_up(world, course_id, await _bound(world, "=1+1"))
    answer = await browser("teacher").post(
        f"/teacher/courses/{course_id}/export", data={"csrf": world.csrf["teacher"]}
    )
    assert answer.status_code == 200
    page = load_workbook(BytesIO(answer.content)).active
    assert page is not None
    rows = list(page.values)
    assert rows[0] == ("序号", "状态", "报名时间", "从哪里报", "家长", "孩子", "班级")
    assert rows[1][:2] == (1, "已报上")
    assert rows[1][5] == "=1+1"
    assert page["F2"].data_type == "s"
    assert "course.list_exported" in await trail(world)
    for login, status in (("district", 403), ("counselor", 403), ("other_lead", 404)):
        answer = await browser(login).post(
            f"/teacher/courses/{course_id}/export", data={"csrf": world.csrf[login]}
        )
        assert answer.status_code == status


async def test_another_school_neither_sees_nor_changes_it(world: World, browser: Browser) -> None:
    course_id = await add(world, "school_a")
    assert "写作业" not in (await browser("other_lead").get("/teacher/courses")).text
    path = f"/teacher/courses/{course_id}"
    assert (await browser("other_lead").get(path)).status_code == 404
    for step in ("open", "close", "cancel", "edit"):
        status, _, _ = await post(world, browser, "other_lead", f"{path}/{step}", row="1", **FORM)
        assert status == 404
    # A class's teacher sees the school's course and can't change it.
    assert "写作业" in (await browser("teacher").get("/teacher/courses")).text
    page = (await browser("teacher").get(path)).text
    assert "取消并告诉" not in page
    assert (await post(world, browser, "teacher", f"{path}/cancel", row="1"))[0] == 403
    assert (await browser("teacher").get(f"{path}/edit")).status_code == 403
    assert (await get(world, course_id)).state == "open"


async def test_a_draft_of_the_district_is_not_seen_in_a_school(
    world: World, browser: Browser
) -> None:
    course_id = await add(world, "district", state="draft")
    assert (await browser("teacher").get(f"/teacher/courses/{course_id}")).status_code == 404
    assert "写作业" not in (await browser("teacher").get("/teacher/courses")).text
    assert "写作业" in (await browser("district").get("/teacher/courses")).text


async def test_a_copy_has_the_words_and_no_dates(world: World, browser: Browser) -> None:
    course_id = await add(world)
    page = (await browser("teacher").get(f"/teacher/courses/new?copy={course_id}")).text
    assert "写作业不再拉锯" in page
    assert "2026-11-28" not in page


async def _bound(world: World, child: str, *, place: str = "class_a") -> int:
    await add_family(world, child, place=place, parent=f"{child}妈妈")
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(Contact.id).join(Guardian).order_by(Contact.id.desc()).limit(1)
        )
        return rows.one()


async def _unbound(world: World) -> int:
    async with world.services.database.write() as session:
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id="nobody",
            created_at=world.now - timedelta(days=1),
        )
        session.add(contact)
    return contact.id
