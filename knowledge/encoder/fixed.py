"""An encoder without a model: hashed character n-grams.

For tests, where loading the real one would cost a second each; never chosen by itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from knowledge.encoder.port import Vectors


class FixedEncoder:
    """Count character one-, two- and three-grams in hashed places."""

    def __init__(self, dimension: int = 256) -> None:
        self._dimension = dimension

    @property
    def name(self) -> str:
        return "fixed"

    @property
    def fingerprint(self) -> str:
        return f"fixed-{self._dimension}"

    @property
    def dimension(self) -> int:
        return self._dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        vectors = np.zeros((len(texts), self._dimension), np.float32)
        for row, text in enumerate(texts):
            for size in (1, 2, 3):
                for start in range(len(text) - size + 1):
                    gram = text[start : start + size].encode("utf-8", "replace")
                    vectors[row, zlib.crc32(gram) % self._dimension] += 1
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        normal: Vectors = vectors / np.maximum(lengths, 1e-9)
        return normal

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        return self.encode_queries(texts)
