"""Each read of a case asks for a reason once a day; somebody else's case is 404 and an entry."""

from datetime import timedelta

from desk_world import WORDS, Browser, World
from sqlalchemy import func, select

from bot.db.models import AuditEntry, Case, ReadReason
from bot.services import desk, read_reasons


async def _post(browser: Browser, world: World, login: str, path: str, **fields: str) -> int:
    data = {"csrf": world.csrf[login], **fields}
    return (await browser(login).post(path, data=data)).status_code


async def _entries(world: World, action: str) -> list[tuple[int | None, int | None, object]]:
    async with world.services.database.read() as session:
        rows = await session.execute(
            select(AuditEntry.staff_id, AuditEntry.object_id, AuditEntry.data)
            .where(AuditEntry.action == action)
            .order_by(AuditEntry.id)
        )
        return [(row.staff_id, row.object_id, row.data.get("reason")) for row in rows]


async def _reasons(world: World) -> list[tuple[str, str]]:
    async with world.services.database.read() as session:
        rows = await session.scalars(select(ReadReason).order_by(ReadReason.id))
        return [(row.reason, row.words) for row in rows]


async def _age(world: World, **delta: float) -> None:
    world.services.clock.advance(**delta)


async def test_no_word_is_shown_before_a_reason(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    client = browser("counselor")
    for path in ("", "/live"):
        page = (await client.get(f"/desk/cases/{case_id}{path}")).text
        assert WORDS not in page
        assert "站在阳台" not in page
    page = (await client.get(f"/desk/cases/{case_id}")).text
    assert "为什么要看" in page
    assert "我来接手" in page
    assert await _entries(world, "case.read") == []
    assert await _post(browser, world, "counselor", f"/desk/cases/{case_id}/mark", level="0") == 303
    assert await _reasons(world) == []


async def test_one_tap_is_enough_for_the_day(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    me = world.staff["second_counselor"].id
    path = f"/desk/cases/{case_id}"
    fields = {"reason": "supervision"}
    for _ in range(2):
        assert (await _post(browser, world, "second_counselor", f"{path}/reason", **fields)) == 303
    client = browser("second_counselor")
    assert "<mark>站在阳台</mark>" in (await client.get(path)).text
    assert "<mark>站在阳台</mark>" in (await client.get(f"{path}/live")).text
    assert await _reasons(world) == [("supervision", "")]
    assert await _entries(world, "case.reason") == [(me, case_id, "supervision")]
    assert await _entries(world, "case.read") == [(me, case_id, "supervision")]
    # 23:40 in China: twenty minutes later is another day.
    await _age(world, minutes=21)
    assert "为什么要看" in (await client.get(path)).text
    assert "过了零点" in (await client.get(f"{path}/live")).text


async def test_another_reason_needs_words(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    client = browser("counselor")
    path = f"/desk/cases/{case_id}/reason"
    for fields, said in (
        ({}, "请选一个理由"),
        ({"reason": "curious"}, "请选一个理由"),
        ({"reason": "working"}, "请选一个理由"),
        ({"reason": "other", "words": "  "}, "用一句话"),
        ({"reason": "other", "words": "字" * 201}, "用一句话"),
    ):
        answer = await client.post(path, data={"csrf": world.csrf["counselor"], **fields})
        assert answer.status_code == 422
        assert said in answer.text
        assert WORDS not in answer.text
    words = "家长来校，查当时的记录"
    assert await _post(browser, world, "counselor", path, reason="other", words=words) == 303
    assert await _reasons(world) == [("other", words)]


async def test_accepting_is_a_reason_and_whoever_works_needs_none(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    path = f"/desk/cases/{case_id}"
    assert await _post(browser, world, "counselor", f"{path}/accept") == 303
    client = browser("counselor")
    assert "<mark>站在阳台</mark>" in (await client.get(path)).text
    await _age(world, hours=1)
    assert "<mark>站在阳台</mark>" in (await client.get(f"{path}/live")).text
    assert await _reasons(world) == [("take_over", ""), ("working", "")]
    # A colleague has no part in it.
    assert "为什么要看" in (await browser("second_counselor").get(path)).text
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.second_id = world.staff["second_counselor"].id
    assert "<mark>站在阳台</mark>" in (await browser("second_counselor").get(path)).text


async def test_what_was_typed_before_midnight_still_goes_through(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    path = f"/desk/cases/{case_id}"
    await _post(browser, world, "counselor", f"{path}/reason", reason="handover")
    await _age(world, minutes=30)
    fields = {"message": str(await world.message_of("one")), "level": "0", "category": "NONE"}
    assert await _post(browser, world, "counselor", f"{path}/mark", **fields) == 303
    assert await _reasons(world) == [("handover", ""), ("handover", "")]


async def test_anothers_case_is_not_there_and_the_try_is_written_down(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    client, them = browser("other_counselor"), world.staff["other_counselor"].id
    for path in ("", "/live", ""):
        answer = await client.get(f"/desk/cases/{case_id}{path}")
        assert answer.status_code == 404
        assert WORDS not in answer.text
    path = f"/desk/cases/{case_id}/reason"
    assert await _post(browser, world, "other_counselor", path, reason="handover") == 404
    assert (await client.get("/desk/cases/999999")).status_code == 404
    assert await _entries(world, "case.refused") == [(them, case_id, None)]


async def test_whoever_goes_through_all_numbers_does_not_flood_the_trail(
    world: World, browser: Browser
) -> None:
    client = browser("other_counselor")
    for number in range(25):
        case_id = await world.add_case(f"n{number}", place="school_a", asks=True)
        assert (await client.get(f"/desk/cases/{case_id}")).status_code == 404
    async with world.services.database.read() as session:
        query = select(func.count(AuditEntry.id)).where(AuditEntry.action == "case.refused")
        assert await session.scalar(query) == 20
    by, later = await world.seen("other_counselor"), world.now + timedelta(hours=2)
    async with world.services.database.write() as session:
        await read_reasons.note_refused(session, by, 1, now=later)
    assert len(await _entries(world, "case.refused")) == 21


async def test_the_page_that_asks_tells_no_word_to_leaders_either(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", asks=True)
    for login in ("lead", "teacher", "editor", "admin"):
        answer = await browser(login).get(f"/desk/cases/{case_id}")
        assert answer.status_code == 403
        assert WORDS not in answer.text
    assert desk.READ_WINDOW.total_seconds() == 600


async def test_a_page_of_the_handbook_tells_no_topic_in_its_title_and_is_left_at_one_tap(
    browser: Browser,
) -> None:
    page = (await browser().get("/handbook/T06-01")).text
    assert "<title>心晴问答手册</title>" in page
    assert 'id="leave"' in page
    assert "parent.js" in page
    page = (await browser("editor").get("/handbook/T06-01")).text
    assert " · 心晴问答手册</title>" in page
    assert 'id="leave"' not in page
