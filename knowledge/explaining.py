"""Put together why a search found what it found. Called by `Retriever.explain`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from knowledge.decision import Decision, Thresholds, decide, is_smalltalk
from knowledge.explanation import (
    Candidate,
    Explanation,
    HitExplanation,
    NearPassage,
    PartName,
    Reading,
    ScorePart,
)
from knowledge.lexical import grams
from knowledge.passages import Document, Hit, Passages
from knowledge.scoring import Calibration, Likeness, Row, score_documents, standardise
from knowledge.shared_words import SharedWords, Wording
from knowledge.text import Read

NEAREST = 3
Place = tuple[int, int, Hit]


@dataclass(frozen=True)
class Sight:
    """What `Retriever` saw while searching; see there."""

    documents: Sequence[Document]
    passages: Passages
    words: SharedWords
    calibration: Calibration
    wording: Wording
    likeness: Likeness
    cosines: Row | None
    ranked: Row
    gaps: int
    degraded: str | None


def explain(
    question: str, read: Read, sight: Sight | None, hits: Sequence[Place], limits: Thresholds
) -> Explanation:
    """
    Return the explanation of a search.

    Args:
        sight: None where there was nothing to search or to search for.
        hits: Of each document its number, its rank and its hit; more may follow the best ones.
    """
    best = [hit for place, (_, rank, hit) in enumerate(hits, 1) if place == rank]
    decision = decide(best, limits)
    rewritings = () if sight is None else (*sight.wording.corrections, *sight.wording.synonyms)
    return Explanation(
        question=question,
        reading=Reading(read.forms, read.removed, rewritings),
        verdict=decision.kind,
        answer=limits.answer,
        choices=limits.choices,
        candidate=limits.candidate,
        total=min(sum(hit.score for hit in best[:3]), 1.0),
        anything=0.0 if sight is None else _anything(sight),
        outsider=None if sight is None else _outsider(sight),
        smalltalk=is_smalltalk(question),
        hits=() if sight is None else tuple(_hit(sight, place, decision) for place in hits),
        degraded=None if sight is None else sight.degraded,
    )


def _hit(sight: Sight, place: Place, decision: Decision) -> HitExplanation:
    document, rank, hit = place
    parts = _parts(sight, document)
    return HitExplanation(
        entry=hit.entry,
        title=next(iter(sight.documents[document].questions), ""),
        rank=rank,
        score=hit.score,
        why=hit.why,
        fused=round(float(sight.ranked[document]), 4),
        parts=parts,
        passages=_nearest(sight, document),
        shared=sight.words.shared(sight.wording, document),
        verdict=_verdict(hit, rank, decision),
    )


def _verdict(hit: Hit, rank: int, decision: Decision) -> Candidate:
    if decision.entry == hit.entry:
        return "answered"
    if decision.kind == "choices" and hit in decision.candidates:
        return "offered"
    return "below" if rank <= NEAREST else "outside"


def _parts(sight: Sight, document: int) -> tuple[ScorePart, ...]:
    """Return what the ranking score of a document is the sum of."""
    likeness, weights = sight.likeness, sight.calibration.fusion
    rows: list[tuple[PartName, Row | None, float]]
    if likeness.topic is None:
        near, words = sight.calibration.plain_fusion
        rows = [("near", likeness.near, near), ("words", likeness.words, words)]
    else:
        rows = [
            ("near", likeness.near, weights[0]),
            ("topic", likeness.topic, weights[1]),
            ("words", likeness.words, weights[2]),
        ]
    made = []
    for name, row, weight in rows:
        if row is not None:
            standing = float(standardise(row[: likeness.visible])[document])
            made.append(ScorePart(name, float(row[document]), standing, weight, standing * weight))
    return tuple(made)


def _nearest(sight: Sight, document: int) -> tuple[NearPassage, ...]:
    """Return a document's own passages that are most like the message."""
    passages = sight.passages
    own = [row for row, owner in enumerate(passages.owners) if owner == document]
    own = [row for row in own if passages.own[row]]
    if sight.cosines is not None:
        cosines = sight.cosines
        own.sort(key=lambda row: -float(cosines[row]))
        best = {row: round(float(cosines[row]), 4) for row in own[:NEAREST]}
        return tuple(NearPassage(passages.kinds[row], passages.own[row], best[row]) for row in best)
    said = set(grams(sight.wording.meant[0]))
    own.sort(key=lambda row: -len(said & set(grams(passages.texts[row]))))
    return tuple(NearPassage(passages.kinds[row], passages.own[row], None) for row in own[:NEAREST])


def _anything(sight: Sight) -> float:
    """Return the chance that any document answers: what the calibration shares out."""
    return min(float(score_documents(sight.likeness, sight.calibration)[1].sum()), 1.0)


def _outsider(sight: Sight) -> Literal["gap", "background"] | None:
    """Say whether something that must not be found is nearer than everything that may be."""
    row = sight.likeness.words if sight.likeness.near is None else sight.likeness.near
    best = int(np.argmax(row))
    if best < sight.likeness.visible:
        return None
    return "gap" if best < sight.likeness.visible + sight.gaps else "background"
