"""The router: ask the handlers in order, store the outcome once, say how the replies leave.

Handling happens outside any transaction; its result is written in one, guarded by the message's
state, so that two routers (a retry, the sweep after a crash) can't both answer. Messages of one
contact are handled in the order in which they were stored, unless one of them hangs.
"""

import asyncio
import dataclasses
import weakref
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from types import ModuleType

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict
from bot.core.messages import Outcome, Reply
from bot.db import field_keys
from bot.db.failures import kind_of
from bot.db.models import Contact, Message
from bot.pipeline.gate import Gate
from bot.pipeline.slot import PassiveSlot
from bot.services import alarms, deliveries, figures
from bot.services.container import Services
from bot.services.handling import Context, StoredMessage, load

log = structlog.get_logger(__name__)

# Between the replies to one message, so that they arrive in their order.
GAP = timedelta(seconds=1)
# A search that takes longer hangs: then the fallback answers.
HANDLER_SECONDS = 15.0
# How long a message waits for the contact's messages before it: until the one that hangs has given
# up; a danger, whose reply has two seconds, hardly at all.
TURN_SECONDS = HANDLER_SECONDS + 1.0
URGENT_TURN_SECONDS = 1.0
# Answering costs more than storing. When more comes than can be answered, the rest waits, so that
# every message is still stored and screened in time; a danger never waits here.
ROUTES_AT_ONCE = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Routed:
    """What became of a message.

    Args:
        passive: the words that leave in the callback's answer, None when nothing does.
        delivery_id: the passive delivery's row, to be marked once the platform has taken it.
        outcome: None when the message had been handled before.
    """

    passive: Reply | None
    delivery_id: int | None = None
    outcome: Outcome | None = None


