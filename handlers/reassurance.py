"""Words taken back, and the wish that nobody be told: answered truthfully, whatever is open.

Stands behind danger and behind a conversation that a person holds, before `attention`: a short
crisis line would pass over what was just said. What was written stays on the counselor's desk.
"""

from bot.core.commands import means
from bot.core.levels import rank
from bot.core.messages import Outcome
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Promise no secrecy, and don't let "only joking" close anything."""
    if means("secrecy", message.text):
        return context.outcome("reassurance", "abstain.secrecy")
    if not means("retracted", message.text):
        return None
    danger = context.danger
    if danger.case_id is not None and rank(danger.case_level) >= rank("2"):
        return context.outcome("reassurance", "case.retracted")
    return context.outcome("reassurance", "smalltalk.acknowledged")
