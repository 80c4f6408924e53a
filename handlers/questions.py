"""Questions: the handbook's answer, up to three choices, or an honest "I don't know".

A message with several questions gets two answers and an offer; one that goes on with the answer
before is searched together with it.
"""

from bot.core.messages import Outcome
from bot.services.askers import asker_of
from bot.services.before import before_of
from bot.services.greeting import with_greeting
from bot.services.handling import Context, StoredMessage
from bot.services.replies import abstain, answer, choices
from bot.services.several import answer_several
from knowledge.asked import split_questions
from knowledge.follow_up import goes_on
from knowledge.preference import Asker


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Search the handbook for what was asked."""
    if not message.text.strip():
        return None
    asker = await asker_of(context, message)
    asked = split_questions(message.text)
    outcome = await answer_several(context, message, asked, asker) if asked.several else None
    return with_greeting(context, outcome or await _one(context, message, asker))


async def _one(context: Context, message: StoredMessage, asker: Asker) -> Outcome:
    """Answer one question; what stands well on its own does not go on with anything."""
    answers = context.services.answers
    decision, frame = await answers.ask(message.text, asker), "choices.frame"
    if decision.kind != "answer" and goes_on(message.text):
        before = await before_of(context)
        if before is not None:
            decision = await answers.ask(message.text, asker, before)
            frame = "choices.follow_up"
    entry = answers.entry(decision.entry or "") if decision.kind == "answer" else None
    if entry is not None:
        return answer(
            context,
            "questions",
            entry,
            question_id=message.id,
            score=decision.score,
            hits=decision.candidates,
        )
    if decision.kind == "choices":
        return choices(context, "questions", decision, question_id=message.id, frame=frame)
    return abstain(context, "questions", decision, message)
