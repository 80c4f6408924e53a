"""Outcomes of a question: an answer with its source, choices by number, an honest abstention."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Outcome, Reply
from bot.core.phrases import PhraseBook
from bot.services import gaps
from bot.services.answers import is_foreign, word_answer
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import (
    ANSWER_VALID,
    CHOICES_VALID,
    Offer,
    answer_given,
    choices_given,
    question_of,
)
from knowledge.decision import Decision
from knowledge.entry import Entry
from knowledge.retrieval import Hit

# What is said where there is no answer: of a gap in the handbook, of what is no matter of it.
SAID = {
    "abstain": ("abstain.gap", "abstain.elsewhere"),
    "group": ("group.abstain", "group.elsewhere"),
}


def answer(
    context: Context,
    handler: str,
    entry: Entry,
    *,
    question_id: int,
    score: float,
    hits: Sequence[Hit] = (),
    frame: str = "answer.frame",
    leave_out: frozenset[str] = frozenset(),
    offer: Offer | None = None,
    after: str = "",
) -> Outcome:
    """Return the outcome that gives an entry.

    Args:
        frame: the phrase around it.
        leave_out: sections that are not shown.
        offer: entries that can still be chosen by number.
        after: what is said below it, in the same message.
    """
    services = context.services
    link = f"{services.public_url}/handbook/{entry.id}" if services.public_url else ""
    parts = word_answer(
        entry,
        services.phrases,
        services.lines.book,
        region=context.sender.region,
        link=link,
        frame=frame,
        leave_out=leave_out,
        after=after,
    )
    reply = Reply(parts[0], "answer", f"entry:{entry.id}@{entry.version}")
    keep = context.remember(answer_given(entry.id, question_id, offer=offer), ANSWER_VALID)
    detail = detail_of("answer", score, hits) | {"entry": entry.id}
    return Outcome(handler, (reply,), (keep,), detail)


def part_of_answer(
    context: Context, handler: str, entry: Entry, text: str, part: int, offer: Offer | None
) -> Outcome:
    """Return the outcome that gives one more piece of the entry that was answered with before.

    Args:
        part: how much of the answer was given with it, for the next 更多.
        offer: what can still be chosen by number.
    """
    question = question_of(context.sender.pending) or 0
    kept = answer_given(entry.id, question, part, offer)
    reply = Reply(text, "answer", f"entry:{entry.id}@{entry.version}")
    detail = detail_of("answer", 1.0, ()) | {"entry": entry.id}
    return Outcome(handler, (reply,), (context.remember(kept, ANSWER_VALID),), detail)


def further_part(
    context: Context, handler: str, entry: Entry, offer: Offer | None
) -> Outcome | None:
    """Return the outcome that gives what did not fit before; None when all was said."""
    sender, services = context.sender, context.services
    part = int(str(sender.pending.get("part", 0))) + 1
    parts = word_answer(entry, services.phrases, services.lines.book, region=sender.region)
    if part >= len(parts):
        return None
    return part_of_answer(context, handler, entry, parts[part], part, offer)


def choices(
    context: Context,
    handler: str,
    decision: Decision,
    *,
    question_id: int,
    frame: str = "choices.frame",
) -> Outcome:
    """Return the outcome that offers some entries by number.

    Args:
        frame: the phrase around them.
    """
    found = [context.services.answers.entry(hit.entry) for hit in decision.candidates]
    entries = [entry for entry in found if entry is not None]
    options = options_of(context.services.phrases, entries)
    reply = context.say(frame, kind="choices", fields={"options": options})
    ids = [entry.id for entry in entries]
    keep = context.remember(choices_given(ids, question_id), CHOICES_VALID)
    detail = detail_of("choices", decision.score, decision.candidates)
    return Outcome(handler, (reply,), (keep,), detail)


def options_of(phrases: PhraseBook, entries: Sequence[Entry], start: int = 1) -> str:
    """Return the titles of entries as lines, numbered from `start`."""
    return "\n".join(
        phrases.format("choices.option", number=number, title=entry.title)
        for number, entry in enumerate(entries, start)
    )


def abstain(
    context: Context,
    handler: str,
    decision: Decision,
    message: StoredMessage,
    *,
    place: str = "abstain",
) -> Outcome:
    """Return the outcome that says so honestly and opens a gap ticket.

    What is like nothing in the handbook (the canteen, the weather) is no gap of it.

    Args:
        place: `abstain` or, in a group, `group`: the sentences' first names.
    """
    gap, elsewhere = SAID[place]
    detail = detail_of("abstain", decision.score, decision.candidates)
    if is_foreign(decision.candidates):
        return Outcome(handler, (context.say(elsewhere, kind="abstain"),), (), detail)

    async def ticket(session: AsyncSession) -> None:
        await gaps.open_ticket(
            session, message.id, message.text, decision.candidates, now=context.now
        )

    return Outcome(handler, (context.say(gap, kind="abstain"),), (ticket,), detail)


def detail_of(kind: str, score: float, hits: Sequence[Hit]) -> dict[str, object]:
    """Return what the log and the batch command say of a decision."""
    candidates = [(hit.entry, round(hit.score, 4)) for hit in hits]
    return {"kind": kind, "score": round(score, 4), "candidates": candidates}
