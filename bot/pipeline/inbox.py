"""The inbox: store a message once, screen it, open the case, queue the alert; one transaction.

Called by every channel's callback before anything else happens to a message. Nothing here waits
for the network, and the screen runs on every text, whoever holds the conversation, however old
the message, and in groups too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.bell import Bell
from bot.core.clock import Clock
from bot.core.levels import ESCALATED
from bot.core.messages import IncomingMessage, Kind, Receipt
from bot.core.privacy import clean
from bot.db import field_keys
from bot.db.engine import Database
from bot.db.models import Assessment, Case, Contact, Message
from bot.db.models.case import CLOSED
from bot.services import alarms, assessments, cases, contacts, figures, rule_changes
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.screening import Screen, Screened, Shadowed

log = structlog.get_logger(__name__)

MEMORY = timedelta(hours=24)
MEMORY_TURNS = 10
MEMORY_MESSAGES = 40
COLLISIONS = 5
UNANSWERED = frozenset({Kind.UNFOLLOW, Kind.RECEIPT})
MEDIA = frozenset({Kind.VOICE, Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.UNREADABLE})

# Built once: these two run for every message.
_KNOWN = select(Message.id, Message.contact_id, Message.level, Message.answerable).where(
    Message.channel == bindparam("channel"),
    Message.account == bindparam("account"),
    Message.platform_id == bindparam("platform_id"),
)
_EARLIER = (
    select(Message.text, Assessment.weak, Assessment.fresh_level)
    .join(Assessment, Assessment.message_id == Message.id)
    .where(Message.contact_id == bindparam("contact"), Message.received_at > bindparam("since"))
    .order_by(Message.id.desc())
    .limit(MEMORY_MESSAGES)
)


@dataclass(frozen=True, slots=True)
class _Memory:
    """What the screen knows of a contact: earlier turns, weak signs before them, the open case."""

    turns: tuple[str, ...]
    weak_signs: int
    recent_risk: bool
    case: Case | None

    @property
    def floor(self) -> str:
        return self.case.level if self.case else "0"


class Inbox:
    """Accept messages.

    Args:
        homes: by (channel, account) the scene of the place that new contacts belong to.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        screen: Screen,
        policy: AlertPolicy,
        bell: Bell,
        homes: Mapping[tuple[str, str], str],
    ) -> None:
        self._database = database
        self._clock = clock
        self._screen = screen
        self._policy = policy
        self._bell = bell
        self.homes = homes

    async def accept(self, incoming: IncomingMessage) -> Receipt:
        """Store and screen one message; the same platform id again gives the stored receipt."""
        now = self._clock.now()
        await self._screen.warm(clean(incoming.text))
        receipt = await self._transact(incoming, now)
        if receipt.case_id is not None and not receipt.duplicate:
            self._bell.ring()
        if receipt.duplicate:
            figures.DUPLICATES.labels(incoming.channel).inc()
        else:
            figures.ACCEPTED.labels(incoming.channel, incoming.kind.value, receipt.level).inc()
        log.info(
            "accepted",
            message=receipt.message_id,
            channel=incoming.channel,
            account=incoming.account,
            kind=incoming.kind.value,
            duplicate=receipt.duplicate,
            stale=incoming.stale,
            assessed=receipt.level,
            case=receipt.case_id,
        )
        return receipt

    async def _transact(self, incoming: IncomingMessage, now: datetime) -> Receipt:
        """Store in one transaction, again where another process was faster.

        Messages of one person that come at once may collide over the contact, then over the case;
        each time the other one's row is there afterwards, so that a few tries are enough.
        """
        for left in reversed(range(COLLISIONS)):
            try:
                async with self._database.write() as session:
                    return await self._accept(session, incoming, now)
            except IntegrityError:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _accept(
        self, session: AsyncSession, incoming: IncomingMessage, now: datetime
    ) -> Receipt:
        known = await self._known(session, incoming)
        if known is not None:
            return known
        contact = await contacts.meet(
            session, incoming, now, home=self.homes.get((incoming.channel, incoming.account), "")
        )
        await session.flush()
        with field_keys.of_place(contact.place_id):
            receipt = await self._take_in(session, contact, incoming, now)
            await session.flush()
        return receipt

    async def _take_in(
        self, session: AsyncSession, contact: Contact, incoming: IncomingMessage, now: datetime
    ) -> Receipt:
        text = clean(incoming.text)
        memory = await self._remember(session, contact.id, now)
        screened = self._judge(contact, text, memory)
        message = await self._store(session, contact, incoming, text, screened, now)
        if message is None:
            return cast(Receipt, await self._known(session, incoming))
        case = await self._escalate(session, contact, message, screened, memory, now)
        return Receipt(
            message_id=message.id,
            contact_id=contact.id,
            duplicate=False,
            level=screened.level,
            case_id=case.id if case else None,
            answerable=message.answerable,
        )

    async def _known(self, session: AsyncSession, incoming: IncomingMessage) -> Receipt | None:
        key = {
            "channel": incoming.channel,
            "account": incoming.account,
            "platform_id": incoming.platform_id,
        }
        found = (await session.execute(_KNOWN, key)).first()
        if found is None:
            return None
        return Receipt(found[0], found[1], True, found[2], None, found[3])

    async def _remember(self, session: AsyncSession, contact_id: int, now: datetime) -> _Memory:
        last = await cases.latest(session, contact_id)
        case = last if last is not None and last.state != CLOSED else None
        since = now - MEMORY
        if last is not None and last.closed_at is not None:
            # What a person has seen and closed is not held against the next message.
            since = max(since, last.closed_at)
        rows = await session.execute(_EARLIER, {"contact": contact_id, "since": since})
        earlier = rows.all()
        return _Memory(
            turns=tuple(row[0] for row in reversed(earlier[:MEMORY_TURNS]) if row[0]),
            weak_signs=sum(1 for row in earlier[MEMORY_TURNS:] if row[1]),
            recent_risk=any(row[2] in ESCALATED for row in earlier),
            case=case,
        )

    def _judge(self, contact: Contact, text: str, memory: _Memory) -> Screened:
        return self._screen.judge(
            text,
            who=contact.who,
            turns=memory.turns,
            floor=memory.floor,
            weak_signs=memory.weak_signs,
        )

    async def _store(
        self,
        session: AsyncSession,
        contact: Contact,
        incoming: IncomingMessage,
        text: str,
        screened: Screened,
        now: datetime,
    ) -> Message | None:
        insert = insert_sqlite if self._database.is_sqlite else insert_postgresql
        statement = (
            insert(Message)
            .values(
                channel=incoming.channel,
                account=incoming.account,
                platform_id=incoming.platform_id,
                contact_id=contact.id,
                kind=incoming.kind.value,
                text=text,
                media_id=incoming.media_id,
                scene=incoming.scene[:128],
                group=incoming.group,
                vouched=incoming.vouched,
                return_address=incoming.return_address or None,
                return_until=incoming.return_until,
                sent_at=incoming.sent_at,
                received_at=now,
                answerable=not incoming.stale and incoming.kind not in UNANSWERED,
                state="stored",
                handler="",
                attempts=0,
                level=screened.level,
            )
            .on_conflict_do_nothing(index_elements=["channel", "account", "platform_id"])
            .returning(Message)
        )
        message = (await session.execute(statement)).scalar_one_or_none()
        if message is not None:
            if incoming.kind is Kind.UNREADABLE:
                await alarms.raise_alarm(
                    session,
                    "quota_exhausted",
                    now=now,
                    subject=f"{incoming.channel}/{incoming.account}",
                    policy=self._policy,
                )
            session.add(assessments.row_of(message, screened, now))
            if screened.shadow is not None:
                await self._note_shadow(session, message.id, screened.shadow, now)
            if screened.unaided:
                await alarms.raise_alarm(
                    session, "classifier_unusable", now=now, policy=self._policy
                )
            if screened.failed:
                figures.SCREEN_FAILURES.inc()
                await alarms.raise_alarm(session, "screen_failed", now=now, policy=self._policy)
        return message

    async def _note_shadow(
        self, session: AsyncSession, message_id: int, shadow: Shadowed, now: datetime
    ) -> None:
        rule_changes.note(session, shadow, message_id, now)
        if shadow.failed:
            await alarms.raise_alarm(session, "shadow_failed", now=now, policy=self._policy)

    async def _escalate(
        self,
        session: AsyncSession,
        contact: Contact,
        message: Message,
        screened: Screened,
        memory: _Memory,
        now: datetime,
    ) -> Case | None:
        cause: Cause | None = None
        if screened.escalated:
            cause = Cause.of(screened)
        elif Kind(message.kind) in MEDIA and not message.text and memory.recent_risk:
            # What nobody could read after a danger is shown to a person (DOMAIN §3 rule 11).
            level = memory.case.level if memory.case else "2"
            cause = Cause(level, (), "", "unknown", "unreadable_media")
        if cause is None:
            if memory.case is not None:
                await cases.add_message(session, memory.case, message.id, now=now)
            return memory.case
        return await cases.open_or_raise(session, self._policy, contact, message, cause, now=now)
