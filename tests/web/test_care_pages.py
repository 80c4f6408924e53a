"""Care tasks: by a counselor's decision, without a word of the case, for the class's teacher."""

from datetime import timedelta

import pytest
from desk_world import Browser, World
from sqlalchemy import select
from teacher_world import add_family

from bot.core.clock import to_shanghai
from bot.db.models import (
    AuditEntry,
    CareTask,
    Case,
    Child,
    Contact,
    Guardian,
    Guardianship,
    Job,
)
from bot.services import care_words, contacts, people

DO = "午饭时看一眼TA和谁在一起"


async def accepted(world: World, browser: Browser, child: str = "安安") -> tuple[int, int]:
    """Add a bound family whose case the counselor has accepted; return the case and the child."""
    child_id = await add_family(world, child, parent=f"{child}妈妈", phone="13800000001")
    case_id = await world.add_case("one", place="school_a")
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.contact_id = world.contacts[child]
    await browser("counselor").post(
        f"/desk/cases/{case_id}/accept", data={"csrf": world.csrf["counselor"]}
    )
    return case_id, child_id


def form(world: World, child_id: int, **fields: str) -> dict[str, str]:
    day = to_shanghai(world.now + timedelta(days=3)).date().isoformat()
    kept = {"csrf": world.csrf["counselor"], "child": str(child_id), "do": DO, "until": day}
    return kept | fields


async def tasks(world: World) -> list[CareTask]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(CareTask).order_by(CareTask.id)))


async def given(world: World, browser: Browser) -> tuple[int, int]:
    """Give a task; return the case and the task."""
    case_id, child_id = await accepted(world, browser)
    answer = await browser("counselor").post(
        f"/desk/cases/{case_id}/care",
        data=form(world, child_id, dont_1="不要追问发生了什么，也不要让同学去打听。"),
    )
    assert answer.status_code == 303, answer.text
    [task] = await tasks(world)
    return case_id, task.id


async def test_the_teacher_sees_what_to_do_and_nothing_of_the_case(
    world: World, browser: Browser
) -> None:
    case_id, task_id = await given(world, browser)
    assert "还没看" in (await browser("teacher").get("/teacher")).text
    board = (await browser("teacher").get("/teacher/care")).text
    for words in ("安安", DO, "不要追问发生了什么", "counselor老师"):
        assert words in board
    for private in (f"编号{case_id}", f"cases/{case_id}", "3!", "阳台", "自伤", "个案", "妈妈"):
        assert private not in board
    async with world.services.database.read() as session:
        actions = set(await session.scalars(select(AuditEntry.action)))
    assert {"care.given", "care.read"} <= actions
    assert task_id


async def test_another_teacher_sees_no_task_and_changes_none(
    world: World, browser: Browser
) -> None:
    _, task_id = await given(world, browser)
    async with world.services.database.write() as session:
        task = await session.get_one(CareTask, task_id)
        task.place_id = world.places["class_b"].id
    assert "安安" not in (await browser("teacher").get("/teacher/care")).text
    for act in ("seen", "done", "answer"):
        answer = await browser("teacher").post(
            f"/teacher/care/{task_id}/{act}", data={"csrf": world.csrf["teacher"], "words": "好"}
        )
        assert answer.status_code == 404


async def test_seen_done_and_an_answer_back(world: World, browser: Browser) -> None:
    case_id, task_id = await given(world, browser)
    client, csrf = browser("teacher"), {"csrf": world.csrf["teacher"]}
    for act in ("seen", "seen", "done"):
        answer = await client.post(f"/teacher/care/{task_id}/{act}", data=csrf)
        assert answer.status_code == 303
    empty = await client.post(f"/teacher/care/{task_id}/answer", data=csrf | {"words": " "})
    assert empty.status_code == 422
    sent = await client.post(
        f"/teacher/care/{task_id}/answer", data=csrf | {"words": "今天和同学一起吃饭"}
    )
    assert sent.status_code == 303
    shown = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "今天和同学一起吃饭" in shown
    assert "老师做到了" in shown
    async with world.services.database.read() as session:
        assert (await session.get_one(Case, case_id)).state == "accepted"


async def test_a_danger_in_the_answer_raises_the_case(world: World, browser: Browser) -> None:
    case_id, task_id = await given(world, browser)
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.level, case.accepted_at = "3", world.now - timedelta(hours=2)
    answer = await browser("teacher").post(
        f"/teacher/care/{task_id}/answer",
        data={"csrf": world.csrf["teacher"], "words": "她现在站在教学楼楼顶要跳下去"},
    )
    assert answer.status_code == 303
    async with world.services.database.read() as session:
        case = await session.get_one(Case, case_id)
    assert (case.level, case.state) == ("3!", "open")


@pytest.mark.parametrize(
    "words", ["她有抑 郁症", "这是3级个案", "昨天说想死", "按三级预警处理", "3！", "看量表结果"]
)
async def test_no_diagnosis_level_or_reason_gets_through(
    world: World, browser: Browser, words: str
) -> None:
    case_id, child_id = await accepted(world, browser)
    answer = await browser("counselor").post(
        f"/desk/cases/{case_id}/care", data=form(world, child_id, do=words)
    )
    assert answer.status_code == 422
    assert "不能写给班主任" in answer.text
    assert words in answer.text
    assert await tasks(world) == []


