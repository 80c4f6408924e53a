"""Calls inside DingTalk: many people, parts that fail, and what the sender promises of each."""

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina
from dingtalk_world import GROUP, World

from bot.channels.dingtalk.alerts import CardAlerts, CardCallback, DingAlerts, WorkAlerts
from bot.channels.dingtalk.client import DING_MOST
from bot.channels.dingtalk.work import SEND, WorkNotices
from bot.core.errors import ChannelRefused, ChannelUnavailable, ConfigInvalid
from bot.core.ports import SentTask
from bot.simulator.platform import Fault

ALERT = "有一件求助等人接手：http://desk.example/desk"
MANY = [f"t{number:03}" for number in range(230)]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    stamina.set_testing(True, attempts=1)
    yield
    stamina.set_testing(False)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    for person in MANY:
        made.platform.follow(person)
    yield made
    await made.close()


@pytest.fixture
def work(world: World) -> WorkAlerts:
    return WorkAlerts("desk", MANY, WorkNotices(world.client, 7))


async def test_many_people_are_called_in_parts_of_a_hundred(world: World, work: WorkAlerts) -> None:
    sent = await work.send(ALERT, mention_all=True, key="k1")
    assert [len(task.people) for task in sent.tasks] == [100, 100, 30]
    assert sent.receipt == sent.tasks[0].task_id
    assert len(world.spent) == 3
    proofs = [await work.proof(task) for task in sent.tasks]
    assert [proof.delivered for proof in proofs] == [100, 100, 30]
    assert all(proof.settled and not proof.missed for proof in proofs)


async def test_a_part_that_fails_is_sent_again_and_nobody_is_called_twice(
    world: World, work: WorkAlerts
) -> None:
    world.platform.fail(SEND, Fault.DOWN)
    with pytest.raises(ChannelUnavailable):
        await work.send(ALERT, mention_all=True, key="k1")
    sent = await work.send(ALERT, mention_all=True, key="k1")
    proofs = [await work.proof(task) for task in sent.tasks]
    assert sum(proof.delivered for proof in proofs) == len(MANY)
    assert all(len(world.platform.texts(person)) == 1 for person in MANY)


async def test_another_key_makes_the_same_words_another_text(
    world: World, work: WorkAlerts
) -> None:
    for key in ("k1", "k2"):
        await work.send(ALERT, mention_all=True, key=key)
    first, second = world.platform.texts(MANY[0])
    assert first != second
    assert first.split("\n")[0] == second.split("\n")[0] == ALERT


async def test_a_refusal_of_every_part_is_a_refusal(world: World) -> None:
    nobody = WorkAlerts("desk", ["x" * 3000], WorkNotices(world.client, 7))
    long = WorkAlerts("desk", MANY[:1], WorkNotices(world.client, 7))
    sent = await nobody.send(ALERT, mention_all=True, key="k")
    proof = await nobody.proof(sent.tasks[0])
    assert (proof.delivered, proof.missed) == (0, {"invalid": 1})
    assert (await long.send("长" * 3000, mention_all=True, key="k")).tasks


async def test_an_unknown_task_is_refused(work: WorkAlerts) -> None:
    with pytest.raises(ChannelRefused):
        await work.proof(SentTask("1", ("t001",)))


async def test_a_ding_goes_to_two_hundred_in_one_call(world: World) -> None:
    people = MANY[:DING_MOST]
    ding = DingAlerts("ding", people, world.client)
    sent = await ding.send(ALERT, mention_all=True, key="k")
    assert sent.receipt
    assert len(world.spent) == 1
    assert {person for person in MANY if world.platform.texts(person) == [ALERT]} == set(people)


def test_a_ding_to_more_is_refused_at_the_start(world: World) -> None:
    """A second call that failed would have rung the first two hundred again."""
    with pytest.raises(ConfigInvalid, match="XINQING_ALERT__DING__PEOPLE") as caught:
        DingAlerts("ding", MANY[: DING_MOST + 1], world.client)
    assert MANY[0] not in str(caught.value)


async def test_a_ding_that_is_not_allowed_or_reaches_nobody_is_refused(world: World) -> None:
    with pytest.raises(ChannelRefused):
        await DingAlerts("ding", ["stranger"], world.client).send(ALERT, mention_all=True, key="k")
    world.dingtalk.may_ding = False
    ding = DingAlerts("ding", MANY[:DING_MOST], world.client)
    with pytest.raises(ChannelRefused, match="DingNotAllowed"):
        await ding.send(ALERT, mention_all=True, key="k")


async def test_a_card_sent_twice_is_one_card(world: World) -> None:
    cards = CardAlerts("card", world.client, group=GROUP, template="tpl")
    for _ in range(2):
        await cards.send(ALERT, mention_all=True, key="k")
    assert world.dingtalk.cards == {"k": {"text": ALERT, "state": ""}}
    (sent,) = [one for one in world.platform.sent if one.kind == "dingtalk-card"]
    assert sent.payload["callbackType"] == "STREAM"
    assert "callbackRouteKey" not in sent.payload


async def test_where_clicks_are_posted_is_registered_before_the_first_card(world: World) -> None:
    callback = CardCallback("https://us.example/card", "secret-of-cards")
    cards = CardAlerts("card", world.client, group=GROUP, template="tpl", callback=callback)
    for key in ("k1", "k2"):
        await cards.send(ALERT, mention_all=True, key=key)
    assert world.dingtalk.card_routes == {"card": "https://us.example/card"}
    assert world.spent.count("callbacks/register") == 1
    last = [one for one in world.platform.sent if one.kind == "dingtalk-card"][-1]
    assert (last.payload["callbackType"], last.payload["callbackRouteKey"]) == ("HTTP", "card")
    assert "secret-of-cards" not in repr(callback)
