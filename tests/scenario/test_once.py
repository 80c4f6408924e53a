"""Promise 2: stored once, answered once; retries, crashes and restarts lose and double nothing."""

import asyncio
from typing import Any

import pytest
from factories import incoming
from fakes import HOMEWORK, FakeAnswers
from house import DANGER, DISTRICT_GROUP, PARENT, Home, Houses
from sqlalchemy import text, update
from sqlalchemy.dialects.postgresql import insert
from structlog.testing import capture_logs

from bot.core.messages import IncomingMessage
from bot.db.engine import Database
from bot.db.models import Contact, Delivery, Message
from bot.pipeline.router import Router


async def test_one_id_five_times_in_parallel(staffed: Home) -> None:
    prepared = staffed.driver.prepare(PARENT, DANGER, message_id="24000000000000007")
    answers = await staffed.driver.deliver_together([prepared] * 5)
    await staffed.house.handover.flush()
    assert len(set(answers)) == 1
    assert "正在通知" in str(answers[0])
    assert len(await staffed.rows(Message, Message.platform_id == "24000000000000007")) == 1
    await staffed.case()
    await staffed.work()
    assert len(staffed.alerts()) == 1
    assert staffed.sent() == [], "what left in the callback's answer is not sent a second time"
    (reply,) = await staffed.rows(Delivery, Delivery.kind == "risk")
    assert (reply.route, reply.state, reply.body) == ("passive", "accepted", answers[0])


async def test_a_retry_later_gets_the_stored_words(staffed: Home) -> None:
    prepared = staffed.driver.prepare(PARENT, HOMEWORK)
    first = await staffed.driver.deliver(prepared)
    staffed.clock.advance(seconds=5)
    assert await staffed.driver.deliver(prepared) == first is not None
    assert staffed.answers.begun == 1


async def test_a_retry_while_the_first_is_running_attaches_to_it(staffed: Home) -> None:
    staffed.answers.gate.clear()
    prepared = staffed.driver.prepare(PARENT, HOMEWORK)
    first = asyncio.create_task(staffed.driver.deliver(prepared))
    await staffed.answers.reached.wait()
    second = asyncio.create_task(staffed.driver.deliver(prepared))
    for _ in range(20):
        await staffed.messages()
    assert not first.done()
    assert not second.done()
    staffed.answers.gate.set()
    assert await first == await second is not None
    assert staffed.answers.begun == 1


async def test_a_restart_gives_the_stored_words(houses: Houses) -> None:
    before = await houses.make()
    await before.on_duty()
    prepared = before.driver.prepare(PARENT, DANGER)
    first = await before.driver.deliver(prepared)
    after = await houses.make()
    assert await after.driver.deliver(prepared) == first is not None
    assert len(await after.messages()) == len(await after.cases()) == 1
    await after.work()
    assert len(after.alerts(DISTRICT_GROUP)) == 1


async def test_two_processes_and_one_id(houses: Houses) -> None:
    """Two houses on one database stand for two web processes; the id is taken by one of them."""
    one, two = await houses.make(), await houses.make()
    prepared = one.driver.prepare(PARENT, DANGER)
    answers = await asyncio.gather(
        *(home.driver.deliver(prepared) for home in (one, two, one, two))
    )
    assert {answer for answer in answers if answer is not None}
    assert len({answer for answer in answers if answer is not None}) == 1
    assert len(await one.messages()) == len(await one.cases()) == 1
    assert len(await one.rows(Delivery, Delivery.kind == "risk")) == 1


@pytest.mark.postgresql(reason="SQLite lets one writer in at a time")
async def test_a_retry_and_the_routing_of_its_message_do_not_lock_each_other_out(
    staffed: Home,
) -> None:
    """Both write the person's row and the message's, so both have to begin with the same one."""
    house, database = staffed.house, staffed.house.services.database
    said = incoming(HOMEWORK, at=staffed.clock.now())
    receipt = await house.inbox.accept(said)
    again = insert(Message).values(
        channel=said.channel,
        account=said.account,
        platform_id=said.platform_id,
        contact_id=receipt.contact_id,
        kind=said.kind.value,
        text="",
        media_id="",
        scene="",
        sent_at=said.sent_at,
        received_at=said.sent_at,
        answerable=True,
        state="stored",
        handler="",
        attempts=0,
        level="0",
    )
    async with database.write() as session:
        # What the inbox does for a retry that has not seen the first call's commit.
        await session.execute(update(Contact).values(last_incoming_at=said.sent_at))
        routing = asyncio.create_task(house.router.route(receipt.message_id, receipt.contact_id))
        async with asyncio.timeout(10):
            while not await _waiting(database):  # noqa: ASYNC110  # the server knows, not we
                await asyncio.sleep(0.01)
        await session.execute(again.on_conflict_do_nothing())
    await routing
    (message,) = await staffed.rows(Message, Message.id == receipt.message_id)
    assert message.handler == "questions"


