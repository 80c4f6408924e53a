"""Whoever holds the phone may be the one a report is about: two families are told the same.

One family has a case or a legal hold behind it, the other has nothing; everything that the chat
and the page show them is compared byte for byte. docs/decisions/0015 says why.
"""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from engines import Databases
from factories import NIGHT, make_case, make_message
from fakes import HOMEWORK
from house import Home, Houses
from parents_world import Phone, ask, make_site, opened
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import FixedClock
from bot.db.crypto import KeyRing
from bot.db.models import Assessment, Case, Contact, LegalHold, Message
from bot.services import set_aside

CHANGING = re.compile(r"/p/[A-Za-z0-9_-]{40,}|name=\"csrf\" value=\"[^\"]*\"")
_PLAIN: list[str] = []
Put = Callable[[AsyncSession, Contact, Home], Awaitable[None]]


async def _abuse(session: AsyncSession, contact: Contact, site: Home, state: str) -> None:
    message = await make_message(
        session, contact, now=site.clock.now(), text="爸爸打她，身上都是伤", level="3"
    )
    await session.execute(
        update(Assessment).where(Assessment.message_id == message.id).values(categories=["ABU"])
    )
    case = await make_case(
        session, contact, now=site.clock.now(), place=site.place.school, state=state
    )
    case.family, case.subject, case.message_id = "abuse", "child", message.id


async def _open_abuse(session: AsyncSession, contact: Contact, site: Home) -> None:
    await _abuse(session, contact, site, "open")


async def _closed_abuse(session: AsyncSession, contact: Contact, site: Home) -> None:
    await _abuse(session, contact, site, "closed")


async def _own_danger_and_old_abuse(session: AsyncSession, contact: Contact, site: Home) -> None:
    await _abuse(session, contact, site, "closed")
    case = await make_case(session, contact, now=site.clock.now(), place=site.place.district)
    case.subject, case.speaker = "self", "about_self"


async def _misconduct_of_a_low_level(session: AsyncSession, contact: Contact, site: Home) -> None:
    message = await make_message(
        session, contact, now=site.clock.now(), text="王老师打他", level="1"
    )
    await session.execute(
        update(Assessment).where(Assessment.message_id == message.id).values(categories=["TCH"])
    )
    case = await make_case(session, contact, now=site.clock.now(), place=site.place.district)
    case.subject = "self"


async def _a_childs_danger(session: AsyncSession, contact: Contact, site: Home) -> None:
    case = await make_case(session, contact, now=site.clock.now(), place=site.place.school)
    case.subject = "child"


async def _a_childs_own_words(session: AsyncSession, contact: Contact, site: Home) -> None:
    case = await make_case(session, contact, now=site.clock.now(), place=site.place.school)
    case.subject, case.speaker = "self", "minor"


async def _held(session: AsyncSession, contact: Contact, site: Home) -> None:
    session.add(
        LegalHold(kind="contact", object_id=contact.id, reason="x", created_at=site.clock.now())
    )


async def _held_with_own_danger(session: AsyncSession, contact: Contact, site: Home) -> None:
    await _held(session, contact, site)
    case = await make_case(session, contact, now=site.clock.now(), place=site.place.district)
    case.subject, case.speaker = "self", "about_self"


async def _walk(site: Home, put: Put | None) -> list[str]:
    """Do everything that a phone can do about consents and erasing; return what was shown."""
    phone, shown = Phone(site), list[str]()

    async def say(text: str) -> None:
        site.clock.advance(seconds=1)
        before = len(site.sent())
        shown.append(await site.say(text))
        await site.work()
        shown.extend(site.sent()[before:])

    async def look(path: str) -> None:
        site.clock.advance(seconds=1)
        for part in ("", "/export.json", "/export.html", "/delete"):
            shown.append((await phone.get(f"{path}{part}")).text)

    async def press(path: str, **fields: str) -> None:
        site.clock.advance(seconds=1)
        shown.append((await phone.post(path, **fields)).text)

    await say(HOMEWORK)
    await say("紧急联系人")
    await say("姑姑 13800000000")
    if put is not None:
        contact = await site.contact()
        async with site.write() as session:
            await put(session, await session.merge(contact), site)
    # For a while after a confidence whatever follows is left out of the files.
    site.clock.advance(hours=3)
    for words in ("同意", "同意1", "跳过", "同意2", "撤回2", "不同意3", "撤回3", "谁能看到"):
        await say(words)
    path = await opened(site, phone)
    await look(path)
    for kind, child in (("school", ""), ("school", "1"), ("district", "1")):
        await press(f"{path}/consent", kind=kind, child=child, give="yes")
        await press(f"{path}/consent", kind=kind, child=child, give="no")
    await press(f"{path}/ask", kind="correct", words="孩子的名字写错了一个字")
    await say("撤回1")
    await look(path)
    await say(HOMEWORK)
    await press(f"{path}/delete", sure="yes")
    await say(HOMEWORK)
    path = await ask(site)
    await press(f"{path}/open")
    await look(path)
    await say("绑定孩子")
    await say("取消")
    await say("删除")
    await say("确认删除")
    await say("我的报名")
    path = await ask(site)
    await press(f"{path}/open")
    await look(path)
    await phone.client.aclose()
    return [CHANGING.sub("", text) for text in shown]


@pytest.mark.parametrize(
    "put",
    [
        _open_abuse,
        _closed_abuse,
        _own_danger_and_old_abuse,
        _misconduct_of_a_low_level,
        _a_childs_danger,
        _a_childs_own_words,
        _held,
        _held_with_own_danger,
    ],
)
async def test_both_families_are_shown_the_same(
    engine: Databases, tmp_path: Path, ring: KeyRing, put: Put
) -> None:
    told = await _told(engine, _folder(tmp_path, "with"), put)
    # Always the same story: lived through once for all these tests.
    if not _PLAIN:
        _PLAIN.extend(await _told(engine, _folder(tmp_path, "without"), None))
    for number, (with_it, without) in enumerate(zip(told, _PLAIN, strict=True)):
        assert with_it.splitlines() == without.splitlines(), f"answer {number}"
    assert "关系到安全的事还在处理" not in "".join(told)
    files = [json.loads(text) for text in told if text.startswith("{")]
    assert [file["dialogue"] != [] for file in files] == [True, False, True, True]
    assert files[-1]["children"] == []


def _folder(above: Path, name: str) -> Path:
    made = above / name
    made.mkdir()
    return made


async def _told(engine: Databases, folder: Path, put: Put | None) -> list[str]:
    """Let one family live through it in a house of its own."""
    with engine.new(folder) as url:
        houses = Houses(url, folder, FixedClock(NIGHT))
        told = await _walk(await make_site(houses), put)
        await houses.close()
    return told


async def test_behind_it_everything_is_kept(houses: Houses) -> None:
    site = await make_site(houses)
    await _walk(site, _held_with_own_danger)
    contact = await site.contact()
    assert HOMEWORK in [row.text for row in await site.rows(Message)]
    assert (contact.guardian_id, contact.place_id, contact.emergency_contact) == (None, None, None)
    async with site.house.services.database.read() as session:
        kept = await set_aside.look(session, contact.id)
    assert kept is not None
    assert kept.claim == {"emergency_contact": "姑姑 13800000000"}
    assert (kept.guardian_id, kept.place_id) == (1, site.place.class_.id)
    assert [case.state for case in await site.rows(Case)] == ["open"]
