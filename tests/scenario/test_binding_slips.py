"""A slip of paper: its code, sent or scanned, binds once; a wrong one says nothing and counts."""

import asyncio
import dataclasses

import pytest
from binding_world import CHILD, FATHER, MOTHER, OTHER, block, enrol, talk
from factories import incoming, seen_as
from house import PARENT, ROBOT, Home

from bot.core import slips
from bot.core.errors import Conflict
from bot.core.messages import IncomingMessage
from bot.db.models import Binding, BindingSlip, Child, Contact, Message, Place
from bot.services import binding_guard, binding_slips, bindings, people
from bot.services.binding_slips import Slip

WRONG = "这个绑定码用不了"


async def printed(home: Home, who: str = "all") -> list[Slip]:
    """Let the class's teacher print slips."""
    teacher = seen_as(home.place.counselor, teacher=(home.place.class_,))
    async with home.write() as session:
        return await binding_slips.make(
            session,
            home.house.services.ring,
            teacher,
            home.place.class_.id,
            who,
            now=home.clock.now(),
        )


async def bound(home: Home, parent: str = PARENT) -> int | None:
    """Return whose contact somebody is."""
    return (await home.contact(parent)).guardian_id


def dingtalk(home: Home, words: str) -> IncomingMessage:
    """Return what a parent writes to the robot."""
    message = incoming(words, at=home.clock.now(), sender="dingParent01")
    return dataclasses.replace(message, channel="dingtalk", account=ROBOT, recipient="")


def typed(slip: Slip) -> str:
    """Return what stands on a slip."""
    return f"绑定码 {slips.shown(slip.code)}"


async def test_the_code_binds_once(staffed: Home) -> None:
    _, (mother, _) = await enrol(staffed)
    hers, _ = await printed(staffed)
    assert (hers.children, hers.relation) == ((CHILD,), "M")
    answer = await staffed.say(typed(hers))
    assert "绑定好了：三年级2班，你是孩子的妈妈" in answer
    assert await bound(staffed) == mother.id
    (row,) = await staffed.rows(Binding)
    assert (row.state, row.way, row.child_id is not None) == ("bound", "slip", True)
    assert "已经绑定过" in await staffed.say(typed(hers)), "who sends it twice is told the truth"
    assert WRONG in await staffed.say(typed(hers), parent=OTHER)
    assert await bound(staffed, OTHER) is None


@pytest.mark.parametrize("form", ["{0}", "绑定码{0}", "绑定码：{1}", "{1}"])
async def test_it_is_taken_as_people_type_it(staffed: Home, form: str) -> None:
    await enrol(staffed)
    (hers, _) = await printed(staffed)
    assert "绑定好了" in await staffed.say(form.format(slips.shown(hers.code), hers.code.lower()))


async def test_only_a_hash_is_kept(staffed: Home) -> None:
    await enrol(staffed)
    made = await printed(staffed)
    rows = await staffed.rows(BindingSlip)
    assert len(rows) == 2
    assert not any(slip.code in repr(vars(row)) for slip in made for row in rows)


async def test_a_scan_binds_and_its_scene_is_not_kept(home: Home) -> None:
    _, (mother, _) = await enrol(home)
    hers, _ = await printed(home)
    answer = await home.driver.follow(PARENT, slips.scene_of(hers.code))
    assert "绑定好了" in (answer or "")
    await home.house.handover.flush()
    assert await bound(home) == mother.id
    assert (await home.contact()).place_id == home.place.class_.id
    assert [row.scene for row in await home.rows(Message)] == [""]


async def test_unknown_used_ended_and_revoked_are_the_same_words(staffed: Home) -> None:
    await enrol(staffed)
    hers, his = await printed(staffed)
    await staffed.say(typed(hers), parent=OTHER)
    unknown = await staffed.say("绑定码 00000-00000")
    assert unknown.startswith(WRONG)
    assert await staffed.say(typed(hers)) == unknown
    await printed(staffed)
    assert await staffed.say(typed(his)) == unknown, "printed again: the old one has ended"
    again, _ = await printed(staffed)
    staffed.clock.advance(days=30)
    assert await staffed.say(typed(again)) == unknown
    assert await bound(staffed) is None


async def test_wrong_codes_are_tries(staffed: Home) -> None:
    await enrol(staffed)
    hers, _ = await printed(staffed)
    for number in range(4):
        assert WRONG in await staffed.say(f"绑定码 00000-0000{number}")
    await talk(staffed, "绑定孩子", CHILD, "妈妈 13800000009")
    assert "次数用完了" in await staffed.say(typed(hers))
    assert "次数用完了" in await staffed.say("绑定孩子")
    assert await bound(staffed) is None
    assert "binding_guesses" not in await staffed.alarms()


async def test_who_is_kept_from_the_child_has_no_slip_and_can_not_use_one(staffed: Home) -> None:
    child, (_, father) = await enrol(staffed)
    _, his = await printed(staffed)
    await block(staffed, father)
    assert WRONG in await staffed.say(typed(his))
    async with staffed.write() as session:
        await binding_guard.recheck(session, child.id, now=staffed.clock.now())
    assert [slip.relation for slip in await printed(staffed)] == ["M"]
    revoked = [row for row in await staffed.rows(BindingSlip) if row.guardian_id == father.id]
    assert all(row.revoked_at is not None for row in revoked)


