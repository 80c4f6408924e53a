"""Figures about background work, for Prometheus. `Worker.metrics()` hands them to the wiring.

Counters are kept by the worker as it goes; the gauges come from the table, read every 15 s.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.db.models.job import DEAD, UNKNOWN
from bot.jobs.claim import IS_READY
from bot.jobs.dialect import Dialect
from bot.jobs.leases import Lost
from bot.jobs.table import JOB

_LATE_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class JobMetrics(Collector):
    """One worker's figures; register it with a Prometheus registry."""

    def __init__(self) -> None:
        self.finished = Counter(
            "xinqing_jobs_finished",
            "Attempts by what became of them",
            ("kind", "outcome"),
            registry=None,
        )
        self.late = Histogram(
            "xinqing_job_lateness_seconds",
            "From the due time to the claim",
            registry=None,
            buckets=_LATE_BUCKETS,
        )
        self.lost = Counter(
            "xinqing_job_leases_expired",
            "Leases that ran out, by what became of the job",
            ("outcome",),
            registry=None,
        )
        self.refused = Counter(
            "xinqing_job_acks_refused",
            "Outcomes of jobs that had another owner by then",
            registry=None,
        )
        self.failures = Counter(
            "xinqing_job_task_failures",
            "Failures of the worker's own tasks",
            ("task",),
            registry=None,
        )
        self.in_flight = Gauge("xinqing_jobs_in_flight", "Slots in use", registry=None)
        self.ready = Gauge("xinqing_jobs_ready", "Jobs that wait", ("lane",), registry=None)
        self.oldest = Gauge(
            "xinqing_jobs_oldest_ready_seconds",
            "How long the longest waiting job has been due",
            ("lane",),
            registry=None,
        )
        self.buried = Gauge(
            "xinqing_jobs_buried", "Jobs that need a person", ("state",), registry=None
        )

    def collect(self) -> Iterable[Metric]:
        """Return every figure."""
        for metric in self._all():
            yield from metric.collect()

    def count_lost(self, lost: Lost) -> None:
        """Count leases that ran out."""
        for outcome, ids in (
            ("retried", lost.retried),
            ("held", lost.held),
            ("buried", lost.buried),
        ):
            self.lost.labels(outcome).inc(len(ids))

    async def measure(self, session: AsyncSession, dialect: Dialect, clock: Clock) -> None:
        """Read the gauges from the table."""
        now = await dialect.now_ms(session, clock)
        lanes = await session.execute(
            select(JOB.c.lane, func.count(), func.min(JOB.c.run_at))
            .where(IS_READY)
            .group_by(JOB.c.lane)
        )
        buried = await session.execute(
            select(JOB.c.state, func.count())
            .where(text("state IN ('dead', 'unknown')"))
            .group_by(JOB.c.state)
        )
        for state, count in ((DEAD, 0), (UNKNOWN, 0), *buried):
            self.buried.labels(state).set(count)
        self.ready.clear()
        self.oldest.clear()
        for lane, count, since in lanes:
            self.ready.labels(lane).set(count)
            self.oldest.labels(lane).set(max(0, now - since) / 1000)

    def _all(self) -> Iterator[Counter | Gauge | Histogram]:
        yield from (self.finished, self.late, self.lost, self.refused, self.failures)
        yield from (self.in_flight, self.ready, self.oldest, self.buried)
