"""What families and their papers do wrong: shared phones, dead codes, passed-on links, withdrawals.

One story each, from the first word to what stands in the tables afterwards.
"""

import re
from collections.abc import Sequence

import pytest
from factories import SCENE
from house import DANGER, PARENT, Home, Houses
from notice_world import make_world as make_notice_world
from notice_world import sent
from parents_world import CHILD, OTHER, Phone, make_site

from bot.db.models import (
    AuditEntry,
    Binding,
    Case,
    Child,
    Consent,
    Guardian,
    Message,
    NoticeChild,
    Place,
)
from bot.db.models.case import CLOSED as CLOSED_CASE
from bot.db.models.place import CLOSED, GRADUATED, MERGED
from bot.services import people, places
from bot.services.consents import KINDS

ONE_PHONE = "13900000001"


async def enrol(home: Home, relations: Sequence[str], place: Place) -> Child:
    """Put a child into the roster whose guardians all have the same phone."""
    ring, now = home.house.services.ring, home.clock.now()
    async with home.write() as session:
        child = await people.add_child(session, place_id=place.id, name=CHILD, now=now, ring=ring)
        for relation in relations:
            guardian = await people.add_guardian(
                session, name=f"某{relation}", phone=ONE_PHONE, now=now, ring=ring
            )
            await people.tie(session, guardian, child, relation, now)
    return child


async def bind(home: Home, parent: str, *words: str) -> str:
    """Say one thing after the other; return the last answer."""
    answer = ""
    for one in ("绑定孩子", CHILD, *words):
        answer = await home.say(one, parent=parent)
    return answer


# A phone shared by two guardians ------------------------------------------------------------------


async def test_two_guardians_of_one_phone_are_two_people_and_each_is_told(staffed: Home) -> None:
    """The mother and the father share a number; each is themself, and a notice reaches both."""
    await enrol(staffed, ("M", "F"), staffed.place.class_)
    assert "你是孩子的妈妈" in await bind(staffed, PARENT, f"妈妈 {ONE_PHONE}")
    await staffed.driver.follow(OTHER, SCENE)
    assert "你是孩子的爸爸" in await bind(staffed, OTHER, f"爸爸 {ONE_PHONE}")
    contacts = [await staffed.contact(parent) for parent in (PARENT, OTHER)]
    guardians = await staffed.rows(Guardian)
    assert [one.guardian_id for one in contacts] == [one.id for one in guardians]
    await staffed.work()
    staffed.platform.sent.clear()
    world = await make_notice_world(staffed, families=False)
    await sent(world)
    for parent in (PARENT, OTHER):
        assert len(staffed.sent(parent)) == 1
    assert "已确认" in await staffed.say("收到", parent=OTHER)
    marks = await staffed.rows(NoticeChild)
    assert [mark.confirmed_at is not None for mark in marks] == [True], "one confirm per child"


async def test_a_third_one_with_the_shared_phone_is_nobody_of_both(staffed: Home) -> None:
    await enrol(staffed, ("M", "F"), staffed.place.class_)
    await bind(staffed, PARENT, f"妈妈 {ONE_PHONE}")
    await staffed.driver.follow(OTHER, SCENE)
    asked = await bind(staffed, OTHER, f"姑姑 {ONE_PHONE}")
    assert "你是孩子的什么人" in asked
    assert "爸爸" not in asked.partition("例如")[0], "who else has the number is not given away"
    assert "要由学校核对" in await staffed.say("妈妈", parent=OTHER)
    assert (await staffed.contact(OTHER)).guardian_id is None
    states = [row.state for row in await staffed.rows(Binding)]
    assert (states[0], states[-1]) == ("bound", "asked")


# The code of a class that is no more --------------------------------------------------------------


@pytest.mark.parametrize("state", [CLOSED, MERGED, GRADUATED])
async def test_a_dead_code_moves_nobody_who_is_elsewhere(home: Home, state: str) -> None:
    """A parent of one class scans the old poster of another one, which is closed."""
    async with home.write() as session:
        school = await session.merge(home.place.school)
        old = await places.add(session, kind="class", name="六年级1班", parent=school, scene="old")
        old.state = state
    await home.driver.follow(PARENT, SCENE)
    answer = await home.driver.scan(PARENT, "old")
    await home.house.handover.flush()
    assert "班级已经停用" in (answer or "")
    assert "找班主任要新的二维码" in (answer or "")
    assert (await home.contact()).place_id == home.place.class_.id
    assert await home.rows(Binding) == []


