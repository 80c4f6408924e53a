"""A conversation that a counselor holds: the bot is silent, the counselor's page shows the words.

The screen has run before, and a new danger has raised the case and called people again.
"""

from bot.core.messages import Outcome
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Say nothing while a person holds the conversation."""
    if not context.sender.held or message.group is not None:
        return None
    return Outcome("held", detail={"kind": "person"})
