"""A parent binds a child in chat: name and registered phone, never the name alone."""

import pytest
from binding_world import CHILD, FATHER, MOTHER, OTHER, block, enrol, talk
from factories import SCENE, incoming
from fakes import HOMEWORK
from house import DANGER, PARENT, Home

from bot.db.models import AuditEntry, Binding, Guardian, Guardianship, Place
from bot.services import binding_claims, people, places


@pytest.fixture
async def at_class(staffed: Home) -> Home:
    """A parent who came by the class's QR code, and one child in the roster."""
    await enrol(staffed)
    return staffed


async def test_name_relation_and_registered_phone_bind(at_class: Home) -> None:
    assert "孩子的姓名" in await at_class.say("绑定孩子")
    assert "登记的手机号" in await at_class.say(CHILD)
    answer = await at_class.say(f"妈妈 {MOTHER}")
    assert "绑定好了：三年级2班，你是孩子的妈妈" in answer
    contact = await at_class.contact()
    (mother, _) = await at_class.rows(Guardian)
    assert contact.guardian_id == mother.id
    (row,) = await at_class.rows(Binding)
    assert (row.state, row.way, row.decided_by) == ("bound", "phone", None)
    entries = await at_class.rows(AuditEntry, AuditEntry.action == "binding.bound")
    assert entries[0].data == {"guardian": mother.id, "way": "phone"}


async def test_after_the_scan_the_name_can_be_written_at_once(home: Home) -> None:
    await enrol(home)
    answer = await home.driver.follow(PARENT, SCENE)
    assert "你扫的是班级二维码" in (answer or "")
    await home.house.handover.flush()
    assert await home.wait(seconds=2) == 0
    assert "绑定好了" in await talk(home, CHILD, "妈妈", MOTHER)


async def test_steps_in_any_order_and_a_bad_number(at_class: Home) -> None:
    assert "你是孩子的谁" in await talk(at_class, "绑定孩子", f"姓名：{CHILD}", FATHER)
    assert "完整的手机号" in await at_class.say("爸爸 139000")
    assert "你是孩子的爸爸" in await at_class.say("爸爸")


async def test_what_was_said_so_far_is_not_readable_in_the_table(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD, MOTHER)
    kept = repr((await at_class.contact()).pending)
    assert CHILD not in kept
    assert MOTHER not in kept


async def test_a_question_in_between_is_answered_and_the_binding_goes_on(at_class: Home) -> None:
    await at_class.say("绑定孩子")
    assert "手册T06-01" in await at_class.say(HOMEWORK)
    assert "登记的手机号" in await at_class.say(CHILD)
    assert "手册T06-01" in await at_class.say(HOMEWORK)
    assert "绑定好了" in await at_class.say(f"妈妈{MOTHER}")


async def test_danger_comes_first(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD)
    await at_class.say(DANGER)
    assert (await at_class.case()).level == "3"
    assert "120" in await at_class.say(f"妈妈 {MOTHER}"), "first the safety, then the paperwork"
    assert await at_class.rows(Binding) == []


async def test_it_can_be_cancelled(at_class: Home) -> None:
    assert "不绑定了" in await talk(at_class, "绑定孩子", CHILD, "取消")
    await at_class.say(f"妈妈 {MOTHER}")
    assert await at_class.rows(Binding) == []


async def test_it_ends_by_itself(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD)
    at_class.clock.advance(minutes=31)
    await at_class.say(f"妈妈 {MOTHER}")
    assert await at_class.rows(Binding) == []


async def test_the_name_alone_never_binds(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD)
    for words in ("妈妈", "我是她妈妈", "没有手机号", CHILD):
        assert "绑定好了" not in await at_class.say(words)
    assert (await at_class.contact()).guardian_id is None


