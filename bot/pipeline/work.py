"""Proof that a notice to staff arrived: the platform is asked until it knows, for a day at most.

A work notification is taken without a word on whom it reached, and some are dropped silently. Until
its result is known the alert counts as under way; nobody reached is a failure that the case shows.
Called by `bot.pipeline.delivery`; the jobs ask through `bot.core.ports.Prover`.

Source: open.dingtalk.com, `gets-the-result-of-sending-messages-asynchronously-to-the-enterprise`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import ChannelRateLimited
from bot.core.ports import Proof, Prover, SentTask
from bot.db.models import CaseEvent, Delivery, WorkTask
from bot.db.models.delivery import ACCEPTED, SENDING
from bot.db.models.operation import AWAITED, PROVED, UNPROVED
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue
from bot.services import alarms, alert_next, deliveries
from bot.services.container import Services
from bot.services.quota import USED_UP

KIND = "work.proof"
# After sending; the result can be asked for during 24 hours.
ASK_AFTER = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=3),
    timedelta(hours=12),
    timedelta(hours=23),
)
# What the platform delivers to one person from one app; beyond it drops.
PER_DAY = 500
NO_PROOF = "no_proof"
PROOF_PRIO = 9


class Proofs:
    """Keeps the tasks of notices and asks for their results.

    Args:
        provers: the alert channels that have results, by name.
    """

    def __init__(self, services: Services, provers: Mapping[str, Prover]) -> None:
        self._services = services
        self._provers = provers

    def register(self, registry: JobRegistry) -> None:
        """Add this class's jobs to the registry."""
        registry.send(KIND, self.ask, max_attempts=10, on_dead=self.give_up)

    async def check_day(self, target: str, staff_id: int | None = None) -> None:
        """Refuse what the platform would drop silently.

        Args:
            staff_id: who is called, where it calls one person.

        Raises:
            Bury: these people have had as many notices today as the platform delivers.
        """
        if target not in self._provers:
            return
        now = to_shanghai(self._services.clock.now())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._services.database.read() as session:
            sent = await session.scalar(
                select(func.count(func.distinct(WorkTask.delivery_id)))
                .join(Delivery, Delivery.id == WorkTask.delivery_id)
                .where(
                    Delivery.target == target,
                    Delivery.staff_id == staff_id,
                    WorkTask.sent_at >= midnight,
                )
            )
        if (sent or 0) >= PER_DAY:
            raise Bury("day")

    async def expect(
        self, session: AsyncSession, delivery_id: int, tasks: Sequence[SentTask]
    ) -> None:
        """Remember what was taken and plan the first question, in the acknowledging transaction."""
        now = self._services.clock.now()
        delivery = await session.get_one(Delivery, delivery_id)
        delivery.state = SENDING
        for task in tasks:
            row = WorkTask(
                delivery_id=delivery_id,
                task_id=task.task_id,
                people=list(task.people),
                missed={},
                sent_at=now,
            )
            session.add(row)
            await session.flush()
            await _plan(session, row.id, delivery.target, 0, now=now, sent_at=now)

    async def ask(self, job: JobRun) -> Callable[[AsyncSession], Awaitable[None]] | None:
        """Ask once what became of one part."""
        async with self._services.database.read() as session:
            row = await session.get(WorkTask, job.payload["task"])
            delivery = await session.get(Delivery, row.delivery_id) if row is not None else None
        if row is None or delivery is None or row.state != AWAITED:
            return None
        prover = self._provers.get(delivery.target)
        if prover is None:
            raise Bury("no such group")
        try:
            proof = await prover.proof(SentTask(row.task_id, tuple(row.people)))
        except ChannelRateLimited as error:
            if error.code == USED_UP:
                # Counted, so that it ends; the lane goes on for what has to be sent.
                raise Retry(ASK_AFTER[2].total_seconds(), reason=USED_UP) from None
            raise
        number = int(str(job.payload["number"]))

        async def write(session: AsyncSession) -> None:
            await self._note(session, row.id, proof, number)

        return write

    async def give_up(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a result could not be had, in the transaction that gives the job up."""
        row = await session.get(WorkTask, job.payload["task"])
        if row is not None and row.state == AWAITED:
            await self._close(session, row, UNPROVED)

    async def _note(self, session: AsyncSession, task: int, proof: Proof, number: int) -> None:
        row = await session.get_one(WorkTask, task, with_for_update=True)
        if row.state != AWAITED:
            return
        now = self._services.clock.now()
        row.delivered, row.read, row.missed = proof.delivered, proof.read, dict(proof.missed)
        delivery = await session.get_one(Delivery, row.delivery_id)
        if proof.delivered and delivery.state != ACCEPTED:
            await deliveries.accepted(session, delivery.id, receipt=row.task_id, now=now)
        if proof.settled:
            await self._close(session, row, PROVED)
        elif number + 1 < len(ASK_AFTER):
            await _plan(session, row.id, delivery.target, number + 1, now=now, sent_at=row.sent_at)
        else:
            await self._close(session, row, UNPROVED)

    async def _close(self, session: AsyncSession, row: WorkTask, state: str) -> None:
        now = self._services.clock.now()
        row.state, row.settled_at = state, now
        await session.flush()
        delivery = await session.get_one(Delivery, row.delivery_id)
        reasons = dict(row.missed)
        unknown = len(row.people) - row.delivered - sum(reasons.values())
        if unknown > 0:
            reasons[NO_PROOF] = unknown
        if reasons:
            await self._tell(session, delivery, reasons, now)
        waiting = await session.scalar(
            select(func.count(WorkTask.id)).where(
                WorkTask.delivery_id == delivery.id, WorkTask.state == AWAITED
            )
        )
        if not waiting and delivery.state != ACCEPTED:
            reason = max(reasons, key=lambda one: reasons[one]) if reasons else NO_PROOF
            await deliveries.gave_up(
                session, delivery.id, reason=reason, unreachable=False, now=now
            )
            await alert_next.failed(session, self._services.policy, delivery, now=now)

    async def _tell(
        self, session: AsyncSession, delivery: Delivery, reasons: Mapping[str, int], now: datetime
    ) -> None:
        """Write down who was missed: in the case, and for the operator, who keeps the list."""
        if delivery.case_id is not None:
            data = {
                "delivery": delivery.id,
                "target": delivery.target,
                "reason": max(reasons, key=lambda one: reasons[one]),
                "people": sum(reasons.values()),
            }
            session.add(CaseEvent(case_id=delivery.case_id, at=now, kind="alert_missed", data=data))
        await alarms.raise_alarm(
            session,
            "alert_missed",
            now=now,
            subject=delivery.target,
            policy=self._services.policy,
        )


async def _plan(
    session: AsyncSession, task: int, target: str, number: int, *, now: datetime, sent_at: datetime
) -> None:
    await enqueue(
        session,
        KIND,
        {"task": task, "number": number},
        key=f"proof:{task}:{number}",
        now=now,
        run_at=max(now, sent_at + ASK_AFTER[number]),
        lane=f"alert:{target}",
        prio=PROOF_PRIO,
    )
