"""When jobs run, on both engines: timers, schedules, lanes, and when they are forgotten."""

import asyncio
from datetime import timedelta

import pytest
from job_world import World, failing, running, until
from sqlalchemy import select, update

from bot.core.clock import epoch_ms
from bot.core.errors import ConfigInvalid
from bot.db.engine import Database
from bot.db.models.job import (
    DEAD,
    DONE,
    Schedule,
)
from bot.jobs.errors import Bury
from bot.jobs.registry import JobRun, OnAck
from bot.jobs.retention import forget, register_forgetting, schedule_forgetting
from bot.jobs.table import (
    cancel,
    ensure_lane,
    ensure_schedule,
    pause_lane,
)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


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
    finish = asyncio.Event()

    async def send(run: JobRun) -> OnAck | None:
        await world.see(run)
        await finish.wait()
        return None

    world.registry.send("a", send)
    await add_jobs(world, "broadcast", 50, prio=7)
    await add_jobs(world, "notices", 50, prio=7)
    await add_jobs(world, "alert", 1, prio=1)
    async with running(world.worker(slots=5)):
        await until(lambda: len(world.seen) == 5)
        lanes = [run.lane for run in world.seen]
        assert lanes[0] == "alert"
        assert set(lanes) == {"alert", "broadcast", "notices"}
        async with world.database.write() as session:
            await cancel(session, prefix="broadcast:", now=world.now)
            await cancel(session, prefix="notices:", now=world.now)
        finish.set()


async def test_within_a_lane_the_urgent_job_comes_first_then_the_older(world: World) -> None:
    world.registry.send("a", world.see)
    for key, prio in (("k1", 5), ("k2", 5), ("k3", 1)):
        await world.enqueue("a", key, prio=prio)
    await world.worker(slots=1).run_due()
    assert [run.key for run in world.seen] == ["k3", "k1", "k2"]


async def test_only_what_is_long_done_is_forgotten(world: World) -> None:
    world.registry.send("good", world.see)
    world.registry.send("bad", failing(Bury("gone")))
    register_forgetting(world.registry, world.clock)
    for kind in ("good", "bad"):
        await world.enqueue(kind, kind)
    await world.worker().run_due()
    await world.pass_time(30 * 86_400)
    await world.enqueue("good", "recent")
    await world.worker().run_due()
    async with world.database.write() as session:
        await schedule_forgetting(session, world.now)
        night = await session.scalar(select(Schedule.next_at)) or 0
    # To the night's slot itself: how far off it is depends on when the tests run.
    await world.pass_time((night - epoch_ms(world.now)) / 1000 + 1)
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
