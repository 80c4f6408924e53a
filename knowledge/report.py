"""Figures about the handbook: how much there is of what, how long it is, what is too alike.

Called by `xinqing handbook report`. Text in, values out; the command words them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from rapidfuzz import fuzz, process

from knowledge.check import visible_length
from knowledge.encoder.port import Encoder
from knowledge.entry import Entry, heading
from knowledge.sources import register
from knowledge.text import fold

ALIKE = 70
NEAR = 0.97


@dataclass(frozen=True)
class Spread:
    """Least, middle and most of some lengths."""

    least: int
    middle: float
    most: int


@dataclass(frozen=True)
class Pair:
    """
    Two ways of asking that belong to different entries and are nearly the same.

    Args:
        how: `words` when their characters are alike, `vector` when the encoder puts them together.
        score: 0 to 100; see the constants above.
    """

    one: str
    one_text: str
    other: str
    other_text: str
    how: str
    score: float


@dataclass(frozen=True)
class Figures:
    """What the handbook is made of."""

    entries: int
    signed: int
    by_topic: Mapping[str, Mapping[str, int]]
    by_asker: Mapping[str, int]
    body: Spread
    aliases: Spread
    alias_length: Spread
    sources: Mapping[str, int]


def count(entries: Sequence[Entry]) -> Figures:
    """Count entries by topic and stage, and measure their texts."""
    by_topic: dict[str, Counter[str]] = {}
    for entry in entries:
        by_topic.setdefault(entry.topic, Counter()).update(entry.stages)
    return Figures(
        entries=len(entries),
        signed=sum(bool(entry.reviewers) for entry in entries),
        by_topic=by_topic,
        by_asker=Counter(asker for entry in entries for asker in entry.audience),
        body=_spread([body_length(entry) for entry in entries]),
        aliases=_spread([len(entry.aliases) for entry in entries]),
        alias_length=_spread([len(alias) for entry in entries for alias in entry.aliases]),
        sources=Counter(register().title(line) for e in entries for line in e.sources),
    )


def body_length(entry: Entry) -> int:
    """Count the characters a reader sees of an entry, without its sources."""
    texts = (text for name, text in entry.sections.items() if name != heading("sources"))
    return sum(visible_length(text) for text in texts)


def _spread(lengths: Sequence[int]) -> Spread:
    if not lengths:
        return Spread(0, 0, 0)
    return Spread(min(lengths), median(lengths), max(lengths))


def near_duplicates(entries: Sequence[Entry], encoder: Encoder | None) -> list[Pair]:
    """Return the ways of asking of two entries that are nearly the same, nearest first."""
    owners = [(e.id, text) for e in entries for text in dict.fromkeys((e.title, *e.aliases))]
    found = {(one, other): pair for one, other, pair in _by_words(owners)}
    if encoder is not None:
        for one, other, pair in _by_vectors(owners, encoder):
            found.setdefault((one, other), pair)
    return sorted(found.values(), key=lambda pair: -pair.score)


Found = Iterator[tuple[int, int, Pair]]


def _by_words(owners: Sequence[tuple[str, str]]) -> Found:
    texts = [fold(text) for _, text in owners]
    scores = process.cdist(texts, texts, scorer=fuzz.ratio, score_cutoff=ALIKE, dtype=np.uint8)
    yield from _pairs(owners, scores.astype(np.float32), ALIKE, "words", 1.0)


def _by_vectors(owners: Sequence[tuple[str, str]], encoder: Encoder) -> Found:
    vectors = encoder.encode_queries([text for _, text in owners])
    yield from _pairs(owners, vectors @ vectors.T, NEAR, "vector", 100.0)


def _pairs(
    owners: Sequence[tuple[str, str]], scores: np.typing.NDArray[np.float32], least: float,
    how: str, scale: float,
) -> Found:  # fmt: skip
    for row, column in zip(*np.nonzero(np.triu(scores >= least, k=1)), strict=True):
        (one, one_text), (other, other_text) = owners[row], owners[column]
        if one != other:
            score = round(float(scores[row, column]) * scale, 1)
            yield int(row), int(column), Pair(one, one_text, other, other_text, how, score)
