"""The same promises with two web processes on one database."""

import asyncio
from datetime import datetime

import pytest
from factories import incoming
from fakes import HOMEWORK
from house import DANGER, PARENT, URGENT, WORRY, Home, Houses

from bot.db.models import Delivery


@pytest.fixture
async def pair(houses: Houses) -> tuple[Home, Home]:
    """Two houses on one database, the school's counselor on duty."""
    one = await houses.make()
    two = await houses.make()
    await one.on_duty()
    await one.driver.follow(PARENT, "class-302")
    return one, two


async def test_a_night_crisis(pair: tuple[Home, Home]) -> None:
    home, other = pair
    assert "正在通知" in await home.say(DANGER)
    await other.work()
    assert len(home.alerts()) == 1
    assert "正在通知" in await other.say(URGENT)
    case = await home.case()
    assert (case.level, case.state) == ("3!", "open")
    await home.take_case(case.id)
    await other.work()
    assert "值班老师已收到" in home.sent()[-1]
    assert await home.jobs("ladder.step", "ready", "sched", "leased") == []


async def test_one_id_in_two_processes(pair: tuple[Home, Home]) -> None:
    one, two = pair
    prepared = one.driver.prepare(PARENT, DANGER)
    answers = await asyncio.gather(
        *(home.driver.deliver(prepared) for home in (one, two, one, two, two))
    )
    assert len({answer for answer in answers if answer is not None}) == 1
    assert len(await one.cases()) == 1
    assert len(await one.rows(Delivery, Delivery.kind == "risk")) == 1


async def test_first_messages_of_one_person_in_two_processes(pair: tuple[Home, Home]) -> None:
    one, two = pair
    await asyncio.gather(
        *(
            home.accept(incoming(text, at=home.clock.now(), sender="oNew"))
            for home, text in ((one, DANGER), (two, "第二句"), (one, "第三句"), (two, URGENT))
        )
    )
    contact = await one.contact("oNew")
    texts = [m.text for m in await one.messages() if m.contact_id == contact.id]
    assert sorted(texts) == sorted([DANGER, "第二句", "第三句", URGENT])
    (case,) = [case for case in await one.cases() if case.contact_id == contact.id]
    assert case.level == "3!"


async def test_what_a_dead_process_left_behind_is_answered_once(pair: tuple[Home, Home]) -> None:
    one, two = pair
    await one.accept(incoming(HOMEWORK, at=one.clock.now()))
    one.platform.wrote(PARENT)
    one.clock.advance(seconds=21)
    await asyncio.gather(one.house.deliverer.sweep(), two.house.deliverer.sweep())
    await asyncio.gather(one.work(), two.work())
    assert len([text for text in one.sent() if "手册T06-01" in text]) == 1


async def test_of_several_dangers_at_once_the_worst_one_stands(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes raise one case at the same moment: neither may undo the other's level."""
    one, two = pair
    clock = one.clock

    def tick() -> datetime:
        clock.advance(microseconds=1)
        return clock.moment

    monkeypatch.setattr(clock, "now", tick)
    for number in range(5):
        sender = f"oBurst{number}"
        await one.accept(incoming("你好", at=clock.moment, sender=sender))
        await asyncio.gather(
            *(
                home.accept(incoming(text, at=clock.moment, sender=sender))
                for home, text in ((one, URGENT), (two, DANGER), (one, WORRY), (two, WORRY))
            )
        )
    assert [case.level for case in await one.cases()] == ["3!"] * 5