async def test_two_at_once_and_one_wins(staffed: Home) -> None:
    await enrol(staffed)
    hers, _ = await printed(staffed)
    for parent in (PARENT, OTHER):
        await staffed.say("你好", parent=parent)
    ids = [(await staffed.contact(parent)).id for parent in (PARENT, OTHER)]
    ring, now = staffed.house.services.ring, staffed.clock.now()

    async def send(contact_id: int) -> bool:
        async with staffed.house.services.database.read() as session:
            contact = await session.get_one(Contact, contact_id)
            found = await binding_slips.look_up(session, ring, contact, hers.code, now)
        try:
            async with staffed.write() as session:
                await binding_slips.use(session, ring, contact_id, hers.code, found, now=now)
        except Conflict:
            return False
        return found is not None

    won = await asyncio.gather(*map(send, ids))
    assert sorted(won) == [False, True]
    theirs = [await bound(staffed, parent) for parent in (PARENT, OTHER)]
    assert sum(one is not None for one in theirs) == 1


async def test_a_second_phone_of_a_guardian_goes_to_the_school(staffed: Home) -> None:
    _, (mother, _) = await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    hers = (await printed(staffed))[0]
    assert "要由学校核对" in await staffed.say(typed(hers), parent=OTHER)
    row = (await staffed.rows(Binding))[-1]
    assert (row.state, row.reason, row.claim["child"]) == ("asked", "second_contact", CHILD)
    assert await bound(staffed) == mother.id
    assert await bound(staffed, OTHER) is None


async def test_a_slip_for_somebody_else_goes_to_the_school(staffed: Home) -> None:
    await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    his = (await printed(staffed))[1]
    assert "要由学校核对" in await staffed.say(typed(his))
    assert (await staffed.rows(Binding))[-1].reason == "other_guardian"


async def test_a_slip_settles_what_waited(staffed: Home) -> None:
    await enrol(staffed)
    await talk(staffed, "绑定孩子", CHILD, "妈妈 13800000009")
    hers, _ = await printed(staffed)
    assert "绑定好了" in await staffed.say(typed(hers))
    assert [row.state for row in await staffed.rows(Binding)] == ["withdrawn", "bound"]


async def test_a_slip_of_a_class_that_closed_does_nothing(staffed: Home) -> None:
    await enrol(staffed)
    hers, _ = await printed(staffed)
    async with staffed.write() as session:
        place = await session.get_one(Place, staffed.place.class_.id)
        place.state = "graduated"
    assert WRONG in await staffed.say(typed(hers))


async def test_a_child_that_changed_class_is_found(staffed: Home) -> None:
    child, _ = await enrol(staffed)
    hers, _ = await printed(staffed)
    async with staffed.write() as session:
        school = await session.get_one(Place, staffed.place.school.id)
        other = Place(kind="class", name="三年级3班", parent_id=school.id, region="")
        session.add(other)
        await session.flush()
        other.path = f"{school.path}{other.id}/"
        await people.move_child(
            session, await session.get_one(Child, child.id), other.id, staffed.clock.now()
        )
    assert "三年级3班" in await staffed.say(typed(hers))


async def test_never_in_a_group(staffed: Home) -> None:
    await enrol(staffed)
    hers, _ = await printed(staffed)
    message = incoming(typed(hers), at=staffed.clock.now(), sender="oGroup01", group="g1")
    (said,) = await staffed.route(await staffed.accept(message))
    assert "绑定好了" not in said
    assert hers.code[:5] not in said
    assert (await staffed.rows(Binding), await staffed.rows(BindingSlip))[0] == []
    assert "绑定好了" in await staffed.say(typed(hers)), "it still holds for its owner"


async def test_after_it_was_taken_back_a_new_one_binds_again(staffed: Home) -> None:
    await enrol(staffed)
    hers, _ = await printed(staffed)
    await staffed.say(typed(hers))
    async with staffed.write() as session:
        contact = await session.get_one(Contact, (await staffed.contact()).id)
        await bindings.leave(session, contact, now=staffed.clock.now(), reason="withdrawn")
    assert WRONG in await staffed.say(typed(hers)), "a used one stays used"
    again = (await printed(staffed))[0]
    assert "绑定好了" in await staffed.say(typed(again))


async def test_a_parent_of_dingtalk_has_a_class_from_then_on(staffed: Home) -> None:
    """Without a class the roster of the district is asked, and a slip gives the class."""
    await enrol(staffed)
    hers, _ = await printed(staffed)
    message = dingtalk(staffed, typed(hers))
    (said,) = await staffed.route(await staffed.accept(message))
    assert "绑定好了：三年级2班" in said
    (contact,) = await staffed.rows(Contact, Contact.channel == "dingtalk")
    assert contact.place_id == staffed.place.class_.id


async def test_a_claim_from_dingtalk_waits_at_the_district(staffed: Home) -> None:
    await enrol(staffed)
    for words in ("绑定孩子", CHILD, f"妈妈 {FATHER}"):
        staffed.clock.advance(seconds=1)
        (said,) = await staffed.route(await staffed.accept(dingtalk(staffed, words)))
    assert "要由学校核对" in said
    (row,) = await staffed.rows(Binding)
    assert row.place_id == staffed.place.class_.id, "the child is known: its teacher decides"
    for words in ("绑定孩子", "赵小满", f"妈妈 {FATHER}"):
        staffed.clock.advance(seconds=1)
        await staffed.route(await staffed.accept(dingtalk(staffed, words)))
    assert (await staffed.rows(Binding))[-1].place_id == staffed.place.district.id
