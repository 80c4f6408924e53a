"""「我的数据」: the link, the browser that opens it, and everything on the page behind it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from factories import SCENE, make_case, make_message
from fakes import HOMEWORK
from house import DANGER, PARENT, Home, Houses
from sqlalchemy import update

from bot.db.models import (
    AuditEntry,
    Case,
    Consent,
    DataRequest,
    Guardian,
    Guardianship,
    LegalHold,
    Link,
    Message,
)
from bot.services import bindings, data_requests, links, people
from bot.services.dossier import dossier

SITE = "https://xinqing.example.cn"
OTHER = "oParent0002"
CHILD, OTHER_CHILD = "钱多多", "孙小可"


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house with an address, and a mother bound to her child."""
    home = await houses.make(public_url=SITE)
    await home.driver.follow(PARENT, SCENE)
    await home.house.handover.flush()
    await home.work()
    await bind(home, PARENT, CHILD, "13900000001")
    return home


async def bind(home: Home, parent: str, child: str, phone: str) -> None:
    """Give a parent a child in the class."""
    ring, now = home.house.services.ring, home.clock.now()
    contact = await home.contact(parent)
    async with home.write() as session:
        row = await people.add_child(
            session, place_id=home.place.class_.id, name=child, now=now, ring=ring
        )
        guardian = await people.add_guardian(
            session, name="钱妈妈", phone=phone, now=now, ring=ring
        )
        await people.tie(session, guardian, row, "M", now)
        contact = await session.merge(contact)
        await bindings.bind(session, contact, guardian, way="phone", now=now)


class Phone:
    """A browser of a parent's."""

    def __init__(self, home: Home) -> None:
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(home.app),
            base_url="http://127.0.0.1",
            headers={"Accept": "text/html"},
        )

    async def get(self, path: str) -> httpx2.Response:
        """Fetch a page."""
        return await self.client.get(path, follow_redirects=True)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form with the token of the page before."""
        page = await self.client.get("/login")
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        return await self.client.post(
            path, data={"csrf": csrf.group(1), **fields}, follow_redirects=True
        )


@pytest.fixture
async def phone(site: Home) -> AsyncIterator[Phone]:
    """The mother's browser."""
    made = Phone(site)
    yield made
    await made.client.aclose()


async def ask(home: Home, parent: str = PARENT) -> str:
    """Ask for the page in chat and return its path."""
    answer = await home.say("我的数据", parent=parent)
    found = re.search(rf"{SITE}(/p/\S+)", answer)
    assert found is not None, answer
    return found.group(1)


async def opened(home: Home, phone: Phone) -> str:
    """Ask for the page, open it, and return its path."""
    path = await ask(home)
    await phone.post(f"{path}/open")
    return path


async def test_looking_shows_nothing_and_the_tap_opens(site: Home, phone: Phone) -> None:
    path = await ask(site)
    first = await phone.get(path)
    assert "打开我的页面" in first.text
    assert CHILD not in first.text
    page = await phone.post(f"{path}/open")
    assert CHILD in page.text
    assert "139****01" in page.text
    assert "13900000001" not in page.text
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


async def test_the_cookie_is_for_this_link_only(site: Home, phone: Phone) -> None:
    path = await ask(site)
    page = await phone.client.get("/login")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf is not None
    answer = await phone.client.post(f"{path}/open", data={"csrf": csrf.group(1)})
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "xinqing_device" in one]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert f"Path={path}" in cookie


async def test_a_messengers_prefetch_does_not_steal_it(site: Home, phone: Phone) -> None:
    path = await ask(site)
    robot = Phone(site)
    for _ in range(3):
        assert "打开我的页面" in (await robot.get(path)).text
    assert CHILD in (await phone.post(f"{path}/open")).text
    await robot.client.aclose()