def test_the_suggestions_hold_to_their_own_rule() -> None:
    for text in (line for part in care_words.suggestions() for line in part):
        assert care_words.forbidden_in(text) == ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"child": "999"}, "请先选是哪个孩子"),
        ({"do": ""}, "至少写一件"),
        ({"until": "2026-11-22"}, "结束日期"),
        ({"until": "2030-01-01"}, "结束日期"),
        ({"until": "x"}, "结束日期"),
        ({"do": "好" * 501}, "写得太长"),
    ],
)
async def test_bad_input_is_said_in_chinese(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    case_id, child_id = await accepted(world, browser)
    answer = await browser("counselor").post(
        f"/desk/cases/{case_id}/care", data=form(world, child_id, **fields)
    )
    assert (answer.status_code, words in answer.text) == (422, True)


async def test_it_ends_by_its_date_and_by_withdrawal(world: World, browser: Browser) -> None:
    case_id, task_id = await given(world, browser)
    path = f"/desk/cases/{case_id}/care/{task_id}/withdraw"
    csrf = {"csrf": world.csrf["counselor"]}
    assert (await browser("counselor").post(path, data=csrf)).status_code == 303
    assert (await browser("counselor").post(path, data=csrf)).status_code == 409
    assert "安安" not in (await browser("teacher").get("/teacher/care")).text
    late = await browser("teacher").post(
        f"/teacher/care/{task_id}/seen", data={"csrf": world.csrf["teacher"]}
    )
    assert late.status_code == 409
    assert "已经结束或撤回" in late.text


async def test_a_lead_or_another_school_gives_no_task(world: World, browser: Browser) -> None:
    case_id, child_id = await accepted(world, browser)
    for login, status in (("lead", 403), ("other_counselor", 404)):
        answer = await browser(login).post(
            f"/desk/cases/{case_id}/care", data=form(world, child_id, csrf=world.csrf[login])
        )
        assert answer.status_code == status
    assert await tasks(world) == []


async def test_a_brother_at_another_school_is_not_theirs_to_see_or_to_give_a_task_about(
    world: World, browser: Browser
) -> None:
    case_id, own = await accepted(world, browser)
    brother = await add_family(world, "另一校的弟弟", place="class_b")
    async with world.services.database.write() as session:
        of_own = select(Guardianship).where(Guardianship.child_id == own)
        tie = (await session.scalars(of_own)).one()
        guardian = await session.get_one(Guardian, tie.guardian_id)
        child = await session.get_one(Child, brother)
        await people.tie(session, guardian, child, "M", world.now)
    page = await browser("counselor").get(f"/desk/cases/{case_id}")
    assert ("安安" in page.text, "另一校的弟弟" in page.text) == (True, False)
    phones = await browser("counselor").get(f"/desk/cases/{case_id}/phones")
    assert ("安安" in phones.text, "另一校的弟弟" in phones.text) == (True, False)
    answer = await browser("counselor").post(
        f"/desk/cases/{case_id}/care", data=form(world, brother)
    )
    assert (answer.status_code, await tasks(world)) == (422, [])
    chosen = {"csrf": world.csrf["counselor"], "child": str(brother)}
    refused = await browser("counselor").post(f"/desk/cases/{case_id}/child", data=chosen)
    assert refused.status_code == 422


async def test_violence_beside_a_worse_danger_is_warned_of_too(
    world: World, browser: Browser
) -> None:
    case_id, _ = await accepted(world, browser)
    warning = "不从班级开始告知"
    assert warning not in (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    async with world.services.database.write() as session:
        (await session.get_one(Case, case_id)).guardians_barred = True
    assert warning in (await browser("counselor").get(f"/desk/cases/{case_id}")).text


async def test_what_may_be_about_somebody_at_the_school_is_never_told_to_a_class(
    world: World, browser: Browser
) -> None:
    case_id, child_id = await accepted(world, browser)
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.tier, case.guardians_barred = "district", True
    answer = await browser("counselor").post(
        f"/desk/cases/{case_id}/care", data=form(world, child_id)
    )
    assert (answer.status_code, await tasks(world)) == (422, [])
    assert "由区里处理" in answer.text


async def test_dingtalk_says_only_that_there_is_one(world: World, browser: Browser) -> None:
    async with world.services.database.write() as session:
        teacher = await session.get_one(type(world.staff["teacher"]), world.staff["teacher"].id)
        teacher.external_id = "ding-teacher"
        contact = Contact(
            channel="dingtalk",
            account="demo",
            external_id="ding-teacher",
            created_at=world.now,
            window_limit=contacts.UNCOUNTED,
        )
        session.add(contact)
    await given(world, browser)
    async with world.services.database.read() as session:
        told = (await session.scalars(select(Job).where(Job.kind == "contact.tell"))).all()
        ours = [job for job in told if job.payload["contact"] == contact.id]
    assert [job.payload["phrase"] for job in ours] == ["care.task"]
    assert "{" not in world.services.phrases.get("care.task").text
