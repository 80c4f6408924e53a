"""Questions: the handbook's answer, up to three choices, or an honest "I don't know"."""

from bot.core.messages import Outcome
from bot.services.greeting import with_greeting
from bot.services.handling import Context, StoredMessage
from bot.services.replies import abstain, answer, choices


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Search the handbook for what was asked."""
    if not message.text.strip():
        return None
    answers = context.services.answers
    decision = await answers.ask(message.text)
    entry = answers.entry(decision.entry or "") if decision.kind == "answer" else None
    if entry is not None:
        outcome = answer(
            context,
            "questions",
            entry,
            question_id=message.id,
            score=decision.score,
            hits=decision.candidates,
        )
    elif decision.kind == "choices":
        outcome = choices(context, "questions", decision, question_id=message.id)
    else:
        outcome = abstain(context, "questions", decision, message)
    return with_greeting(context, outcome)
