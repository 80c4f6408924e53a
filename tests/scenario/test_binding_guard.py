"""What guards a family where a name and a phone were enough, and how it stands is told."""

import pytest
from binding_world import CHILD, FATHER, MOTHER, OTHER, block, enrol, talk
from fakes import HOMEWORK
from house import PARENT, Home, Houses
from parents_world import Phone, make_site, opened
from sqlalchemy import select

from bot.db.models import Binding, Child, Contact, Guardian, Guardianship, Link, Place
from bot.services import binding_guard, people

TOLD = "有人用学校登记的手机号"
GRANNY = "oParent0003"


async def contact_bound(home: Home, parent: str) -> bool:
    """Say whether somebody is bound."""
    return (await home.contact(parent)).guardian_id is not None


async def heard(home: Home, parent: str) -> list[str]:
    """Return what somebody was sent unasked."""
    await home.work()
    return home.sent(parent)


async def two_parents(home: Home) -> None:
    """Let the mother bind, and the father come by another phone."""
    await talk(home, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    await talk(home, "绑定孩子", CHILD, f"爸爸 {FATHER}", parent=OTHER)


async def test_who_is_bound_already_is_told_and_nobody_is_named(staffed: Home) -> None:
    await enrol(staffed)
    await two_parents(staffed)
    (words,) = [one for one in await heard(staffed, PARENT) if TOLD in one]
    assert "班主任" in words
    assert not any(name in words for name in (CHILD, "爸爸", FATHER))
    assert [one for one in await heard(staffed, OTHER) if TOLD in one] == [], "not who did it"


async def test_whoever_stopped_everything_is_not_written_to(staffed: Home) -> None:
    await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}", "停止")
    await talk(staffed, "绑定孩子", CHILD, f"爸爸 {FATHER}", parent=OTHER)
    assert [one for one in await heard(staffed, PARENT) if TOLD in one] == []


async def test_nothing_is_told_of_a_child_that_somebody_is_kept_from(staffed: Home) -> None:
    _, (_, father) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"爸爸 {FATHER}", parent=OTHER)
    await block(staffed, father)
    async with staffed.write() as session:
        mother = (await session.scalars(select(Guardian).order_by(Guardian.id))).first()
        contact = Contact(
            channel="wechat", account="x", external_id="new", created_at=staffed.clock.now()
        )
        session.add(contact)
        await session.flush()
        await binding_guard.tell_others(session, contact, mother.id, now=staffed.clock.now())
    assert [one for one in await heard(staffed, OTHER) if TOLD in one] == []


async def recheck(home: Home, child_id: int) -> None:
    """Do what setting a custody block does."""
    async with home.write() as session:
        await binding_guard.recheck(session, child_id, now=home.clock.now())


async def test_a_block_ends_what_the_phone_gave_and_says_nothing(staffed: Home) -> None:
    child, (_, father) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"爸爸 {FATHER}", "我的数据", parent=OTHER)
    await staffed.work()
    before = len(staffed.sent(OTHER))
    await block(staffed, father)
    await recheck(staffed, child.id)
    assert not await contact_bound(staffed, OTHER)
    assert [row.reason for row in await staffed.rows(Binding)] == ["custody"]
    held = [row for row in await staffed.rows(Link) if row.revoked_at is None]
    assert held == []
    assert len(await heard(staffed, OTHER)) == before


async def test_other_children_of_who_is_blocked_stay(staffed: Home) -> None:
    child, (_, father) = await enrol(staffed)
    younger, _ = await enrol(staffed, "钱满满", [])
    async with staffed.write() as session:
        await people.tie(session, await session.merge(father), younger, "F", staffed.clock.now())
    await talk(staffed, "绑定孩子", CHILD, f"爸爸 {FATHER}", "我的数据", parent=OTHER)
    async with staffed.write() as session:
        tie = await session.scalar(
            select(Guardianship).where(
                Guardianship.guardian_id == father.id, Guardianship.child_id == child.id
            )
        )
        tie.custody_block = True
    await recheck(staffed, child.id)
    assert await contact_bound(staffed, OTHER)
    assert [row.state for row in await staffed.rows(Binding)] == ["withdrawn"]
    assert all(row.revoked_at is not None for row in await staffed.rows(Link))


