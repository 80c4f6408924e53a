"""The pages of audit, retention and holds: who sees what, filters, export, two for a hold."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import AuditEntry, Contact, LegalHold
from bot.services import audit, audit_list, holds, places, retention, staff
from bot.web.records import words

ROOT = Path(__file__).parents[2]


async def _record(
    world: World, action: str, by: str | None, *, days_ago: int = 0, kind: str = "case"
) -> None:
    async with world.services.database.write() as session:
        await audit.record(
            session,
            staff_id=world.staff[by].id if by else None,
            action=action,
            object_kind=kind,
            object_id=1,
            now=world.now - timedelta(days=days_ago),
            data={"level": "3"},
        )


async def _post(browser: Browser, world: World, login: str, path: str, **form: str) -> int:
    answer = await browser(login).post(path, data={"csrf": world.csrf[login], **form})
    return answer.status_code


async def test_a_look_shows_chinese_words_and_is_itself_recorded(
    world: World, browser: Browser
) -> None:
    await _record(world, "case.read", "counselor")
    page = await browser("admin").get("/admin/audit")
    assert page.status_code == 200
    assert "看了个案" in page.text
    assert "counselor老师" in page.text
    assert "2026-11-22 23:40:00" in page.text
    again = (await browser("district").get("/admin/audit?action=audit.looked")).text
    assert "admin老师" in again
    async with world.services.database.read() as session:
        assert await audit.verify(session) is None
        looks = await session.scalars(select(AuditEntry).where(AuditEntry.action == "audit.looked"))
        assert [one.staff_id for one in looks] == [
            world.staff["admin"].id,
            world.staff["district"].id,
        ]


async def test_filters_by_day_action_and_person(world: World, browser: Browser) -> None:
    await _record(world, "case.read", "counselor", days_ago=2)
    await _record(world, "case.listed", "lead", days_ago=1)
    await _record(world, "signed_in", "lead")
    client = browser("admin")
    day = (world.now - timedelta(days=1) + timedelta(hours=8)).date()
    assert "共 1 条" in (await client.get(f"/admin/audit?from={day}&to={day}")).text
    assert "共 1 条" in (await client.get("/admin/audit?action=case.read")).text
    lead = world.staff["lead"].id
    assert "共 2 条" in (await client.get(f"/admin/audit?staff={lead}")).text
    wrong = await client.get("/admin/audit?from=31-12-2026")
    assert wrong.status_code == 422
    assert "日期不对" in wrong.text


async def test_pages_follow_each_other_without_gaps(
    world: World, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_list, "PAGE", 2)
    monkeypatch.setattr("bot.web.records.PAGE", 2)
    for _ in range(5):
        await _record(world, "case.read", "counselor")
    client = browser("admin")
    first = (await client.get("/admin/audit?action=case.read")).text
    assert 'id="entry-5"' in first
    assert "action=case.read&amp;before=4" in first
    last = (await client.get("/admin/audit?action=case.read&before=2")).text
    assert 'id="entry-1"' in last
    assert "更早的" not in last


async def test_an_export_holds_the_chain_and_no_names(world: World, browser: Browser) -> None:
    await _record(world, "case.read", "counselor")
    day = (world.now + timedelta(hours=8)).date()
    form = {"csrf": world.csrf["admin"], "from": str(day), "to": str(day)}
    answer = await browser("admin").post("/admin/audit/export", data=form)
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [row["action"] for row in rows] == ["case.read"]
    assert rows[0]["previous_hash"] == audit.GENESIS
    assert "老师" not in answer.text
    without_days = {"csrf": world.csrf["admin"]}
    assert (
        await browser("admin").post("/admin/audit/export", data=without_days)
    ).status_code == 422


async def test_an_admin_of_one_school_sees_what_its_own_staff_did(
    world: World, browser: Browser
) -> None:
    async with world.services.database.write() as session:
        await staff.grant(
            session,
            staff_id=world.staff["editor"].id,
            place_id=world.places["school_a"].id,
            role="admin",
        )
    await _record(world, "case.read", "counselor")
    await _record(world, "case.listed", "other_counselor")
    await _record(world, "consent.exception", None, kind="contact")
    await _record(world, "retention.run", None, kind="retention")
    page = (await browser("editor").get("/admin/audit")).text
    assert "counselor老师" in page
    assert "other_counselor老师" not in page
    entries = page.partition("<tbody>")[2]
    assert audit_list.word("retention.run") in entries
    assert audit_list.word("consent.exception") not in entries, "any school's family"


@pytest.mark.parametrize("login", ["counselor", "lead", "teacher", "editor"])
async def test_others_don_t_get_in(world: World, browser: Browser, login: str) -> None:
    for path in ("/admin/audit", "/admin/retention"):
        assert (await browser(login).get(path)).status_code == 403
    for path in ("/admin/audit/export", "/admin/retention/holds"):
        assert await _post(browser, world, login, path) == 403


async def test_nights_and_classes_are_shown(world: World, browser: Browser) -> None:
    client = browser("admin")
    assert "还没有运行过" in (await client.get("/admin/retention")).text
    async with world.services.database.write() as session:
        run = await retention.begin(session, world.now)
        run.counts = {"chat": 7}
        await retention.finish(session, run, now=world.now, policy=None)
    page = (await client.get("/admin/retention")).text
    assert "没有到期未删的" in page
    assert "日常对话：家长的话、答复、研判、没答上的问题：7" in page
    assert "收到后90天" in page
    assert "设立，立刻停止删除" not in page


async def _second_district_person(world: World) -> None:
    async with world.services.database.write() as session:
        await staff.grant(
            session,
            staff_id=world.staff["editor"].id,
            place_id=world.places["district"].id,
            role="district",
        )


async def test_a_hold_takes_two_people_to_stand_and_two_to_end(
    world: World, browser: Browser
) -> None:
    await _second_district_person(world)
    case_id = await world.add_case("one", place="class_a")
    contact_id = world.contacts["one"]
    new = {"kind": "contact", "object": str(contact_id), "reason": "公安来函 2026-1"}
    for _ in range(2):
        assert await _post(browser, world, "district", "/admin/retention/holds", **new) == 303
    async with world.services.database.read() as session:
        (hold,) = (await session.scalars(select(LegalHold))).all()
        assert await holds.is_held(session, contact_id)
    here = f"/admin/retention/holds/{hold.id}"
    assert await _post(browser, world, "district", f"{here}/agree") == 409
    assert await _post(browser, world, "editor", f"{here}/agree") == 303
    assert await _post(browser, world, "editor", f"{here}/agree") == 409
    assert "两人同意" in (await browser("district").get("/admin/retention")).text
    assert await _post(browser, world, "district", f"{here}/end") == 303
    assert await _post(browser, world, "district", f"{here}/end") == 409
    async with world.services.database.read() as session:
        assert await holds.is_held(session, contact_id)
    assert await _post(browser, world, "editor", f"{here}/end") == 303
    async with world.services.database.read() as session:
        assert not await holds.is_held(session, contact_id)
        actions = list(await session.scalars(select(AuditEntry.action)))
    assert [one for one in actions if one.startswith("hold.")] == [
        "hold.set",
        "hold.agreed",
        "hold.end_asked",
        "hold.ended",
    ]
    assert case_id


async def test_a_hold_nobody_agreed_to_is_taken_back_by_who_set_it(
    world: World, browser: Browser
) -> None:
    await world.add_case("one", place="class_a")
    new = {"kind": "case", "object": str(world.cases["one"]), "reason": "写错了"}
    assert await _post(browser, world, "district", "/admin/retention/holds", **new) == 303
    assert await _post(browser, world, "district", "/admin/retention/holds/1/end") == 303
    async with world.services.database.read() as session:
        assert not await holds.is_held(session, world.contacts["one"])


async def test_what_is_wrong_with_a_hold_is_said(world: World, browser: Browser) -> None:
    path = "/admin/retention/holds"
    assert await _post(browser, world, "district", path, kind="x", object="1", reason="函") == 422
    assert (
        await _post(browser, world, "district", path, kind="case", object="9", reason="函") == 422
    )
    answer = await browser("district").post(
        path, data={"csrf": world.csrf["district"], "kind": "case", "object": "9", "reason": ""}
    )
    assert "请写明原因" in answer.text


async def test_another_district_s_people_and_holds_are_out_of_reach(
    world: World, browser: Browser
) -> None:
    async with world.services.database.write() as session:
        other = await places.add(session, kind="district", name="雨山区", parent=None)
        contact = Contact(
            channel="wechat",
            account="demo",
            external_id="far",
            place_id=other.id,
            created_at=world.now,
        )
        session.add(contact)
        await session.flush()
        session.add(
            LegalHold(kind="contact", object_id=contact.id, reason="函", created_at=world.now)
        )
        far = str(contact.id)
    new = {"kind": "contact", "object": far, "reason": "函"}
    assert await _post(browser, world, "district", "/admin/retention/holds", **new) == 422
    assert await _post(browser, world, "district", "/admin/retention/holds/1/agree") == 404
    assert await _post(browser, world, "district", "/admin/retention/holds/1/end") == 404
    assert "现在没有法定保留" in (await browser("district").get("/admin/retention")).text


async def test_a_place_filters_by_who_works_there(world: World, browser: Browser) -> None:
    await _record(world, "case.read", "counselor")
    await _record(world, "case.read", "other_counselor")
    a, b = world.places["school_a"].id, world.places["school_b"].id
    everywhere = await browser("admin").get("/admin/audit?action=case.read")
    assert "共 2 条" in everywhere.text
    for place, theirs in ((a, False), (b, True)):
        found = await browser("admin").get(f"/admin/audit?action=case.read&place={place}")
        assert "共 1 条" in found.text
        assert ("other_counselor老师" in found.text.partition("<tbody>")[2]) == theirs
    elsewhere = await browser("admin").get("/admin/audit?place=99999")
    assert elsewhere.status_code == 403


def test_every_kind_of_object_has_a_word() -> None:
    """What code writes into the trail as a kind is read in Chinese."""
    found: set[str] = set()
    for path in (*(ROOT / "bot").rglob("*.py"), *(ROOT / "handlers").rglob("*.py")):
        found |= set(re.findall(r'object_kind="(\w+)"', path.read_text(encoding="utf-8")))
    assert found
    assert found - set(words()["object"]) == set()
