"""A counselor's words in DingTalk: read only when the platform says so, and asked by a click."""

import pytest
from house import DANGER, Home
from sqlalchemy import select

from bot.core.errors import Conflict
from bot.db.models import Case, CaseEvent, Delivery
from bot.services import read_states
from bot.services.dossier import Line, dossier
from bot.simulator.dingtalk_server import READ_STATUS
from bot.simulator.platform import Fault

PERSON = "u001"


async def _written(home: Home) -> Delivery:
    """Let a counselor write to a parent who wrote over HTTP: that goes out by the API."""
    await home.robot.say(PERSON, DANGER)
    await home.house.reception.finish(5)
    await home.work()
    await home.wait(seconds=2)
    case = await home.case()
    await home.take_case(case.id)
    await home.hold(case.contact_id)
    written = await home.write_as_counselor("我是值班老师，正在看你写的话", case.contact_id)
    await home.work()
    (row,) = await home.rows(Delivery, Delivery.id == written.id)
    assert (row.state, bool(row.receipt)) == ("accepted", True)
    return row


async def _ask(home: Home, delivery: Delivery) -> None:
    async with home.write() as session:
        case = await session.get_one(Case, delivery.case_id)
        by, now = home.whose(case), home.clock.now()
        await read_states.ask(session, by, case, delivery.id, now=now)


async def _line(home: Home) -> Line:
    """Return the counselor's line as the case's page shows it."""
    async with home.house.services.database.read() as session:
        case = await session.get_one(Case, (await home.case()).id)
        found = await dossier(session, home.whose(case), case, now=home.clock.now())
    (line,) = [line for line in found.lines if line.side == "person"]
    return line


def _calls(home: Home) -> int:
    return home.platform.calls.count(READ_STATUS)


async def test_unread_then_read_at_the_platforms_moment(staffed: Home) -> None:
    delivery = await _written(staffed)
    assert _calls(staffed) == 0
    assert (await _line(staffed)).delivery_id == delivery.id
    await _ask(staffed, delivery)
    asked = (await _line(staffed)).asked
    assert asked is not None
    assert asked.what == ""
    await staffed.work()
    line = await _line(staffed)
    assert line.asked is not None
    assert (line.asked.what, line.read_at) == (read_states.UNREAD, None)
    staffed.clock.advance(minutes=2)
    staffed.dingtalk.reads.read(delivery.receipt, PERSON, staffed.clock.now())
    await _ask(staffed, delivery)
    await staffed.work()
    line = await _line(staffed)
    assert line.read_at == staffed.clock.now()
    assert line.delivery_id == 0
    assert _calls(staffed) == 2
    with pytest.raises(Conflict, match="read_not_askable"):
        await _ask(staffed, delivery)


async def test_once_a_minute_and_for_a_day(staffed: Home) -> None:
    delivery = await _written(staffed)
    await _ask(staffed, delivery)
    staffed.clock.advance(seconds=59)
    with pytest.raises(Conflict, match="read_just_asked"):
        await _ask(staffed, delivery)
    await staffed.work()
    assert _calls(staffed) == 1
    staffed.clock.advance(seconds=1)
    await _ask(staffed, delivery)
    staffed.clock.advance(hours=24)
    with pytest.raises(Conflict, match="read_not_askable"):
        await _ask(staffed, delivery)
    assert (await _line(staffed)).delivery_id == 0


async def test_a_platform_that_is_down_proves_nothing_and_is_not_asked_again(
    staffed: Home,
) -> None:
    delivery = await _written(staffed)
    staffed.platform.fail(READ_STATUS, Fault.DOWN, times=9)
    await _ask(staffed, delivery)
    await staffed.work()
    await staffed.wait(minutes=10)
    line = await _line(staffed)
    assert line.asked is not None
    assert (line.asked.what, line.read_at) == (read_states.UNSAID, None)
    assert _calls(staffed) == 1


async def test_nobody_asks_about_another_persons_or_the_bots_words(staffed: Home) -> None:
    delivery = await _written(staffed)
    (bots, *_) = await staffed.rows(
        Delivery, Delivery.staff_id.is_(None), Delivery.contact_id == delivery.contact_id
    )
    bots.case_id = delivery.case_id
    with pytest.raises(Conflict, match="read_not_askable"):
        await _ask(staffed, bots)
    async with staffed.write() as session:
        row = await session.get_one(Delivery, delivery.id)
        row.staff_id = None
    with pytest.raises(Conflict, match="read_not_askable"):
        await _ask(staffed, delivery)
    async with staffed.house.services.database.read() as session:
        kinds = await session.scalars(
            select(CaseEvent.id).where(CaseEvent.kind == read_states.EVENT)
        )
        assert kinds.all() == []


async def test_wechat_has_nothing_of_the_kind(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case(1)
    await staffed.hold()
    delivery = await staffed.write_as_counselor("我是值班老师")
    await staffed.work()
    with pytest.raises(Conflict, match="read_not_askable"):
        await _ask(staffed, delivery)
    assert (await _line(staffed)).delivery_id == 0
