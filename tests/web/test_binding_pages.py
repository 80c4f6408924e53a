"""The school's yes or no to a parent, and the answers to requests, through the pages."""

from datetime import timedelta

import pytest
from claims_world import CHILD, MOTHER, PAGE, claim, contact_of, enrol, post, state_of, told
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import (
    AuditEntry,
    Binding,
    Contact,
    DataRequest,
    Guardian,
    Guardianship,
    Login,
)
from bot.services import data_requests


async def test_the_teacher_sees_the_claim_and_it_is_recorded(
    world: World, browser: Browser
) -> None:
    await enrol(world)
    contact_id, _ = await claim(world)
    client = browser("teacher")
    for _ in range(2):
        page = await client.get(PAGE)
        assert f"自称是{CHILD}的妈妈" in page.text
        assert "13900000009" in page.text
    async with world.services.database.read() as session:
        entries = await session.scalars(
            select(AuditEntry).where(AuditEntry.action == "binding.listed")
        )
        assert [entry.object_id for entry in entries] == [contact_id], "one look, one entry"


@pytest.mark.parametrize("login", ["other_lead", "counselor", "editor"])
async def test_nobody_else_sees_or_decides_it(world: World, browser: Browser, login: str) -> None:
    child_id, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world)
    client = browser(login)
    assert CHILD not in (await client.get(PAGE)).text
    pick = f"{child_id}:{guardian_id}"
    answers = [
        await post(world, client, login, f"{PAGE}/{binding_id}/agree", pick=pick),
        await post(world, client, login, f"{PAGE}/{binding_id}/refuse"),
        await post(world, client, login, f"{PAGE}/{binding_id}/withdraw"),
    ]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert (await contact_of(world, contact_id)).guardian_id is None
    assert await state_of(world, binding_id) == "asked"


async def test_yes_to_a_registered_guardian_and_back_within_a_week(
    world: World, browser: Browser
) -> None:
    child_id, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world)
    client = browser("teacher")
    answer = await post(
        world, client, "teacher", f"{PAGE}/{binding_id}/agree", pick=f"{child_id}:{guardian_id}"
    )
    assert answer.headers["location"] == f"{PAGE}?done=agreed"
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id
    assert await told(world) == ["binding.agreed"]
    again = await post(
        world, client, "teacher", f"{PAGE}/{binding_id}/agree", pick=f"{child_id}:{guardian_id}"
    )
    assert again.status_code == 409
    assert "刚被别人处理过" in again.text
    world.services.clock.advance(days=6, hours=23)
    async with world.services.database.write() as session:
        # The browser's own twelve hours are over; that is not what this test is about.
        for row in await session.scalars(select(Login)):
            row.seen_at = world.now
            row.expires_at = world.now + timedelta(hours=1)
    assert CHILD in (await client.get(PAGE)).text
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert (await contact_of(world, contact_id)).guardian_id is None
    async with world.services.database.read() as session:
        tie = (await session.scalars(select(Guardianship))).one()
    assert tie.ended_at is None, "the registered guardian stays in the roster"


async def test_after_a_week_it_can_not_be_taken_back(world: World, browser: Browser) -> None:
    child_id, guardian_id = await enrol(world)
    contact_id, binding_id = await claim(world)
    client = browser("teacher")
    pick = f"{child_id}:{guardian_id}"
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/agree", pick=pick)
    async with world.services.database.write() as session:
        row = await session.get_one(Binding, binding_id)
        row.decided_at = world.now - timedelta(days=7)
    answer = await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    assert answer.status_code == 409
    assert (await contact_of(world, contact_id)).guardian_id == guardian_id


async def test_yes_with_a_new_guardian_and_back_takes_it_out_again(
    world: World, browser: Browser
) -> None:
    child_id, _ = await enrol(world)
    contact_id, binding_id = await claim(world, relation="GM")
    client = browser("teacher")
    path = f"{PAGE}/{binding_id}/agree"
    nameless = await post(world, client, "teacher", path, pick=f"{child_id}:0")
    assert nameless.status_code == 422
    assert await state_of(world, binding_id) == "asked"
    await post(world, client, "teacher", path, pick=f"{child_id}:0", name="钱奶奶")
    contact = await contact_of(world, contact_id)
    async with world.services.database.read() as session:
        guardian = await session.get_one(Guardian, contact.guardian_id)
    assert (guardian.name, guardian.phone, guardian.large_type) == ("钱奶奶", "13900000009", True)
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/withdraw")
    async with world.services.database.read() as session:
        ties = await session.scalars(
            select(Guardianship).where(Guardianship.guardian_id == guardian.id)
        )
        assert [tie.ended_at for tie in ties] == [world.now]


async def test_no_is_said_politely(world: World, browser: Browser) -> None:
    _, binding_id = await claim(world)
    client = browser("teacher")
    await post(world, client, "teacher", f"{PAGE}/{binding_id}/refuse")
    assert await state_of(world, binding_id) == "refused"
    assert await told(world) == ["binding.refused"]


