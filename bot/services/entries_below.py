"""What the handbook has to a worry of level 2, by number below the fixed reply.

Called by the risk handler. The screen raises more than a counselor would, so somebody who asked a
question may get the reply to danger; and an entry helps with a worry of level 2, too. The fixed
words stand first and whole, case and alert are untouched (decision 0020). Nothing of this may cost
the reply: a search that is slow or breaks leaves it as it was.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from bot.core.crisis import family_of, speaker_of
from bot.core.levels import rank
from bot.core.messages import Outcome
from bot.core.phrases import BYTE_LIMIT
from bot.db.failures import kind_of
from bot.services.askers import asker_of
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import CHOICES_VALID, choices_given
from bot.services.replies import detail_of, options_of
from knowledge.decision import Decision
from knowledge.entry import Entry

log = structlog.get_logger(__name__)

# The search takes some hundredths of a second; the reply to danger does not wait for a slow one.
SECONDS = 1.0
# Where the hand that holds the phone may be the one that hurts, nothing but the reply is shown.
_ALONE = frozenset({"abuse", "missing"})
# The handbook speaks to those who look after a child, not to who may want to hurt themselves.
_CARING = frozenset({"parent_about_child", "other_adult"})


def entries_fit(level: str, categories: Sequence[str], who: str | None) -> bool:
    """Say whether entries may stand below the reply to a message.

    Args:
        level: of this very message; above 2 nothing may draw away from what to do now.
        who: code of the speaker (DOMAIN §3).
    """
    family = family_of(categories)
    if level != "2" or family in _ALONE:
        return False
    return family != "self_harm" or speaker_of(who) in _CARING


async def with_entries(context: Context, message: StoredMessage, outcome: Outcome) -> Outcome:
    """Return the outcome of a danger with what the handbook has to it, where that may be shown."""
    danger = context.danger
    fit = entries_fit(danger.fresh, danger.categories, danger.who)
    if not fit or rank(danger.case_level) > rank("2"):
        return outcome
    try:
        async with asyncio.timeout(SECONDS):
            asker = await asker_of(context, message)
            decision = await context.services.answers.ask(message.text, asker)
    except Exception as error:
        # Ids and the type only: the text of an exception may hold a parent's words.
        log.error("entries_below_failed", message=message.id, error=kind_of(error))
        return outcome
    return _below(context, message, outcome, decision)


def _below(
    context: Context, message: StoredMessage, outcome: Outcome, decision: Decision
) -> Outcome:
    [reply] = outcome.replies
    entries = _offered(context, decision)
    while entries:
        text = f"{reply.text}\n\n{_words(context, entries)}"
        if len(text.encode()) <= BYTE_LIMIT:
            hits = decision.candidates[: len(entries)]
            kept = choices_given([entry.id for entry in entries], message.id)
            return Outcome(
                outcome.handler,
                (replace(reply, text=text),),
                (*outcome.effects, context.remember(kept, CHOICES_VALID)),
                {**detail_of("risk", decision.score, hits), **outcome.detail},
            )
        entries = entries[:-1]
    return outcome


def _offered(context: Context, decision: Decision) -> list[Entry]:
    if decision.kind == "abstain":
        return []
    answers = context.services.answers
    found = (
        answers.entry(hit.entry)
        for hit in decision.candidates
        if hit.score >= answers.thresholds.candidate
    )
    return [entry for entry in found if entry is not None]


def _words(context: Context, entries: Sequence[Entry]) -> str:
    options = options_of(context.services.phrases, entries)
    return context.say("risk.entries_below", fields={"options": options}).text
