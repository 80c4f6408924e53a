"""The worker, on both engines: leases, outages, stopping, sharing, figures."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from job_world import LEASE_SECONDS, World, add_effect, failing, running, until
from prometheus_client import CollectorRegistry
from sqlalchemy import exc, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.db.engine import Database
from bot.db.models.job import (
    DEAD,
    DONE,
    LEASED,
    READY,
    SCHED,
    UNKNOWN,
    Job,
)
from bot.jobs import supervise
from bot.jobs.errors import Bury
from bot.jobs.owner import make_owner
from bot.jobs.registry import JobRun, OnAck
from bot.jobs.table import (
    JobRow,
    enqueue_many,
    pause_lane,
)
from bot.jobs.worker import Worker


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


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


async def test_a_receipt_that_always_breaks_the_transaction_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "FIRST_WAIT_SECONDS", 0.0)

    async def send(run: JobRun) -> OnAck | None:
        async def store(session: AsyncSession) -> None:
            await add_effect(session, run.key)
            if run.key == "k2":
                raise exc.OperationalError("INSERT", {}, OSError("looks like an outage"))

        return store

    world.registry.send("a", send)
    for key in ("k1", "k2", "k3"):
        await world.enqueue("a", key)
    await world.worker().run_due()
    assert await world.states() == {"k1": DONE, "k2": UNKNOWN, "k3": DONE}
    assert await world.effects() == ["k1", "k3"]


async def test_a_new_job_wakes_a_worker_that_would_look_only_much_later(world: World) -> None:
    world.registry.send("a", world.see)
    async with running(world.worker(poll_seconds=60)) as worker:
        await until(worker.healthy)
        await world.enqueue("a", "k")
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
