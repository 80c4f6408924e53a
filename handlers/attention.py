"""Right after a danger: a further message is answered with what matters now.

Stands behind the commands, so that "talk to a person", "stop" and "delete" work all the same.
"""

from bot.core.messages import Outcome
from bot.services.attention import crisis_again, safety_answered, wanted
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is written while a high case is fresh, and where a worry's reply asked."""
    if not message.text or not (wanted(context) or safety_answered(context, message.text)):
        return None
    return Outcome("attention", (crisis_again(context),), detail={"kind": "risk"})
