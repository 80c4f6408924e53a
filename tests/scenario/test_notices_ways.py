"""Notices and platforms: what they report, WeChat's form, the page behind the link, pushes."""

import re
from datetime import timedelta

import httpx2
import pytest
from course_world import make_course
from house import Home, Houses
from notice_world import World, make_world, of, send, sent, states, write
from sqlalchemy import select, update

from bot.db.models import Contact, Delivery, Notice, NoticeChild
from bot.services import notice_rows, notices
from bot.simulator.platform import Fault


@pytest.fixture
async def world(home: Home) -> World:
    return await make_world(home)


# What platforms report ----------------------------------------------------------------------------


async def test_a_read_event_marks_it_read_and_a_strangers_does_not(world: World) -> None:
    home, notice = world.home, await sent(world)
    guardian = world.guardians["dad1"].id
    (row,) = await home.rows(Delivery, Delivery.guardian_id == guardian)
    for person, number in (("mum1", 1), ("dad1", 2), ("dad1", 2)):
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


async def test_behind_a_form_is_always_a_page_and_courses_use_none(houses: Houses) -> None:
    """Without a link the form says a title only; and a list of courses is advertising to WeChat."""
    account = {**(await houses.make()).house.settings.wechat["school1"].model_dump()}
    account |= {"notice_template": "tpl-1", "api_base": "http://platform"}
    home = await houses.make(wechat={"school1": account}, public_url="http://us.example")
    world = await make_world(home)
    async with home.write() as session:
        await world.guardian(session, "late", world.children[0], channel="wechat", window=False)
    await sent(world, confirm=False)
    (form,) = [one for one in home.platform.sent if one.kind == "template"]
    assert form.payload["url"].startswith("http://us.example/p/")
    late, now = await home.contact("late"), home.clock.now()
    templates = home.house.services.templates
    async with home.write() as session:
        course = await make_course(session, world.place, starts=now + timedelta(days=2), now=now)
        for course_id in (None, course.id):
            await notices.announce(
                session,
                place_id=world.place.id,
                course_id=course_id,
                title="课程",
                body="周六有讲座。",
                key=f"push:{course_id}",
                to_contacts=[late.id],
                now=now,
                templates=templates,
            )
    await home.work()
    rows = await home.rows(Delivery, Delivery.contact_id == late.id, Delivery.guardian_id.is_(None))
    assert [(row.state, row.target, row.reason) for row in rows] == [
        ("unreachable", "", "window_closed"),
        ("accepted", "template", ""),
    ]
    pushes = await home.rows(Notice, Notice.kind == "course")
    assert pushes[0].counts == {"contacts": 1, "window_closed": 1}, "skipped, with the reason"


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


async def test_an_answer_goes_before_the_notices_that_wait_in_its_lane(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice_rows, "BATCH_PEOPLE", 1)
    home = world.home
    async with home.write() as session:
        for number in range(12):
            await world.guardian(session, f"more{number}", world.children[0], channel="dingtalk")
    await sent(world)
    waiting = await home.rows(Delivery, Delivery.state == "queued")
    assert len(waiting) >= 7
    await home.hear(home.robot.message("dad1", "你好"))
    await home.house.reception.finish(5)
    await home.wait(milliseconds=70)
    answers = [one for one in home.platform.sent if one.recipient == "dad1"]
    assert "通知" not in answers[-1].text
    assert await home.rows(Delivery, Delivery.state == "queued")
