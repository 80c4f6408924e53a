"""Decide whether to answer, to offer a choice, or to say honestly that there is no answer.

Called by the question handler and by `xinqing ask`: the same decision in test, log and live.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from knowledge.outline import topics
from knowledge.passages import Hit
from knowledge.pasted import unwrap
from knowledge.text import clean, fold, normalise, words

Kind = Literal["answer", "choices", "abstain"]
MOST_CANDIDATES = 3
FEWEST_SIGNS, FEW_SIGNS = 2, 3
READ_OF_A_WORD = 60
_WORD_FOR_WORD = frozenset({"exact", "alias", "pinyin"})
# Nobody thanks at greater length without saying something besides.
LONGEST_SMALLTALK = 200
_BARE = re.compile(r"^[\W\d_]*$")


@dataclass(frozen=True)
class Thresholds:
    """
    When a score is enough. Both may be 0 (always) or 1 (only word for word).

    Args:
        answer: The first hit's score from which it is given as the answer.
        choices: The sum of the first three scores from which they are offered.
        candidate: The score below which a hit is not offered, if `choices` is not lower still.
    """

    answer: float = 0.65
    choices: float = 0.15
    candidate: float = 0.03

    def __post_init__(self) -> None:
        for value in (self.answer, self.choices, self.candidate):
            if not 0.0 <= value <= 1.0:
                raise ValueError("a threshold lies between 0 and 1")


@dataclass(frozen=True)
class Decision:
    """
    What to do with a question.

    Args:
        entry: The id of the answer; only for `answer`.
        candidates: For `choices` the hits to offer, otherwise what came nearest.
    """

    kind: Kind
    entry: str | None
    candidates: tuple[Hit, ...]

    @property
    def score(self) -> float:
        """The score of what came nearest, 0 for nothing."""
        return self.candidates[0].score if self.candidates else 0.0


def decide(hits: Sequence[Hit], thresholds: Thresholds | None = None) -> Decision:
    """Choose between answering, offering up to three entries, and abstaining."""
    limits = thresholds or Thresholds()
    nearest = tuple(hits[:MOST_CANDIDATES])
    if not nearest:
        return Decision("abstain", None, ())
    if nearest[0].score >= limits.answer:
        return Decision("answer", nearest[0].entry, nearest)
    # Shares of a chance add up; rounding must not turn a certain 1 into 1.0000001.
    if min(sum(hit.score for hit in nearest), 1.0) >= limits.choices:
        least = min(limits.candidate, limits.choices)
        offered = tuple(hit for hit in nearest if hit.score >= least)
        if offered:
            return Decision("choices", None, offered)
    return Decision("abstain", None, nearest)


def of_a_word(decision: Decision, question: str) -> Decision:
    """Offer instead of answering where a message is a word or two and no way of asking (育儿).

    So little says nothing of what is wanted, however near one entry is.
    """
    if decision.kind != "answer" or len(fold(question[:READ_OF_A_WORD])) > FEW_SIGNS:
        return decision
    if _WORD_FOR_WORD & set(decision.candidates[0].why):
        return decision
    return Decision("choices", None, decision.candidates[:1])


def topics_named(question: str) -> frozenset[str]:
    """Return the topics whose name holds a message of one word (手机); none for a longer one."""
    word = fold(question[:READ_OF_A_WORD])
    if not FEWEST_SIGNS <= len(word) <= FEW_SIGNS:
        return frozenset()
    return frozenset(topic for topic, name in topics().items() if word in fold(name))


def is_smalltalk(text: str) -> bool:
    """
    Tell whether a message only greets, thanks, confirms or carries a sticker.

    A message with anything else in it is never smalltalk, however polite it begins.
    """
    plain = normalise(unwrap(clean(text))[0])
    if _BARE.match(plain):
        return True
    letters = fold(plain)
    return len(letters) <= LONGEST_SMALLTALK and _is_made_of_phrases(letters)


def _is_made_of_phrases(letters: str) -> bool:
    """Tell whether phrases and digits make these letters, whichever way they are cut."""
    phrases, longest = _phrases()
    reached = [True, *(False for _ in letters)]
    for end in range(1, len(letters) + 1):
        starts = range(max(0, end - longest), end)
        reached[end] = any(
            reached[start] and (letters[start:end] in phrases or letters[start:end].isdecimal())
            for start in starts
        )
    return reached[-1]


@cache
def _phrases() -> tuple[frozenset[str], int]:
    """Return the phrases, and how long the longest is."""
    phrases = frozenset(fold(phrase) for phrase in words()["smalltalk"])
    return phrases, max(map(len, phrases))
