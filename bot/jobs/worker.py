"""The worker: polls the table, runs what is due in its slots, and keeps its leases.

Run by `bot.app` inside the web process (SQLite) or by `xinqing work` alone. It takes a lock only
when there is something to take, and its own tasks are supervised: a database that fails for a
while costs time, not jobs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import structlog

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.jobs.acks import Flusher
from bot.jobs.chores import do_chores
from bot.jobs.claim import Claimed, Plan, look, ready_lanes, take
from bot.jobs.engines import dialect_named
from bot.jobs.leases import Lost, dead_owners, give_back, renew
from bot.jobs.metrics import JobMetrics
from bot.jobs.outcomes import Outcome
from bot.jobs.owner import make_owner
from bot.jobs.registry import JobKind, JobRegistry, JobRun
from bot.jobs.runner import LeaseLost, Runner, stopped
from bot.jobs.supervise import Alive, Supervisor

POLL_SECONDS = 0.5
# Many enqueues in a row wake the worker once; one after a quiet time wakes it at once.
GAP_SECONDS = 0.02
THROTTLED_SECONDS = 0.05
THROTTLED_SECONDS_PER_LANE = 0.0005
MEASURE_SECONDS = 15.0
STALLED_SECONDS = 30.0
FLUSH_SECONDS = 5.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Flight:
    """A slot in use; `settling` once the handler has ended and its outcome is being written."""

    run: JobRun
    kind: JobKind | None
    settling: bool = False
    task: asyncio.Task[None] | None = field(default=None)


class Worker:
    """Runs the jobs of one database, up to `slots` at once.

    Args:
        slots: jobs in flight; as many sends may happen twice when the process is killed.
        lease_seconds: how long a silent worker keeps its jobs; longer than any handler's time-out.
        clock: used on SQLite; PostgreSQL's own clock counts there.
        poll_seconds: the longest wait between two looks at the table.
        owner: this worker's name, at most 80 characters; None: made from host and process.
    """

    def __init__(
        self,
        database: Database,
        registry: JobRegistry,
        *,
        slots: int,
        lease_seconds: float,
        clock: Clock,
        poll_seconds: float = POLL_SECONDS,
        owner: str | None = None,
        random: Random | None = None,
    ) -> None:
        self.owner = owner or make_owner()
        self._database = database
        self._registry = registry
        self._slots = slots
        self._lease_ms = int(lease_seconds * 1000)
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._random = random or Random()
        self._dialect = dialect_named(database.engine.dialect.name)
        self._metrics = JobMetrics()
        self._flights: dict[int, _Flight] = {}
        self._runner = Runner(database, self._dialect, clock, self.owner, self._random)
        self._flusher = Flusher(
            database, self._dialect, clock, self.owner, lambda: len(self._flights)
        )
        self._supervisor = Supervisor(self._random, self._count_failure)
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()
        self._gave_back = False
        self._stopping = False
        self._cutting = False
        self._full = False
        self._attentive = poll_seconds
        self._polled_at = 0.0

    async def run(self) -> None:
        """Work until `stop` is called."""
        self._supervisor.start("flush", self._flusher.run)
        self._supervisor.start("renew", self._keep_leases)
        self._supervisor.start("measure", self._keep_measuring)
        self._supervisor.start("claim", self._keep_claiming)
        self._supervisor.start("listen", self._dialect.listener(self._database, self.wake))
        try:
            await self._ended.wait()
        finally:
            await self._supervisor.stop()
            await self._cancel(list(self._flights.values()))

    async def stop(self, drain_seconds: float) -> None:
        """Take nothing new, let what runs come to its end, give the rest back, end `run`.

        Args:
            drain_seconds: how long running handlers are waited for.
        """
        self._stopping = True
        self.wake()
        await self._supervisor.join("claim", FLUSH_SECONDS)
        await self._wait_for(list(self._flights.values()), drain_seconds)
        self._cutting = True
        cut = [flight for flight in self._flights.values() if not flight.settling]
        for flight in cut:
            _log.warning("job_cut_off", job=flight.run.id, kind=flight.run.kind)
        await self._cancel(cut, FLUSH_SECONDS)
        await self._wait_for(list(self._flights.values()), FLUSH_SECONDS)
        self._ended.set()

    def wake(self) -> None:
        """Look at the table now, and some more times soon.

        `enqueue` does this by itself: in its own process on SQLite, in every one on PostgreSQL.
        """
        self._attentive = GAP_SECONDS
        self._wake.set()

    def healthy(self) -> bool:
        """Tell whether it runs, all its tasks do, and it looked at the table lately."""
        if self._stopping or not self._supervisor.healthy():
            return False
        silent = asyncio.get_running_loop().time() - self._polled_at
        return silent < max(STALLED_SECONDS, 10 * self._poll_seconds)

    def metrics(self) -> JobMetrics:
        """Return its figures, to be registered with a Prometheus registry."""
        return self._metrics

    async def run_due(self) -> int:
        """Run everything that is due now, and what that enqueues, without `run`: for tests.

        Returns:
            How many attempts were made.
        """
        self._supervisor.start("flush", self._flusher.run)
        attempts = idle = 0
        try:
            # Twice idle: the first look may only have woken timers of a lane at its limit.
            while idle < 2:
                claimed = (await self._claim())[1]
                await self._wait_for(list(self._flights.values()), None)
                attempts += claimed
                idle = 0 if claimed else idle + 1
        finally:
            await self._supervisor.stop("flush")
        return attempts

    async def _keep_claiming(self, alive: Alive) -> None:
        if not self._gave_back:
            await self._give_back()
            self._gave_back = True
        while not self._stopping:
            self._wake.clear()
            self._polled_at = asyncio.get_running_loop().time()
            wait = await self._poll()
            alive()
            await self._sleep(wait)

    async def _poll(self) -> float:
        """Claim once and return how long to wait."""
        free = self._slots - len(self._flights)
        if free <= 0:
            return self._poll_seconds
        plan, claimed = await self._claim()
        self._full = claimed >= free
        if self._full:
            return self._poll_seconds  # whoever frees half the slots wakes us
        if claimed or plan.chores or plan.lanes:
            # What is left waits for limits, or another worker is at it. New work wakes us.
            return THROTTLED_SECONDS
        return self._until(plan)

    def _until(self, plan: Plan) -> float:
        # Whoever woke us may not have committed yet.
        longest = min(self._poll_seconds, self._attentive)
        self._attentive = 2 * longest
        if plan.next_in_ms is None:
            return longest
        least = 0.0
        if plan.waiting:
            # Many lanes at their limits would otherwise have us look at every single token.
            least = THROTTLED_SECONDS + plan.waiting * THROTTLED_SECONDS_PER_LANE
        return min(longest, max(least, plan.next_in_ms / 1000))

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                return
        gap = 0.0 if self._full else self._polled_at + GAP_SECONDS - loop.time()
        await asyncio.sleep(max(0.0, gap))

    async def _claim(self) -> tuple[Plan, int]:
        async with self._database.read() as session:
            plan = await look(session, self._dialect, self._clock)
        if not plan.chores and not plan.lanes:
            return plan, 0
        lost = Lost()
        async with self._database.write() as session:
            lanes = plan.lanes
            if plan.chores:
                lost = await do_chores(
                    session,
                    self._dialect,
                    self._clock,
                    self._registry,
                    owner=self.owner,
                    held=self._flights.keys(),
                )
                lanes = await ready_lanes(session)
            claimed = await take(
                session,
                self._dialect,
                self._clock,
                lanes=lanes,
                want=self._slots - len(self._flights),
                owner=self.owner,
                lease_ms=self._lease_ms,
                registry=self._registry,
                random=self._random,
            )
        self._note_lost(lost)
        self._launch(claimed)
        return plan, len(claimed)

    def _launch(self, claimed: Sequence[Claimed]) -> None:
        for job in claimed:
            self._metrics.late.observe(job.late_ms / 1000)
            if job.run.id in self._flights:
                continue  # its lease ran out while we were at it: we have only taken it back
            flight = _Flight(job.run, self._registry.get(job.run.kind))
            self._flights[job.run.id] = flight
            flight.task = asyncio.create_task(self._fly(flight), name=f"job.{job.run.kind}")
        self._metrics.in_flight.set(len(self._flights))

    async def _fly(self, flight: _Flight) -> None:
        try:
            outcome = await self._attempt(flight)
            flight.settling = True
            if outcome is not None and not await self._flusher.settle(
                flight.run, flight.kind, outcome
            ):
                raise LeaseLost
            name = type(outcome).__name__.lower() if outcome else "done"
            self._metrics.finished.labels(flight.run.kind, name).inc()
        except LeaseLost:
            self._metrics.refused.inc()
            _log.warning("job_lease_lost", job=flight.run.id, kind=flight.run.kind)
        except Exception as error:
            # Our own fault, not the handler's: its lease runs out and it is run again.
            _log.error("job_slot_failed", job=flight.run.id, error=type(error).__name__)
        finally:
            del self._flights[flight.run.id]
            self._metrics.in_flight.set(len(self._flights))
            if self._full and len(self._flights) <= self._slots // 2:
                self.wake()

    async def _attempt(self, flight: _Flight) -> Outcome | None:
        try:
            return await self._runner.attempt(flight.run, flight.kind)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._cutting or task is None:
                raise
            task.uncancel()
            return stopped(flight.kind)

    async def _keep_leases(self, alive: Alive) -> None:
        alive()
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            if ids := list(self._flights):
                async with self._database.write() as session:
                    await renew(
                        session,
                        self._dialect,
                        self._clock,
                        owner=self.owner,
                        ids=ids,
                        lease_ms=self._lease_ms,
                    )
            alive()

    async def _keep_measuring(self, alive: Alive) -> None:
        while True:
            async with self._database.read() as session:
                await self._metrics.measure(session, self._dialect, self._clock)
            alive()
            await asyncio.sleep(MEASURE_SECONDS)

    async def _give_back(self) -> None:
        async with self._database.read() as session:
            dead = await dead_owners(session)
        if not dead:
            return
        async with self._database.write() as session:
            await give_back(session, dead)
        _log.info("job_leases_given_back", workers=len(dead))

    async def _wait_for(self, flights: Sequence[_Flight], seconds: float | None) -> None:
        if tasks := [flight.task for flight in flights if flight.task]:
            await asyncio.wait(tasks, timeout=seconds)

    async def _cancel(self, flights: Sequence[_Flight], seconds: float = FLUSH_SECONDS) -> None:
        for flight in flights:
            if flight.task:
                flight.task.cancel()
        await self._wait_for(flights, seconds)

    def _note_lost(self, lost: Lost) -> None:
        if len(lost):
            self._metrics.count_lost(lost)
            _log.warning(
                "job_leases_expired",
                retried=lost.retried,
                held=lost.held,
                buried=lost.buried,
            )

    def _count_failure(self, task: str) -> None:
        self._metrics.failures.labels(task).inc()
