"""A notice goes to each guardian once, over the way that is open, and comes back confirmed."""

import re
from datetime import timedelta

import httpx2
import pytest
from factories import make_staff
from house import Home, Houses
from notice_world import World, make_world
from sqlalchemy import select, update

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import AuditEntry, Contact, Delivery, Guardianship, Job, Notice, NoticeChild
from bot.services import notices, staff
from bot.simulator.platform import Fault

TITLE, BODY = "家长会", "周五下午两点在教室开家长会，请回复收到。"
CUSTOM = "/cgi-bin/message/custom/send"
BATCH = "/v1.0/robot/oToMessages/batchSend"


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


async def write(world: World, *, key: str = "n1", confirm: bool = True, body: str = BODY) -> Notice:
    by = await world.view()
    async with world.home.write() as session:
        return await notices.draft(
            session,
            by,
            place_id=world.place.id,
            title=TITLE,
            body=body,
            confirm=confirm,
            key=key,
            now=world.home.clock.now(),
        )


async def send(world: World, notice: Notice) -> None:
    by = await world.view()
    async with world.home.write() as session:
        await notices.send(
            session,
            by,
            notice.id,
            notice.row_version,
            world.home.clock.now(),
        )


async def sent(world: World, **more: object) -> Notice:
    notice = await write(world, **more)  # type: ignore[arg-type]
    await send(world, notice)
    await world.home.work()
    return notice


async def states(world: World, notice: Notice) -> notices.NoticeStates:
    async with world.home.house.services.database.read() as session:
        return await notices.states(session, notice.id)


async def of(world: World, notice: Notice, name: str) -> list[tuple[str, str]]:
    guardian = world.guardians[name].id
    rows = await world.home.rows(
        Delivery, Delivery.notice_id == notice.id, Delivery.guardian_id == guardian
    )
    return [(row.state, row.reason) for row in rows]


# Preview and sending ------------------------------------------------------------------------------


async def test_the_preview_counts_children_guardians_and_ways(world: World) -> None:
    notice = await write(world)
    async with world.home.house.services.database.read() as session:
        found = await notices.preview(session, notice.id, world.home.clock.now())
    assert (found.children, found.guardians, found.reachable) == (4, 4, 3)
    assert dict(found.ways) == {"wechat": 1, "dingtalk": 2}
    assert dict(found.unreachable) == {"no_contact": 1}


async def test_each_guardian_gets_it_once_over_their_own_way(world: World) -> None:
    notice = await sent(world)
    for name in ("mum1", "dad1", "mum2"):
        (text,) = world.heard(name)
        assert text.startswith("【通知】家长会\n周五下午两点")
        assert "三年级2班 林静" in text
        assert "请回复“收到”" in text
    found = await states(world, notice)
    assert (found.counts["accepted"], found.counts["unreachable"], found.people) == (3, 1, 4)
    assert found.reasons == {"no_contact": 1}
    assert (found.children_total, found.children_confirmed) == (4, 0)
    (row,) = await world.home.rows(Notice)
    assert row.state == "sent"
    contact = await world.home.contact("mum1")
    assert contact.window_used == 1
    assert {delivery.body for delivery in await world.home.rows(Delivery)} == {""}


async def test_a_guardian_on_two_channels_gets_it_once_over_the_robot(world: World) -> None:
    async with world.home.write() as session:
        session.add(world.contact("mum1-ding", world.guardians["mum1"], "dingtalk"))
    await sent(world)
    assert len(world.heard("mum1-ding")) == 1
    assert world.heard("mum1") == []


async def test_the_last_message_of_a_window_is_kept_for_an_answer(world: World) -> None:
    async with world.home.write() as session:
        await session.execute(
            update(Contact).where(Contact.external_id == "mum1").values(window_used=4)
        )
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("unreachable", "window_closed")]
    assert world.heard("mum1") == []


