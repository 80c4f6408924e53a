"""Turn raw likenesses into one calibrated score; the numbers come from `calibration.toml`.

Called by `knowledge.retrieval` for each question and by `knowledge.calibration`, which learns them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import Vectors
from knowledge.rerank import Closeness, rerank

Row = NDArray[np.float32]
RIDGE = 2.0
FEATURES = ("near", "near_lead", "near_margin", "topic", "topic_lead", "words", "words_lead", "gap")


@dataclass(frozen=True)
class Calibration:
    """
    How likenesses are weighed, and how sure they make us.

    Args:
        fusion: Weight of the nearest passages, the topic and the shared characters.
        plain_fusion: Weight of the nearest passages and the shared characters where documents
            have too few passages for topics.
        close_fusion: There, among the best candidates: weight of the nearest passage, the shared
            characters, and how well the document's pieces cover those of the question.
        sharpness: How strongly a lead over the next document counts.
        weights: One per feature of `FEATURES`, learnt with the encoder.
        bias: Added to the weighted features.
        lexical_weights: The same without an encoder.
    """

    fusion: tuple[float, float, float]
    plain_fusion: tuple[float, float]
    close_fusion: tuple[float, float, float]
    sharpness: float
    weights: tuple[float, ...]
    bias: float
    lexical_sharpness: float
    lexical_weights: tuple[float, ...]
    lexical_bias: float


@cache
def default_calibration() -> Calibration:
    """Return the numbers that ship with the default encoder."""
    path = Path(__file__).with_name("calibration.toml")
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return Calibration(
        fusion=tuple(found["fusion"]),
        plain_fusion=tuple(found["plain_fusion"]),
        close_fusion=tuple(found["close_fusion"]),
        sharpness=found["sharpness"],
        weights=tuple(found["weights"][name] for name in FEATURES),
        bias=found["bias"],
        lexical_sharpness=found["lexical"]["sharpness"],
        lexical_weights=tuple(found["lexical"]["weights"].get(name, 0.0) for name in FEATURES),
        lexical_bias=found["lexical"]["bias"],
    )


@dataclass(frozen=True)
class Likeness:
    """
    How like the question each document is, in three ways.

    After the documents come those that must not be found: hidden ones and the background.

    Args:
        words: BM25 as a share of what a perfect match would score.
        visible: How many documents may be found.
        near: Mean cosine of the nearest passages; absent without an encoder.
        topic: Score of the topic classifier; absent when documents have few passages.
        close: The best candidates compared piece by piece; only where there is no topic.
    """

    words: Row
    visible: int
    near: Row | None = None
    topic: Row | None = None
    close: Closeness | None = None

    def fused(self, calibration: Calibration) -> Row:
        """Return one ranking score per document that may be found."""
        parts = zip(calibration.fusion, (self.near, self.topic, self.words), strict=True)
        if self.topic is None:
            parts = zip(calibration.plain_fusion, (self.near, self.words), strict=True)
        total = np.zeros(self.visible, np.float32)
        for weight, part in parts:
            if part is not None:
                total += weight * standardise(part[: self.visible])
        if self.close is None or self.near is None:
            return total
        best = self.close.documents
        likenesses = (self.near[best], self.words[best], self.close.likeness)
        return rerank(total, best, list(zip(calibration.close_fusion, likenesses, strict=True)))

    def features(self, calibration: Calibration) -> Row:
        """Describe how clearly the best document answers, in the order of `FEATURES`."""
        fused = self.fused(calibration)
        best = int(np.argmax(fused))
        two = np.sort(fused)[-2:]
        near, near_lead, near_margin = self._lead(self.near, best)
        topic, topic_lead, _ = self._lead(self.topic, best)
        words, words_lead, _ = self._lead(self.words, best)
        gap = float(two[1] - two[0]) if len(two) == 2 else 0.0
        return np.array(
            [near, near_lead, near_margin, topic, topic_lead, words, words_lead, gap], np.float32
        )

    def _lead(self, row: Row | None, best: int) -> tuple[float, float, float]:
        """Return the best document's likeness, its lead over the others and over the mean."""
        if row is None:
            return 0.0, 0.0, 0.0
        real, others = row[: self.visible], row[self.visible :]
        mean = float(real.mean())
        top = float(real[best])
        return top, top - (float(others.max()) if len(others) else mean), top - mean


def standardise(row: Row) -> Row:
    """Return the row with mean 0 and deviation 1, so that likenesses can be added."""
    return np.asarray((row - row.mean()) / (row.std() + 1e-6), np.float32)


def score_documents(likeness: Likeness, calibration: Calibration) -> tuple[Row, Row]:
    """
    Return the ranking score and the calibrated score of every document.

    The calibrated score is the chance that this very document answers: the chance that any does,
    shared out by the lead in the ranking.
    """
    fused = likeness.fused(calibration)
    lexical = likeness.near is None
    weights = calibration.lexical_weights if lexical else calibration.weights
    bias = calibration.lexical_bias if lexical else calibration.bias
    sharpness = calibration.lexical_sharpness if lexical else calibration.sharpness
    features = likeness.features(calibration)
    any_answers = 1 / (1 + np.exp(-(float(np.dot(weights, features)) + bias)))
    shares = np.exp(sharpness * (fused - fused.max()))
    return fused, np.asarray(any_answers * shares / shares.sum(), np.float32)


class TopicClassifier:
    """
    Tell documents apart by all their passages: ridge regression in closed form.

    Learnt anew, in milliseconds, whenever the handbook changes. Parents describe scenes that no
    single passage tells; what the passages of one entry have in common still shows.
    """

    def __init__(self, vectors: Vectors, owners: NDArray[np.int64], count: int) -> None:
        self._mean = vectors.mean(axis=0)
        centred = self._centre(vectors)
        sizes = np.bincount(owners, minlength=count)
        weights = (1 / sizes[owners])[:, None]
        weights = weights / weights.mean()
        targets = np.eye(count, dtype=np.float32)[owners]
        targets -= targets.mean(axis=0)
        gram = (centred * weights).T @ centred + RIDGE * np.eye(centred.shape[1])
        self._plane = np.linalg.solve(gram, (centred * weights).T @ targets).astype(np.float32)

    def scores(self, query: Vectors) -> Vectors:
        """Return one score per document for each query row."""
        found: Vectors = self._centre(query) @ self._plane
        return found

    def _centre(self, vectors: Vectors) -> Vectors:
        moved = vectors - self._mean
        centred: Vectors = moved / (np.linalg.norm(moved, axis=1, keepdims=True) + 1e-9)
        return centred
