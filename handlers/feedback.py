"""What a parent says of the last answer: more of it, useful, not useful."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome, Reply
from bot.services import gaps
from bot.services.answers import word_answer
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import ANSWER_VALID, answer_given, offered


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
    part = int(str(pending.get("part", 0))) + 1
    services = context.services
    parts = word_answer(entry, services.phrases, services.lines.book, region=context.sender.region)
    if part >= len(parts):
        return context.outcome("feedback", "answer.no_more")
    reply = Reply(parts[part], "answer", f"entry:{entry.id}@{entry.version}")
    question = int(str(pending.get("question", 0)))
    # What was offered beside the answer can still be chosen.
    kept = answer_given(entry.id, question, part, offered(pending))
    keep = context.remember(kept, ANSWER_VALID)
    return Outcome("feedback", (reply,), (keep,), {"kind": "answer", "entry": entry.id})


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
