"""Rank what fits the child's stage and the asker a little higher; nothing is ever left out.

Called by `bot.services.answers` on the hits of every search. A score is a chance: what does not
fit has its odds made smaller, so that a sure hit stays sure and only near ones change places.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from knowledge.entry import Entry
from knowledge.retrieval import Hit
from knowledge.text import normalise

# The odds of an entry that is for another stage: said in the message, or only known of the child.
OTHER_STAGE_SAID = 0.5
OTHER_STAGE_KNOWN = 0.7
OTHER_AUDIENCE = 0.7
# A story is read so far; what it says of the child's age stands near its beginning or its end.
READ = 2_000
# So few signs name a school for its own sake.
FEW = 12


@dataclass(frozen=True)
class Asker:
    """
    What is known of the person who asks.

    Args:
        stage: A to F of the one child, empty when unknown or when there are several.
        audience: parent, grandparent or teacher; empty when unknown.
    """

    stage: str = ""
    audience: str = ""


NOBODY = Asker()


def stages_said(text: str) -> frozenset[str]:
    """
    Return the stages that a message's words fit, by its one grade, age or school.

    Returns:
        Nothing when it names none, or several that have no stage in common.
    """
    plain = normalise(text[:READ])
    for found in (list(_exact(plain)), list(_schools(plain))):
        if found:
            return frozenset.intersection(*found)
    return frozenset()


def without_stages(text: str) -> str:
    """Return the normalised text without its grades, ages and schools."""
    rest = normalise(text[:READ])
    for kind in ("exact", "school"):
        for pattern, _ in _stage_patterns(kind):
            rest = pattern.sub(" ", rest)
    return _age().sub(" ", rest)


def audience_said(text: str) -> str:
    """Return who writes (grandparent or teacher) where the message says so, else nothing."""
    plain = normalise(text[:READ])
    said = [name for name, pattern in _audiences().items() if pattern.search(plain)]
    return said[0] if len(said) == 1 else ""


def parent_likely(text: str) -> bool:
    """Tell whether a message speaks of 孩子 or 儿子, as nobody but parents mostly do."""
    return _child().search(normalise(text[:READ])) is not None


def prefer(
    hits: Sequence[Hit], entries: Mapping[str, Entry], asker: Asker, question: str
) -> list[Hit]:
    """
    Rank the hits anew by what fits; what the message says counts more than what is known.

    Args:
        hits: Best first; one that matches word for word (score 1) keeps its score.
        entries: Of every hit.
    """
    said = stages_said(question)
    stages: Collection[str] = said or asker.stage
    stage_factor = OTHER_STAGE_SAID if said else OTHER_STAGE_KNOWN
    audience = audience_said(question) or asker.audience
    if not audience and parent_likely(question):
        audience = "parent"

    def weighed(hit: Hit) -> Hit:
        entry = entries[hit.entry]
        odds = 1.0
        if stages and not set(stages) & set(entry.stages):
            odds *= stage_factor
        if audience and audience not in entry.audience:
            odds *= OTHER_AUDIENCE
        return replace(hit, score=with_odds(hit.score, odds))

    # The sort is stable: what fits equally well keeps its order.
    return sorted(map(weighed, hits), key=lambda hit: -hit.score)


def with_odds(score: float, factor: float) -> float:
    """Return the chance whose odds are `factor` times those of `score`; 0 and 1 stay."""
    return score * factor / (score * factor + 1.0 - score)


@cache
def _lists() -> Mapping[str, Any]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def _stage_patterns(kind: str) -> tuple[tuple[re.Pattern[str], Sequence[str]], ...]:
    rows = _lists()["stages"][kind].items()
    return tuple((re.compile(pattern), stages) for pattern, stages in rows)


@cache
def _audiences() -> Mapping[str, re.Pattern[str]]:
    return {name: re.compile(pattern) for name, pattern in _lists()["audience"].items()}


@cache
def _child() -> re.Pattern[str]:
    return re.compile(_lists()["child"]["pattern"])


@cache
def _age() -> re.Pattern[str]:
    return re.compile(_lists()["ages"]["pattern"])


def _exact(text: str) -> Iterator[frozenset[str]]:
    """Yield the stages of every grade and every age that a text names."""
    for pattern, stages in _stage_patterns("exact"):
        if pattern.search(text):
            yield frozenset(stages)
    ages = _lists()["ages"]
    for match in _age().finditer(text):
        said = match["years"]
        years = int(said) if said.isdecimal() else int(ages["words"][said])
        # An older one is a grown-up's.
        if years < len(ages["stages"]):
            yield frozenset(ages["stages"][years])


def _schools(text: str) -> Iterator[frozenset[str]]:
    for pattern, (few, story) in _stage_patterns("school"):
        if pattern.search(text):
            yield frozenset(few if len(text) <= FEW else story)
