"""The durable job table, on both engines: what is promised about jobs, whatever goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import exc, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, FixedClock, SystemClock, epoch_ms
from bot.core.errors import ChannelRateLimited, ChannelRefused, ChannelUnavailable, ConfigInvalid
from bot.db.engine import Database
from bot.db.models import Alarm
from bot.db.models.job import (
    CANCELLED,
    DEAD,
    DONE,
    LEASED,
    READY,
    SCHED,
    UNKNOWN,
    Job,
    Lane,
    Schedule,
)
from bot.jobs.errors import Bury, Retry
from bot.jobs.owner import make_owner
from bot.jobs.registry import JobRegistry, JobRun, OnAck
from bot.jobs.retention import forget, register_forgetting, schedule_forgetting
from bot.jobs.table import (
    JobRow,
    cancel,
    enqueue,
    enqueue_many,
    ensure_lane,
    ensure_schedule,
    list_jobs,
    pause_lane,
    redrive,
)
from bot.jobs.worker import Worker

LEASE_SECONDS = 60.0


class World:
    """A database, its time, and short ways to do what every test here does.

    On PostgreSQL the database's own clock counts: there time passes by moving the table back.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock: Clock = (
            FixedClock(datetime(2026, 3, 2, 4, 0, tzinfo=UTC))
            if database.is_sqlite
            else SystemClock()
        )
        self.registry = JobRegistry()
        self.seen: list[JobRun] = []

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def worker(self, **options: Any) -> Worker:
        values: dict[str, Any] = {"slots": 20, "lease_seconds": LEASE_SECONDS, "clock": self.clock}
        values |= options
        return Worker(self.database, self.registry, random=Random(1), **values)

    async def enqueue(self, kind: str, key: str, **options: Any) -> bool:
        async with self.database.write() as session:
            payload = options.pop("payload", {})
            return await enqueue(session, kind, payload, key=key, now=self.now, **options)

    async def job(self, key: str) -> Job:
        async with self.database.read() as session:
            return (await session.scalars(select(Job).where(Job.key == key))).one()

    async def states(self) -> dict[str, str]:
        async with self.database.read() as session:
            rows = await session.execute(select(Job.key, Job.state).order_by(Job.id))
            return {row.key: row.state for row in rows}

    async def pass_time(self, seconds: float) -> None:
        if isinstance(self.clock, FixedClock):
            self.clock.advance(seconds=seconds)
            return
        ms = int(seconds * 1000)
        async with self.database.write() as session:
            moved = {"run_at": Job.run_at - ms, "lease_until": Job.lease_until - ms}
            await session.execute(update(Job).values(**moved, done_at=Job.done_at - ms))
            await session.execute(
                update(Lane).values(tat=Lane.tat - ms, paused_until=Lane.paused_until - ms)
            )
            await session.execute(update(Schedule).values(next_at=Schedule.next_at - ms))

    async def see(self, run: JobRun) -> OnAck | None:
        self.seen.append(run)
        return None

    async def effects(self) -> list[str]:
        async with self.database.read() as session:
            return list(await session.scalars(select(Alarm.key).order_by(Alarm.id)))


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def add_effect(session: AsyncSession, key: str) -> None:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    await session.execute(
        insert(Alarm).values(key=key, kind="effect", first_at=moment, last_at=moment)
    )


def failing(error: Exception) -> Callable[[JobRun], Awaitable[OnAck | None]]:
    async def handle(run: JobRun) -> OnAck | None:
        raise error

    return handle


