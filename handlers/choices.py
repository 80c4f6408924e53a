"""What refers to the words just before: a number, none of them, or one section of the answer.

Numbers are valid for ten minutes, a section can be asked for as long as one is still talking.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.commands import answers as answers_to
from bot.core.commands import bare_number, digits, spoken
from bot.core.messages import Outcome
from bot.services import gaps
from bot.services.answers import word_section
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import (
    ANSWER,
    BELOW,
    CHOICES,
    Offer,
    offered,
    question_of,
    still_offered,
    still_talking,
)
from bot.services.replies import (
    answer,
    choices,
    detail_of,
    further_part,
    options_of,
    part_of_answer,
)
from knowledge.chosen import all_chosen, none_chosen, numbers_chosen
from knowledge.decision import MOST_CANDIDATES, Decision
from knowledge.entry import Entry
from knowledge.follow_up import MORE, section_asked
from knowledge.retrieval import Hit

NAME = "choices"


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Give what was chosen or asked for of what was said before."""
    if not spoken(message.kind):
        return None
    if context.sender.pending.get(BELOW):
        return _below(context, message)
    if none_chosen(message.text):
        return _none(context)
    numbers = numbers_chosen(message.text)
    if numbers or all_chosen(message.text):
        return _numbers(context, message, numbers)
    section = section_asked(message.text)
    if section is None:
        return None
    sender = context.sender
    if not still_talking(sender.pending, sender.pending_until, context.now) or (
        offered(sender.pending) is not None and not sender.pending.get("entry")
    ):
        # 「为什么会这样」 with no answer before it: whatever a search found would be a guess.
        return context.outcome(NAME, "abstain.unclear")
    return _section(context, section)


def _below(context: Context, message: StoredMessage) -> Outcome | None:
    """Give what a plain number chose below the reply to danger.

    Everything else, 「一个」 and 「都没有」 too, may be the answer to the question in that reply.
    """
    if answers_to("none_below", message.text):
        return context.outcome(NAME, "choices.none_below")
    number = digits(message.text)
    return None if number is None else _numbers(context, message, (number,))


# Numbers ------------------------------------------------------------------------------------------


def _numbers(context: Context, message: StoredMessage, numbers: tuple[int, ...]) -> Outcome | None:
    sender = context.sender
    offer = offered(sender.pending)
    if offer is None:
        # A single number is answered as what it may be besides (`handlers.smalltalk`), a wish for
        # all may be about anything, and a list of something else has its own handler.
        other = not numbers or bare_number(message.text) is not None or "ids" in sender.pending
        return None if other else context.outcome(NAME, "choices.nothing_before")
    if not still_offered(sender.pending, sender.pending_until, context.now):
        return context.outcome(NAME, "choices.expired")
    count = len(offer.entries)
    wanted = numbers or tuple(range(1, count + 1))
    there = [number for number in wanted if 1 <= number <= count]
    if not there:
        return context.outcome(NAME, "choices.out_of_range", count=count)
    return _give(context, message, offer, there)


def _give(context: Context, message: StoredMessage, offer: Offer, there: list[int]) -> Outcome:
    """Give the first that was chosen, and name the others under their numbers."""
    services = context.services
    first, *others = there
    entry = services.answers.entry(offer.entries[first - 1])
    if entry is None:
        return context.outcome(NAME, "choices.expired")
    lines = []
    for number in others:
        other = services.answers.entry(offer.entries[number - 1])
        lines += [options_of(services.phrases, [other], number)] if other else []
    after = services.phrases.format("choices.rest", options="\n".join(lines)) if lines else ""
    question = question_of(context.sender.pending)
    return answer(
        context,
        NAME,
        entry,
        question_id=message.id if question is None else question,
        score=1.0,
        offer=_lasting(context, offer),
        after=after,
    )


def _lasting(context: Context, offer: Offer) -> Offer:
    """Return an offer that ends when it would have, whatever is remembered from now on."""
    until = context.sender.pending_until
    return Offer(offer.entries, offer.until or (epoch_ms(until) if until else 0))


# None of them -------------------------------------------------------------------------------------


def _none(context: Context) -> Outcome:
    """Note for the editors that nothing offered, or the one answer, was what was asked."""
    sender = context.sender
    question, offer = question_of(sender.pending), offered(sender.pending)
    if question is None or sender.pending.get("kind") not in (ANSWER, CHOICES):
        return context.outcome(NAME, "feedback.nothing_before")
    if offer is None:

        async def not_useful(session: AsyncSession) -> None:
            await gaps.not_useful(session, question, now=context.now)

        return context.outcome(NAME, "feedback.not_useful", not_useful)
    entries = offer.entries

    async def none_of(session: AsyncSession) -> None:
        await gaps.none_of(session, question, entries, now=context.now)

    reply = context.say("choices.none", kind="abstain")
    hits = [Hit(entry, 0.0, (), "") for entry in entries]
    return Outcome(NAME, (reply,), (none_of,), detail_of("abstain", 0.0, hits))


# A section of the answer --------------------------------------------------------------------------


def _section(context: Context, key: str) -> Outcome | None:
    """Give the section of the entry before that was asked for."""
    sender, services = context.sender, context.services
    entry = services.answers.entry(str(sender.pending.get("entry", "")))
    if entry is None:
        return None
    if key == MORE:
        return _more(context, entry)
    book, region = services.lines.book, sender.region
    text = word_section(entry, key, services.phrases, book, region=region)
    part = int(str(sender.pending.get("part", 0)))
    return part_of_answer(context, NAME, entry, text, part, _still(context)) if text else None


def _more(context: Context, entry: Entry) -> Outcome | None:
    """Give what did not fit before; where all was said, offer what is related."""
    sender, services = context.sender, context.services
    further = further_part(context, NAME, entry, _still(context))
    if further is not None:
        return further
    known = [one for one in entry.related if services.answers.entry(one)]
    if not known:
        return context.outcome(NAME, "answer.no_more")
    hits = tuple(Hit(one, 0.0, ("related",), "") for one in known[:MOST_CANDIDATES])
    question = question_of(sender.pending) or 0
    decision = Decision("choices", None, hits)
    return choices(context, NAME, decision, question_id=question, frame="choices.follow_up")


def _still(context: Context) -> Offer | None:
    """Return what can still be chosen by number."""
    offer = offered(context.sender.pending)
    return _lasting(context, offer) if offer else None
