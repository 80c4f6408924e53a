"""The consents on a parent's page, who has read, and under which key a page writes."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fakes import HOMEWORK
from house import DANGER, Home, Houses
from parents_world import Phone, make_site, opened
from sqlalchemy import text as sql
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db import field_keys, tenant_keys
from bot.db.field_keys import FieldKeys
from bot.db.models import Child, Consent, Notice, NoticeChild
from bot.services import audit, consents, staff


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


async def test_a_refusal_is_shown_as_one(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    page = await phone.get(path)
    assert "没选，就当作没有同意" in page.text
    page = await phone.post(f"{path}/consent", kind="district", give="no")
    assert "已记下：不同意" in page.text
    assert "在这个页面上选了不同意" in page.text
    (row,) = await site.rows(Consent)
    assert (row.refused, row.withdrawn_at == row.given_at, row.way) == (True, True, "page")
    exported = (await phone.get(f"{path}/export.json")).json()["consents"]
    assert [(one["kind"], one["refused"]) for one in exported] == [("district", True)]
    assert "在这个页面上不同意" in (await phone.get(f"{path}/export.html")).text
    page = await phone.post(f"{path}/consent", kind="district", give="yes")
    assert "在这个页面上同意，说明第2版" in page.text


async def test_older_words_are_shown_with_a_button_to_agree_again(site: Home, phone: Phone) -> None:
    async with site.write() as session:
        await consents.give(session, 1, ("school",), now=site.clock.now(), version=1)
    path = await opened(site, phone)
    page = await phone.get(path)
    assert "说明已经改到第2版" in page.text
    assert "按新版同意第2项" in page.text
    page = await phone.post(f"{path}/consent", kind="school", give="yes")
    assert "按新版同意" not in page.text
    assert [row.version for row in await site.rows(Consent)] == [1, 2], "the proof of both"


async def test_from_fourteen_on_the_child_is_asked_too(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    assert "由监护人来决定" in (await phone.get(path)).text
    async with site.write() as session:
        await session.execute(update(Child).values(born="2012-01"))
    assert "还要孩子本人也同意才算数" in (await phone.get(path)).text


async def test_the_count_tells_only_of_what_is_shown(site: Home, phone: Phone) -> None:
    await site.say(HOMEWORK)
    await site.say(DANGER)
    path = await opened(site, phone)
    # What follows a confidence is left out as well, the wish for the page included.
    assert "<span>1 条</span>" in (await phone.get(path)).text
    site.clock.advance(hours=3)
    await site.say(HOMEWORK)
    path = await opened(site, phone)
    page = await phone.get(path)
    assert "<span>3 条</span>" in page.text
    exported = (await phone.get(f"{path}/export.json")).json()["dialogue"]
    own = [line["text"] for line in exported if line["from"] == "me"]
    assert own == [HOMEWORK, HOMEWORK, "我的数据"]


async def test_who_saw_a_notices_names_is_shown_for_this_child_alone(
    site: Home, phone: Phone
) -> None:
    async with site.write() as session:
        session.add(NoticeChild(notice_id=await _notice(site, session), child_id=1))
        for children in ([1], [99]):
            await audit.record(
                session,
                staff_id=site.place.counselor.id,
                action="notice.phones_shown",
                object_kind="notice",
                object_id=1,
                now=site.clock.now(),
                data={"children": children},
            )
        await staff.grant(
            session,
            staff_id=site.place.counselor.id,
            place_id=site.place.class_.id,
            role="teacher",
        )
    page = await phone.get(await opened(site, phone))
    assert "班主任取了通知的电话单" in page.text
    assert "1 次，最近" in page.text


async def _notice(site: Home, session: AsyncSession) -> int:
    row = Notice(
        key="k",
        place_id=site.place.class_.id,
        title="家长会",
        body="周五",
        created_at=site.clock.now(),
    )
    session.add(row)
    await session.flush()
    return row.id


async def test_what_is_written_on_a_page_lies_under_the_districts_key(
    site: Home, phone: Phone
) -> None:
    before = field_keys.in_use()
    try:
        async with site.write() as session:
            key = await tenant_keys.make(session, site.place.district.id, site.clock.now())
        async with site.write() as session:
            await tenant_keys.load(session, site.clock.now() + timedelta(minutes=1))
        path = await opened(site, phone)
        await phone.post(f"{path}/ask", kind="correct", words="孩子的名字写错了一个字")
        async with site.house.services.database.read() as session:
            stored = await session.execute(sql("SELECT text FROM message WHERE handler = 'page'"))
            asked = await session.execute(sql("SELECT words FROM data_request"))
            rows = [*stored.scalars(), *asked.scalars()]
        assert len(rows) == 2
        assert all(row.startswith(f"{key}.") for row in rows)
    finally:
        field_keys.use(before or FieldKeys())
