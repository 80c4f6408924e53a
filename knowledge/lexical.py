"""Search by the characters two texts share: BM25 over single characters and pairs.

Called by `knowledge.retrieval`. Pairs of characters did better than words of a segmenter in every
trial on questions of parents, who misspell and mix dialects; and they need no dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import bm25s
import numpy as np
from numpy.typing import NDArray

K1 = 1.2
# How much a long text has to share to count as much as a short one. Where texts are as long as
# their writers made them, a long one holds more by chance; where a text is all ways of asking
# together, its length says only how many were collected (docs/search.md).
B_TOLD, B_ASKED = 0.75, 0.3
Scores = NDArray[np.float32]


def grams(text: str) -> list[str]:
    """Return the letters of a normalised text and the pairs of neighbours, each once."""
    return list(dict.fromkeys(_all_grams(text)))


class LexicalIndex:
    """
    Score every text of a fixed list against a question; safe to call from several threads.

    Args:
        texts: Normalised; the order of the scores.
        b: BM25's weight of a text's length, 0 to 1.
    """

    def __init__(self, texts: Sequence[str], b: float = B_TOLD) -> None:
        self._size = len(texts)
        tokens = [_all_grams(text) for text in texts]
        self._places: dict[str, int] = {}
        if any(tokens):
            self._index(tokens, b)
        self._weights = _inverse_frequencies(tokens)
        self._unknown = max(self._weights.values(), default=1.0)

    def scores(self, question: str) -> Scores:
        """Return one score per text; nothing in common is 0."""
        places = [self._places[gram] for gram in grams(question) if gram in self._places]
        if not places:
            return np.zeros(self._size, np.float32)
        # `get_scores` of bm25s adds gram by gram, which takes half as long again.
        parts = [slice(self._starts[place], self._starts[place + 1]) for place in places]
        rows = np.concatenate([self._rows[part] for part in parts])
        weights = np.concatenate([self._weights_of[part] for part in parts])
        return np.bincount(rows, weights, minlength=self._size).astype(np.float32)

    def _index(self, tokens: list[list[str]], b: float) -> None:
        """Keep gram after gram the texts that have it and what it adds to each."""
        engine = bm25s.BM25(k1=K1, b=b)
        engine.index(tokens, show_progress=False)
        self._places = dict(engine.vocab_dict)
        self._starts = engine.scores["indptr"]
        self._rows = engine.scores["indices"]
        self._weights_of = engine.scores["data"]

    def ceiling(self, question: str) -> float:
        """Return about what a text with every gram of the question would score."""
        found = sum(self._weights.get(token, self._unknown) for token in grams(question))
        return float(found) or 1.0


def _all_grams(text: str) -> list[str]:
    singles = [char for char in text if char.isalnum()]
    return singles + [a + b for a, b in pairwise(text) if (a + b).isalnum()]


def _inverse_frequencies(tokens: list[list[str]]) -> dict[str, float]:
    counts: dict[str, int] = {}
    for text in tokens:
        for token in set(text):
            counts[token] = counts.get(token, 0) + 1
    size = len(tokens)
    return {token: float(np.log1p((size - n + 0.5) / (n + 0.5))) for token, n in counts.items()}