async def test_a_second_device_is_told_how_to_get_its_own(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    second = Phone(site)
    for answer in (await second.get(path), await second.post(f"{path}/open")):
        assert answer.status_code == 403
        assert "另一台设备上打开过" in answer.text
        assert "我的数据" in answer.text
        assert CHILD not in answer.text
    for part in ("export.json", "export.html", "delete"):
        assert (await second.get(f"{path}/{part}")).status_code == 403
    await second.client.aclose()


async def test_another_contacts_browser_gets_nothing(site: Home, phone: Phone) -> None:
    mine = await opened(site, phone)
    await site.driver.follow(OTHER, SCENE)
    await bind(site, OTHER, OTHER_CHILD, "13900000007")
    stranger = Phone(site)
    theirs = await ask(site, OTHER)
    page = await stranger.post(f"{theirs}/open")
    assert OTHER_CHILD in page.text
    assert CHILD not in page.text
    assert (await stranger.get(mine)).status_code == 403
    # A child of somebody else can't be named in a form either.
    answer = await stranger.post(f"{theirs}/consent", kind="school", child="1", give="yes")
    assert answer.status_code == 404
    assert await site.rows(Consent) == []
    await stranger.client.aclose()


async def test_it_ends_after_a_day_and_a_new_one_ends_the_old(site: Home, phone: Phone) -> None:
    old = await opened(site, phone)
    new = await ask(site)
    assert (await phone.get(old)).status_code == 404
    assert CHILD in (await phone.post(f"{new}/open")).text
    site.clock.advance(seconds=links.MINE_VALID.total_seconds())
    answer = await phone.get(new)
    assert answer.status_code == 404
    assert "这个链接已失效" in answer.text


async def test_a_link_for_something_else_opens_no_data(site: Home, phone: Phone) -> None:
    contact, services = await site.contact(), site.house.services
    async with site.write() as session:
        token = await links.make(
            session,
            services.ring,
            purpose="bind",
            contact_id=contact.id,
            now=site.clock.now(),
            length=timedelta(hours=1),
        )
    await phone.post(f"/p/{token}/open")
    assert (await phone.get(f"/p/{token}/export.json")).status_code == 404
    assert CHILD not in (await phone.get(f"/p/{token}")).text


async def test_nothing_of_a_person_stands_in_the_address(site: Home) -> None:
    path = await ask(site)
    (link,) = await site.rows(Link)
    token = path.removeprefix("/p/")
    assert len(token) == 43
    assert token not in repr(vars(link))


async def test_the_desk_is_not_shown_the_address(site: Home) -> None:
    token = (await ask(site)).rpartition("/")[2]
    await site.say(DANGER)
    async with site.house.services.database.read() as session:
        shown = await dossier(session, await site.case(), now=site.clock.now())
    words = "".join(part for line in shown.lines for part, _ in line.parts)
    assert f"{SITE}/p/…" in words
    assert token not in words


async def test_without_an_address_the_chat_says_how(home: Home) -> None:
    answer = await home.say("我的数据")
    assert "还没有开通网页" in answer
    assert "/p/" not in answer
    assert await home.rows(Link) == []


async def test_consents_are_given_and_withdrawn_one_by_one(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    await phone.post(f"{path}/consent", kind="school", give="yes")
    await phone.post(f"{path}/consent", kind="school", child="1", give="yes")
    await phone.post(f"{path}/consent", kind="school", child="1", give="yes")
    rows = await site.rows(Consent)
    assert [(row.kind, row.child_id, row.way, row.version) for row in rows] == [
        ("school", None, "page", 1),
        ("school", 1, "page", 1),
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
    (entry,) = await site.rows(AuditEntry, AuditEntry.action == "consent.exception")
    assert entry.data == {"kind": "school", "case": case.id, "basis": "life_saving"}


async def test_a_withdrawal_during_a_case_says_that_it_goes_on(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    await phone.post(f"{path}/consent", kind="school", give="yes")
    await site.say(DANGER)
    page = await phone.post(f"{path}/consent", kind="school", give="no")
    assert "这件事继续办完" in page.text
    assert (await site.case()).state == "open"
    assert len(await site.rows(AuditEntry, AuditEntry.action == "consent.exception")) == 1


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


async def test_deleting_with_an_open_case_is_refused_in_writing(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    contact = await site.contact()
    async with site.write() as session:
        await make_case(session, await session.merge(contact), now=site.clock.now())
    page = await phone.post(f"{path}/delete", sure="yes")
    assert "关系到安全的那几条和个案记录还不能删" in page.text
    (row,) = await site.rows(DataRequest)
    assert row.state == "refused"
    assert "原因" in row.answer
    assert len(await site.rows(Case)) == 1


async def test_a_legal_hold_is_said_here_and_in_chat(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    path = await opened(site, phone)
    contact = await site.contact()
    async with site.write() as session:
        session.add(
            LegalHold(kind="contact", object_id=contact.id, reason="x", created_at=site.clock.now())
        )
    page = await phone.post(f"{path}/delete", sure="yes")
    assert "现在都还不能删" in page.text
    assert "能删的都已删除" not in page.text
    assert (await site.rows(DataRequest))[0].state == "refused"
    await site.say("删除")
    assert "现在都还不能删" in await site.say("确认删除")
    assert HOMEWORK in [row.text for row in await site.rows(Message)]


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
