"""Jobs and their handlers, on both engines: what is promised whatever goes wrong."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from job_world import World, add_effect, failing
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.db.engine import Database
from bot.db.models.job import (
    CANCELLED,
    DEAD,
    DONE,
    LEASED,
    READY,
    SCHED,
    UNKNOWN,
    Job,
)
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobRun, OnAck
from bot.jobs.table import (
    JobRow,
    cancel,
    enqueue,
    enqueue_many,
    list_jobs,
    redrive,
)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_a_key_is_enqueued_once(world: World) -> None:
    assert await world.enqueue("a", "notice:1", payload={"notice": 1})
    assert not await world.enqueue("a", "notice:1", payload={"notice": 2})
    assert (await world.job("notice:1")).payload == {"notice": 1}


async def test_a_job_stands_or_falls_with_the_caller_s_transaction(world: World) -> None:
    with suppress(ValueError):
        async with world.database.write() as session:
            await add_effect(session, "row")
            await enqueue(session, "a", {}, key="k", now=world.now)
            raise ValueError
    assert await world.states() == {}
    assert await world.effects() == []


async def test_many_are_enqueued_and_known_ones_left_out(world: World) -> None:
    await world.enqueue("a", "n:7")
    rows: list[JobRow] = [
        {
            "kind": "a",
            "payload": {"n": n},
            "key": f"n:{n}",
            "now": world.now,
            "lane": "l",
            "prio": 3,
        }
        for n in range(2_500)
    ]
    async with world.database.write() as session:
        assert await enqueue_many(session, rows) == 2_499
        assert await enqueue_many(session, rows[:10]) == 0
    job = await world.job("n:2499")
    assert (job.lane, job.prio, job.payload, job.state) == ("l", 3, {"n": 2499}, READY)


async def test_only_what_has_not_started_is_cancelled_and_prefixes_are_taken_literally(
    world: World,
) -> None:
    for key in ("sla:1:a", "sla:1:b", "sla:12:a", "SLA:1:c", "sla_1:d"):
        await world.enqueue("a", key)
    await world.enqueue("a", "sla:1:later", run_at=world.now + timedelta(hours=1))
    async with world.database.write() as session:
        await session.execute(update(Job).where(Job.key == "sla:1:b").values(state=LEASED))
        assert await cancel(session, prefix="sla:1:", now=world.now) == 2
        assert await cancel(session, key="sla:12:a", now=world.now) == 1
        assert await cancel(session, key="sla:1:b", now=world.now) == 0
        with pytest.raises(ValueError, match="either"):
            await cancel(session, now=world.now)
    states = await world.states()
    assert {key for key, state in states.items() if state == CANCELLED} == {
        "sla:1:a",
        "sla:1:later",
        "sla:12:a",
    }
    world.registry.send("a", world.see)
    await world.worker().run_due()
    assert {run.key for run in world.seen} == {"SLA:1:c", "sla_1:d"}


async def test_effect_and_ack_are_one_commit(world: World) -> None:
    async def handle(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, run.key)
        await enqueue(session, "next", {}, key=f"{run.key}:next", now=world.now)

    world.registry.tx("a", handle)
    world.registry.send("next", world.see)
    await world.enqueue("a", "k")
    assert await world.worker().run_due() == 2
    assert await world.effects() == ["k"]
    assert await world.states() == {"k": DONE, "k:next": DONE}


async def test_a_failed_effect_is_undone_and_tried_again_until_it_is_dead(world: World) -> None:
    attempts: list[tuple[int, bool]] = []

    async def handle(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, "half")
        attempts.append((run.attempts, run.last_attempt))
        raise ValueError("words of a parent")

    async def bury(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, f"dead:{run.key}:{run.error}")

    world.registry.tx("a", handle, max_attempts=3, on_dead=bury)
    await world.enqueue("a", "k")
    worker = world.worker()
    for _ in range(5):
        await worker.run_due()
        await world.pass_time(20)
    assert attempts == [(1, False), (2, False), (3, True)]
    assert await world.effects() == ["dead:k:ValueError"]
    job = await world.job("k")
    assert (job.state, job.error) == (DEAD, "ValueError")


async def test_a_dead_job_can_be_listed_and_driven_again(world: World) -> None:
    async def handle(session: AsyncSession, run: JobRun) -> None:
        if not await world.effects():
            await add_effect(session, "never")
            raise Bury("no roster")

    world.registry.tx("a", handle)
    world.registry.send("b", failing(Bury("gone")))
    for key in ("k1", "k2"):
        await world.enqueue("a", key)
    await world.enqueue("b", "k3")
    worker = world.worker()
    await worker.run_due()
    async with world.database.write() as session:
        dead = await list_jobs(session, DEAD, 2)
        assert [(job.key, job.error) for job in dead] == [("k1", "no roster"), ("k2", "no roster")]
        assert [job.key for job in await list_jobs(session, DEAD, 2, dead[-1].id)] == ["k3"]
        await add_effect(session, "roster")
        assert await redrive(session, dead[0].id, world.now)
        assert not await redrive(session, dead[0].id, world.now)
    await worker.run_due()
    assert (await world.job("k1")).state == DONE


async def test_a_handler_that_takes_too_long_is_cut_off_and_undone(world: World) -> None:
    async def handle(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, "half")
        await asyncio.Event().wait()

    world.registry.tx("a", handle, timeout=0.02, max_attempts=1)
    await world.enqueue("a", "k")
    await world.worker().run_due()
    job = await world.job("k")
    assert (job.state, job.error) == (DEAD, "timeout")
    assert await world.effects() == []


async def test_a_sender_s_receipt_is_stored_with_the_ack(world: World) -> None:
    async def send(run: JobRun) -> OnAck | None:
        async def store(session: AsyncSession) -> None:
            await add_effect(session, f"receipt:{run.payload['delivery']}")

        return store

    world.registry.send("a", send)
    await world.enqueue("a", "k", payload={"delivery": 7})
    await world.worker().run_due()
    assert await world.effects() == ["receipt:7"]
    job = await world.job("k")
    assert (job.state, job.attempts) == (DONE, 1)
    assert job.done_at is not None


async def test_one_receipt_that_can_t_be_stored_holds_up_no_other(world: World) -> None:
    async def send(run: JobRun) -> OnAck | None:
        async def store(session: AsyncSession) -> None:
            await add_effect(session, run.key)
            if run.key == "k2":
                await add_effect(session, run.key)

        return store

    async def tell(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, f"unknown:{run.error}")

    world.registry.send("a", send, on_unknown=tell)
    for key in ("k1", "k2", "k3"):
        await world.enqueue("a", key)
    await world.worker().run_due()
    assert await world.states() == {"k1": DONE, "k2": UNKNOWN, "k3": DONE}
    assert sorted(await world.effects()) == ["k1", "k3", "unknown:ack: IntegrityError"]


async def test_the_run_says_what_a_handler_needs_to_know(world: World) -> None:
    world.registry.send("a", world.see, max_attempts=1)
    now = world.now
    await world.enqueue("a", "k", payload={"delivery": 3}, lane="wechat:main")
    await world.worker().run_due()
    (run,) = world.seen
    assert (run.kind, run.key, run.payload, run.lane) == ("a", "k", {"delivery": 3}, "wechat:main")
    assert (run.attempts, run.last_attempt, run.error) == (1, True, "")
    assert abs(run.first_queued - now) < timedelta(seconds=5)


async def test_a_refusal_is_final_and_an_outage_is_tried_again(world: World) -> None:
    async def bury(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, f"{run.key}:{run.error}")

    refused, down = ChannelRefused("x", code="43004"), ChannelUnavailable("x", code="-1")
    world.registry.send("refused", failing(refused), on_dead=bury)
    world.registry.send("down", failing(down), on_dead=bury)
    await world.enqueue("refused", "k1")
    await world.enqueue("down", "k2")
    await world.worker().run_due()
    assert await world.states() == {"k1": DEAD, "k2": SCHED}
    assert await world.effects() == ["k1:ChannelRefused: 43004"]


async def test_a_platform_s_limit_stops_the_lane_and_costs_no_attempt(world: World) -> None:
    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        if [seen.lane for seen in world.seen].count("robot") == 1 and run.lane == "robot":
            retry_at = world.now + timedelta(seconds=300)
            raise ChannelRateLimited("slow", retry_at=retry_at, code="45009")
        return None

    world.registry.send("a", send, max_attempts=1)
    worker = world.worker(slots=1)
    await world.enqueue("a", "k1", lane="robot")
    await world.enqueue("a", "k2", lane="robot")
    await world.enqueue("a", "k3", lane="other")
    await worker.run_due()
    assert {run.key for run in world.seen} == {"k1", "k3"}
    await world.pass_time(250)
    await worker.run_due()
    assert len(world.seen) == 2
    await world.pass_time(60)
    await worker.run_due()
    assert set((await world.states()).values()) == {DONE}
    assert [run.attempts for run in world.seen if run.key == "k1"] == [1, 1]


async def test_a_handler_says_when_to_try_again(world: World) -> None:
    world.registry.send("a", failing(Retry(30, count=False, reason="window")), max_attempts=1)
    await world.enqueue("a", "k")
    worker = world.worker()
    assert await worker.run_due() == 1
    job = await world.job("k")
    assert (job.state, job.attempts, job.error, job.owner) == (SCHED, 0, "window", None)
    assert abs(job.run_at - epoch_ms(world.now) - 30_000) < 2_000
    assert await worker.run_due() == 0
    await world.pass_time(31)
    assert await worker.run_due() == 1


@pytest.mark.parametrize(("on_lost", "state"), [("retry", SCHED), ("hold", UNKNOWN)])
async def test_a_send_without_an_end_is_cut_off(world: World, on_lost: Any, state: str) -> None:
    async def send(run: JobRun) -> OnAck | None:
        await asyncio.Event().wait()
        return None

    async def tell(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, run.error)

    world.registry.send("a", send, timeout=0.02, on_lost=on_lost, on_unknown=tell)
    await world.enqueue("a", "k")
    await world.worker().run_due()
    assert await world.states() == {"k": state}
    assert await world.effects() == (["timeout"] if on_lost == "hold" else [])


async def test_a_hook_that_fails_buries_its_job_all_the_same(world: World) -> None:
    async def bury(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, "half")
        raise ValueError

    world.registry.send("a", failing(Bury("gone")), on_dead=bury)
    await world.enqueue("a", "k")
    await world.worker().run_due()
    assert await world.states() == {"k": DEAD}
    assert await world.effects() == []


async def test_another_release_s_job_is_left_for_that_release(world: World) -> None:
    await world.enqueue("new", "k")
    await world.worker().run_due()
    job = await world.job("k")
    assert (job.state, job.attempts) == (SCHED, 0)
    world.registry.send("new", world.see)
    await world.pass_time(31)
    await world.worker().run_due()
    assert [run.key for run in world.seen] == ["k"]