async def test_blocked_stopped_unfollowed_and_erased_are_listed_with_the_reason(
    world: World,
) -> None:
    now = world.home.clock.now()
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["mum1"].id)
            .values(custody_block=True)
        )
        for name, values in (("dad1", {"stopped_at": now}), ("mum2", {"following": False})):
            await session.execute(
                update(Contact).where(Contact.external_id == name).values(**values)
            )
        gran = await session.merge(world.guardians["gran3"])
        gran.erased_at = now
    notice = await sent(world)
    for name, reason in (
        ("mum1", "custody_block"),
        ("dad1", "stopped"),
        ("mum2", "unfollowed"),
        ("gran3", "erased"),
    ):
        assert await of(world, notice, name) == [("unreachable", reason)]
    assert not [one for one in world.home.platform.sent if "家长会" in one.text]


async def test_one_blocked_for_one_of_two_children_is_told_of_the_other(world: World) -> None:
    twin = world.children[1]
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship).where(Guardianship.child_id == twin.id).values(custody_block=True)
        )
    notice = await sent(world)
    assert len(world.heard("mum2")) == 1
    rows = {row.child_id: row for row in (await states(world, notice)).children}
    assert [one.reason for one in rows[twin.id].guardians] == ["custody_block"]
    assert [one.state for one in rows[world.children[2].id].guardians] == ["accepted"]


async def test_what_changes_between_plan_and_sending_counts(world: World) -> None:
    world.home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    assert await of(world, notice, "dad1") == [("queued", "")]
    async with world.home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["dad1"].id)
            .values(custody_block=True)
        )
    await world.home.wait(minutes=1)
    assert world.heard("dad1") == []
    assert await of(world, notice, "dad1") == [("unreachable", "custody_block")]
    assert len(world.heard("mum2")) == 1


async def test_double_sending_is_one_notice_and_changed_ones_conflict(world: World) -> None:
    notice = await write(world)
    again = await write(world)
    assert again.id == notice.id
    by, now = await world.view(), world.home.clock.now()
    async with world.home.write() as session:
        with pytest.raises(Conflict):
            await notices.send(session, by, notice.id, 99, now)
    await send(world, notice)
    await send(world, notice)
    await world.home.work()
    await send(world, notice)
    await world.home.work()
    assert len(world.heard("mum1")) == 1
    sent_entries = await world.home.rows(AuditEntry, AuditEntry.action == "notice.sent")
    assert len(sent_entries) == 1


async def test_another_schools_teacher_can_do_nothing(world: World) -> None:
    home, notice = world.home, await write(world)
    async with home.write() as session:
        stranger = await make_staff(session, now=home.clock.now())
        school = home.place.other_school
        await staff.grant(session, staff_id=stranger.id, place_id=school.id, role="teacher")
    now = home.clock.now()
    async with home.write() as session:
        by = await staff.view(session, stranger, now)
        with pytest.raises(NotAllowed):
            await notices.draft(
                session,
                by,
                place_id=world.place.id,
                title="x",
                body="y",
                confirm=True,
                key="foreign",
                now=now,
            )
        for act in (
            notices.send(session, by, notice.id, notice.row_version, now),
            notices.remind(session, by, notice.id, now),
            notices.withdraw(session, by, notice.id, now),
            notices.get(session, by, notice.id),
        ):
            with pytest.raises(NotFound):
                await act
        await notices.discard(session, by, notice.id)
    assert len(await home.rows(Notice)) == 1


@pytest.mark.parametrize(
    ("title", "body"), [("", "好"), ("长" * 41, "好"), ("好", " "), ("好", "长" * 501)]
)
async def test_a_notice_that_could_not_be_sent_is_not_written(
    world: World, title: str, body: str
) -> None:
    by = await world.view()
    async with world.home.write() as session:
        with pytest.raises(InputInvalid):
            await notices.draft(
                session,
                by,
                place_id=world.place.id,
                title=title,
                body=body,
                confirm=True,
                key="long",
                now=world.home.clock.now(),
            )


# When the platform fails --------------------------------------------------------------------------


async def test_an_answer_that_never_came_is_unknown_and_not_sent_again(world: World) -> None:
    world.home.platform.fail(CUSTOM, Fault.NOT_JSON)
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("unknown", "unknown")]
    for _ in range(5):
        await world.home.wait(minutes=30)
    assert await of(world, notice, "mum1") == [("unknown", "unknown")]
    assert world.home.platform.calls.count(CUSTOM) == 1


