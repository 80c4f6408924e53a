"""Before a district has passed its drill: one fixed sentence instead of answers, in live mode.

Stands behind everything that must work before (danger, a person, stopping, one's own data,
notices) and before courses and the handbook; `groups` asks the same for what is written in a group.
Why: docs/decisions/0018.
"""

from bot.core.messages import Outcome
from bot.services import going_live
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Say that questions can't be answered yet, with the numbers that can be rung now."""
    if not await going_live.waits(context.services, context.sender.id, context.now):
        return None
    return context.outcome("not_open", "service.not_open")