async def test_who_is_blocked_is_not_bound_by_anybodys_yes(world: World, browser: Browser) -> None:
    child_id, guardian_id = await enrol(world, relation="F")
    async with world.services.database.write() as session:
        tie = (await session.scalars(select(Guardianship))).one()
        tie.custody_block = True
    contact_id, binding_id = await claim(world, relation="F", phone=MOTHER)
    client = browser("teacher")
    page = (await client.get(PAGE)).text
    assert "监护限制" in page
    assert f'value="{child_id}:{guardian_id}"' not in page
    for pick in (f"{child_id}:{guardian_id}", f"{child_id}:0"):
        answer = await post(
            world, client, "teacher", f"{PAGE}/{binding_id}/agree", pick=pick, name="钱爸爸"
        )
        assert answer.status_code == 409
        assert "监护限制" in answer.text
    assert (await contact_of(world, contact_id)).guardian_id is None
    assert await state_of(world, binding_id) == "asked"


async def test_a_second_contact_takes_the_firsts_place(world: World, browser: Browser) -> None:
    child_id, guardian_id = await enrol(world)
    first, _ = await claim(world, name="first", phone=MOTHER)
    second, binding_id = await claim(world, name="second", phone=MOTHER)
    assert (await contact_of(world, first)).guardian_id == guardian_id
    assert "已经用另一个号绑定过" in (await browser("teacher").get(PAGE)).text
    await post(
        world,
        browser("teacher"),
        "teacher",
        f"{PAGE}/{binding_id}/agree",
        pick=f"{child_id}:{guardian_id}",
    )
    assert (await contact_of(world, first)).guardian_id is None
    assert (await contact_of(world, second)).guardian_id == guardian_id
    assert sorted(await told(world)) == ["binding.agreed", "binding.withdrawn"]


async def test_a_child_of_another_school_can_not_be_picked(world: World, browser: Browser) -> None:
    child_id, guardian_id = await enrol(world, place="class_b")
    contact_id, binding_id = await claim(world)
    answer = await post(
        world,
        browser("teacher"),
        "teacher",
        f"{PAGE}/{binding_id}/agree",
        pick=f"{child_id}:{guardian_id}",
    )
    assert answer.status_code == 404
    assert (await contact_of(world, contact_id)).guardian_id is None


@pytest.mark.parametrize("pick", ["", "1", "x:y", "1:", "9999999999999999999999:1"])
async def test_a_strange_pick_is_refused(world: World, browser: Browser, pick: str) -> None:
    _, binding_id = await claim(world)
    answer = await post(
        world, browser("teacher"), "teacher", f"{PAGE}/{binding_id}/agree", pick=pick
    )
    assert answer.status_code == 422
    assert await state_of(world, binding_id) == "asked"


async def test_the_classs_code_is_drawn_from_what_the_platform_says(
    world: World, browser: Browser
) -> None:
    class_id = world.places["class_a"].id
    path = f"/teacher/classes/{class_id}/code"
    async with world.services.database.write() as session:
        place = await session.merge(world.places["class_a"])
        place.scene = "class-a"
    asked: list[str] = []

    async def make(scene: str, _days: int = 0, /) -> str:
        asked.append(scene)
        return "http://weixin.qq.com/q/abc"

    client = browser("teacher")
    assert "画不出微信的二维码" in (await client.get(path)).text
    world.services.class_codes = {"demo": make}
    page = await client.get(path)
    assert "<svg" in page.text
    assert asked == ["class-a"]
    assert (await browser("other_lead").get(path)).status_code == 404


async def request(world: World) -> int:
    """Let a parent of the class ask for something; return its id."""
    contact_id, _ = await claim(world, name="asks")
    async with world.services.database.write() as session:
        contact = await session.get_one(Contact, contact_id)
        row = await data_requests.ask(
            session, contact, kind="correct", words="名字写错了", now=world.now
        )
    return row.id


async def test_a_request_is_answered_in_writing_once(world: World, browser: Browser) -> None:
    request_id = await request(world)
    client, path = browser("lead"), f"/admin/requests/{request_id}/answer"
    assert "名字写错了" in (await client.get("/admin/requests")).text
    empty = await post(world, client, "lead", path, state="refused", answer=" ")
    assert empty.status_code == 422
    done = await post(world, client, "lead", path, state="done", answer="已改好")
    assert done.status_code == 303
    late = await post(world, client, "lead", path, state="refused", answer="不行")
    assert late.status_code == 409
    async with world.services.database.read() as session:
        row = await session.get_one(DataRequest, request_id)
    assert (row.state, row.answer, row.decided_by) == ("done", "已改好", world.staff["lead"].id)
    assert "request.answered" in await told(world)


async def test_the_other_school_neither_sees_nor_answers_it(world: World, browser: Browser) -> None:
    request_id = await request(world)
    client = browser("other_lead")
    assert "名字写错了" not in (await client.get("/admin/requests")).text
    answer = await post(
        world,
        client,
        "other_lead",
        f"/admin/requests/{request_id}/answer",
        state="done",
        answer="好",
    )
    assert answer.status_code == 404


async def test_what_is_overdue_is_marked(world: World, browser: Browser) -> None:
    request_id = await request(world)
    async with world.services.database.write() as session:
        row = await session.get_one(DataRequest, request_id)
        row.due_at = world.now - timedelta(seconds=1)
    assert "已过期" in (await browser("lead").get("/admin/requests")).text