async def test_a_block_ends_open_claims_with_that_phone(staffed: Home) -> None:
    child, (_, father) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"外公 {FATHER}", parent=OTHER)
    await talk(staffed, "绑定孩子", CHILD, f"外婆 {MOTHER}", parent=GRANNY)
    await block(staffed, father)
    await recheck(staffed, child.id)
    rows = await staffed.rows(Binding)
    assert [(row.state, row.reason) for row in rows] == [
        ("withdrawn", "custody"),
        ("asked", "custody_other"),
    ]


async def test_a_fresh_binding_by_the_other_parents_phone_waits_for_the_school(
    staffed: Home,
) -> None:
    child, (_, father) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    await block(staffed, father)
    await recheck(staffed, child.id)
    assert not await contact_bound(staffed, PARENT)
    waiting = (await staffed.rows(Binding))[-1]
    assert (waiting.state, waiting.reason, waiting.place_id, waiting.claim["phone"]) == (
        "asked",
        "custody_other",
        child.place_id,
        MOTHER,
    )


async def test_an_older_binding_stays(staffed: Home) -> None:
    child, (_, father) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    staffed.clock.advance(days=8)
    await block(staffed, father)
    await recheck(staffed, child.id)
    assert await contact_bound(staffed, PARENT)


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("asked", "no_match", "还在核对"),
        ("refused", "", "没有绑定，请联系班主任"),
        ("withdrawn", "taken_back", "学校撤回了"),
    ],
)
async def test_who_asks_is_told_how_it_stands(
    staffed: Home, state: str, reason: str, words: str
) -> None:
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    async with staffed.write() as session:
        row = (await session.scalars(select(Binding))).one()
        row.state, row.reason = state, reason
    answer = await staffed.say("绑定孩子")
    assert words in answer
    assert "孩子的姓名" in answer, "and it can be begun again"


async def test_who_is_bound_is_told_so(staffed: Home) -> None:
    await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert "现在是绑定好的" in await staffed.say("绑定孩子")


async def test_two_children_of_one_name_are_never_told_apart_by_it(staffed: Home) -> None:
    await enrol(staffed, kin=[("M", MOTHER)])
    await enrol(staffed, kin=[("M", "13900000005")])
    assert "要由学校核对" in await talk(staffed, "绑定孩子", CHILD, "妈妈 13900000009")
    assert not await contact_bound(staffed, PARENT)
    assert "绑定好了" in await talk(staffed, "绑定孩子", CHILD, "妈妈 13900000005")
    bound = (await staffed.contact()).guardian_id
    assert bound == (await staffed.rows(Guardian))[1].id


async def test_who_is_bound_for_a_child_that_graduated_is_served_on(houses: Houses) -> None:
    home = await make_site(houses)
    (child,) = await home.rows(Child)
    async with home.write() as session:
        await people.leave(session, await session.get_one(Child, child.id), home.clock.now())
        place = await session.get_one(Place, home.place.class_.id)
        place.state = "graduated"
    assert "现在是绑定好的" in await home.say("绑定孩子")
    await home.say("取消")
    phone = Phone(home)
    page = await phone.get(await opened(home, phone))
    assert page.status_code == 200
    assert CHILD not in page.text
    assert "手册T06-01" in await home.say(HOMEWORK)
    assert "已解绑" in await home.say("解绑")


async def test_a_claim_from_a_closed_class_goes_to_the_school(staffed: Home) -> None:
    await talk(staffed, "绑定孩子")
    async with staffed.write() as session:
        place = await session.get_one(Place, staffed.place.class_.id)
        place.state = "graduated"
    assert "要由学校核对" in await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert (await staffed.rows(Binding))[-1].place_id == staffed.place.school.id
