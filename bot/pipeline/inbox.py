"""The inbox: store a message once, screen it, open the case, queue the alert; one transaction.

Called by every channel's callback before anything else happens to a message. Nothing here waits
for the network, and the screen runs on every text, whoever holds the conversation, however old
the message, and in groups too.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.bell import Bell
from bot.core.clock import Clock
from bot.core.messages import IncomingMessage, Kind, Receipt
from bot.core.privacy import clean
from bot.db import field_keys
from bot.db.engine import Database
from bot.db.models import Case, Contact, Message
from bot.pipeline import again
from bot.pipeline.crowd import Crowd
from bot.pipeline.memory import Memory, remember
from bot.pipeline.turns import Turns
from bot.services import (
    alarms,
    assessments,
    cases,
    contacts,
    directory_contacts,
    figures,
    rule_changes,
)
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.screening import Screen, Screened, Shadowed

log = structlog.get_logger(__name__)

COLLISIONS = 5
UNANSWERED = frozenset({Kind.UNFOLLOW, Kind.RECEIPT})
MEDIA = frozenset({Kind.VOICE, Kind.IMAGE, Kind.VIDEO, Kind.FILE, Kind.UNREADABLE})

# Built once: it runs for every message.
_KNOWN = select(Message.id, Message.contact_id, Message.level, Message.answerable).where(
    Message.channel == bindparam("channel"),
    Message.account == bindparam("account"),
    Message.platform_id == bindparam("platform_id"),
)


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
        self.crowd = Crowd()
        self._turns = Turns()

    async def accept(self, incoming: IncomingMessage) -> Receipt:
        """Store and screen one message; the same platform id again gives the stored receipt."""
        now = self._clock.now()
        sender = (incoming.channel, incoming.account, incoming.sender)
        with self.crowd.one_more():
            async with self._turns.of(sender):
                # Everybody waits for storing; for the classifier nobody has to: it is asked later.
                aided = not self.crowd.behind
                if aided:
                    await self._screen.warm(clean(incoming.text))
                receipt = await self._transact(incoming, now, aided)
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

    async def _transact(self, incoming: IncomingMessage, now: datetime, aided: bool) -> Receipt:
        """Store in one transaction, again where another process was faster.

        Messages of one person that come at once may collide over the contact, then over the case;
        each time the other one's row is there afterwards, so that a few tries are enough.
        """
        for left in reversed(range(COLLISIONS)):
            try:
                async with self._database.write() as session:
                    return await self._accept(session, incoming, now, aided)
            except IntegrityError:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _accept(
        self, session: AsyncSession, incoming: IncomingMessage, now: datetime, aided: bool
    ) -> Receipt:
        known = await self._known(session, incoming)
        if known is not None:
            return known
        home = self.homes.get((incoming.channel, incoming.account), "")
        contact = await contacts.meet(session, incoming, now, home=home)
        await session.flush()
        if contact.guardian_id is None and directory_contacts.vouches(incoming):
            await directory_contacts.recognise(session, contact, home=home, now=now)
        with field_keys.of_place(contact.place_id):
            receipt = await self._take_in(session, contact, incoming, now, aided)
            await session.flush()
        return receipt

    async def _take_in(
        self,
        session: AsyncSession,
        contact: Contact,
        incoming: IncomingMessage,
        now: datetime,
        aided: bool,
    ) -> Receipt:
        text = clean(incoming.text)
        memory = await remember(session, contact.id, now)
        screened = self._judge(contact, text, memory, aided)
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

    def _judge(self, contact: Contact, text: str, memory: Memory, aided: bool) -> Screened:
        return self._screen.judge(
            text,
            who=contact.who,
            turns=memory.turns,
            floor=memory.floor,
            weak_signs=memory.weak_signs,
            aided=aided,
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
            if screened.unaided or screened.hurried:
                await again.queue(session, message, screened, now=now)
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
        memory: Memory,
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