async def test_a_platform_that_is_down_is_tried_again(world: World) -> None:
    world.home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    for _ in range(4):
        await world.home.wait(minutes=1)
    assert [len(world.heard(name)) for name in ("dad1", "mum2")] == [1, 1]
    assert (await states(world, notice)).counts["accepted"] == 3


async def test_somebody_who_left_the_organisation_is_not_reachable(world: World) -> None:
    world.home.platform.unfollow("dad1")
    notice = await sent(world)
    assert await of(world, notice, "dad1") == [("unreachable", "unfollowed")]


async def test_a_worker_that_died_while_sending_leaves_it_unknown(world: World) -> None:
    home = world.home
    home.platform.fail(CUSTOM, Fault.DOWN)
    notice = await sent(world)
    assert await of(world, notice, "mum1") == [("queued", "")]
    async with home.write() as session:
        await session.execute(
            update(Job)
            .where(Job.kind == "notice.send", Job.state == "sched")
            .values(state="leased", owner="dead", lease_until=0)
        )
    await home.wait(minutes=1)
    assert world.heard("mum1") == []
    assert await of(world, notice, "mum1") == [("unknown", "lease lost")]
    assert (await states(world, notice)).counts["unknown"] == 1


# Confirming ---------------------------------------------------------------------------------------


async def test_received_confirms_for_the_child_whoever_of_the_family_writes(world: World) -> None:
    notice = await sent(world)
    answer = await world.wechat_says("mum1", "收到")
    assert answer == "好，《家长会》已确认，老师能看到。"
    assert [state for state, _ in await of(world, notice, "mum1")] == ["confirmed"]
    assert [state for state, _ in await of(world, notice, "dad1")] == ["confirmed"]
    assert [state for state, _ in await of(world, notice, "mum2")] == ["accepted"]
    (answer,) = await world.dingtalk_says("dad1", "收到")
    assert "已确认" not in answer
    (answer,) = await world.dingtalk_says("mum2", "好的，收到！")
    assert "《家长会》已确认" in answer
    found = await states(world, notice)
    assert (found.children_confirmed, found.counts["confirmed"]) == (3, 3)
    marks = await world.home.rows(NoticeChild, NoticeChild.confirmed_at.is_not(None))
    assert {mark.way for mark in marks} == {"chat"}


async def test_received_with_nothing_open_is_small_talk(world: World) -> None:
    before = await world.wechat_says("mum1", "收到")
    await sent(world, confirm=False)
    assert await world.wechat_says("mum1", "收到") == before
    assert "已确认" not in before


async def test_with_several_open_it_is_asked_which_one(world: World) -> None:
    first = await sent(world, key="a")
    second = await sent(world, key="b")
    answer = await world.wechat_says("mum1", "收到")
    assert "有2条通知" in answer
    assert "2. 家长会" in answer
    assert "选择" not in await world.wechat_says("mum1", "5")
    assert "已确认" in await world.wechat_says("mum1", "2")
    assert (await of(world, first, "mum1"))[0][0] == "accepted"
    assert (await of(world, second, "mum1"))[0][0] == "confirmed"
    assert "已确认" in await world.wechat_says("mum1", "收到")
    assert (await of(world, first, "mum1"))[0][0] == "confirmed"


async def test_all_of_several_are_confirmed_at_once(world: World) -> None:
    await sent(world, key="a")
    await sent(world, key="b")
    await world.wechat_says("mum1", "我的通知")
    assert "这2条通知都已确认" in await world.wechat_says("mum1", "全部")


async def test_a_stranger_and_a_blocked_guardian_confirm_nothing(world: World) -> None:
    notice = await sent(world)
    home = world.home
    async with home.write() as session:
        await session.execute(
            update(Guardianship)
            .where(Guardianship.guardian_id == world.guardians["mum1"].id)
            .values(custody_block=True)
        )
    assert "已确认" not in await world.wechat_says("mum1", "收到")
    assert "已确认" not in await world.wechat_says("oStranger", "收到")
    assert (await states(world, notice)).children_confirmed == 0


