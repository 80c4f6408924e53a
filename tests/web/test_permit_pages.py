"""Asking for leave to read a record, giving it, reading, breaking the glass, through the pages."""

import httpx2
from desk_world import WORDS, Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, ReadPermit

WHY = "家长来校，要核对当时的情况"


async def _post(
    browser: Browser, world: World, login: str, path: str, **fields: str
) -> httpx2.Response:
    return await browser(login).post(path, data={"csrf": world.csrf[login], **fields})


async def _permit(world: World) -> ReadPermit:
    async with world.services.database.read() as session:
        return (await session.scalars(select(ReadPermit))).one()


async def _ask(browser: Browser, world: World, path: str = "/permits") -> httpx2.Response:
    case_id = await world.add_case("one", place="school_a", level="2")
    return await _post(browser, world, "lead", path, kind="case", object=str(case_id), reason=WHY)


async def test_from_the_question_to_the_record(browser: Browser, world: World) -> None:
    assert (await _ask(browser, world)).headers["location"] == "/permits?done=asked"
    permit = await _permit(world)
    record = f"/permits/{permit.id}/record"
    assert (await browser("lead").get(record)).status_code == 403
    assert WHY in (await browser("district").get("/permits")).text
    for login in ("other_lead", "counselor", "admin"):
        assert WHY not in (await browser(login).get("/permits")).text
    approve = f"/permits/{permit.id}/approve"
    assert (await _post(browser, world, "lead", approve, hours="4")).status_code == 403
    assert (await _post(browser, world, "other_lead", approve, hours="4")).status_code == 404
    wrong = await _post(browser, world, "district", approve, hours="9999")
    assert (wrong.status_code, "请选批准多少小时" in wrong.text) == (422, True)
    done = await _post(browser, world, "district", approve, hours="4")
    assert done.headers["location"] == "/permits?done=approved"
    page = await browser("lead").get(record)
    assert WORDS.replace("站在阳台", "<mark>站在阳台</mark>") in page.text
    assert (await browser("district").get(record)).status_code == 404
    world.services.clock.advance(minutes=30)
    assert (await browser("lead").get(record)).status_code == 200
    async with world.services.database.read() as session:
        reads = (
            await session.scalars(select(AuditEntry).where(AuditEntry.action == "record.read"))
        ).all()
    assert [(row.object_kind, row.object_id, row.data) for row in reads] == [
        ("case", world.cases["one"], {"permit": permit.id})
    ] * 2
    back = await _post(browser, world, "lead", f"/permits/{permit.id}/end")
    assert back.headers["location"] == "/permits?done=ended"
    assert (await browser("lead").get(record)).status_code == 403


async def test_an_answer_that_came_too_late_is_explained(browser: Browser, world: World) -> None:
    await _ask(browser, world)
    path = f"/permits/{(await _permit(world)).id}"
    assert (await _post(browser, world, "district", f"{path}/refuse")).status_code == 303
    late = await _post(browser, world, "district", f"{path}/approve", hours="4")
    assert (late.status_code, "别人已经处理过了" in late.text) == (409, True)


async def test_what_is_asked_for_wrongly_is_kept_in_the_form(
    browser: Browser, world: World
) -> None:
    case_id = await world.add_case("one", place="school_a")
    for number, words in (("99999", "不在您负责的范围里"), ("abc", "不在您负责的范围里")):
        page = await _post(
            browser, world, "lead", "/permits", kind="case", object=number, reason=WHY
        )
        assert page.status_code == 404
        assert words in page.text
        assert WHY in page.text
    short = await _post(
        browser, world, "lead", "/permits", kind="case", object=str(case_id), reason="看"
    )
    assert (short.status_code, "请写明原因" in short.text) == (422, True)


async def test_the_glass_opens_at_once_alarms_and_is_judged(browser: Browser, world: World) -> None:
    opened = await _ask(browser, world, "/permits/now")
    permit = await _permit(world)
    record = f"/permits/{permit.id}/record"
    assert opened.headers["location"] == record
    assert "站在阳台" in (await browser("lead").get(record)).text
    assert "先看了一个未成年人的记录" in (await browser("admin").get("/admin")).text
    review = f"/permits/{permit.id}/review"
    assert (await _post(browser, world, "district", review)).status_code == 422
    done = await _post(browser, world, "district", review, verdict="unjustified")
    assert done.headers["location"] == "/permits?done=unjustified"
    assert (await browser("lead").get(record)).status_code == 403


async def test_an_hour_later_the_glass_is_whole_again(browser: Browser, world: World) -> None:
    await _ask(browser, world, "/permits/now")
    record = f"/permits/{(await _permit(world)).id}/record"
    world.services.clock.advance(minutes=59)
    assert (await browser("lead").get(record)).status_code == 200
    world.services.clock.advance(minutes=1)
    assert (await browser("lead").get(record)).status_code == 403
