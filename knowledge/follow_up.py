"""Tell a message that goes on with the one before from a question of its own.

Called by the question handler after an answer. The word lists are in `follow_up.toml`. Whether a
message stands on its own is the search's word (its score); what is told here is only how it begins.
"""

from __future__ import annotations

import tomllib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from knowledge.preference import stages_said, with_odds, without_stages
from knowledge.retrieval import Hit
from knowledge.text import fold, without_courtesies

# A longer message tells a story of its own.
LONGEST = 40
# A longer one is cut off before it is folded: nothing here reads it.
READ = 200
MORE = "more"
# What came before has this share of the score: the less, the more the message says by itself.
LEAST_BEFORE, MOST_BEFORE = 0.2, 0.6
# Where only choices were offered the question still stands, and a detail was added to it.
UNANSWERED_BEFORE = 0.5
# The odds of an entry of the same topic, or that the entry before names as related.
NEAR_BEFORE = 2.0
FIRST = 3


@cache
def word_lists() -> Mapping[str, Any]:
    """Return the word lists of `follow_up.toml`, read once."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def goes_on(text: str) -> bool:
    """
    Tell whether a message may go on with the one before.

    True for a short one that begins with 那, 要是, 但是 and the like, or with 他 or 她 while it
    names nobody they could stand for, or that says no more than how old the child is. It says
    nothing about whether the message has a meaning of its own: that is for the search.
    """
    plain = _plain(text)
    if not plain or len(plain) > LONGEST:
        return False
    lists = word_lists()
    if plain.startswith(tuple(lists["openers"])) or stage_asked(text):
        return True
    named = any(subject in plain for subject in lists["subjects"])
    return plain.startswith(tuple(lists["pronouns"])) and not named


def section_asked(text: str) -> str | None:
    """
    Return which part of the answer before a whole message asks for, if any.

    Returns:
        A section's key of `format.toml`, or `MORE` for what was not said yet.
    """
    plain = _plain(text)
    if not plain or len(plain) > LONGEST:
        return None
    front, back = (_longest_first(word_lists()[end]) for end in ("front", "back"))
    asked = _sections()
    seen = {plain}
    waiting = [plain]
    # Every way to take words off both ends: 具体怎么说呢 is 怎么说, and 怎么说好 is too.
    while waiting:
        form = waiting.pop()
        if form in asked:
            return asked[form]
        shorter = [form[len(word) :] for word in front if form.startswith(word)]
        shorter += [form[: -len(word)] for word in back if form.endswith(word)]
        waiting += [one for one in shorter if one and one not in seen]
        seen.update(shorter)
    return None


def stage_asked(text: str) -> frozenset[str]:
    """
    Return the stages of a message that asks what was asked before for another stage (那高中呢).

    Returns:
        Nothing when the message says anything else besides.
    """
    stages = stages_said(text) if len(text) <= LONGEST else frozenset()
    rest = fold(without_stages(text)) if stages else ""
    for word in _longest_first(word_lists()["beside_stage"]) if stages else ():
        rest = rest.replace(word, "")
    return frozenset() if rest else stages


def mixed(
    alone: Sequence[Hit], together: Sequence[Hit], near: Container[str], *, answered: bool
) -> list[Hit]:
    """
    Rank by the scores of a message alone and of the message together with what came before.

    Args:
        alone: Found by the message's own words.
        together: Found by both.
        near: Ids that what came before makes likelier.
        answered: The question before has its answer; otherwise this adds to it.
    """
    says = min(sum(hit.score for hit in alone[:FIRST]), 1.0)
    share = max(LEAST_BEFORE if answered else UNANSWERED_BEFORE, MOST_BEFORE * (1.0 - says))
    found: dict[str, Hit] = {}
    for hit in alone:
        score = with_odds(hit.score, NEAR_BEFORE) if hit.entry in near else hit.score
        found[hit.entry] = replace(hit, score=(1.0 - share) * score)
    for hit in together:
        known = found.get(hit.entry, replace(hit, score=0.0))
        found[hit.entry] = replace(known, score=known.score + share * hit.score)
    return sorted(found.values(), key=lambda hit: -hit.score)


def _plain(text: str) -> str:
    return fold(without_courtesies(text[:READ])) if len(text) <= READ else ""


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(words, key=len, reverse=True)


@cache
def _sections() -> Mapping[str, str]:
    sections = word_lists()["sections"]
    return {fold(form): key for key, forms in sections.items() for form in forms}
