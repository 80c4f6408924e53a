"""What a message may go on with: the entry and the question of some minutes ago.

Called by the question handler and the handler of choices. Only ids were kept; the question's words
are read from the stored message, and only where that message meant no danger.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Message
from bot.services.answers import Before
from bot.services.handling import Context
from bot.services.remembered import question_of, still_talking

# What is carried over is cut; only the beginning of a long message is read.
READ = 500


async def before_of(context: Context) -> Before | None:
    """Return what was answered or offered some minutes ago, None when nothing was."""
    sender = context.sender
    if not still_talking(sender.pending, sender.pending_until, context.now):
        return None
    async with context.services.database.read() as session:
        question = await _question(session, sender.id, question_of(sender.pending))
    entry = str(sender.pending.get("entry", ""))
    return Before(entry, question) if entry or question else None


async def _question(session: AsyncSession, contact_id: int, message_id: int | None) -> str:
    """Return the words of a question of this contact, empty where it is to be left alone."""
    if message_id is None:
        return ""
    text = await session.scalar(
        select(Message.text).where(
            Message.id == message_id,
            Message.contact_id == contact_id,
            Message.level.not_in(ESCALATED),
        )
    )
    return (text or "")[:READ]
