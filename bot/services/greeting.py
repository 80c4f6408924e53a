"""The greeting at first contact: sent once, with the first answer or in answer to a follow."""

import dataclasses

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services.handling import Context, Effect


def greeted(context: Context) -> Effect:
    """Return the effect that remembers the greeting."""

    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(Contact).where(Contact.id == context.sender.id).values(greeted_at=context.now)
        )

    return write


def with_greeting(context: Context, outcome: Outcome) -> Outcome:
    """Add the greeting to the first answer a contact gets; the answer itself goes first."""
    if context.sender.greeted:
        return outcome
    return dataclasses.replace(
        outcome,
        replies=(*outcome.replies, context.say("greeting.first")),
        effects=(*outcome.effects, greeted(context)),
    )
