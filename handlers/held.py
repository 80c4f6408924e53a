"""A conversation that a counselor holds: the bot keeps still, the counselor's page shows the words.

Stands behind danger and the commands: a first danger to life is answered whoever holds the
conversation, and "stop", "delete" and "talk to a person" always work. Where the holder has not
written for a while, the parent is told who has the conversation instead of nothing. A 「收到」 to a
notice that came after the person's last words counts in silence; the teacher is shown the same as
of any other, never that somebody held the conversation.
"""

from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.errors import NotFound
from bot.core.messages import Outcome
from bot.services import notice_confirm, notices
from bot.services.handling import Context, Effect, StoredMessage
from bot.services.notice_confirm import CHAT


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Keep still while a person is at it; say whose turn it is when nobody has answered."""
    if not context.sender.held:
        return None
    effects: list[Effect] = []
    if spoken(message.kind) and message.vouched and means("received", message.text):
        effects.append(_count(context))
    if context.sender.attended:
        return Outcome("held", (), tuple(effects), {"kind": "person"})
    return context.outcome("held", "handoff.with_person", *effects)


def _count(context: Context) -> Effect:
    """Return the effect that confirms the one notice that 「收到」 can only mean."""
    contact_id, now = context.sender.id, context.now

    async def write(session: AsyncSession) -> None:
        notice_id = await notice_confirm.after_a_persons_words(session, contact_id, now)
        if notice_id is None:
            return
        # Withdrawn at this very moment: then there is nothing left to confirm.
        with suppress(NotFound):
            await notices.confirm(session, contact_id, notice_id=notice_id, way=CHAT, now=now)

    return write