async def test_who_came_by_a_dead_code_is_screened_and_has_a_desk(home: Home) -> None:
    async with home.write() as session:
        (await session.get_one(Place, home.place.class_.id)).state = GRADUATED
    await home.driver.follow(PARENT, SCENE)
    await home.house.handover.flush()
    assert "120" in await home.say(DANGER)
    assert (await home.case()).tier == "district"


async def test_a_class_that_closes_while_somebody_binds(home: Home) -> None:
    """Scanned while it was open; the child is in the merged class by the time of the phone."""
    await home.driver.follow(PARENT, SCENE)
    await home.house.handover.flush()
    child = await enrol(home, ("M",), home.place.class_)
    await home.say(CHILD)
    async with home.write() as session:
        school = await session.merge(home.place.school)
        new = await places.add(session, kind="class", name="三年级1班", parent=school)
        (await session.get_one(Place, home.place.class_.id)).state = MERGED
        (await session.get_one(Child, child.id)).place_id = new.id
    answer = await home.say(f"妈妈 {ONE_PHONE}")
    assert "三年级1班" in answer
    contact = await home.contact()
    assert contact.guardian_id is not None
    assert contact.place_id == new.id


# A link that is passed on -------------------------------------------------------------------------


async def test_a_notices_link_passed_on_confirms_nothing(houses: Houses) -> None:
    """The grandmother forwards her link to the class group; the second phone gets nowhere."""
    site = "https://xinqing.example.cn"
    world = await make_notice_world(await houses.make(public_url=site))
    await sent(world)
    (words,) = world.heard("mum1")
    found = re.search(rf"{site}(/p/\S+)", words)
    assert found is not None
    first, second = Phone(world.home), Phone(world.home)
    await first.post(f"{found[1]}/open")
    for answer in (await second.get(found[1]), await second.post(f"{found[1]}/open")):
        assert answer.status_code == 403
        assert "另一台设备上打开过" in answer.text
        assert "周五下午两点" not in answer.text
    refused = await second.post(f"{found[1]}/confirm")
    assert refused.status_code == 403
    marks = await world.home.rows(NoticeChild)
    assert all(mark.confirmed_at is None for mark in marks)
    assert "已确认" in (await first.post(f"{found[1]}/confirm")).text
    for browser in (first, second):
        await browser.client.aclose()


# Withdrawal while a case is open ------------------------------------------------------------------


async def exceptions(home: Home) -> list[dict[str, object]]:
    """Return what the trail says of cases that go on without consent."""
    rows = await home.rows(AuditEntry, AuditEntry.action == "consent.exception")
    return [dict(row.data) for row in rows]


@pytest.mark.parametrize("item", [1, 2, 3])
async def test_each_withdrawal_in_chat_says_that_an_open_case_goes_on(
    houses: Houses, item: int
) -> None:
    site = await make_site(houses)
    await site.say(f"同意{item}")
    await site.say(DANGER)
    await site.house.handover.flush()
    await site.work()
    before = await site.case()
    site.platform.sent.clear()
    answer = await site.say(f"撤回{item}")
    await site.work()
    await site.wait(seconds=5)
    told = "\n".join([answer, *site.sent()])
    assert f"第{item}项的同意已撤回" in told
    assert "继续办完" in told
    assert "法律允许" in told
    after = await site.case()
    assert (after.state, after.place_id, after.level) == (
        before.state,
        before.place_id,
        before.level,
    )
    assert all(row.withdrawn_at for row in await site.rows(Consent))
    words = [row.text for row in await site.rows(Message)]
    assert DANGER in words, "what the case stands on is kept"
    kept = {"kind": KINDS[item - 1], "case": before.id, "basis": "life_saving"}
    assert kept in await exceptions(site)


async def test_a_case_that_is_closed_goes_on_no_longer(houses: Houses) -> None:
    site = await make_site(houses)
    await site.say("同意2")
    await site.say(DANGER)
    case = await site.case()
    async with site.write() as session:
        row = await session.get_one(Case, case.id)
        row.state, row.closed_at = CLOSED_CASE, site.clock.now()
    site.clock.advance(minutes=1)
    before = await exceptions(site)
    assert "第2项的同意已撤回" in await site.say("撤回2")
    assert all(row.withdrawn_at for row in await site.rows(Consent))
    assert await exceptions(site) == before