@pytest.mark.parametrize(
    ("child", "phone"), [(CHILD, "13900000009"), ("赵小满", MOTHER)], ids=["phone", "name"]
)
async def test_no_match_is_said_truthfully_and_waits_for_the_school(
    at_class: Home, child: str, phone: str
) -> None:
    answer = await talk(at_class, "绑定孩子", child, f"妈妈 {phone}")
    assert "要由学校核对" in answer
    (row,) = await at_class.rows(Binding)
    assert (row.state, row.reason, row.place_id) == (
        "asked",
        "no_match",
        at_class.place.class_.id,
    )
    assert row.claim == {"child": child, "relation": "M", "phone": phone}
    assert (await at_class.contact()).guardian_id is None


async def test_a_shared_phone_is_asked_about_and_names_nobody(staffed: Home) -> None:
    _, (mother, father) = await enrol(staffed, kin=[("M", MOTHER), ("F", MOTHER)])
    assert "绑定好了" in await talk(staffed, "绑定孩子", CHILD, f"爸爸 {MOTHER}")
    assert (await staffed.contact()).guardian_id == father.id
    answer = await talk(staffed, "绑定孩子", CHILD, f"姑姑 {MOTHER}", parent=OTHER)
    assert "你是孩子的什么人" in answer
    assert "爸爸" not in answer, "who shares the phone is not told to who asks"
    assert "你是孩子的妈妈" in await staffed.say("妈妈", parent=OTHER)
    assert (await staffed.contact(OTHER)).guardian_id == mother.id


async def test_being_asked_which_is_a_try(staffed: Home) -> None:
    await enrol(staffed, kin=[("M", MOTHER), ("F", MOTHER)])
    for _ in range(2):
        assert "什么人" in await talk(staffed, "绑定孩子", CHILD, f"姑姑 {MOTHER}")
        assert "要由学校核对" in await staffed.say("姑姑")
    assert "什么人" in await talk(staffed, "绑定孩子", CHILD, f"姑姑 {MOTHER}")
    assert "次数用完了" in await staffed.say("妈妈")


async def test_a_shared_phone_that_stays_unclear_goes_to_the_school(staffed: Home) -> None:
    await enrol(staffed, kin=[("M", MOTHER), ("F", MOTHER)])
    answer = await talk(staffed, "绑定孩子", CHILD, f"姑姑 {MOTHER}", "姑姑")
    assert "要由学校核对" in answer
    row = (await staffed.rows(Binding))[-1]
    assert (row.state, row.reason) == ("asked", "shared_phone")


async def test_another_relation_than_the_registered_one_goes_to_the_school(at_class: Home) -> None:
    assert "要由学校核对" in await talk(at_class, "绑定孩子", CHILD, f"外婆 {MOTHER}")
    assert (await at_class.rows(Binding))[0].reason == "relation"


async def test_a_custody_block_gets_the_same_neutral_words(staffed: Home) -> None:
    _, (_, father) = await enrol(staffed)
    unknown = await talk(staffed, "绑定孩子", CHILD, "爸爸 13900000009")
    await block(staffed, father)
    blocked = await talk(staffed, "绑定孩子", CHILD, f"爸爸 {FATHER}")
    assert blocked == unknown
    assert (await staffed.rows(Binding))[-1].reason == "custody"
    assert (await staffed.contact()).guardian_id is None


