"""Gap tickets: questions without an answer, and answers that did not help, for the editors."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import GapTicket, Message
from knowledge.retrieval import Hit


async def open_ticket(
    session: AsyncSession, message_id: int, question: str, hits: Sequence[Hit], *, now: datetime
) -> None:
    """Record a question that the handbook could not answer."""
    session.add(
        GapTicket(
            message_id=message_id,
            question=question,
            candidates=[{"entry": hit.entry, "score": round(hit.score, 4)} for hit in hits],
            state="open",
            created_at=now,
        )
    )


async def not_useful(session: AsyncSession, message_id: int, *, now: datetime) -> None:
    """Record that the answer to a question did not help; a second time changes nothing."""
    known = await session.scalar(select(GapTicket.id).where(GapTicket.message_id == message_id))
    message = await session.get(Message, message_id)
    if known is None and message is not None:
        session.add(
            GapTicket(
                message_id=message_id,
                question=message.text,
                candidates=[],
                state="not_useful",
                created_at=now,
            )
        )