async def until(condition: Callable[[], bool]) -> None:
    """Let other tasks run until something holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (conditions of several kinds)
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[Worker]:
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(5)
        await task


# Enqueueing and cancelling


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


# Transactional handlers


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


# Sending handlers


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


# Timers and schedules


async def test_a_timer_goes_off_at_its_time_and_not_before(world: World) -> None:
    world.registry.send("a", world.see)
    await world.enqueue("a", "k", run_at=world.now + timedelta(seconds=600))
    worker = world.worker()
    await world.pass_time(590)
    assert await worker.run_due() == 0
    await world.pass_time(15)
    assert await worker.run_due() == 1


async def test_a_schedule_fires_each_slot_once_with_any_number_of_workers(world: World) -> None:
    world.registry.send("a", world.see)
    async with world.database.write() as session:
        await ensure_schedule(
            session, "s", cron="*/5 * * * *", kind="a", payload={"x": 1}, misfire_seconds=600,
            now=world.now,
        )  # fmt: skip
    workers = [world.worker(), world.worker()]
    slots = 3 if world.database.is_sqlite else 1  # moving the table back makes no second slot
    for slot in range(slots):
        await world.pass_time(300)
        await asyncio.gather(*(worker.run_due() for worker in workers))
        assert len(world.seen) == slot + 1
    assert len({run.key for run in world.seen}) == slots
    assert world.seen[0].payload == {"x": 1}


@pytest.mark.parametrize(("misfire", "fires"), [(60, 0), (86_400, 1)])
async def test_after_an_outage_a_schedule_runs_late_once_or_not_at_all(
    world: World, misfire: int, fires: int
) -> None:
    world.registry.send("a", world.see)
    # A slot that has just passed by half an hour, whatever the time is.
    half_past = world.now - timedelta(minutes=30)
    async with world.database.write() as session:
        await ensure_schedule(
            session, "s", cron=f"{half_past.minute} {half_past.hour} * * *", kind="a", payload={},
            tz="UTC", misfire_seconds=misfire, now=world.now - timedelta(days=3),
        )  # fmt: skip
    await world.worker().run_due()
    assert len(world.seen) == fires
    async with world.database.read() as session:
        next_at = await session.scalar(select(Schedule.next_at))
    assert next_at is not None
    assert next_at > epoch_ms(world.now)


async def test_a_schedule_keeps_its_next_slot_until_its_times_change(world: World) -> None:
    async def ensure(cron: str, days: int = 0) -> int:
        async with world.database.write() as session:
            await ensure_schedule(
                session, "s", cron=cron, kind="a", payload={}, misfire_seconds=60,
                now=world.now + timedelta(days=days),
            )  # fmt: skip
            return await session.scalar(select(Schedule.next_at)) or 0

    first = await ensure("0 8 * * *")
    assert await ensure("0 8 * * *", days=5) == first
    assert await ensure("0 9 * * *", days=5) > first
    with pytest.raises(ConfigInvalid):
        await ensure("0 25 * * *")


async def test_a_schedule_that_can_t_be_read_stops_no_other(world: World) -> None:
    world.registry.send("a", world.see)
    for name in ("bad", "good"):
        async with world.database.write() as session:
            await ensure_schedule(
                session, name, cron="* * * * *", kind="a", payload={}, misfire_seconds=600,
                now=world.now,
            )  # fmt: skip
    async with world.database.write() as session:
        bad = update(Schedule).where(Schedule.name == "bad")
        await session.execute(bad.values(tz="Asia/Nowhere"))
    await world.pass_time(60)
    await world.worker().run_due()
    assert [run.key.split(":")[1] for run in world.seen] == ["good"]


# Lanes


async def add_jobs(world: World, lane: str, count: int, prio: int = 5) -> None:
    for number in range(count):
        await world.enqueue("a", f"{lane}:{number}", lane=lane, prio=prio)


async def test_a_lane_starts_no_more_than_its_limit(world: World) -> None:
    world.registry.send("a", world.see)
    async with world.database.write() as session:
        await ensure_lane(session, "robot", per_second=0.02, burst=5)
    await add_jobs(world, "robot", 12)
    workers = [world.worker(), world.worker()]
    for seconds, expected in ((0, 5), (0, 5), (100, 7), (49, 7), (2, 8), (3_600, 12)):
        await world.pass_time(seconds)
        await asyncio.gather(*(worker.run_due() for worker in workers))
        assert len(world.seen) == expected


async def test_changing_a_lane_s_limit_keeps_what_it_has_used(world: World) -> None:
    world.registry.send("a", world.see)
    async with world.database.write() as session:
        await ensure_lane(session, "robot", per_second=0.01, burst=3)
    await add_jobs(world, "robot", 6)
    await world.worker().run_due()
    async with world.database.write() as session:
        await ensure_lane(session, "robot", per_second=0.01, burst=4)
        with pytest.raises(ConfigInvalid):
            await ensure_lane(session, "robot", per_second=0, burst=4)
    await world.worker().run_due()
    assert len(world.seen) == 4


async def test_a_paused_lane_waits_and_a_shorter_pause_does_not_end_it(world: World) -> None:
    world.registry.send("a", world.see)
    async with world.database.write() as session:
        await pause_lane(session, "robot", world.now + timedelta(seconds=600))
        await pause_lane(session, "robot", world.now + timedelta(seconds=60))
    await add_jobs(world, "robot", 1)
    await world.pass_time(300)
    assert await world.worker().run_due() == 0
    await world.pass_time(301)
    assert await world.worker().run_due() == 1


async def test_the_urgent_lane_comes_first_and_no_lane_starves(world: World) -> None:
    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        return None

    world.registry.send("a", send)
    await add_jobs(world, "broadcast", 50, prio=7)
    await add_jobs(world, "notices", 50, prio=7)
    await add_jobs(world, "alert", 1, prio=1)
    worker = world.worker(slots=5)
    await worker._claim()  # one claim's worth of jobs
    await asyncio.sleep(0)
    lanes = [run.lane for run in world.seen]
    assert lanes[0] == "alert"
    assert sorted(set(lanes)) == ["alert", "broadcast", "notices"]
    assert len(lanes) == 5


async def test_within_a_lane_the_urgent_job_comes_first_then_the_older(world: World) -> None:
    world.registry.send("a", world.see)
    for key, prio in (("k1", 5), ("k2", 5), ("k3", 1)):
        await world.enqueue("a", key, prio=prio)
    await world.worker(slots=1).run_due()
    assert [run.key for run in world.seen] == ["k3", "k1", "k2"]


# Lost leases


async def lose(world: World, key: str, *, owner: str = "gone", attempts: int = 1) -> None:
    """Leave a job as a worker does that fell silent."""
    async with world.database.write() as session:
        await session.execute(
            update(Job).where(Job.key == key).values(
                state=LEASED, owner=owner, attempts=attempts,
                lease_until=epoch_ms(world.now) + int(LEASE_SECONDS * 1000),
            )
        )  # fmt: skip


async def test_a_lost_lease_is_retried_held_or_buried(world: World) -> None:
    async def tell(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, f"{run.key}:{run.error}")

    world.registry.send("retry", world.see, on_dead=tell, max_attempts=3)
    world.registry.send("hold", world.see, on_lost="hold", on_unknown=tell)
    for kind, key, attempts in (("retry", "k1", 2), ("retry", "k2", 3), ("hold", "k3", 1)):
        await world.enqueue(kind, key)
        await lose(world, key, attempts=attempts)
    worker = world.worker()
    assert await worker.run_due() == 0
    await world.pass_time(LEASE_SECONDS + 1)
    assert await worker.run_due() == 1
    assert await world.states() == {"k1": DONE, "k2": DEAD, "k3": UNKNOWN}
    assert sorted(await world.effects()) == ["k2:lease lost", "k3:lease lost"]
    assert [(run.key, run.last_attempt) for run in world.seen] == [("k1", True)]


async def test_leases_of_this_host_s_dead_processes_are_given_back_at_the_start(
    world: World,
) -> None:
    host, namespace, pid, _, _ = make_owner().split("|")
    world.registry.send("a", world.see)
    await world.enqueue("a", "k1")
    await world.enqueue("a", "k2")
    await lose(world, "k1", owner=f"{host}|{namespace}|{pid}|1|before")
    await lose(world, "k2", owner=f"{host}-b|{namespace}|{pid}|1|other")
    async with running(world.worker()):
        await until(lambda: bool(world.seen))
    assert await world.states() == {"k1": DONE, "k2": LEASED}


async def test_a_late_ack_counts_as_long_as_nobody_took_the_job_over(world: World) -> None:
    finish = asyncio.Event()

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        await finish.wait()
        return None

    world.registry.send("a", send)
    world.registry.send("hold", send, on_lost="hold")
    await world.enqueue("a", "k1")
    await world.enqueue("hold", "k2")
    late = world.worker()
    running_late = asyncio.create_task(late.run_due())
    await until(lambda: len(world.seen) == 2)
    await world.pass_time(LEASE_SECONDS + 1)
    async with world.database.write() as session:
        await pause_lane(session, "main", world.now + timedelta(hours=1))
    await world.worker().run_due()
    assert await world.states() == {"k1": READY, "k2": UNKNOWN}
    finish.set()
    await running_late
    assert await world.states() == {"k1": DONE, "k2": DONE}
    assert len(world.seen) == 2


async def test_the_ack_of_a_job_that_was_taken_over_changes_nothing(world: World) -> None:
    first, second = asyncio.Event(), asyncio.Event()
    receipts: list[int] = []

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        await (first if run.attempts == 1 else second).wait()

        async def store(session: AsyncSession) -> None:
            receipts.append(run.attempts)

        return store

    world.registry.send("a", send)
    await world.enqueue("a", "k")
    late, quick = world.worker(), world.worker()
    tasks = [asyncio.create_task(late.run_due())]
    await until(lambda: len(world.seen) == 1)
    await world.pass_time(LEASE_SECONDS + 1)
    tasks.append(asyncio.create_task(quick.run_due()))
    await until(lambda: len(world.seen) == 2)
    first.set()
    await tasks[0]
    job = await world.job("k")
    assert (job.state, job.owner) == (LEASED, quick.owner)
    second.set()
    await tasks[1]
    assert receipts == [2]
    assert late.metrics().refused._value.get() == 1


async def test_a_worker_does_not_run_its_own_job_twice_after_a_stall(world: World) -> None:
    finish = asyncio.Event()

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        await finish.wait()
        return None

    world.registry.send("a", send)
    await world.enqueue("a", "k")
    async with running(world.worker(poll_seconds=0.01)) as worker:
        await until(lambda: len(world.seen) == 1)
        await world.pass_time(LEASE_SECONDS + 1)
        worker.wake()
        await asyncio.sleep(0.1)
        finish.set()
    assert len(world.seen) == 1
    assert await world.states() == {"k": DONE}


async def test_a_running_job_keeps_its_lease(world: World) -> None:
    finish = asyncio.Event()

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        await finish.wait()
        return None

    world.registry.send("a", send)
    await world.enqueue("a", "k")
    async with running(world.worker(lease_seconds=0.09)):
        await until(lambda: len(world.seen) == 1)
        before = (await world.job("k")).lease_until or 0
        await world.pass_time(0.05)
        await asyncio.sleep(0.1)
        assert ((await world.job("k")).lease_until or 0) > before
        finish.set()


# The worker's life


class FlakyDatabase(Database):
    """A database whose writes fail while it is `down`."""

    down = False
    failures = 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        if self.down:
            self.failures += 1
            raise exc.OperationalError("BEGIN", {}, OSError("database is down"))
        async with super().write() as session:
            yield session


async def test_an_ack_outlives_a_database_that_is_down(world: World) -> None:
    database = world.database = FlakyDatabase(world.database.engine)

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        database.down = True
        return None

    world.registry.send("a", send)
    await world.enqueue("a", "k1")
    async with running(world.worker()) as worker:
        await until(lambda: database.failures >= 2)
        assert not worker.healthy()
        database.down = False
        await until(worker.healthy)
        assert await world.states() == {"k1": DONE}
    assert len(world.seen) == 1


async def test_a_new_job_wakes_a_worker_that_would_look_only_much_later(world: World) -> None:
    world.registry.send("a", world.see)
    async with running(world.worker(poll_seconds=60)) as worker:
        await until(worker.healthy)
        await world.enqueue("a", "k")
        if world.database.is_sqlite:
            worker.wake()  # on PostgreSQL the enqueueing transaction has done so
        await until(lambda: bool(world.seen))


async def test_a_stop_lets_jobs_end_and_gives_back_those_that_don_t(world: World) -> None:
    async def quick(run: JobRun) -> OnAck | None:
        await world.see(run)
        await asyncio.sleep(0.05)
        return None

    async def endless(run: JobRun) -> OnAck | None:
        await world.see(run)
        await asyncio.Event().wait()
        return None

    world.registry.send("quick", quick)
    world.registry.send("retry", endless)
    world.registry.send("hold", endless, on_lost="hold")
    for kind in ("quick", "retry", "hold"):
        await world.enqueue(kind, kind)
    worker = world.worker()
    task = asyncio.create_task(worker.run())
    await until(lambda: len(world.seen) == 3)
    await worker.stop(0.5)
    await task
    assert not worker.healthy()
    assert await world.states() == {"quick": DONE, "retry": SCHED, "hold": UNKNOWN}
    assert (await world.job("retry")).attempts == 0


async def test_two_workers_share_the_work_and_none_is_done_twice(world: World) -> None:
    async def handle(session: AsyncSession, run: JobRun) -> None:
        await add_effect(session, run.key)

    world.registry.tx("a", handle)
    world.registry.send("b", world.see)
    rows: list[JobRow] = [
        {"kind": kind, "payload": {}, "key": f"{kind}:{n}", "now": world.now}
        for kind in "ab"
        for n in range(60)
    ]
    async with world.database.write() as session:
        await enqueue_many(session, rows)
    async with running(world.worker(slots=5)), running(world.worker(slots=5)):
        async with asyncio.timeout(20):
            while set((await world.states()).values()) != {DONE}:  # noqa: ASYNC110 (a table's state)
                await asyncio.sleep(0.02)
    assert len(await world.effects()) == 60
    assert sorted(run.key for run in world.seen) == sorted(f"b:{n}" for n in range(60))


def figures(worker: Worker) -> Mapping[str, float]:
    registry = CollectorRegistry()
    registry.register(worker.metrics())
    return {
        sample.name + "".join(f",{value}" for value in sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
    }


async def test_the_figures_tell_what_waits_what_is_dead_and_what_was_lost(world: World) -> None:
    world.registry.send("a", failing(Bury("gone")))
    world.registry.send("b", world.see)
    await world.enqueue("a", "k1")
    await world.enqueue("b", "k2")
    await lose(world, "k2")
    await world.pass_time(LEASE_SECONDS + 1)
    worker = world.worker()
    await worker.run_due()
    await world.enqueue("a", "k3", lane="robot")
    await world.pass_time(120)
    async with world.database.read() as session:
        await worker.metrics().measure(session, worker._dialect, world.clock)
    values = figures(worker)
    assert values["xinqing_jobs_buried,dead"] == 1
    assert values["xinqing_jobs_buried,unknown"] == 0
    assert values["xinqing_jobs_ready,robot"] == 1
    assert 119 <= values["xinqing_jobs_oldest_ready_seconds,robot"] <= 130
    assert values["xinqing_job_leases_expired_total,retried"] == 1
    assert values["xinqing_jobs_finished_total,a,dead"] == 1
    assert values["xinqing_jobs_finished_total,b,done"] == 1
    assert values["xinqing_job_lateness_seconds_count"] == 2


# Retention


async def test_only_what_is_long_done_is_forgotten(world: World) -> None:
    world.registry.send("good", world.see)
    world.registry.send("bad", failing(Bury("gone")))
    register_forgetting(world.registry, world.clock)
    for kind in ("good", "bad"):
        await world.enqueue(kind, kind)
    await world.worker().run_due()
    await world.pass_time(29 * 86_400)
    await world.enqueue("good", "recent")
    await world.worker().run_due()
    async with world.database.write() as session:
        await schedule_forgetting(session, world.now)
    await world.pass_time(2 * 86_400)
    await world.worker().run_due()
    states = await world.states()
    assert "good" not in states
    assert states["bad"] == DEAD
    assert states["recent"] == DONE


async def test_forgetting_takes_the_oldest_first_and_no_more_than_asked(world: World) -> None:
    world.registry.send("a", world.see)
    for number in range(5):
        await world.enqueue("a", f"k{number}")
        await world.worker().run_due()
        await world.pass_time(10)
    async with world.database.write() as session:
        assert await forget(session, world.now, limit=3) == 3
    assert list(await world.states()) == ["k3", "k4"]


# The plans behind it


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT min(run_at) FROM job WHERE state = 'sched'", "ix_job_sched"),
        ("SELECT min(lease_until) FROM job WHERE state = 'leased'", "ix_job_lease"),
        (
            "SELECT id FROM job WHERE state = 'ready' AND lane = 'l' ORDER BY prio, id LIMIT 9",
            "ix_job_ready",
        ),
        ("SELECT min(lane) FROM job WHERE state = 'ready' AND lane > 'l'", "ix_job_ready"),
        ("SELECT id FROM job WHERE key BETWEEN 'sla:1:' AND 'sla:1:~'", "uq_job_key"),
    ],
)
async def test_the_polls_read_indexes_only(world: World, query: str, index: str) -> None:
    explain = "EXPLAIN QUERY PLAN" if world.database.is_sqlite else "EXPLAIN"
    async with world.database.read() as session:
        if not world.database.is_sqlite:
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = " ".join(str(row) for row in await session.execute(text(f"{explain} {query}")))
    # SQLite names a UNIQUE constraint's index by number.
    assert index in plan or (index == "uq_job_key" and "sqlite_autoindex_job_1" in plan)
