"""The live search as a peer: with all it knows of an entry, or with the flat text the others get.

Called by `bot.bench.peers.rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bot.bench.peers.corpus import Corpus
from bot.bench.peers.vectors import KeptEncoder

if TYPE_CHECKING:
    from knowledge.retrieval import Retriever


class Ours:
    """
    `knowledge.retrieval.Retriever` with the encoder that ships.

    Args:
        plain: Give it one flat text a document, as the others get, and no background.
    """

    packages: tuple[str, ...] = ("knowledge",)

    def __init__(self, kept: Path, show: Callable[[int, int], None], *, plain: bool) -> None:
        self._kept = kept
        self._show = show
        self._plain = plain
        self._places: dict[str, int] = {}
        self._retriever: Retriever | None = None
        self.encoder: KeptEncoder | None = None

    def load(self) -> None:
        """Import the search and load the encoder."""
        import knowledge.retrieval  # noqa: F401  its cost belongs here
        from knowledge.encoder.load import load_encoder

        self.encoder = KeptEncoder(load_encoder(), self._kept, self._show)

    def build(self, corpus: Corpus) -> None:
        """Index the documents as live does."""
        from knowledge.retrieval import Document, Retriever

        self._places = {document.id: place for place, document in enumerate(corpus.documents)}
        if self._plain:
            documents = [Document(found.id, texts=(found.flat,)) for found in corpus.documents]
        else:
            documents = [
                Document(
                    found.id,
                    questions=found.asked,
                    texts=found.texts,
                    examples=found.examples,
                    terms=found.terms,
                )
                for found in corpus.documents
            ]
        background = () if self._plain else corpus.background
        self._retriever = Retriever.build(
            documents, self.encoder, background=background, kind="auto"
        )

    def search(self, query: str, k: int) -> list[int]:
        """
        Return the places of the best documents.

        Raises:
            RuntimeError: the search goes on without vectors; its figures would be another's.
        """
        assert self._retriever is not None
        hits = self._retriever.search(query, top_k=k)
        if self._retriever.degraded:
            raise RuntimeError(self._retriever.degraded)
        return [self._places[hit.entry] for hit in hits]
