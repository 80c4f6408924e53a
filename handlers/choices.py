"""A number sent in reply to up to three choices, valid for ten minutes."""

from bot.core.commands import bare_number, spoken
from bot.core.messages import Outcome
from bot.services.handling import Context, StoredMessage
from bot.services.replies import answer


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Give the entry whose number was chosen."""
    if not spoken(message.kind):
        return None
    pending = context.sender.pending
    number = bare_number(message.text)
    if number is None or pending.get("kind") != "choices":
        return None
    if context.sender.pending_expired:
        return context.outcome("choices", "choices.expired")
    offered = pending.get("entries")
    entries = [str(item) for item in offered] if isinstance(offered, list) else []
    if not 1 <= number <= len(entries):
        return context.outcome("choices", "choices.out_of_range", count=len(entries))
    entry = context.services.answers.entry(entries[number - 1])
    if entry is None:
        return context.outcome("choices", "choices.expired")
    question = int(str(pending.get("question", message.id)))
    return answer(context, "choices", entry, question_id=question, score=1.0)
