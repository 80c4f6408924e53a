"""The second look: texts that the rules judged alone are shown to the classifier afterwards.

The inbox queues one where the classifier was left out, because too many messages came at once, or
broke (`queue`, in the storing transaction). The job asks it about the stored text with the turns
that stood before it and may only raise: the assessment, the case with its alerts, and the crisis
reply, through the same functions as at the door. Registered by wiring.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import rank
from bot.core.messages import Outcome, Reply
from bot.db import field_keys
from bot.db.failures import kind_of
from bot.db.models import Assessment, Contact, Message
from bot.db.models.message import DONE, STORED
from bot.jobs.errors import Retry
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue
from bot.pipeline.memory import Memory, remember_before
from bot.services import alarms, assessments, cases, deliveries, figures
from bot.services.cases import Cause
from bot.services.container import Services
from bot.services.handling import Context, StoredMessage, load
from bot.services.screening import Screened

log = structlog.get_logger(__name__)

KIND, LANE = "screen.again", "screen"
# Answers and alerts go before it; within its lane the oldest text is first.
PRIO = 4
TRIES = 12
SECONDS = 60.0
# While people wait for answers the lane stands still, but no text waits longer than this.
PAUSE = timedelta(seconds=2)
PATIENCE = timedelta(minutes=10)
BROKEN = "classifier_broken"


async def queue(
    session: AsyncSession, message: Message, screened: Screened, *, now: datetime
) -> None:
    """Queue the second look at a text that the rules judged alone; an empty one needs none."""
    if not message.text:
        return
    figures.SCREENED_ALONE.labels("behind" if screened.hurried else "broken").inc()
    payload = {"message": message.id}
    key = f"{KIND}:{message.id}"
    await enqueue(session, KIND, payload, key=key, now=now, lane=LANE, prio=PRIO)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A stored text with all that the screen has to know of it."""

    message: Message
    contact: Contact
    assessment: Assessment
    memory: Memory