async def test_feedback_with_a_danger_in_it_goes_the_way_of_every_danger(world: World) -> None:
    await sent(world)
    answer = await world.wechat_says("mum1", "收到，可是孩子刚才说他不想活了")
    assert "已确认" not in answer
    assert len(await world.home.cases()) == 1


# Reminding and withdrawing ------------------------------------------------------------------------


async def test_only_those_who_have_not_confirmed_are_reminded(world: World) -> None:
    notice = await sent(world)
    await world.wechat_says("mum1", "收到")
    by = await world.view()
    world.home.clock.advance(hours=1)
    async with world.home.write() as session:
        await notices.remind(session, by, notice.id, world.home.clock.now())
    await world.home.work()
    assert len(world.heard("mum1")) == len(world.heard("dad1")) == 1
    assert world.heard("mum2")[-1].startswith("提醒：")
    assert [state for state, _ in await of(world, notice, "mum2")] == ["accepted", "accepted"]
    assert (await states(world, notice)).people == 4
    async with world.home.write() as session:
        with pytest.raises(Conflict):
            await notices.remind(session, by, notice.id, world.home.clock.now())


async def test_without_a_confirmation_nobody_is_reminded(world: World) -> None:
    notice = await sent(world, confirm=False)
    by = await world.view()
    async with world.home.write() as session:
        with pytest.raises(InputInvalid):
            await notices.remind(session, by, notice.id, world.home.clock.now())


async def test_withdrawing_stops_what_waits_and_corrects_what_is_out(world: World) -> None:
    home = world.home
    home.platform.fail(BATCH, Fault.DOWN, times=2)
    notice = await sent(world)
    assert [state for state, _ in await of(world, notice, "dad1")] == ["queued"]
    by = await world.view()
    async with home.write() as session:
        await notices.withdraw(session, by, notice.id, home.clock.now())
    await home.work()
    for _ in range(3):
        await home.wait(minutes=5)
    assert world.heard("mum1")[-1] == "前面那条《家长会》发错或已取消，请不用理会。"
    assert world.heard("dad1") == []
    assert [state for state, _ in await of(world, notice, "dad1")] == ["withdrawn"]
    assert "已确认" not in await world.wechat_says("mum1", "收到")
    async with home.write() as session:
        await notices.withdraw(session, by, notice.id, home.clock.now())


# What platforms report ----------------------------------------------------------------------------


async def test_a_read_event_marks_it_read_and_a_strangers_does_not(world: World) -> None:
    home, notice = world.home, await sent(world)
    guardian = world.guardians["dad1"].id
    (row,) = await home.rows(Delivery, Delivery.guardian_id == guardian)
    for person, number in (("mum2", 1), ("dad1", 2), ("dad1", 2)):
        event = {
            "EventType": "robot_msg_read",
            "eventId": f"e{number}",
            "userId": person,
            "processQueryKey": row.receipt,
        }
        answer = await home.robot.post(home.robot.prepare_event(event))
        assert answer.status_code == 200
        expected = "read" if person == "dad1" else "accepted"
        assert (await of(world, notice, "dad1"))[0][0] == expected
    assert (await states(world, notice)).counts["read"] == 1


# Courses' pushes ----------------------------------------------------------------------------------


async def test_a_courses_push_reaches_contacts_once_and_respects_stop(world: World) -> None:
    home = world.home
    contact, other = await home.contact("mum1"), await home.contact("dad1")
    async with home.write() as session:
        await session.execute(
            update(Contact)
            .where(Contact.id == other.id)
            .values(stopped_at=home.clock.now() - timedelta(days=1))
        )
        for _ in range(2):
            notice = await notices.announce(
                session,
                place_id=world.place.id,
                course_id=None,
                title="本周课程",
                body="周六有讲座。",
                key="weekly:1",
                to_contacts=[contact.id, other.id],
                now=home.clock.now(),
            )
    await home.work()
    assert world.heard("mum1") == ["周六有讲座。"]
    assert world.heard("dad1") == []
    found = await states(world, notice)
    assert (found.people, found.counts["accepted"], found.reasons) == (2, 1, {"stopped": 1})


# WeChat's template message ------------------------------------------------------------------------


