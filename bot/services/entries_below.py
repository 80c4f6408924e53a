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

from bot.core.crisis import Family, families_of, speaker_of
from bot.core.levels import rank
from bot.core.messages import Outcome
from bot.core.phrases import BYTE_LIMIT
from bot.db.failures import kind_of
from bot.services.askers import asker_of
from bot.services.handling import Context, Danger, StoredMessage
from bot.services.remembered import BELOW, CHOICES_VALID, PASSING, choices_given
from bot.services.replies import detail_of, options_of
from knowledge.asked import split_questions
from knowledge.decision import MOST_CANDIDATES, Decision
from knowledge.entry import Entry
from knowledge.retrieval import Hit

log = structlog.get_logger(__name__)

# The search takes some hundredths of a second; the reply to danger does not wait for a slow one.
SECONDS = 0.4
# Where the hand that holds the phone may be the one that hurts, and where it is the writer's own
# strength that ends, nothing but the reply is shown.
_ALONE: frozenset[Family] = frozenset({"abuse", "missing", "exhausted_parent"})
# What may be means of harm, and what the classifier raised without knowing what it is about: such
# words may be the writer's own, unless somebody says that they look after a child.
_MAYBE_OWN = frozenset({"OD", "SUB", "MED", "DIS"})
_CARING = frozenset({"parent_about_child", "other_adult"})
_OWN = frozenset({"about_self", "minor"})


def entries_fit(level: str, categories: Sequence[str], who: str | None) -> bool:
    """Say whether entries may stand below the reply to a message.

    The handbook speaks to those who look after a child, not to who may want to hurt themselves.

    Args:
        level: of this very message; above 2 nothing may draw away from what to do now.
        who: code of the speaker (DOMAIN §3).
    """
    families, speaker = families_of(categories), speaker_of(who)
    if level != "2" or families & _ALONE or speaker in _OWN:
        return False
    own = "self_harm" in families or bool(_MAYBE_OWN & set(categories))
    return speaker in _CARING or not own


async def with_entries(context: Context, message: StoredMessage, outcome: Outcome) -> Outcome:
    """Return the outcome of a danger with what the handbook has to it, where that may be shown."""
    if not _free(context) or not _fit(context.danger):
        return outcome
    try:
        async with asyncio.timeout(SECONDS):
            decision = await _found(context, message)
        return _below(context, message, outcome, decision)
    except Exception as error:
        # Ids and the type only: the text of an exception may hold a parent's words.
        log.error("entries_below_failed", message=message.id, error=kind_of(error))
        return outcome


def _fit(danger: Danger) -> bool:
    """Say whether neither this message nor the open case forbids it."""
    if not entries_fit(danger.fresh, danger.categories, danger.who):
        return False
    if danger.case_id is None:
        return True
    own = danger.case_speaker in _OWN
    return rank(danger.case_level) <= rank("2") and not own and danger.case_family not in _ALONE


def _free(context: Context) -> bool:
    """Say whether a number would reach the choices: nobody holds the talk, no step is open."""
    sender = context.sender
    return not sender.held and (sender.pending_expired or sender.pending.get("kind") in PASSING)


async def _found(context: Context, message: StoredMessage) -> Decision:
    """Return what the search makes of a message; of several questions the nearest to each."""
    answers, asker = context.services.answers, await asker_of(context, message)
    asked = split_questions(message.text)
    if not asked.several:
        return await answers.ask(message.text, asker)
    found = [await answers.ask(text, asker) for text in asked.questions[:MOST_CANDIDATES]]
    hits = [one.candidates[0] for one in found if one.kind != "abstain"]
    several = {hit.entry: hit for hit in hits}
    return Decision("choices" if several else "abstain", None, tuple(several.values()))


def _below(
    context: Context, message: StoredMessage, outcome: Outcome, decision: Decision
) -> Outcome:
    [reply] = outcome.replies
    shown = _offered(context, decision)
    while shown:
        text = f"{reply.text}\n\n{_words(context, [entry for _, entry in shown])}"
        if len(text.encode()) <= BYTE_LIMIT:
            kept = choices_given([entry.id for _, entry in shown], message.id) | {BELOW: True}
            return Outcome(
                outcome.handler,
                (replace(reply, text=text),),
                (*outcome.effects, context.remember(kept, CHOICES_VALID)),
                {
                    **detail_of("risk", decision.score, [hit for hit, _ in shown]),
                    **outcome.detail,
                },
            )
        shown = shown[:-1]
    return outcome


def _offered(context: Context, decision: Decision) -> list[tuple[Hit, Entry]]:
    if decision.kind == "abstain":
        return []
    answers = context.services.answers
    found = (
        (hit, answers.entry(hit.entry))
        for hit in decision.candidates
        if hit.score >= answers.thresholds.candidate
    )
    return [(hit, entry) for hit, entry in found if entry is not None]


def _words(context: Context, entries: Sequence[Entry]) -> str:
    options = options_of(context.services.phrases, entries)
    return context.say("risk.entries_below", fields={"options": options}).text
