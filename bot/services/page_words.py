"""What parents write on their pages is screened like every other word, before anything else.

It is stored as a message of the contact, so that the desk sees it and the next screening remembers
it; it opens no sending window and gets no answer in the chat, for it did not come from there.
Called by `bot.web.parents_ask` and `bot.web.parents_notice`.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Kind
from bot.core.privacy import clean
from bot.db.models import Contact, Message
from bot.services import assessments, cases
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.screening import Screened

MEMORY = timedelta(hours=24)
MEMORY_TURNS = 10
HANDLER = "page"


class Judge(Protocol):
    """The screen, as far as pages need it."""

    def judge(
        self, text: str, *, who: str | None, turns: Sequence[str], floor: str, weak_signs: int
    ) -> Screened:
        """Judge one text; never raises."""
        ...


async def take(
    session: AsyncSession,
    screen: Judge,
    policy: AlertPolicy,
    contact: Contact,
    words: str,
    *,
    now: datetime,
) -> Screened:
    """Store and judge what a contact wrote on a page; a danger opens or raises its case."""
    return (await store(session, screen, policy, contact, words, now=now))[1]


async def store(
    session: AsyncSession,
    screen: Judge,
    policy: AlertPolicy,
    contact: Contact,
    words: str,
    *,
    now: datetime,
) -> tuple[Message, Screened]:
    """Do what `take` does, and return the stored message too."""
    text = clean(words)
    case = await cases.open_case(session, contact.id)
    screened = screen.judge(
        text,
        who=contact.who,
        turns=await _turns(session, contact.id, now),
        floor=case.level if case else "0",
        weak_signs=0,
    )
    message = Message(
        channel=contact.channel,
        account=contact.account,
        platform_id=f"page:{secrets.token_hex(16)}",
        contact_id=contact.id,
        kind=Kind.TEXT.value,
        text=text,
        media_id="",
        sent_at=now,
        received_at=now,
        answerable=False,
        state="done",
        handler=HANDLER,
        level=screened.level,
    )
    session.add(message)
    await session.flush()
    session.add(assessments.row_of(message, screened, now))
    if screened.escalated:
        await cases.open_or_raise(session, policy, contact, message, Cause.of(screened), now=now)
    elif case is not None:
        await cases.add_message(session, case, message.id, now=now)
    return message, screened


async def _turns(session: AsyncSession, contact_id: int, now: datetime) -> tuple[str, ...]:
    query = (
        select(Message.text)
        .where(Message.contact_id == contact_id, Message.received_at > now - MEMORY)
        .order_by(Message.id.desc())
        .limit(MEMORY_TURNS)
    )
    return tuple(text for text in reversed((await session.scalars(query)).all()) if text)
