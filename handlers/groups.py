"""Questions asked in a group: a handbook answer, or one line that says where to go on.

Commands, choices by number, pictures and everything personal are for 1:1. Danger was answered
before, by `handlers.risk`.
"""

import dataclasses

from bot.core.commands import is_command, spoken
from bot.core.messages import Kind, Outcome
from bot.services import going_live
from bot.services.answers import Answers
from bot.services.group import invite, neutral_line
from bot.services.handling import Context, StoredMessage
from bot.services.replies import abstain, answer, choices
from knowledge.asked import split_questions
from knowledge.decision import Decision

# The red flags name dangers; under somebody's name in a class group they would read as hers.
SPOKEN_ALONE = frozenset({"red_flags"})


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer everything that was written in a group."""
    if message.group is None:
        return None
    if message.kind is Kind.UNREADABLE:
        return Outcome("groups", (neutral_line(context, message),), detail={"kind": "group"})
    answers = context.services.answers
    no_question = is_command(message.text) or answers.smalltalk(message.text)
    if not message.text.strip() or not spoken(message.kind) or no_question:
        return context.outcome("groups", "group.hello", invite=invite(context, message))
    if await going_live.waits(context.services, context.sender.id, context.now):
        return context.outcome("groups", "service.not_open")
    decision = await _decided(answers, message.text)
    if answers.is_private(decision):
        return Outcome("groups", (neutral_line(context, message),), detail={"kind": "group"})
    entry = answers.entry(decision.entry or "") if decision.kind == "answer" else None
    if entry is None and decision.kind != "choices":
        return abstain(context, "groups", decision, message, place="group")
    if entry is None:
        found = choices(context, "groups", decision, question_id=message.id, frame="group.choices")
    else:
        found = answer(
            context,
            "groups",
            entry,
            question_id=message.id,
            score=decision.score,
            hits=decision.candidates,
            frame="group.answer",
            leave_out=SPOKEN_ALONE,
        )
    # What a number or "more" refers to is remembered for the 1:1 conversation only.
    return dataclasses.replace(found, effects=())


async def _decided(answers: Answers, text: str) -> Decision:
    """Of several questions take the first that is certain; the others are for 1:1.

    Where one of them is not talked about in a group, none is.
    """
    whole, asked = await answers.ask(text), split_questions(text)
    parts = [await answers.ask(one) for one in asked.questions] if asked.several else []
    private = next((one for one in (whole, *parts) if answers.is_private(one)), None)
    sure = next((one for one in (whole, *parts) if one.kind == "answer"), whole)
    return private or sure
