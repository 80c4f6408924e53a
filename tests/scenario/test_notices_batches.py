"""One call for many: a notice to a class on DingTalk, and what can happen to the call."""

from collections import Counter
from collections.abc import Sequence

import pytest
from house import Home
from notice_world import World, make_world, of, sent, states
from sqlalchemy import select

from bot.channels.dingtalk.channel import DingtalkChannel
from bot.core.errors import ChannelRefused
from bot.core.ports import SentMany
from bot.db.models import Contact, Delivery, Job
from bot.simulator.platform import Fault

PATH = "/v1.0/robot/oToMessages/batchSend"
FAMILIES = 43


@pytest.fixture
async def world(home: Home) -> World:
    made = await make_world(home, families=False)
    async with home.write() as session:
        child = await made.child(session, "安安")
        for number in range(FAMILIES):
            await made.guardian(session, f"p{number}", child, channel="dingtalk")
    return made


def heard(world: World) -> Counter[str]:
    return Counter(one.recipient for one in world.home.platform.sent)


def calls(world: World) -> int:
    return world.home.platform.calls.count(PATH)


async def until_quiet(world: World) -> None:
    for _ in range(14):
        await world.home.wait(minutes=2)


async def test_forty_three_people_cost_three_calls_and_each_hears_it_once(world: World) -> None:
    notice = await sent(world)
    assert calls(world) == 3
    assert heard(world) == Counter({f"p{number}": 1 for number in range(FAMILIES)})
    assert (await states(world, notice)).counts["accepted"] == FAMILIES
    rows = await world.home.rows(Delivery, Delivery.notice_id == notice.id)
    assert len({row.receipt for row in rows}) == 3
    assert "收到" in world.heard("p7")[0]


async def test_whoever_the_platform_does_not_know_fails_alone(world: World) -> None:
    world.home.platform.unfollow("p3")
    notice = await sent(world)
    assert await of(world, notice, "p3") == [("unreachable", "unfollowed")]
    assert heard(world)["p3"] == 0
    assert sum(heard(world).values()) == FAMILIES - 1


async def test_whoever_is_written_to_too_often_is_tried_again_alone(world: World) -> None:
    world.home.dingtalk.slowed.add("p5")
    notice = await sent(world)
    assert await of(world, notice, "p5") == [("queued", "")]
    world.home.dingtalk.slowed.clear()
    await until_quiet(world)
    assert await of(world, notice, "p5") == [("accepted", "")]
    assert set(heard(world).values()) == {1}
    assert len(heard(world)) == FAMILIES


async def test_somebody_of_another_organisation_does_not_go_along(world: World) -> None:
    async with world.home.write() as session:
        contact = await session.scalar(select(Contact).where(Contact.external_id == "p9"))
        assert contact is not None
        contact.external_id = "$:LWCP_v1:stranger"
    notice = await sent(world)
    await until_quiet(world)
    assert await of(world, notice, "p9") == [("unreachable", "window_closed")]
    assert sum(heard(world).values()) == FAMILIES - 1


async def test_a_call_that_is_refused_is_tried_person_by_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_self: DingtalkChannel, _people: Sequence[str], _text: str) -> SentMany:
        raise ChannelRefused("batchSend: 400", code="invalidParameter")

    monkeypatch.setattr(DingtalkChannel, "send_many", refuse)
    notice = await sent(world)
    await until_quiet(world)
    assert (await states(world, notice)).counts["accepted"] == FAMILIES
    assert set(heard(world).values()) == {1}


async def test_a_call_without_an_answer_is_held_and_nobody_is_told_twice(world: World) -> None:
    world.home.platform.fail(PATH, Fault.TRUNCATED)
    notice = await sent(world)
    await until_quiet(world)
    counts = (await states(world, notice)).counts
    # The first call is the one of the three that are left over, or one of twenty.
    assert counts["unknown"] in (3, 20)
    assert counts["accepted"] == FAMILIES - counts["unknown"]
    assert max(heard(world).values()) == 1


async def test_a_platform_that_is_down_gets_the_call_again(world: World) -> None:
    world.home.platform.fail(PATH, Fault.DOWN, times=3)
    notice = await sent(world)
    assert (await states(world, notice)).counts["queued"] == FAMILIES
    await until_quiet(world)
    assert (await states(world, notice)).counts["accepted"] == FAMILIES
    assert set(heard(world).values()) == {1}


async def test_one_person_alone_keeps_a_job_of_their_own(home: Home) -> None:
    world = await make_world(home)
    await sent(world)
    kinds = Counter(job.kind for job in await home.rows(Job))
    # One mother writes in WeChat; father and the other mother are told in one call.
    assert (kinds["notice.send"], kinds["notice.batch"]) == (1, 1)
