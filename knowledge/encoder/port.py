"""What the search asks of an encoder. The wiring chooses one; tests pass a small one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Encoder(Protocol):
    """
    Turn texts into vectors of length one, so that a dot product is the cosine.

    `fingerprint` changes whenever the same text could get another vector; saved indexes carry it.
    Safe to call from several threads.
    """

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask; the shape is (number of texts, dimension)."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in; the shape is (number of texts, dimension)."""
        ...
