"""Learn how likenesses become a score: writes `calibration.toml`. Called by `xinqing index --tune`.

Every fourth way of asking and every seventh entry are kept out in turn, so that the numbers come
from questions the search has not seen: asked in new words, about what the handbook lacks, or about
nothing it is for.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from knowledge.encoder.port import Encoder, Vectors
from knowledge.retrieval import Document, Retriever
from knowledge.scoring import FEATURES, Calibration, Likeness, Row, default_calibration

FOLDS = 4
LEFT_OUT = 7
# What the handbook lacks is nearer to it than small talk, and rarer: it counts less.
MISSING_WEIGHT = 0.3
RIDGE = 0.02
# A new entry with few ways of asking is found by its nearest passage before its topic is learnt.
LEAST_NEAR = 0.3


@dataclass(frozen=True)
class Case:
    """One unseen question: its likenesses, the right document if there is one, its weight."""

    likeness: Likeness
    right: int | None
    weight: float


class _EncodedOnce:
    """The encoder, but for texts it has seen: the folds have most of theirs in common."""

    def __init__(self, encoder: Encoder) -> None:
        self.name, self.fingerprint = encoder.name, encoder.fingerprint
        self.dimension = encoder.dimension
        self._runs = {True: encoder.encode_queries, False: encoder.encode_passages}
        self._seen: dict[tuple[bool, str], Vectors] = {}

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        return self._encode(texts, asked=True)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        return self._encode(texts, asked=False)

    def _encode(self, texts: Sequence[str], *, asked: bool) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if (asked, text) not in self._seen]
        for text, vector in zip(new, self._runs[asked](new), strict=True):
            self._seen[asked, text] = vector
        rows = [self._seen[asked, text] for text in texts]
        return np.array(rows, np.float32).reshape(len(rows), self.dimension)


def learn_calibration(
    documents: Sequence[Document], background: Sequence[str], encoder: Encoder
) -> Calibration:
    """Return new numbers for this handbook and encoder; takes a minute or so."""
    cases = list(_cases(documents, background, _EncodedOnce(encoder)))
    start = replace(default_calibration(), fusion=_best_fusion(cases))
    bias, weights = _logistic(cases, start)
    full = replace(start, bias=bias, weights=weights, sharpness=_best_sharpness(cases, start))
    plain = [replace_likeness(case) for case in cases]
    bias, weights = _logistic(plain, full)
    return replace(
        full,
        lexical_bias=bias,
        lexical_weights=weights,
        lexical_sharpness=_best_sharpness(plain, full),
    )


def write_calibration(calibration: Calibration, path: Path, note: str) -> None:
    """Write the numbers as TOML, with a note on how they were learnt."""

    def table(weights: Sequence[float]) -> str:
        pairs = zip(FEATURES, weights, strict=True)
        return "".join(f"{name} = {weight:.4f}\n" for name, weight in pairs)

    comment = "".join(f"# {line}\n" for line in note.splitlines())
    fusion = ", ".join(f"{weight:.2f}" for weight in calibration.fusion)
    plain = ", ".join(f"{weight:.2f}" for weight in calibration.plain_fusion)
    close = ", ".join(f"{weight:.2f}" for weight in calibration.close_fusion)
    path.write_text(
        f"{comment}fusion = [{fusion}]\nplain_fusion = [{plain}]\nclose_fusion = [{close}]\n"
        f"sharpness = {calibration.sharpness:.2f}\nbias = {calibration.bias:.4f}\n\n"
        f"[weights]\n{table(calibration.weights)}\n"
        f"[lexical]\nsharpness = {calibration.lexical_sharpness:.2f}\n"
        f"bias = {calibration.lexical_bias:.4f}\n\n"
        f"[lexical.weights]\n{table(calibration.lexical_weights)}",
        encoding="utf-8",
    )


def replace_likeness(case: Case) -> Case:
    """Return the case as the search sees it without an encoder."""
    return replace(case, likeness=replace(case.likeness, near=None, topic=None))


def _cases(
    documents: Sequence[Document], background: Sequence[str], encoder: Encoder
) -> Iterator[Case]:
    for fold in range(FOLDS):
        answers = [document for document in documents if not document.hidden]
        gone = {d.id for i, d in enumerate(answers) if i % LEFT_OUT == fold}
        kept = [_without(d, fold, gone=d.id in gone) for d in documents]
        seen = [text for i, text in enumerate(background) if i % FOLDS != fold]
        retriever = Retriever.build(kept, encoder, background=seen)
        places = {document.id: place for place, document in enumerate(retriever.documents)}
        for document in answers:
            for question in document.questions[1:][fold::FOLDS]:
                right = places.get(document.id)
                weight = MISSING_WEIGHT if right is None else 1.0
                yield Case(retriever.likeness(question), right, weight)
        for text in background[fold::FOLDS]:
            yield Case(retriever.likeness(text), None, 1.0)


def _without(document: Document, fold: int, *, gone: bool) -> Document:
    """Keep the title and three of four aliases; of what is gone only that it is asked for."""
    if gone:
        return replace(document, questions=(), texts=(), hidden=True)
    title, aliases = document.questions[:1], document.questions[1:]
    kept = tuple(alias for i, alias in enumerate(aliases) if i % FOLDS != fold)
    return replace(document, questions=(*title, *kept))


def _best_fusion(cases: Sequence[Case]) -> tuple[float, float, float]:
    steps = [0.1 * step for step in range(1, 10)]
    options = [
        (near, topic, 1 - near - topic)
        for near, topic in itertools.product(steps, steps)
        if near >= LEAST_NEAR and near + topic < 0.95
    ]
    return max(options, key=lambda option: _mean_reciprocal_rank(cases, option))


def _mean_reciprocal_rank(cases: Sequence[Case], fusion: tuple[float, float, float]) -> float:
    trial = replace(default_calibration(), fusion=fusion)
    total = 0.0
    for case in cases:
        if case.right is not None:
            fused = case.likeness.fused(trial)
            total += 1 / float((fused >= fused[case.right]).sum())
    return total


def _best_sharpness(cases: Sequence[Case], calibration: Calibration) -> float:
    """Choose the sharpness under which the right documents were likeliest."""
    rows = [(c.likeness.fused(calibration), c.right) for c in cases if c.right is not None]

    def likelihood(sharpness: float) -> float:
        return sum(_log_share(fused * sharpness, right) for fused, right in rows)

    return max((0.25 * step for step in range(1, 41)), key=likelihood)


def _log_share(row: Row, right: int) -> float:
    top = float(row.max())
    return float(row[right]) - top - float(np.log(np.exp(row - top).sum()))


def _logistic(cases: Sequence[Case], calibration: Calibration) -> tuple[float, tuple[float, ...]]:
    """Fit by Newton's method whether anything answers, with a little ridge on scaled features."""
    raw = np.array([case.likeness.features(calibration) for case in cases], np.float64)
    scale = raw.std(axis=0) + 1e-6
    data = np.hstack([np.ones((len(raw), 1)), raw / scale])
    wanted = np.array([case.right is not None for case in cases], np.float64)
    weights = np.array([case.weight for case in cases])
    # Both sides count alike: how much small talk a school gets is not known.
    for side in (wanted == 1, wanted == 0):
        weights[side] /= weights[side].sum()
    ridge = RIDGE * np.eye(data.shape[1]) / 10
    ridge[0, 0] = 0
    found = np.zeros(data.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-data @ found))
        slope = data.T @ (weights * (chance - wanted)) + ridge @ found
        curve = (data * (weights * chance * (1 - chance))[:, None]).T @ data + ridge
        found -= np.linalg.solve(curve + 1e-9 * np.eye(len(curve)), slope)
    return float(found[0]), tuple(float(w) for w in found[1:] / scale)
