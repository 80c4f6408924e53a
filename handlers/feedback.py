"""What a parent says of the last answer: more of it, useful, not useful."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.services import gaps
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import offered
from bot.services.replies import further_part


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Continue with, or judge, the answer before."""
    if not spoken(message.kind):
        return None
    if means("more", message.text):
        return _more(context)
    if means("useful", message.text):
        return _useful(context)
    if means("not_useful", message.text):
        return _not_useful(context)
    return None


def _more(context: Context) -> Outcome:
    pending = context.sender.pending
    entry = context.services.answers.entry(str(pending.get("entry", "")))
    if pending.get("kind") != "answer" or context.sender.pending_expired or entry is None:
        return context.outcome("feedback", "answer.nothing_before")
    # What was offered beside the answer can still be chosen.
    further = further_part(context, "feedback", entry, offered(pending))
    return further or context.outcome("feedback", "answer.no_more")


def _judged(context: Context) -> int | None:
    """Return the id of the question whose answer or choices are judged; None without one."""
    question = context.sender.pending.get("question")
    return None if question is None else int(str(question))


def _useful(context: Context) -> Outcome:
    known = _judged(context) is not None
    return context.outcome("feedback", "feedback.useful" if known else "feedback.nothing_before")


def _not_useful(context: Context) -> Outcome:
    question = _judged(context)
    if question is None:
        return context.outcome("feedback", "feedback.nothing_before")

    async def note(session: AsyncSession) -> None:
        await gaps.not_useful(session, question, now=context.now)

    return context.outcome("feedback", "feedback.not_useful", note)
