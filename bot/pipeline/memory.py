"""What the screen knows of a contact when it judges a message: earlier turns and the open case.

Called by the inbox before it stores a message, and by the job that looks at one again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Assessment, Case, Message
from bot.db.models.case import CLOSED
from bot.services import cases

LENGTH = timedelta(hours=24)
TURNS = 10
MESSAGES = 40

# Built once: it runs for every message.
_EARLIER = (
    select(Message.text, Assessment.weak, Assessment.fresh_level)
    .join(Assessment, Assessment.message_id == Message.id)
    .where(Message.contact_id == bindparam("contact"), Message.received_at > bindparam("since"))
    .order_by(Message.id.desc())
    .limit(MESSAGES)
)
_BEFORE = _EARLIER.where(Message.id < bindparam("message"))


@dataclass(frozen=True, slots=True)
class Memory:
    """Earlier turns, weak signs before them, whether one was a danger, the open case."""

    turns: tuple[str, ...]
    weak_signs: int
    recent_risk: bool
    case: Case | None

    @property
    def floor(self) -> str:
        """Return the level of the open case."""
        return self.case.level if self.case else "0"


async def remember(session: AsyncSession, contact_id: int, now: datetime) -> Memory:
    """Return what is known before the next message of a contact."""
    last = await cases.latest(session, contact_id)
    since = _since(now, last.closed_at if last is not None else None)
    rows = await session.execute(_EARLIER, {"contact": contact_id, "since": since})
    return _memory(rows.all(), last if last is not None and last.state != CLOSED else None)


async def remember_before(session: AsyncSession, message: Message) -> Memory:
    """Return what was known before a stored message, and the case that is open now."""
    closed = select(func.max(Case.closed_at)).where(
        Case.contact_id == message.contact_id, Case.closed_at <= message.received_at
    )
    known = {
        "contact": message.contact_id,
        "since": _since(message.received_at, await session.scalar(closed)),
        "message": message.id,
    }
    rows = await session.execute(_BEFORE, known)
    return _memory(rows.all(), await cases.open_case(session, message.contact_id))


def _since(moment: datetime, closed_at: datetime | None) -> datetime:
    """Return from when on turns count: what a person has seen and closed is not held against it."""
    return moment - LENGTH if closed_at is None else max(moment - LENGTH, closed_at)


def _memory(earlier: Sequence[Any], case: Case | None) -> Memory:
    return Memory(
        turns=tuple(row[0] for row in reversed(earlier[:TURNS]) if row[0]),
        weak_signs=sum(1 for row in earlier[TURNS:] if row[1]),
        recent_risk=any(row[2] in ESCALATED for row in earlier),
        case=case,
    )
