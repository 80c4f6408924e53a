"""The answer to several questions of one message: two in short, the rest offered by number.

Called by the question handler. One message, whatever is asked: a second one would use up what the
platform takes in two days, which is kept for people (`bot.services.deliveries`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.messages import Outcome, Reply
from bot.core.phrases import BYTE_LIMIT
from bot.services import gaps
from bot.services.answers import word_short
from bot.services.handling import Context, Effect, StoredMessage
from bot.services.remembered import ANSWER_VALID, CHOICES_VALID, Offer, answer_given
from bot.services.replies import choices, detail_of, options_of
from knowledge.asked import MOST, Asked
from knowledge.decision import Decision
from knowledge.entry import Entry
from knowledge.preference import Asker

HANDLER = "questions"
ANSWERED = 2
# With those answered; the longest titles of so many leave room for the answers in short.
OFFERED = MOST
# A part whose short form was given: 更多 then gives it in full.
IN_SHORT = -1


@dataclass(frozen=True, slots=True)
class Found:
    """What the questions of a message came to.

    Args:
        decisions: one for each question.
        answered: the first entries that are answers, each once.
        offered: what comes nearest to the other questions.
        unknown: the questions without an answer.
    """

    decisions: tuple[Decision, ...]
    answered: tuple[Entry, ...]
    offered: tuple[Entry, ...]
    unknown: tuple[str, ...]


async def answer_several(
    context: Context, message: StoredMessage, asked: Asked, asker: Asker
) -> Outcome | None:
    """Answer the first two questions that can be answered.

    Returns:
        None: the message is better taken as one question. What only question marks set apart is
        several questions where one has an answer and another leads to something else.
    """
    found = await _find(context, asked, asker)
    if not asked.marked and not found.answered:
        return None
    if not asked.marked and len(found.answered) + len(found.offered) < ANSWERED:
        return None
    if not found.answered:
        return _offer(context, message, found)
    if len(found.answered) + len(found.offered) + len(found.unknown) < ANSWERED:
        return None
    return _answer(context, message, found)


async def _find(context: Context, asked: Asked, asker: Asker) -> Found:
    answers = context.services.answers
    decisions = [await answers.ask(question, asker) for question in asked.questions]
    sure = _entries(context, [one.entry for one in decisions if one.kind == "answer"])
    near = [
        next(iter(one.candidates)).entry
        for one in decisions
        if one.kind in ("answer", "choices") and one.candidates
    ]
    answered = sure[:ANSWERED]
    offered = [entry for entry in _entries(context, near) if entry not in answered]
    unknown = [
        question
        for question, one in zip(asked.questions, decisions, strict=True)
        if one.kind == "abstain" and not answers.smalltalk(question)
    ]
    rest = tuple(offered[: OFFERED - len(answered)])
    return Found(tuple(decisions), tuple(answered), rest, tuple(unknown))


def _entries(context: Context, ids: Sequence[str | None]) -> list[Entry]:
    found = [context.services.answers.entry(one or "") for one in dict.fromkeys(ids)]
    return [entry for entry in found if entry is not None]


def _offer(context: Context, message: StoredMessage, found: Found) -> Outcome | None:
    """Offer what comes nearest to each question, where none is certain."""
    if len(found.offered) < ANSWERED:
        return None
    wanted = {entry.id for entry in found.offered}
    hits = {hit.entry: hit for one in found.decisions for hit in one.candidates[:1]}
    decision = Decision("choices", None, tuple(hits[id_] for id_ in hits if id_ in wanted))
    return choices(context, HANDLER, decision, question_id=message.id)


def _answer(context: Context, message: StoredMessage, found: Found) -> Outcome:
    services = context.services
    phrases = services.phrases
    notes = []
    if found.offered:
        start = len(found.answered) + 1
        options = options_of(phrases, found.offered, start)
        notes.append(phrases.format("choices.rest", options=options))
    if found.unknown:
        notes.append(phrases.format("answer.some_unknown", count=len(found.unknown)))
    signed = all(entry.reviewers for entry in found.answered)
    fields = {
        "rest": "".join(f"{note}\n\n" for note in notes),
        "label": phrases.format("label.auto" if signed else "label.auto_unreviewed"),
    }
    taken = len(phrases.format("answer.several", answers="", **fields).encode())
    blocks = _blocks(context, found.answered, BYTE_LIMIT - taken)
    text = phrases.format("answer.several", answers="\n\n".join(blocks), **fields)
    source = "+".join(f"entry:{entry.id}@{entry.version}" for entry in found.answered)
    sure = next(one for one in found.decisions if one.kind == "answer")
    ids = [entry.id for entry in found.answered]
    return Outcome(
        HANDLER,
        (Reply(text, "answer", source),),
        _effects(context, message, found),
        detail_of("answer", sure.score, sure.candidates) | {"entry": ids[0], "entries": ids},
    )


def _blocks(context: Context, entries: Sequence[Entry], room: int) -> list[str]:
    """Word entries in short; what one of them leaves of its share, the others may use."""
    services = context.services

    def worded(number: int, share: int) -> str:
        return word_short(
            entries[number - 1],
            number,
            share,
            services.phrases,
            services.lines.book,
            context.sender.region,
        )

    numbers = range(1, len(entries) + 1)
    room -= 2 * len(entries)
    blocks = [worded(number, room // len(entries)) for number in numbers]
    for number in numbers:
        others = sum(len(block.encode()) for block in blocks) - len(blocks[number - 1].encode())
        blocks[number - 1] = worded(number, room - others)
    return blocks


def _effects(context: Context, message: StoredMessage, found: Found) -> tuple[Effect, ...]:
    entries = tuple(entry.id for entry in (*found.answered, *found.offered))
    offer = Offer(entries, epoch_ms(context.now + CHOICES_VALID))
    kept = answer_given(entries[0], message.id, IN_SHORT, offer)
    keep = context.remember(kept, ANSWER_VALID)

    async def ticket(session: AsyncSession) -> None:
        await gaps.open_ticket(session, message.id, "\n".join(found.unknown), (), now=context.now)

    return (keep, ticket) if found.unknown else (keep,)
