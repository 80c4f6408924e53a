"""Small encoders for tests that look at what is encoded, and how often."""

from collections.abc import Sequence

from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.port import Vectors


class CountingEncoder(FixedEncoder):
    """Remembers what it was given."""

    def __init__(self, dimension: int = 256) -> None:
        super().__init__(dimension)
        self.given: list[str] = []

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Note the texts, and encode them."""
        self.given += texts
        return super().encode_queries(texts)
