"""Jobs that remind: of follow-ups, plan reviews, and reports that wait for a second person.

Registered by wiring; payloads hold ids.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.jobs.registry import JobRegistry, JobRun
from bot.services import reminders, report_reminders
from bot.services.alerts import AlertPolicy


class Reminders:
    """Run planned reminders."""

    def __init__(self, policy: AlertPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock

    def register(self, registry: JobRegistry) -> None:
        """Add the jobs to the registry."""
        registry.tx(reminders.KIND, self.remind)
        registry.tx(report_reminders.KIND, self.remind_report)

    async def remind(self, session: AsyncSession, job: JobRun) -> None:
        """Do one reminder and plan the next."""
        planned = reminders.Planned.of(job.payload)
        await reminders.remind(session, self._policy, planned, now=self._clock.now())

    async def remind_report(self, session: AsyncSession, job: JobRun) -> None:
        """Tell who may agree that a report waits."""
        report_id = int(str(job.payload["report"]))
        now = self._clock.now()
        await report_reminders.remind(session, self._policy, report_id, now=now)
