"""「我的数据」: consents, exports, requests, deleting, what a parent chooses on the page."""

from collections.abc import AsyncIterator

import pytest
from factories import make_case, make_message
from fakes import HOMEWORK
from house import DANGER, Home, Houses
from parents_world import CHILD, Phone, make_site, opened
from sqlalchemy import update

from bot.db.models import (
    AuditEntry,
    Case,
    Consent,
    DataRequest,
    Guardian,
    Guardianship,
    LegalHold,
    Message,
)
from bot.services import data_requests


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house with an address, and a mother bound to her child."""
    return await make_site(houses)


@pytest.fixture
async def phone(site: Home) -> AsyncIterator[Phone]:
    """The mother's browser."""
    made = Phone(site)
    yield made
    await made.client.aclose()


async def test_consents_are_given_and_withdrawn_one_by_one(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    await phone.post(f"{path}/consent", kind="school", give="yes")
    await phone.post(f"{path}/consent", kind="school", child="1", give="yes")
    await phone.post(f"{path}/consent", kind="school", child="1", give="yes")
    rows = await site.rows(Consent)
    assert [(row.kind, row.child_id, row.way, row.version) for row in rows] == [
        ("school", None, "page", 2),
        ("school", 1, "page", 2),
    ]
    page = await phone.post(f"{path}/consent", kind="school", child="1", give="no")
    assert "已撤回" in page.text
    assert [row.withdrawn_at is None for row in await site.rows(Consent)] == [True, False]
    actions = [entry.action for entry in await site.rows(AuditEntry)]
    assert actions.count("consent.given") == 2
    assert actions.count("consent.withdrawn") == 1


async def test_a_consent_in_chat_holds_for_the_child_too(site: Home) -> None:
    await site.say("同意2")
    assert [(row.kind, row.child_id) for row in await site.rows(Consent)] == [
        ("school", None),
        ("school", 1),
    ]
    await site.say("撤回2")
    assert all(row.withdrawn_at for row in await site.rows(Consent))


async def test_withdrawing_the_first_deletes_the_ordinary_words(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    path = await opened(site, phone)
    await phone.post(f"{path}/consent", kind="mental_health", give="yes")
    await phone.post(f"{path}/consent", kind="mental_health", give="no")
    assert [row.text for row in await site.rows(Message) if row.text] == []


async def test_a_wish_for_a_person_leaves_the_school_after_a_withdrawal(site: Home) -> None:
    await site.say("同意2")
    await site.say("撤回2")
    await site.say("转人工")
    assert (await site.case()).place_id == site.place.district.id


async def test_a_danger_goes_to_the_school_all_the_same_and_is_recorded(site: Home) -> None:
    await site.say("同意2")
    await site.say("撤回2")
    await site.say(DANGER)
    case = await site.case()
    assert case.place_id == site.place.school.id
    told = await site.rows(AuditEntry, AuditEntry.action == "consent.exception")
    assert [entry.data for entry in told] == [
        {"kind": kind, "case": case.id, "basis": "life_saving"} for kind in ("school", "district")
    ]


async def test_a_withdrawal_during_a_case_says_that_it_goes_on(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    await phone.post(f"{path}/consent", kind="school", give="yes")
    await site.say("我活不下去了，想死")
    page = await phone.post(f"{path}/consent", kind="school", give="no")
    assert "法律允许这件事继续办完" in page.text
    await site.say("撤回2")
    await site.wait(seconds=1)
    assert "为了保护人的生命安全" in site.sent()[-1], "said in the chat too"
    assert (await site.case()).state == "open"
    kinds = [
        entry.data["kind"]
        for entry in await site.rows(AuditEntry, AuditEntry.action == "consent.exception")
    ]
    assert kinds == ["district", "school"], "told at once, and going on after the withdrawal"


async def test_the_files_leave_out_danger_and_other_peoples_words(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    await site.say(DANGER)
    contact = await site.contact()
    async with site.write() as session:
        await make_message(
            session, await session.merge(contact), now=site.clock.now(), text="爸爸打她", level="2"
        )
    await site.hold(contact.id)
    await site.write_as_counselor("我是林老师，晚上给您打电话", contact.id)
    path = await opened(site, phone)
    plain = await phone.get(f"{path}/export.json")
    page = await phone.get(f"{path}/export.html")
    assert "attachment" in plain.headers["content-disposition"]
    data = plain.json()
    assert data["children"] == [
        {"name": CHILD, "school": "晴川一小", "class": "三年级2班", "relation": "M"}
    ]
    # Name and phone are no proof of whose page this is.
    assert data["guardian"]["phone"] == "139****01"
    for text in (plain.text, page.text):
        assert HOMEWORK in text
        assert "手册T06-01" in text
        for secret in (DANGER, "爸爸打她", "林老师", "assessment", "level", "case", "个案编号"):
            assert secret not in text.replace("个案、报告、研判", "")
    assert len(await site.rows(AuditEntry, AuditEntry.action == "own_data.exported")) == 2


async def test_a_blocked_child_shows_nowhere(site: Home, phone: Phone) -> None:
    async with site.write() as session:
        await session.execute(update(Guardianship).values(custody_block=True))
    path = await opened(site, phone)
    for part in ("", "/export.json", "/export.html"):
        assert CHILD not in (await phone.get(f"{path}{part}")).text
    answer = await phone.post(f"{path}/consent", kind="school", child="1", give="yes")
    assert answer.status_code == 404


async def test_a_request_has_a_date_in_working_days(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    page = await phone.post(f"{path}/ask", kind="correct", words="孩子的名字写错了一个字")
    assert "已收到" in page.text
    await phone.post(f"{path}/ask", kind="correct", words="孩子的名字写错了一个字")
    (row,) = await site.rows(DataRequest)
    assert (row.kind, row.state, row.place_id) == ("correct", "open", site.place.class_.id)
    # From Sunday 22 November 2026: Monday 23 is the first working day, Friday 11 December the 15th.
    assert row.due_at.isoformat() == "2026-12-11T15:59:59+00:00"
    message = (await site.messages())[-1]
    assert (message.text, message.answerable, message.handler) == (row.words, False, "page")


async def test_too_many_and_empty_requests_are_refused(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    assert "请写一句" in (await phone.post(f"{path}/ask", kind="correct", words=" ")).text
    assert (await phone.post(f"{path}/ask", kind="burn", words="x")).status_code == 422
    for number in range(data_requests.MOST_OPEN):
        await phone.post(f"{path}/ask", kind="copy", words=f"第{number}次")
    assert "还有几项" in (await phone.post(f"{path}/ask", kind="copy", words="再来")).text


async def test_a_danger_written_on_the_page_opens_a_case(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    before = (await site.contact()).window_until
    page = await phone.post(f"{path}/ask", kind="delete", words=DANGER)
    assert "120" in page.text
    assert "已通知" not in page.text
    case = await site.case()
    assert case.level == "3"
    assert await site.rows(DataRequest) == [], "first the safety, then the paperwork"
    assert (await site.contact()).window_until == before, "a page opens no sending window"
    await site.work()
    assert site.sent()[1:] == [], "nothing is answered in the chat"


async def test_words_are_screened_to_their_end(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    page = await phone.post(f"{path}/ask", kind="copy", words="今天天气不错。" * 300 + DANGER)
    assert "120" in page.text
    assert (await site.case()).level == "3"


async def test_deleting_says_what_stays_and_ends_the_page(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    path = await opened(site, phone)
    assert "确认删除" in (await phone.get(f"{path}/delete")).text
    assert (await phone.post(f"{path}/delete")).status_code == 200
    assert await site.rows(DataRequest) == [], "asked once more first"
    page = await phone.post(f"{path}/delete", sure="yes")
    assert "能删的都已删除" in page.text
    contact = await site.contact()
    assert (contact.guardian_id, contact.place_id) == (None, None)
    assert (await site.rows(DataRequest))[0].state == "done"
    assert (await phone.get(path)).status_code == 404
    assert len(await site.rows(Guardian)) == 1


async def test_deleting_with_an_open_case_is_answered_in_writing(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    contact = await site.contact()
    async with site.write() as session:
        await make_case(session, await session.merge(contact), now=site.clock.now())
    page = await phone.post(f"{path}/delete", sure="yes")
    assert "法律要求保留的内容（比如关系到人身安全的）会按期限保留" in page.text
    (row,) = await site.rows(DataRequest)
    assert row.state == "done"
    assert row.answer in page.text
    assert len(await site.rows(Case)) == 1


async def test_a_legal_hold_keeps_the_words_and_says_nothing(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    path = await opened(site, phone)
    contact = await site.contact()
    async with site.write() as session:
        session.add(
            LegalHold(kind="contact", object_id=contact.id, reason="x", created_at=site.clock.now())
        )
    await phone.post(f"{path}/delete", sure="yes")
    assert HOMEWORK in [row.text for row in await site.rows(Message)]
    site.clock.advance(seconds=1)
    path = await opened(site, phone)
    assert HOMEWORK not in (await phone.get(f"{path}/export.json")).text


async def test_what_was_asked_for_loses_its_words_too(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    await phone.post(f"{path}/ask", kind="correct", words="孩子的名字写错了一个字")
    await phone.post(f"{path}/delete", sure="yes")
    assert [(row.kind, row.state, row.words) for row in await site.rows(DataRequest)] == [
        ("correct", "open", ""),
        ("delete", "done", ""),
    ]


async def test_large_type_is_kept_for_the_account(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    assert 'class="large"' not in (await phone.get(path)).text
    page = await phone.post(f"{path}/type", size="large")
    assert 'class="large"' in page.text
    assert (await site.rows(Guardian))[0].large_type
    await phone.post(f"{path}/type", size="plain")
    assert not (await site.rows(Guardian))[0].large_type


async def test_unbinding_on_the_page(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    assert "已解绑" in (await phone.post(f"{path}/unbind")).text
    assert (await site.contact()).guardian_id is None
    assert (await phone.get(path)).status_code == 404
