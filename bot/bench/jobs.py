"""`xinqing bench jobs`: the job table under load, with two worker processes that really send.

Called by `bot.cli.bench` and by tests. Each part has a database of its own. Beside our figures
stand those of the trial table of decision 0001, taken on the same kind of machine.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.bench.databases import SQLITE, engine_version, own_database, plain_engine
from bot.bench.job_worker import KIND
from bot.bench.measure import load, machine, spread
from bot.bench.processes import Process, clean_environment, make_module_process
from bot.bench.sends import TIMER, Sink, at_half, evenness, losses, most_within
from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate
from bot.jobs.table import JobRow, enqueue_many, ensure_lane

WORKERS = 2
KILLS = 3
LANES = 500
TIMERS = 3_000
# What part of the minute the timers are spread over, alone and beside a backlog.
QUIET, BUSY = 1 / 3, 2 / 15
# Longer than queueing the timers takes, or the first would be late before they are there.
HEAD_START = timedelta(seconds=2)
SEND_SECONDS = 0.02
LEASE_SECONDS = 5.0
FAST, FAST_BURST = 90.0, 10
SLOW, SLOW_BURST = 0.25, 5
ALLOWED = {"fast": 100, "slow": 20}
MINUTE = 60.0
URGENT = 0
GIVE_UP_SECONDS = 300.0
POLL_SECONDS = 0.1
_LEFT = text("SELECT count(*) FROM job WHERE state IN ('ready', 'sched', 'leased')")

# From the trial of decision 0001: slots 50, lease 5 s where a worker was killed.
TRIAL: dict[str, dict[str, str]] = {
    "sqlite": {
        "drain": "3,377 /s with 50 slots, 10,652 /s with 200; 0.18 s of CPU for 1,000",
        "kill": "4,000 sends of 20 ms: lost 0, doubled 0-50",
        "timers": "1,000 timers: late by p50 316-353 ms, p99 583-644 ms",
        "limit": "99-100 in any second, 92 /s",
        "lanes": "500 served, first send within 3.7-5.8 s, 19 in the worst lane, 9,466 sent",
    },
    "postgresql": {
        "drain": "2,599 /s with 50 slots, 9,650 /s with 200; 0.17 s of CPU for 1,000",
        "kill": "4,000 sends of 20 ms: lost 0, doubled 0-50",
        "timers": "1,000 timers: late by p50 336-357 ms, p99 617-766 ms",
        "limit": "103-107 in any second, 80-90 /s",
        "lanes": "500 served, first send within 1.9-2.6 s, 19 in the worst lane, 9,500 sent",
    },
}


@dataclass(frozen=True, slots=True)
class _Crew:
    """Two workers on one database, with their sink."""

    address: str
    sink: Path
    workers: Sequence[Process]

    def enqueue(self, rows: Iterable[JobRow]) -> float:
        """Queue jobs in one transaction and return its seconds."""
        return asyncio.run(_write(self.address, lambda session: enqueue_many(session, rows)))

    def limit(self, lanes: Iterable[str], rate: float, burst: int) -> None:
        """Give lanes their limit."""

        async def write(session: AsyncSession) -> None:
            for lane in lanes:
                await ensure_lane(session, lane, per_second=rate, burst=burst)

        asyncio.run(_write(self.address, write))

    def start(self) -> None:
        """Start both workers."""
        for worker in self.workers:
            worker.start()

    def sent(self) -> Sink:
        """Read what was sent so far."""
        return Sink.parse(self.sink.read_text(encoding="utf-8") if self.sink.exists() else "")

    def wait(self, enough: Callable[[], bool]) -> None:
        """Wait until it is so.

        Raises:
            TimeoutError: that took too long.
        """
        end = time.monotonic() + GIVE_UP_SECONDS
        while not enough():
            if time.monotonic() > end:
                raise TimeoutError("the workers did not come to an end")
            time.sleep(POLL_SECONDS)

    def wait_up(self) -> None:
        """Wait until both workers look for jobs."""
        self.wait(lambda: len(self.sent().ups) == len(self.workers))

    def wait_done(self) -> Sink:
        """Wait until no job is left, and return what was sent."""
        engine = plain_engine(self.address)

        def done() -> bool:
            with engine.connect() as connection:
                return bool(connection.scalar(_LEFT) == 0)

        self.wait(done)
        return self.sent()

    def cpu_seconds(self) -> float:
        """Return the workers' processor time since they came up."""
        spent = sum(worker.cpu_seconds() for worker in self.workers)
        return spent - self.sent().cpu_at_start


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all parts share."""

    where: str
    jobs: int
    slots: int
    timers: int
    minute: float
    rounds: int

    @contextmanager
    def crew(self, *, cost: float = 0.0) -> Iterator[_Crew]:
        """Make a database and two workers for it that are not started yet."""
        with tempfile.TemporaryDirectory(prefix="xinqing-bench-") as name:
            folder = Path(name)
            with own_database(self.where, folder) as address:
                asyncio.run(_write(address, _nothing))
                environment = clean_environment() | {
                    "BENCH_DATABASE": address,
                    "BENCH_SINK": str(folder / "sink"),
                    "BENCH_SLOTS": str(self.slots),
                    "BENCH_LEASE": str(LEASE_SECONDS),
                    "BENCH_COST": str(cost),
                }
                workers = [
                    make_module_process("bot.bench.job_worker", environment, folder / f"{n}.log")
                    for n in range(WORKERS)
                ]
                try:
                    yield _Crew(address, folder / "sink", workers)
                finally:
                    for worker in workers:
                        worker.kill()


def bench_jobs(
    *,
    database: str,
    jobs: int,
    slots: int,
    timers: int = TIMERS,
    minute: float = MINUTE,
    rounds: int = KILLS,
) -> dict[str, object]:
    """Measure every part, one after the other.

    Args:
        database: `sqlite`, or the address of a PostgreSQL server.
        minute: seconds that the many slow lanes are watched for; tests take fewer.
        rounds: how often a backlog is drained with a kill in the middle.
    """
    bench = _Bench(database, jobs, slots, timers, minute, rounds)
    trial = TRIAL["sqlite" if database == SQLITE else "postgresql"]
    before = load()
    parts = {
        "drain": _drain(bench),
        "kill": _kill(bench),
        "timers": _timers(bench),
        "limit": _limit(bench),
        "shares": _shares(bench),
        "lanes": _lanes(bench),
    }
    return {
        "bench": "jobs",
        "engine": engine_version(database),
        "jobs": jobs,
        "workers": WORKERS,
        "slots": slots,
        "lease_seconds": LEASE_SECONDS,
        **{
            name: found | ({"trial": trial[name]} if name in trial else {})
            for name, found in parts.items()
        },
        "load_before_and_after": [before, load()],
        "machine": machine(),
    }


def _drain(bench: _Bench) -> dict[str, object]:
    """Send a backlog that costs nothing to send."""
    with bench.crew() as crew:
        rows = _rows("main", bench.jobs)
        took = crew.enqueue(rows)
        crew.start()
        sink = crew.wait_done()
        cpu = crew.cpu_seconds()
    return {
        "enqueue_seconds": took,
        "per_second": sink.per_second,
        "cpu_seconds_for_1000": round(1000 * cpu / bench.jobs, 3),
        **losses(sink.sends, [row["key"] for row in rows]),
    }


def _kill(bench: _Bench) -> dict[str, object]:
    """Kill one of the workers when half is sent; only the other one goes on. Several rounds."""
    rounds = [_kill_once(bench) for _ in range(bench.rounds)]
    return {
        "send_seconds": SEND_SECONDS,
        "doubled_at_most": bench.slots,
        "timers_beside_it": bench.timers,
        "rounds": rounds,
    }


def _kill_once(bench: _Bench) -> dict[str, object]:
    with bench.crew(cost=SEND_SECONDS) as crew:
        crew.start()
        crew.wait_up()
        rows = _rows("main", bench.jobs)
        crew.enqueue(rows)
        timers = _timer_rows(bench.timers, BUSY * bench.minute)
        crew.enqueue(timers)
        crew.wait(lambda: len(crew.sent().sends) >= bench.jobs // 2)
        crew.workers[0].kill()
        killed_at = time.time()
        sink = crew.wait_done()
    before = [line for line in sink.sends if line.at <= killed_at]
    alive = killed_at - sink.sends[0].at
    return {
        "per_second_before_the_kill": round(len(before) / alive, 1),
        "sent_before_the_kill": len(before),
        **losses(sink.sends, [row["key"] for row in rows + timers]),
        "timers_late": spread(sink.late()),
    }


def _timers(bench: _Bench) -> dict[str, object]:
    """Let timers come due with nothing else to do."""
    with bench.crew() as crew:
        crew.start()
        crew.wait_up()
        rows = _timer_rows(bench.timers, QUIET * bench.minute)
        crew.enqueue(rows)
        sink = crew.wait_done()
    lost = losses(sink.sends, [row["key"] for row in rows])
    return {"timers": bench.timers, "late": spread(sink.late()), **lost}


def _limit(bench: _Bench) -> dict[str, object]:
    """Push one lane with a limit as hard as it goes."""
    count = max(20, bench.jobs // 20)
    with bench.crew() as crew:
        crew.limit(["fast"], FAST, FAST_BURST)
        crew.enqueue(_rows("fast", count))
        crew.start()
        sink = crew.wait_done()
    return {
        "per_second": FAST,
        "burst": FAST_BURST,
        "most_in_any_second": most_within(sink.by_lane()["fast"], 1.0),
        "allowed": ALLOWED["fast"],
        "sent_per_second": sink.per_second,
    }


def _shares(bench: _Bench) -> dict[str, object]:
    """Send lanes without limits whose jobs were queued lane after lane."""
    lanes = _names()
    each = max(2, bench.jobs // LANES)
    with bench.crew() as crew:
        crew.enqueue([row for lane in lanes for row in _rows(lane, each)])
        crew.start()
        sink = crew.wait_done()
    finished = sorted(times[-1] - sink.sends[0].at for times in sink.by_lane().values())
    return {
        "lanes": LANES,
        "jobs_each": each,
        "per_second": sink.per_second,
        "when_half_was_sent": at_half(sink.sends, lanes),
        "first_lane_finished_after": round(finished[0] / sink.seconds, 3),
    }


def _lanes(bench: _Bench) -> dict[str, object]:
    """Watch many slow lanes, each with more to send than its limit lets through."""
    lanes = _names()
    each = int(SLOW_BURST + SLOW * bench.minute) + 5
    with bench.crew() as crew:
        crew.limit(lanes, SLOW, SLOW_BURST)
        crew.enqueue([row for lane in lanes for row in _rows(lane, each)])
        crew.start()
        crew.wait_up()
        time.sleep(bench.minute)
        cpu, sink = crew.cpu_seconds(), crew.sent()
    times = sink.by_lane()
    start = min(sink.ups)
    counts = [len(times.get(lane, [])) for lane in lanes]
    return {
        "lanes": LANES,
        "seconds": bench.minute,
        "served": len(times),
        "first_send_max_seconds": round(max(found[0] for found in times.values()) - start, 2),
        "sent": len(sink.sends),
        "least_in_a_lane": min(counts),
        "most_in_any_minute": max(most_within(found, MINUTE) for found in times.values()),
        "allowed": ALLOWED["slow"],
        "evenness": evenness(counts),
        "cpu_seconds": round(cpu, 1),
    }


def _names() -> list[str]:
    return [f"lane{number:03}" for number in range(LANES)]


def _rows(lane: str, count: int) -> list[JobRow]:
    now = datetime.now(UTC)
    return [
        {"kind": KIND, "payload": {}, "key": f"{lane}:{number}", "now": now, "lane": lane}
        for number in range(count)
    ]


def _timer_rows(count: int, seconds: float) -> list[JobRow]:
    """Make urgent timers, spread evenly; they start a little later than they are queued."""
    now = datetime.now(UTC)
    start = now + HEAD_START
    dues = [start + timedelta(seconds=seconds * n / count) for n in range(count)]
    return [
        {
            "kind": KIND,
            "payload": {},
            "key": f"{TIMER}:{int(due.timestamp() * 1000)}:{number}",
            "now": now,
            "run_at": due,
            "prio": URGENT,
        }
        for number, due in enumerate(dues)
    ]


async def _write(address: str, write: Callable[[AsyncSession], Awaitable[object]]) -> float:
    """Make the tables where they are missing, write in one transaction, and return its seconds."""
    database = Database(make_engine(address))
    await migrate(database)
    start = time.perf_counter()
    async with database.write() as session:
        await write(session)
    took = time.perf_counter() - start
    await database.close()
    return round(took, 2)


async def _nothing(_session: AsyncSession) -> None:
    """Write nothing: only the tables are wanted."""
