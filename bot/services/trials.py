"""What would be said to a question, in its very words, and why: tried, never sent or kept.

Called by the editors' trial page. The decision is the one of `bot.services.answers`, the words are
the ones that handlers send. What needs a contact is not tried: the greeting, what was said before.
"""

import asyncio
from dataclasses import dataclass
from typing import Literal

from bot.core.commands import smalltalk_phrase, thanks
from bot.core.messages import Kind as MessageKind
from bot.services.answers import Answers, is_foreign, word_answer
from bot.services.container import Services
from bot.services.handling import Context, Danger, Sender, StoredMessage
from bot.services.replies import SAID, choices
from bot.services.several import answer_several
from knowledge.asked import Asked, split_questions
from knowledge.decision import MOST_CANDIDATES, Decision
from knowledge.entry import Entry
from knowledge.explanation import Explanation, HitExplanation
from knowledge.preference import NOBODY, Asker

Kind = Literal["danger", "smalltalk", "several", "answer", "choices", "abstain"]
Place = Literal["answered", "offered", "below", "outside", "unsigned"]
# As many as live looks at, so that what fits the asker better can come forward; of these are shown:
SEARCHED, SHOWN = 10, 5


# Whoever tries is nobody to the service; what is remembered of them is never written.
_STRANGER = Sender(
    id=0,
    region="",
    greeted=True,
    stopped=False,
    courses_stopped=False,
    notices_stopped=False,
    held=False,
    attended=False,
    reachable=True,
    pending={},
    pending_expired=False,
)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry found.

    Args:
        score: after stage and asker; `why.score` is the one before.
        place: what the decision makes of it; `unsigned`: it may not be shown at all.
    """

    entry: Entry
    score: float
    place: Place
    why: HitExplanation


@dataclass(frozen=True, slots=True)
class Part:
    """One of several questions of a message, with what it would come to by itself."""

    question: str
    kind: str
    score: float
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A question tried out.

    Args:
        kind: what would be done. For `danger` the words are those that an answer would have.
        words: the messages, the first one and what comes after "more".
        score: of the first entry, 0 for nothing.
        total: the scores of the first three together, at most 1.
        found: the entries in the order of the decision.
        parts: the questions of a message that asks several.
        unsent: the thresholds would answer or offer, but nobody has signed what was found.
    """

    kind: Kind
    words: tuple[str, ...]
    score: float
    total: float
    explanation: Explanation
    found: tuple[Found, ...]
    parts: tuple[Part, ...]
    unsent: bool


async def run(
    services: Services,
    question: str,
    *,
    asker: Asker = NOBODY,
    wanted: str | None = None,
    danger: bool = False,
) -> Trial:
    """Search, decide and word; the searching is done in threads.

    Args:
        question: cut where a message would be cut.
        asker: stage and audience, as far as known.
        wanted: the id of one more entry whose place is wanted.
        danger: the screen judges the words high enough for people.
    """
    answers = services.answers
    context = Context(services, _STRANGER, Danger(), services.clock.now())
    with answers.hold():
        told = await asyncio.to_thread(_explained, answers, question, wanted)
        decision = await answers.ask(question, asker)
        asked = split_questions(question)
        several = await _several(context, question, asked, asker) if asked.several else None
        parts = [await _part(answers, one, asker) for one in asked.questions if asked.several]
        key = _smalltalk(answers, question)
        words = (context.say(key).text,) if key else several or _words(context, decision)
        found = _found(answers, told, decision, wanted)
    kind: Kind = decision.kind
    if danger or key or several:
        kind = "danger" if danger else "smalltalk" if key else "several"
    seen = decision.candidates or told.hits
    return Trial(
        kind,
        words,
        score=seen[0].score if seen else 0.0,
        total=min(sum(hit.score for hit in seen[:MOST_CANDIDATES]), 1.0),
        explanation=told,
        found=tuple(found),
        parts=tuple(parts),
        unsent=decision.kind == "abstain" and told.verdict != "abstain" and not decision.candidates,
    )


def _explained(answers: Answers, question: str, wanted: str | None) -> Explanation:
    return answers.retriever.explain(
        question, top_k=SEARCHED, thresholds=answers.thresholds, entry=wanted
    )


async def _several(
    context: Context, question: str, asked: Asked, asker: Asker
) -> tuple[str, ...] | None:
    """Return the one message that answers several questions; None: it is taken as one."""
    message = StoredMessage(
        id=0,
        channel="",
        account="",
        kind=MessageKind.TEXT,
        text=question,
        scene="",
        group=None,
        state="",
        answerable=True,
        vouched=True,
        received_at=context.now,
    )
    outcome = await answer_several(context, message, asked, asker)
    return tuple(reply.text for reply in outcome.replies) if outcome else None


def _found(
    answers: Answers, told: Explanation, decision: Decision, wanted: str | None
) -> list[Found]:
    """Put the entries into the order of the decision; of the others the first by rank."""
    order = {hit.entry: number for number, hit in enumerate(decision.candidates)}
    scores = {hit.entry: hit.score for hit in decision.candidates}
    shown = [
        hit for hit in told.hits if hit.entry in order or hit.rank <= SHOWN or hit.entry == wanted
    ]
    shown.sort(key=lambda hit: (order.get(hit.entry, len(order)), hit.rank))
    return [
        Found(
            answers.handbook.entries[hit.entry],
            scores.get(hit.entry, hit.score),
            _place(answers, decision, hit.entry),
            hit,
        )
        for hit in shown
    ]


def _place(answers: Answers, decision: Decision, entry: str) -> Place:
    if answers.entry(entry) is None:
        return "unsigned"
    if entry not in {hit.entry for hit in decision.candidates}:
        return "outside"
    if decision.kind == "choices":
        return "offered"
    return "answered" if entry == decision.entry else "below"


async def _part(answers: Answers, question: str, asker: Asker) -> Part:
    decision = await answers.ask(question, asker)
    first = decision.candidates[0].entry if decision.candidates else ""
    return Part(question, decision.kind, decision.score, answers.entry(first))


def _smalltalk(answers: Answers, text: str) -> str | None:
    """Return the phrase for what is no question, as handlers/smalltalk.py does."""
    key = smalltalk_phrase(text)
    if key is None and answers.smalltalk(text):
        return "smalltalk.thanks" if thanks(text) else "smalltalk.acknowledged"
    return key


def _words(context: Context, decision: Decision) -> tuple[str, ...]:
    services = context.services
    entry = services.answers.entry(decision.entry or "") if decision.kind == "answer" else None
    if entry is not None:
        base = services.public_url
        link = f"{base}/handbook/{entry.id}" if base else ""
        return word_answer(entry, services.phrases, services.lines.book, link=link)
    if decision.kind == "choices":
        offer = choices(context, "questions", decision, question_id=0)
        return tuple(reply.text for reply in offer.replies)
    gap, elsewhere = SAID["abstain"]
    return (context.say(elsewhere if is_foreign(decision.candidates) else gap).text,)
