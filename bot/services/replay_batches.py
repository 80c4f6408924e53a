"""One batch of a replay: stored messages with what their writers had said before, judged twice.

Called by `bot.services.replays`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Contact, Message, RuleReplay
from knowledge.risk import Context, RuleSet
from knowledge.risk.compare import Difference, compare

log = structlog.get_logger(__name__)

# What the inbox lets the screen know of a contact, without the open case.
MEMORY = timedelta(hours=24)
MEMORY_TURNS = 10


@dataclass(frozen=True, slots=True)
class Text:
    """A stored message and what is known beside it."""

    message_id: int
    text: str
    context: Context


@dataclass(frozen=True, slots=True)
class Batch:
    """The next messages of a replay.

    Args:
        since: the replay had reached this message.
        reached: it has reached this one when the batch is done.
        read: how many messages were read, those without words among them.
    """

    replay_id: int
    rule_set_id: int
    since: int
    reached: int
    read: int
    texts: tuple[Text, ...]


class _Said(NamedTuple):
    message_id: int
    at: datetime
    text: str


async def read_batch(session: AsyncSession, replay: RuleReplay, size: int) -> Batch:
    """Read the next messages and, for each, what its writer said in the day before."""
    rows = await session.execute(
        select(Message.id, Message.contact_id, Message.received_at, Message.text, Contact.who)
        .join(Contact, Contact.id == Message.contact_id)
        .where(
            Message.received_at >= replay.since,
            Message.id > replay.reached,
            Message.id <= replay.last_message,
        )
        .order_by(Message.id)
        .limit(size)
    )
    messages = rows.all()
    contacts = {row.contact_id for row in messages}
    earliest = min((row.received_at for row in messages), default=replay.since)
    reached = messages[-1].id if messages else replay.last_message
    said = await _said(session, contacts, earliest - MEMORY, reached)
    texts = tuple(
        Text(row.id, row.text, Context(row.who, _turns(said[row.contact_id], row.id, row[2])))
        for row in messages
        if row.text
    )
    return Batch(replay.id, replay.rule_set_id, replay.reached, reached, len(messages), texts)


async def _said(
    session: AsyncSession, contacts: set[int], since: datetime, until: int
) -> dict[int, list[_Said]]:
    found = await session.execute(
        select(Message.contact_id, Message.id, Message.received_at, Message.text)
        .where(Message.contact_id.in_(contacts), Message.received_at > since, Message.id < until)
        .order_by(Message.id)
    )
    said: dict[int, list[_Said]] = defaultdict(list)
    for contact_id, message_id, at, text in found:
        said[contact_id].append(_Said(message_id, at, text))
    return said


def _turns(said: Sequence[_Said], message_id: int, at: datetime) -> tuple[str, ...]:
    earlier = [one for one in said if one.message_id < message_id and one.at > at - MEMORY]
    return tuple(one.text for one in earlier[-MEMORY_TURNS:] if one.text)


def judge(
    texts: Sequence[Text], live: RuleSet, new: RuleSet
) -> tuple[list[tuple[int, Difference]], int]:
    """Judge each text under both rule sets; runs in a thread.

    Returns:
        The messages whose level differs, and how many could not be judged.
    """
    found: list[tuple[int, Difference]] = []
    failed = 0
    for one in texts:
        try:
            change = compare(one.text, one.context, live, new)
        except Exception as error:
            # The type only: an exception's text may hold a parent's words.
            log.error("replay_failed", message=one.message_id, error=type(error).__name__)
            failed += 1
            continue
        if change is not None:
            found.append((one.message_id, change))
    return found, failed
