"""Compare a question with the best candidates piece by piece: late interaction.

Called by `knowledge.retrieval` where documents have few ways of asking, so that no topic can be
learnt. One vector holds what a text is about, and loses the details that tell it from the next one;
here every piece of the question looks for the piece of the document that is most like it (MaxSim,
Khattab and Zaharia 2020, arXiv 2004.12832), rare pieces weighing more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import TokenEncoder, Tokens, Vectors

CANDIDATES = 100
MOST_PASSAGES = 40_000  # above it the pieces would fill a gigabyte, and are left out
PIECE = 100  # characters; the encoder reads about 180
_SENTENCES = re.compile(r"(?<=[。！？!?；;\n])|(?<=[，,])")
Row = NDArray[np.float32]


@dataclass(frozen=True)
class Closeness:
    """
    How close the pieces of the candidates are to those of the question.

    Args:
        documents: The candidates.
        likeness: Per candidate how well it covers the question, -1 to 1.
    """

    documents: NDArray[np.int64]
    likeness: Row


class Reader:
    """
    An encoder that remembers the tokens of what it encodes, for `LateInteraction`.

    Vectors that were kept from an earlier start are not encoded again; their tokens are, on demand.
    """

    def __init__(self, encoder: TokenEncoder) -> None:
        self._encoder = encoder
        self._seen: dict[tuple[bool, str], Tokens] = {}

    @property
    def name(self) -> str:
        return self._encoder.name

    @property
    def fingerprint(self) -> str:
        return self._encoder.fingerprint

    @property
    def dimension(self) -> int:
        return self._encoder.dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        return self._encode(texts, asked=True)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        return self._encode(texts, asked=False)

    def tokens(self, texts: Sequence[str], asked: Sequence[bool]) -> list[Tokens]:
        """Return the tokens of every text."""
        keys = list(zip(asked, texts, strict=True))
        for sort in (True, False):
            missing = [t for a, t in dict.fromkeys(keys) if a == sort and (a, t) not in self._seen]
            if missing:
                self._encode(missing, asked=sort)
        return [self._seen[key] for key in keys]

    def _encode(self, texts: Sequence[str], *, asked: bool) -> Vectors:
        vectors, tokens = self._encoder.encode_tokens(texts, asked=asked)
        for text, each in zip(texts, tokens, strict=True):
            self._seen[asked, text] = Tokens(each.numbers, each.vectors.astype(np.float16))
        return vectors


class LateInteraction:
    """
    The pieces of all documents; safe to use from several threads.

    Args:
        tokens: Those of each passage; the passages of one document lie together.
        owners: The document of each passage, rising.
        count: How many documents there are; each has a passage.
    """

    def __init__(self, tokens: Sequence[Tokens], owners: NDArray[np.int64], count: int) -> None:
        lengths = np.array([len(each.numbers) for each in tokens], np.int64)
        self._lengths = np.bincount(owners, lengths, minlength=count).astype(np.int64)
        self._starts = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])
        self._vectors = np.concatenate([each.vectors for each in tokens]).astype(np.float16)
        self._rarity, self._unknown = _rarity(tokens)

    @property
    def bytes(self) -> int:
        """How much memory the pieces take."""
        return int(self._vectors.nbytes)

    def closeness(self, question: Tokens, documents: NDArray[np.int64]) -> Closeness:
        """Compare the question with some documents; without a piece there is no closeness."""
        likeness = np.zeros(len(documents), np.float32)
        full = self._lengths[documents] > 0
        if len(question.numbers) and full.any():
            likeness[full] = self._compare(question, documents[full])
        return Closeness(documents, likeness)

    def _compare(self, question: Tokens, documents: NDArray[np.int64]) -> Row:
        lengths = self._lengths[documents]
        bounds = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        rows = np.repeat(self._starts[documents] - bounds, lengths) + np.arange(lengths.sum())
        pieces = self._vectors[rows].astype(np.float32)
        alike = question.vectors.astype(np.float32) @ pieces.T
        best = np.maximum.reduceat(alike, bounds, axis=1)
        known = np.minimum(question.numbers, len(self._rarity) - 1)
        weights = np.where(
            question.numbers < len(self._rarity), self._rarity[known], self._unknown
        ).astype(np.float32)
        found: Row = weights @ best / weights.sum()
        return found


def pieces(text: str) -> list[str]:
    """
    Cut a text that the encoder would not read to its end, between sentences or clauses.

    A shorter one stays whole; no piece is longer than `PIECE` by more than two fifths.
    """
    most = PIECE * 7 // 5
    if len(text) <= most:
        return [text]
    found, piece = [], ""
    for clause in _SENTENCES.split(text):
        if piece and len(piece) + len(clause) > PIECE:
            found.append(piece)
            piece = ""
        piece += clause
        while len(piece) > most:
            found.append(piece[:PIECE])
            piece = piece[PIECE:]
    if found and len(piece) < PIECE * 3 // 10:
        found[-1] += piece
    elif piece:
        found.append(piece)
    return found


def candidates(ranked: Row) -> NDArray[np.int64]:
    """Return the documents that are worth a closer look, best first."""
    return np.argsort(-ranked, kind="stable")[:CANDIDATES].astype(np.int64)


def rerank(first: Row, documents: NDArray[np.int64], parts: Sequence[tuple[float, Row]]) -> Row:
    """
    Rank the candidates anew by the weighted sum of their parts; all others stay behind them.

    Args:
        first: The first ranking of all documents.
        documents: The candidates.
        parts: A weight, and a likeness of each candidate. Each is brought to mean 0 and deviation
            1 among the candidates: among all, a few unlike ones would decide its scale.
    """
    new = np.zeros(len(documents), np.float32)
    for weight, part in parts:
        new += weight * (part - part.mean()) / (part.std() + 1e-6)
    last = float(new.min(initial=0.0))
    ranked = (last - 1 - (float(first.max()) - first)).astype(np.float32)
    ranked[documents] = new
    return ranked


def _rarity(tokens: Sequence[Tokens]) -> tuple[Row, float]:
    """Return the weight of each piece by its number, and of one that never occurs."""
    size = len(tokens)
    unknown = float(np.log1p(2 * size + 1))
    seen = [np.unique(each.numbers) for each in tokens]
    counts = np.bincount(np.concatenate([*seen, np.zeros(1, np.int64)]))
    return np.log1p((size - counts + 0.5) / (counts + 0.5)).astype(np.float32), unknown