class Router:
    """Route stored messages.

    Args:
        handlers: modules with `handle(context, message)`; the first outcome wins.
        fallback: the handler that answers when another one failed.
    """

    def __init__(
        self, services: Services, handlers: Sequence[ModuleType], fallback: ModuleType
    ) -> None:
        self._services = services
        self._handlers = handlers
        self._fallback = fallback
        self._gate = Gate(ROUTES_AT_ONCE)
        self._turns: weakref.WeakValueDictionary[int, asyncio.Lock] = weakref.WeakValueDictionary()

    @property
    def crowded(self) -> bool:
        """Say whether answering has fallen behind."""
        return self._gate.crowded

    async def route(
        self,
        message_id: int,
        contact_id: int,
        slot: PassiveSlot | None = None,
        *,
        urgent: bool = False,
    ) -> Routed:
        """Handle one stored message and return what may leave as the passive reply.

        Args:
            urgent: a danger, which waits for nothing that hangs before it.
        """
        turn = self._turns.setdefault(contact_id, asyncio.Lock())
        try:
            async with asyncio.timeout(URGENT_TURN_SECONDS if urgent else TURN_SECONDS):
                await turn.acquire()
        except TimeoutError:
            # What hangs before it may not keep a cry for help waiting.
            return await self._in_turn(message_id, slot, urgent)
        try:
            return await self._in_turn(message_id, slot, urgent)
        finally:
            turn.release()

    async def _in_turn(self, message_id: int, slot: PassiveSlot | None, urgent: bool) -> Routed:
        def wanted() -> bool:
            return slot is None or slot.open

        async with nullcontext() if urgent else self._gate.place(wanted):
            return await self._route(message_id, slot)

    async def _route(self, message_id: int, slot: PassiveSlot | None) -> Routed:
        services = self._services
        now = services.clock.now()
        async with services.database.read() as session:
            context, message = await load(session, services, message_id, now)
        if message.state != "stored" or not message.answerable:
            return await self.stored(message_id)
        with services.answers.hold():
            outcome = await self._decide(context, message)
        passive = slot is not None and slot.take()
        try:
            return await self._commit(message, outcome, passive, now)
        except Conflict:
            return await self.stored(message_id)
        except Exception as error:
            # What a handler wanted to have written could not be: as if the handler had failed.
            self._log_failure(outcome.handler, message, error)
            failed = await self._failed(context, message, outcome.handler)
            return await self._commit(message, failed, passive, now)

    async def _decide(self, context: Context, message: StoredMessage) -> Outcome:
        for handler in self._handlers:
            try:
                async with asyncio.timeout(HANDLER_SECONDS):
                    outcome: Outcome | None = await handler.handle(context, message)
            except Exception as error:
                self._log_failure(handler.__name__, message, error)
                return await self._failed(context, message, handler.__name__)
            if outcome is not None:
                return outcome
        raise LookupError("the last handler of the tuple has to answer everything")

    def _log_failure(self, handler: str, message: StoredMessage, error: Exception) -> None:
        # Ids and the type only: the text of an exception may hold a parent's words.
        log.error("handler_failed", handler=handler, message=message.id, error=kind_of(error))

    async def _failed(self, context: Context, message: StoredMessage, name: str) -> Outcome:
        outcome: Outcome = await self._fallback.handle(context, message)

        async def alarm(session: AsyncSession) -> None:
            await alarms.raise_alarm(
                session,
                "handler_failed",
                now=context.now,
                subject=name,
                policy=context.services.policy,
            )

        return dataclasses.replace(outcome, effects=(*outcome.effects, alarm))

    async def _commit(
        self, message: StoredMessage, outcome: Outcome, passive: bool, now: datetime
    ) -> Routed:
        async with self._services.database.write() as session:
            contact = await self._claim(session, message.id, outcome.handler)
            with field_keys.of_place(contact.place_id):
                first = await self._write(session, contact, message, outcome, passive, now)
                await session.flush()
        self._services.bell.ring()
        figures.ROUTED.labels(outcome.handler).inc()
        log.info("routed", message=message.id, handler=outcome.handler, **_codes(outcome))
        if passive and outcome.replies:
            return Routed(outcome.replies[0], first, outcome)
        return Routed(None, None, outcome)

    async def _write(
        self,
        session: AsyncSession,
        contact: Contact,
        message: StoredMessage,
        outcome: Outcome,
        passive: bool,
        now: datetime,
    ) -> int | None:
        """Write what an outcome changes and says; return the first reply's delivery."""
        for effect in outcome.effects:
            await effect(session)
        first: int | None = None
        for number, reply in enumerate(outcome.replies):
            delivery = await deliveries.add(
                session,
                contact,
                reply,
                key=f"message:{message.id}:{number}",
                now=now,
                passive=passive and number == 0,
                group=None if reply.private else message.group,
                message_id=message.id,
                # What is said 1:1 beside words in a group has nothing of its own before it.
                delay=timedelta() if reply.private else number * GAP,
            )
            first = first if first is not None else delivery.id
        return first

    async def _claim(self, session: AsyncSession, message_id: int, handler: str) -> Contact:
        # The person's row before the message's, as the inbox does it: in another order the
        # platform's retry and this transaction could wait for each other (PostgreSQL).
        found = await session.execute(
            select(Contact)
            .join(Message, Message.contact_id == Contact.id)
            .where(Message.id == message_id)
            .with_for_update(of=Contact, key_share=True)
        )
        contact = found.scalar_one()
        claimed = await session.scalar(
            update(Message)
            .where(Message.id == message_id, Message.state == "stored")
            .values(state="done", handler=handler)
            .returning(Message.id)
        )
        if claimed is None:
            raise Conflict(f"message {message_id} was handled by another")
        return contact

    async def stored(self, message_id: int) -> Routed:
        """Return the stored passive reply of a message, for the platform's retry of its id."""
        async with self._services.database.read() as session:
            rows = await deliveries.of_message(session, message_id)
        for row in rows:
            if row.route == "passive":
                return Routed(Reply(row.body, row.kind, row.source), row.id)
        return Routed(None)


def _codes(outcome: Outcome) -> dict[str, object]:
    return {key: outcome.detail[key] for key in ("kind", "entry", "score") if key in outcome.detail}
