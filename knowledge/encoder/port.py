"""What the search asks of an encoder. The wiring chooses one; tests pass a small one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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


@dataclass(frozen=True)
class Tokens:
    """
    The pieces of one text as the encoder understands them there, without prompt and end marks.

    Args:
        numbers: Which piece of the vocabulary each is; shape (pieces,).
        vectors: Of length one; shape (pieces, width).
    """

    numbers: NDArray[np.int64]
    vectors: Vectors


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that can also tell what it made of each piece of a text; not every one can."""

    @property
    def token_width(self) -> int:
        """The width of the tokens' vectors; 0 if the model gives none."""
        ...

    def encode_tokens(self, texts: Sequence[str], *, asked: bool) -> tuple[Vectors, list[Tokens]]:
        """Encode as questions or as passages: the vectors, and the tokens of each text."""
        ...
