"""A conversation that a counselor holds: the bot keeps still, the counselor's page shows the words.

Stands behind danger and the commands: a first danger to life is answered whoever holds the
conversation, and "stop", "delete" and "talk to a person" always work. Where the holder has not
written for a while, the parent is told who has the conversation instead of nothing.
"""

from bot.core.messages import Outcome
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Keep still while a person is at it; say whose turn it is when nobody has answered."""
    if not context.sender.held:
        return None
    if context.sender.attended:
        return Outcome("held", detail={"kind": "person"})
    return context.outcome("held", "handoff.with_person")
