"""What guardians write back, on the teacher's pages; and whom teachers marked as hard to reach."""

import pytest
from desk_world import Browser, World
from sqlalchemy import select, update
from teacher_world import TITLE, add_class, add_family, confirm, send, write, write_back

from bot.db.models import AuditEntry, Guardian, Guardianship, NoticeFeedback
from bot.services import people_desk
from bot.web.teacher_words import words

WORDS = "那天要去看牙，晚到半小时"


@pytest.fixture
async def notice_id(world: World) -> int:
    """A notice that is out and that one mother has answered."""
    await add_class(world)
    made = await write(world)
    await send(world, made)
    await write_back(world, made, "安安", WORDS)
    return made


async def feedback(world: World) -> list[NoticeFeedback]:
    async with world.services.database.read() as session:
        return list(await session.scalars(select(NoticeFeedback).order_by(NoticeFeedback.id)))


async def looks(world: World) -> list[AuditEntry]:
    async with world.services.database.read() as session:
        query = select(AuditEntry).where(AuditEntry.action == "notice.feedback_shown")
        return list(await session.scalars(query))


async def test_lists_say_how_many_and_opening_makes_them_read(
    world: World, browser: Browser, notice_id: int
) -> None:
    client = browser("teacher")
    for path in ("/teacher", "/teacher/notices"):
        page = (await client.get(path)).text
        assert "家长留言1条" in page
        assert "1条没看" in page
        assert WORDS not in page
    assert await looks(world) == []
    assert "<strong>1</strong> 条家长留言没看" in (await client.get("/teacher")).text
    page = (await client.get(f"/teacher/notices/{notice_id}")).text
    assert WORDS in page
    assert "安安</strong>的妈妈" in page
    assert 'badge new">新' in page
    (row,) = await feedback(world)
    assert row.read_by == world.staff["teacher"].id
    assert row.read_at is not None
    (entry,) = await looks(world)
    assert (entry.object_id, entry.data["count"]) == (notice_id, 1)
    assert WORDS not in str(entry.data)
    page = (await client.get("/teacher/notices")).text
    assert "家长留言1条" in page
    assert "没看" not in page
    assert "没看" not in (await client.get("/teacher")).text


async def test_an_open_page_follows_and_reads_nothing_by_itself(
    world: World, browser: Browser, notice_id: int
) -> None:
    client = browser("teacher")
    here = f"/teacher/notices/{notice_id}"
    await client.get(here)
    world.services.clock.advance(minutes=1)
    await write_back(world, notice_id, "安安", "忘了说，会带笔")
    live = (await client.get(f"{here}/live")).text
    assert live.index("忘了说，会带笔") < live.index(WORDS), "the newest stands first"
    assert [row.read_at is None for row in await feedback(world)] == [False, True]
    assert len(await looks(world)) == 2, "what is new on the page is a look of its own"
    await client.get(f"{here}/live")
    assert len(await looks(world)) == 2
    world.services.clock.advance(minutes=11)
    await client.get(here)
    await client.get(f"{here}/live")
    assert all(row.read_at for row in await feedback(world))
    world.services.clock.advance(minutes=11)
    assert "badge new" not in (await client.get(here)).text


async def test_the_district_is_told_the_number_and_another_school_nothing(
    world: World, browser: Browser, notice_id: int
) -> None:
    here = f"/teacher/notices/{notice_id}"
    page = (await browser("district").get(here)).text
    assert "有1位家长留了言" in page
    assert WORDS not in page
    for path in (here, f"{here}/live"):
        assert (await browser("other_lead").get(path)).status_code == 404
    for path in ("/teacher", "/teacher/notices"):
        assert "家长留言" not in (await browser("other_lead").get(path)).text
    assert "条家长留言没看" not in (await browser("district").get("/teacher")).text
    assert await looks(world) == []
    assert (await feedback(world))[0].read_at is None


async def test_whoever_may_not_know_the_children_reads_answers_to_what_they_wrote_themselves(
    world: World, browser: Browser
) -> None:
    await add_class(world)
    made = await write(world, by="district", place="school_a")
    await send(world, made, by="district")
    await write_back(world, made, "安安", WORDS)
    page = (await browser("district").get(f"/teacher/notices/{made}")).text
    assert WORDS in page
    assert "一位家长" in page
    assert "安安" not in page


async def test_words_that_were_erased_are_said_to_be(
    world: World, browser: Browser, notice_id: int
) -> None:
    async with world.services.database.write() as session:
        await session.execute(update(NoticeFeedback).values(text=""))
    page = (await browser("teacher").get(f"/teacher/notices/{notice_id}")).text
    assert "家长删除了这句话" in page


# Marked as hard to reach --------------------------------------------------------------------------


async def mark(world: World, parent: str, code: str) -> None:
    async with world.services.database.write() as session:
        for row in await session.scalars(select(Guardian)):
            if row.name == parent:
                await session.execute(
                    update(Guardianship)
                    .where(Guardianship.guardian_id == row.id)
                    .values(unreachable=code)
                )


def test_every_mark_has_its_words() -> None:
    assert {"", *words()["mark"]} == set(people_desk.UNREACHABLE)


async def test_a_mark_of_people_and_a_reason_of_this_notice_are_told_apart(
    world: World, browser: Browser
) -> None:
    await add_class(world)
    await add_family(world, "可可", parent="可可妈妈", phone="13800000004", bound=False)
    await mark(world, "可可妈妈", "wrong_phone")
    client = browser("teacher")
    made = await write(world)
    here = f"/teacher/notices/{made}"
    page = (await client.get(here)).text
    assert "老师标记：联系不上（电话打不通）" in page
    assert "这条发不到：还没有绑定" in page
    await send(world, made)
    page = (await client.get(here)).text
    assert "发不到" in page
    assert "老师标记：联系不上（电话打不通）" in page
    assert "这条发不到：还没有绑定" in page
    phones = (await client.get(f"{here}/phones")).text
    order = [phones.index(f"<strong>{name}") for name in ("可可", "安安", "宁宁", "乐乐")]
    assert order == sorted(order), "who is marked stands at the top"
    assert "老师标记：联系不上" in phones
    await mark(world, "可可妈妈", "")
    await confirm(world, made, "安安")
    assert "老师标记" not in (await client.get(f"{here}/phones")).text
    assert TITLE in phones