async def _waiting(database: Database) -> int:
    """Return how many connections wait for another one's lock."""
    async with database.read() as session:
        return (
            await session.scalar(
                text(
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
            )
            or 0
        )


async def test_two_first_messages_of_one_person_in_two_processes(houses: Houses) -> None:
    one, two = await houses.make(), await houses.make()
    await asyncio.gather(one.say("第一句"), two.say(DANGER))
    assert {message.text for message in await one.messages()} == {"第一句", DANGER}
    assert len({message.contact_id for message in await one.messages()}) == 1
    assert (await one.case()).level == "3"


async def test_a_crash_between_storing_and_routing(houses: Houses) -> None:
    dead = await houses.make()
    await dead.on_duty()
    await dead.accept(incoming(DANGER, at=dead.clock.now()))
    await dead.accept(incoming(HOMEWORK, at=dead.clock.now(), sender="oOther"))
    home = await houses.make()
    home.platform.wrote(PARENT)
    home.platform.wrote("oOther")
    assert await home.house.deliverer.sweep() == 0, "a callback may still be at work on them"
    home.clock.advance(seconds=21)
    assert await home.house.deliverer.sweep() == 2
    assert await home.house.deliverer.sweep() == 0
    await home.work()
    (crisis,), (answer,) = home.sent(), home.sent("oOther")
    assert "120" in crisis
    assert "手册T06-01" in answer
    await home.wait(seconds=1)
    assert "AI自动回复的家庭教育问答服务" in home.sent("oOther")[1], "the greeting comes behind it"
    assert len(home.alerts(DISTRICT_GROUP)) == 1
    assert [message.state for message in await home.messages()] == ["done", "done"]


async def test_the_platforms_retry_after_a_crash_is_answered(houses: Houses) -> None:
    dead = await houses.make()
    prepared = dead.driver.prepare(PARENT, DANGER, message_id="24000000000000009")
    await dead.accept(incoming(DANGER, at=dead.clock.now(), platform_id="24000000000000009"))
    home = await houses.make()
    assert "120" in (await home.driver.deliver(prepared) or "")
    home.clock.advance(seconds=30)
    await home.house.handover.flush()
    assert await home.house.deliverer.sweep() == 0
    await home.work()
    assert home.sent() == []


async def test_a_reply_that_no_callback_took_is_sent(houses: Houses) -> None:
    """Killed after the commit and before the answer's bytes were written."""
    dead = await houses.make()
    prepared = dead.driver.prepare(PARENT, DANGER)
    words = await dead.driver.deliver(prepared)
    dead.house.handover._waiting.clear()
    dead.platform.wrote(PARENT)
    home = await houses.make()
    home.clock.advance(seconds=21)
    await home.house.deliverer.sweep()
    await home.work()
    assert home.sent() == [words]
    # The platform's late retry gets no second copy of it.
    assert await home.driver.deliver(prepared) is None
    await home.house.deliverer.sweep()
    await home.work()
    assert home.sent() == [words]


async def test_two_sweeps_at_once_answer_once(houses: Houses) -> None:
    one, two = await houses.make(), await houses.make()
    await one.accept(incoming(HOMEWORK, at=one.clock.now()))
    one.platform.wrote(PARENT)
    one.clock.advance(seconds=21)
    with capture_logs() as lines:
        await asyncio.gather(one.house.deliverer.sweep(), two.house.deliverer.sweep())
    assert [line for line in lines if line["log_level"] == "error"] == []
    await one.work()
    await two.work()
    answers = [text for text in one.sent() if "手册T06-01" in text]
    assert len(answers) == 1


async def test_one_message_that_cannot_be_routed_holds_up_nobody(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = await houses.make()
    bad = await home.accept(incoming("坏", at=home.clock.now()))
    good = await home.accept(incoming(HOMEWORK, at=home.clock.now(), sender="oOther"))
    home.platform.wrote("oOther")
    route = Router._route

    async def fail(self: Router, message_id: int, *rest: Any) -> object:
        if message_id == bad.message_id:
            raise OSError("this one always")
        return await route(self, message_id, *rest)

    monkeypatch.setattr(Router, "_route", fail)
    home.clock.advance(seconds=21)
    await home.house.deliverer.sweep()
    await home.work()
    assert "手册T06-01" in home.sent("oOther")[0]
    states = {message.id: message.state for message in await home.messages()}
    assert states == {bad.message_id: "stored", good.message_id: "done"}


async def test_messages_of_one_person_are_answered_in_their_order(staffed: Home) -> None:
    texts = [f"说说{number}号楼的事" for number in range(6)]
    receipts = [await staffed.accept(incoming(text, at=staffed.clock.now())) for text in texts]
    await asyncio.gather(*(staffed.route(receipt) for receipt in receipts))
    handled = [d.message_id for d in await staffed.rows(Delivery, Delivery.kind == "abstain")]
    assert handled == [receipt.message_id for receipt in receipts]


async def test_an_event_without_an_id_is_taken_once(home: Home) -> None:
    prepared = home.driver.prepare_event(PARENT, "subscribe", "qrscene_class-302")
    await home.driver.deliver_together([prepared] * 3)
    assert len(await home.messages()) == 1
    assert (await home.contact()).place_id == home.place.class_.id


async def test_accepting_twice_says_the_same(home: Home) -> None:
    message: IncomingMessage = incoming(DANGER, at=home.clock.now())
    receipts = await asyncio.gather(*(home.accept(message) for _ in range(5)))
    assert len({receipt.message_id for receipt in receipts}) == 1
    assert [receipt.duplicate for receipt in receipts].count(False) == 1
    assert {receipt.level for receipt in receipts} == {"3"}


async def test_a_house_is_made_with_its_own_fakes(houses: Houses) -> None:
    answers = FakeAnswers()
    assert (await houses.make(answers=answers)).house.services.answers is answers
