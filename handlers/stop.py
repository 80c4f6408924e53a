"""Stop and resume: nothing is sent unasked any more; questions are still answered."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services.handling import Context, Effect, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Stop or resume what is sent unasked."""
    if not spoken(message.kind):
        return None
    if means("stop", message.text):
        if context.sender.stopped:
            return context.outcome("stop", "stop.already")
        return context.outcome("stop", "stop.done", _set(context, context.now))
    if means("resume", message.text):
        return context.outcome("stop", "stop.resumed", _set(context, None))
    return None


def _set(context: Context, moment: datetime | None) -> Effect:
    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(Contact).where(Contact.id == context.sender.id).values(stopped_at=moment)
        )

    return write