class SecondLook:
    """Does the job.

    Args:
        busy: says whether storing or answering has fallen behind; then this waits.
        danger: the handler that answers dangers.
    """

    def __init__(self, services: Services, busy: Callable[[], bool], danger: ModuleType) -> None:
        self._services = services
        self._busy = busy
        self._danger = danger
        # Reading takes a core as long as it takes: one text at a time leaves the rest to answers.
        self._gate = asyncio.Semaphore(1)

    def register(self, registry: JobRegistry) -> None:
        """Register the job."""
        registry.send(KIND, self.look, timeout=SECONDS, max_attempts=TRIES, on_dead=self._give_up)

    async def look(self, run: JobRun) -> None:
        """Ask the classifier about one text and write what comes of it; a second time is harmless.

        Raises:
            Retry: answers go first, or the classifier broke again.
        """
        services, message_id = self._services, int(str(run.payload["message"]))
        now = services.clock.now()
        if self._busy() and now - run.first_queued < PATIENCE:
            raise Retry(pause_lane_until=now + PAUSE, count=False, reason="busy")
        async with self._gate:
            async with services.database.read() as session:
                asked = await _read(session, message_id)
            if asked is None:
                return
            # Outside of any transaction and in another thread: this is what takes long. Inside,
            # the classifier still knows what it said.
            screened = await asyncio.to_thread(self._judge, asked)
            if rank(screened.fresh) <= rank(asked.assessment.fresh_level):
                await self._note(asked.assessment, screened)
                return
        await self._raise(message_id)

    def _judge(self, asked: _Asked) -> Screened:
        screened = self._services.screen.judge(
            asked.message.text,
            who=asked.contact.who,
            turns=asked.memory.turns,
            floor=asked.memory.floor,
            weak_signs=asked.memory.weak_signs,
        )
        if screened.failed or screened.unaided or self._services.screen.unaided is not None:
            raise Retry(reason=BROKEN)
        return screened

    async def _note(self, assessment: Assessment, screened: Screened) -> None:
        """Write down that the classifier was asked as well and saw nothing more."""
        if screened.verdict is None or screened.verdict.rule_version == assessment.rule_version:
            return
        async with self._services.database.write() as session:
            await session.execute(
                update(Assessment)
                .where(
                    Assessment.id == assessment.id,
                    Assessment.rule_version == assessment.rule_version,
                )
                .values(rule_version=screened.verdict.rule_version)
            )

    async def _raise(self, message_id: int) -> None:
        """Raise what has to be, all in one transaction, judged anew as things stand in it."""
        services = self._services
        async with services.database.write() as session:
            # The person's row before all others, as the inbox and the router do it (PostgreSQL).
            contact = await session.scalar(
                select(Contact)
                .join(Message, Message.contact_id == Contact.id)
                .where(Message.id == message_id)
                .with_for_update(of=Contact, key_share=True)
            )
            asked = await _read(session, message_id)
            if contact is None or asked is None:
                return
            with field_keys.of_place(contact.place_id):
                await self._write(session, asked)
                await session.flush()
        services.bell.ring()

    async def _write(self, session: AsyncSession, asked: _Asked) -> None:
        message, before = asked.message, asked.assessment.fresh_level
        services, now = self._services, self._services.clock.now()
        screened = self._judge(asked)
        if rank(screened.fresh) <= rank(before):
            return
        assessments.raised(asked.assessment, screened)
        message.level = asked.assessment.level
        log.info("screened_again", message=message.id, before=before, assessed=screened.fresh)
        if not screened.escalated:
            return
        cause = Cause.of(screened)
        await cases.open_or_raise(session, services.policy, asked.contact, message, cause, now=now)
        await session.flush()
        await self._answer(session, asked)

    async def _answer(self, session: AsyncSession, asked: _Asked) -> None:
        """Say what the message would have been answered with, as far as it still is to be said."""
        message, contact, now = asked.message, asked.contact, self._services.clock.now()
        if not message.answerable:
            return
        context, stored = await load(session, self._services, message.id, now)
        outcome = await self._choose(session, context, stored)
        if outcome is None:
            return
        if message.state == STORED:
            # The router has not answered yet, and now it finds nothing left to answer.
            message.state, message.handler = DONE, outcome.handler
            replies, key = outcome.replies, "message"
        else:
            replies, key = _late(context, stored, outcome), "again"
        for number, reply in enumerate(replies):
            await deliveries.add(
                session,
                contact,
                reply,
                key=f"{key}:{message.id}:{number}",
                now=now,
                group=None if reply.private else message.group,
                message_id=message.id,
            )

    async def _choose(
        self, session: AsyncSession, context: Context, message: StoredMessage
    ) -> Outcome | None:
        """Let the handler choose the words; the case is raised even where it fails."""
        try:
            outcome: Outcome | None = await self._danger.handle(context, message)
        except Exception as error:
            # Ids and the type only: the text of an exception may hold a parent's words.
            log.error("handler_failed", handler=KIND, message=message.id, error=kind_of(error))
            policy = self._services.policy
            await alarms.raise_alarm(
                session, "handler_failed", now=context.now, subject=KIND, policy=policy
            )
            return None
        return outcome

    async def _give_up(self, session: AsyncSession, _run: JobRun) -> None:
        """Tell the operator that a text was judged by the rules alone for good."""
        await alarms.raise_alarm(
            session,
            "classifier_unusable",
            now=self._services.clock.now(),
            subject=KIND,
            policy=self._services.policy,
        )


def _late(context: Context, message: StoredMessage, outcome: Outcome) -> tuple[Reply, ...]:
    """Return what is still said after another answer has been given.

    Nothing twice: a later message may have brought the crisis reply meanwhile. Nothing in a group:
    a line there, minutes behind the answer, would only show everybody that something was wrong.
    """
    if context.danger.same_family:
        return ()
    return tuple(reply for reply in outcome.replies if reply.private or message.group is None)


async def _read(session: AsyncSession, message_id: int) -> _Asked | None:
    """Return a text with what stood before it; None where it was erased meanwhile."""
    found = await session.execute(
        select(Message, Contact, Assessment)
        .join(Contact, Contact.id == Message.contact_id)
        .join(Assessment, Assessment.message_id == Message.id)
        .where(Message.id == message_id)
    )
    row = found.one_or_none()
    if row is None or not row.Message.text:
        return None
    memory = await remember_before(session, row.Message)
    return _Asked(row.Message, row.Contact, row.Assessment, memory)