async def test_who_is_kept_from_a_child_is_not_bound_by_the_other_parents_phone(
    staffed: Home,
) -> None:
    _, (_, father) = await enrol(staffed)
    await block(staffed, father)
    answer = await talk(staffed, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert "要由学校核对" in answer
    assert (await staffed.rows(Binding))[-1].reason == "custody_other"
    assert (await staffed.contact()).guardian_id is None


async def test_a_second_contact_of_one_guardian_goes_to_the_school(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    answer = await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}", parent=OTHER)
    assert "要由学校核对" in answer
    assert (await at_class.rows(Binding))[-1].reason == "second_contact"
    assert (await at_class.contact(OTHER)).guardian_id is None


async def test_the_same_again_is_said(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert "已经绑定过" in await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")


async def test_one_parent_with_children_in_two_schools(at_class: Home) -> None:
    async with at_class.write() as session:
        school = await session.get_one(Place, at_class.place.other_school.id)
        other_class = await places.add(session, kind="class", name="七年级1班", parent=school)
    younger, _ = await enrol(at_class, "钱满满", [("M", MOTHER)], place=other_class)
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert "七年级1班" in await talk(at_class, "绑定孩子", "钱满满", f"妈妈 {MOTHER}")
    contact = await at_class.contact()
    async with at_class.house.services.database.read() as session:
        assert contact.guardian_id is not None
        children = await people.children_of_guardian(session, contact.guardian_id)
    assert [child.name for child in children] == [CHILD, "钱满满"]
    assert younger.place_id != children[0].place_id


async def test_somebody_elses_phone_does_not_move_a_bound_contact(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    await enrol(at_class, "孙可", [("M", "13900000005")])
    assert "要由学校核对" in await talk(at_class, "绑定孩子", "孙可", "妈妈 13900000005")
    assert (await at_class.rows(Binding))[-1].reason == "other_guardian"


async def test_guessing_ends_after_five_tries_a_day(at_class: Home) -> None:
    for number in range(5):
        answer = await talk(at_class, "绑定孩子", CHILD, f"妈妈 1380000000{number}")
        assert "要由学校核对" in answer
    assert "次数用完了" in await at_class.say("绑定孩子")
    await at_class.say(CHILD)
    await at_class.say(f"妈妈 {MOTHER}")
    assert (await at_class.contact()).guardian_id is None
    states = [row.state for row in await at_class.rows(Binding)]
    assert states == ["withdrawn"] * 4 + ["asked"], "one open question for a contact and class"
    at_class.clock.advance(days=1, minutes=1)
    assert "绑定好了" in await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")


async def test_many_misses_in_one_class_raise_an_alarm(at_class: Home) -> None:
    for number in range(binding_claims.CLASS_GUESSES_A_DAY):
        parent = f"oGuess{number // 4:04d}"
        at_class.clock.advance(seconds=2)
        await at_class.driver.follow(parent, SCENE)
        await talk(at_class, CHILD, f"妈妈 1380000{number:04d}", parent=parent)
    assert "binding_guesses" in await at_class.alarms()


async def test_a_closed_class_says_so_and_binds_nobody(home: Home) -> None:
    async with home.write() as session:
        place = await session.get_one(Place, home.place.class_.id)
        place.state = "graduated"
    answer = await home.driver.follow(PARENT, SCENE)
    assert "这个二维码的班级已经停用" in (answer or "")
    await home.house.handover.flush()
    assert (await home.contact()).place_id is None


async def test_an_unbound_parent_is_served_all_the_same(home: Home) -> None:
    assert "手册T06-01" in await home.say(HOMEWORK)
    await home.say(DANGER)
    assert (await home.case()).tier == "district"


async def test_without_a_class_the_district_is_asked(home: Home) -> None:
    assert "要由学校核对" in await talk(home, "绑定孩子", "赵小满", f"妈妈 {MOTHER}")
    assert (await home.rows(Binding))[0].place_id == home.place.district.id


async def test_unbinding(at_class: Home) -> None:
    assert "没有绑定" in await at_class.say("解绑")
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    assert "已解绑" in await at_class.say("解绑")
    assert (await at_class.contact()).guardian_id is None
    assert (await at_class.rows(Binding))[0].state == "withdrawn"
    assert len(await at_class.rows(Guardianship)) == 2, "the school's roster is the school's"


async def test_nothing_of_it_in_a_group(at_class: Home) -> None:
    for words in ("绑定孩子", CHILD, f"妈妈 {MOTHER}"):
        message = incoming(words, at=at_class.clock.now(), sender="oGroup01", group="g1")
        await at_class.route(await at_class.accept(message))
    assert await at_class.rows(Binding) == []


async def test_erasing_takes_the_binding_along(at_class: Home) -> None:
    await talk(at_class, "绑定孩子", CHILD, f"妈妈 {MOTHER}")
    await talk(at_class, "删除", "确认删除")
    assert (await at_class.contact()).guardian_id is None
    assert [row.claim for row in await at_class.rows(Binding)] == [{}]