@pytest.fixture
async def formed(houses: Houses, home: Home) -> World:
    """A house whose account has a template; `late` has not written for days."""
    account = {**home.house.settings.wechat["school1"].model_dump()}
    account |= {"notice_template": "tpl-1", "api_base": "http://platform"}
    world = await make_world(await houses.make(wechat={"school1": account}))
    async with world.home.write() as session:
        await world.guardian(session, "late", world.children[0], channel="wechat", window=False)
    return world


def forms(world: World) -> list[tuple[str, str]]:
    """Return who got a template message, and its title."""
    return [
        (one.recipient, one.payload["data"]["thing1"]["value"])
        for one in world.home.platform.sent
        if one.kind == "template"
    ]


async def test_a_closed_window_is_reached_by_the_template_message(formed: World) -> None:
    home, notice = formed.home, await write(formed)
    templates = home.house.services.templates
    async with home.house.services.database.read() as session:
        found = await notices.preview(session, notice.id, home.clock.now(), templates=templates)
    assert dict(found.ways) == {"wechat": 1, "dingtalk": 2, "template": 1}
    await send(formed, notice)
    await home.work()
    assert forms(formed) == [("late", "家长会")]
    assert await of(formed, notice, "late") == [("accepted", "")]
    by = await formed.view()
    async with home.write() as session:
        await notices.withdraw(session, by, notice.id, home.clock.now())
    await home.work()
    assert forms(formed)[1:] == [("late", "已撤回：家长会")]


async def test_a_window_that_the_platform_has_closed_falls_back_to_the_form(formed: World) -> None:
    home = formed.home
    async with home.write() as session:
        # Our own record says that it is open: the platform knows better.
        contact = (await session.scalars(select(Contact).filter_by(external_id="late"))).one()
        contact.window_until, contact.window_limit = home.clock.now() + timedelta(hours=1), 5
    notice = await sent(formed)
    assert forms(formed) == [("late", "家长会")]
    (row,) = await home.rows(Delivery, Delivery.contact_id == contact.id)
    assert (row.state, row.target, row.notice_id) == ("accepted", "template", notice.id)


async def test_a_report_that_it_was_blocked_shows_it_as_not_reached(formed: World) -> None:
    home, notice = formed.home, await sent(formed)
    contact = await home.contact("late")
    (row,) = await home.rows(Delivery, Delivery.contact_id == contact.id)
    for status in ("success", "failed:user block"):
        event = home.driver.prepare_event(
            "late", "TEMPLATESENDJOBFINISH", more={"MsgID": row.receipt, "Status": status}
        )
        await home.driver.post(event)
        home.clock.advance(seconds=1)
    assert await of(formed, notice, "late") == [("unreachable", "refused")]


async def test_a_day_limit_of_the_form_holds_up_no_answer(formed: World) -> None:
    home = formed.home
    home.platform.fail("/cgi-bin/message/template/send", Fault.TOO_MANY)
    notice = await sent(formed)
    assert await of(formed, notice, "late") == [("queued", "")]
    assert len(formed.heard("mum1")) == 1
    await home.wait(minutes=2)
    assert await of(formed, notice, "late") == [("accepted", "")]


# The page behind the link -------------------------------------------------------------------------


async def test_the_link_in_the_words_confirms_with_one_tap(houses: Houses) -> None:
    world = await make_world(await houses.make(public_url="http://us.example"))
    notice = await sent(world)
    (words,) = world.heard("mum1")
    address = words.rpartition("http://us.example")[2]
    assert address.startswith("/p/")
    transport = httpx2.ASGITransport(world.home.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        first = await browser.get(address)
        assert first.status_code == 200
        assert await of(world, notice, "mum1") == [("accepted", "")]
        await browser.post(f"{address}/open", data={"csrf": csrf(first.text)})
        page = await browser.get(address)
        assert "周五下午两点" in page.text
        done = await browser.post(f"{address}/confirm", data={"csrf": csrf(page.text)})
        assert done.status_code == 303
        assert "已确认" in (await browser.get(address)).text
    assert await of(world, notice, "mum1") == [("confirmed", "")]
    (mark,) = await world.home.rows(NoticeChild, NoticeChild.confirmed_at.is_not(None))
    assert mark.way == "page"


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    return found[1]
