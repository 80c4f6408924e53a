"""What a contact's next message may refer to: the last answer, or the choices offered.

Only ids are kept. What was asked is read again from the message, where it stands encrypted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.clock import epoch_ms

CHOICES_VALID = timedelta(minutes=10)
ANSWER_VALID = timedelta(hours=24)
# So long 「那初中呢」 is read with what came before; 更多 and 有用 work until the answer ends.
TALK_VALID = timedelta(minutes=30)
ANSWER, CHOICES = "answer", "choices"
# The key under which a conversation of several steps is kept, with an end of its own.
BESIDE = "beside"
# Choices that stand below the reply to danger: only a plain number chooses one of them.
BELOW = "below"
# The notice that was confirmed a moment ago.
CONFIRMED = "confirmed"
# What may be left for something else; whoever is in the middle of another step goes on with that.
PASSING = frozenset({None, ANSWER, CHOICES, CONFIRMED})
EMERGENCY_ASKED = {"kind": "emergency"}
EMERGENCY_VALID = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Offer:
    """Entries that were offered by number.

    Args:
        until: when the numbers end, epoch milliseconds; 0: together with what is remembered.
    """

    entries: tuple[str, ...]
    until: int = 0


def answer_given(
    entry_id: str, question_id: int, part: int = 0, offer: Offer | None = None
) -> dict[str, object]:
    """Return what 更多, 有用 and 没用 refer to.

    Args:
        part: how much of the answer was given; -1: only its short form.
        offer: entries that can still be chosen by number.
    """
    kept: dict[str, object] = {
        "kind": ANSWER,
        "entry": entry_id,
        "question": question_id,
        "part": part,
    }
    if offer is not None and offer.entries:
        kept |= {"entries": list(offer.entries), "offer_until": offer.until}
    return kept


def choices_given(entry_ids: Sequence[str], question_id: int) -> dict[str, object]:
    """Return what a bare number refers to."""
    return {"kind": CHOICES, "entries": list(entry_ids), "question": question_id}


def offered(pending: Mapping[str, object]) -> Offer | None:
    """Return the entries that were offered by number, whether or not the time is over."""
    entries = pending.get("entries")
    if pending.get("kind") not in (ANSWER, CHOICES) or not isinstance(entries, list):
        return None
    return Offer(tuple(map(str, entries)), int(str(pending.get("offer_until", 0))))


def still_offered(pending: Mapping[str, object], until: datetime | None, now: datetime) -> bool:
    """Say whether a number still chooses.

    Args:
        until: when what is remembered ends.
    """
    offer = offered(pending)
    if offer is None or until is None or until <= now:
        return False
    return not offer.until or epoch_ms(now) < offer.until


def still_talking(pending: Mapping[str, object], until: datetime | None, now: datetime) -> bool:
    """Say whether a message may go on with the answer or the choices before."""
    if until is None or until <= now:
        return False
    if pending.get("kind") == ANSWER:
        return now < until - ANSWER_VALID + TALK_VALID
    return pending.get("kind") == CHOICES


def question_of(pending: Mapping[str, object]) -> int | None:
    """Return the id of the message whose question was answered, None without one."""
    question = pending.get("question")
    return None if question is None else int(str(question))
