"""Gap tickets: questions without an answer, and answers that did not help, for the editors."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import GapTicket, Message
from knowledge.retrieval import Hit
from knowledge.text import fold

# The same words of the same person within this time are one ticket.
SAME_WITHIN = timedelta(hours=1)
# So many of a person's newest tickets are compared, and longer texts only sign by sign.
MOST_COMPARED = 50
LONG = 500


async def open_ticket(
    session: AsyncSession, message_id: int, question: str, hits: Sequence[Hit], *, now: datetime
) -> None:
    """Record a question that the handbook could not answer.

    The same words again within the hour change nothing, nor does a message that has its ticket.
    """
    message = await session.get(Message, message_id)
    # The words of a danger, and what is said while its case is open, are the counselors'.
    question = "" if message is None or message.level in ESCALATED else question
    if await _known(session, message_id) or await _again(session, message_id, question, now):
        return
    session.add(
        GapTicket(
            message_id=message_id,
            question=question,
            candidates=[{"entry": hit.entry, "score": round(hit.score, 4)} for hit in hits],
            state="open",
            created_at=now,
        )
    )


async def none_of(
    session: AsyncSession, message_id: int, offered: Sequence[str], *, now: datetime
) -> None:
    """Record a question for which none of the offered entries was the right one."""
    message = await session.get(Message, message_id)
    if message is not None and message.text:
        hits = [Hit(entry, 0.0, (), "") for entry in offered]
        await open_ticket(session, message_id, message.text, hits, now=now)


async def not_useful(session: AsyncSession, message_id: int, *, now: datetime) -> None:
    """Record that the answer to a question did not help; a second time changes nothing."""
    message = await session.get(Message, message_id)
    if message is not None and not await _known(session, message_id):
        session.add(
            GapTicket(
                message_id=message_id,
                question="" if message.level in ESCALATED else message.text or "",
                candidates=[],
                state="not_useful",
                created_at=now,
            )
        )


async def _known(session: AsyncSession, message_id: int) -> bool:
    query = select(GapTicket.id).where(GapTicket.message_id == message_id)
    return await session.scalar(query) is not None


async def _again(session: AsyncSession, message_id: int, question: str, now: datetime) -> bool:
    """Say whether the sender opened a ticket with these words a short time ago.

    The words stand encrypted and can't be searched for, so that the few newest are read.
    """
    contact = select(Message.contact_id).where(Message.id == message_id).scalar_subquery()
    asked = await session.scalars(
        select(GapTicket.question)
        .join(Message, Message.id == GapTicket.message_id)
        .where(
            Message.contact_id == contact,
            GapTicket.state == "open",
            GapTicket.created_at > now - SAME_WITHIN,
        )
        .order_by(GapTicket.id.desc())
        .limit(MOST_COMPARED)
    )
    plain = fold(question) if len(question) <= LONG else ""
    return any(
        question == one or (plain and len(one) <= LONG and plain == fold(one)) for one in asked
    )
