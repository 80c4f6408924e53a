"""Peers that compare words or characters: bm25s, haystack and txtai.

Called by `bot.bench.peers.rows`. No library is imported before `load`, so that what an import
takes can be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from bot.bench.peers.corpus import Corpus

Cut = Callable[[str], list[str]]


def characters(text: str) -> list[str]:
    """Return the letters of a text and the pairs of neighbours."""
    text = text.lower()
    singles = [char for char in text if char.isalnum()]
    return singles + [a + b for a, b in pairwise(text) if (a + b).isalnum()]


def words(text: str) -> list[str]:
    """Return the words of a text as jieba cuts them for a search engine (rjieba)."""
    import rjieba

    found = rjieba.cut_for_search(text.lower())
    return [word for word in found if any(char.isalnum() for char in word)]


class Bm25s:
    """BM25 of bm25s with its own defaults (k1 1.5, b .75)."""

    packages: tuple[str, ...] = ("bm25s", "rjieba")

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._engine: Any = None
        self._known: set[str] = set()
        self._size = 0

    def load(self) -> None:
        """Import the library, and the word list of the segmenter."""
        import bm25s

        self._cut("")
        self._engine = bm25s.BM25()

    def build(self, corpus: Corpus) -> None:
        """Index one text a document."""
        tokens = [self._cut(document.flat) for document in corpus.documents]
        self._known = {token for text in tokens for token in text}
        self._size = len(tokens)
        self._engine.index(tokens, show_progress=False)

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents."""
        tokens = [token for token in self._cut(query) if token in self._known]
        if not tokens:
            return []
        found, _ = self._engine.retrieve(
            [tokens], k=min(k, self._size), show_progress=False, n_threads=0
        )
        return [int(place) for place in found[0]]


class Haystack:
    """
    The BM25 retriever of haystack over its store in memory.

    Args:
        cut: Words to join with blanks; without it the library's own way, a character a token.
    """

    packages: tuple[str, ...] = ("haystack",)
    _SPACED = r"\S+"

    def __init__(self, cut: Cut | None = None) -> None:
        self._cut = cut
        self._retriever: Any = None

    def load(self) -> None:
        """Import the library."""
        from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
        from haystack.document_stores.in_memory import InMemoryDocumentStore

        own = {} if self._cut is None else {"bm25_tokenization_regex": self._SPACED}
        self._retriever = InMemoryBM25Retriever(InMemoryDocumentStore(**own))

    def build(self, corpus: Corpus) -> None:
        """Write one document of the library for each document."""
        from haystack import Document

        self._retriever.document_store.write_documents(
            [
                Document(id=str(place), content=self._text(document.flat))
                for place, document in enumerate(corpus.documents)
            ]
        )

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents."""
        found = self._retriever.run(query=self._text(query), top_k=k)
        return [int(document.id) for document in found["documents"]]

    def _text(self, text: str) -> str:
        return text if self._cut is None else " ".join(self._cut(text))


class Txtai:
    """
    The keyword index of txtai, which needs no model.

    Args:
        cut: As for haystack; the library's own way is a character a token too.
    """

    packages: tuple[str, ...] = ("txtai",)

    def __init__(self, cut: Cut | None = None) -> None:
        self._cut = cut
        self._engine: Any = None

    def load(self) -> None:
        """Import the library."""
        from txtai import Embeddings

        scoring: dict[str, object] = {"method": "bm25", "terms": True, "normalize": True}
        if self._cut is not None:
            scoring["tokenizer"] = {"whitespace": True}
        self._engine = Embeddings(keyword=True, scoring=scoring)

    def build(self, corpus: Corpus) -> None:
        """Index one text a document."""
        rows = enumerate(document.flat for document in corpus.documents)
        self._engine.index((place, self._text(text), None) for place, text in rows)

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents."""
        found: Sequence[tuple[int, float]] = self._engine.search(self._text(query), k)
        return [int(place) for place, _ in found]

    def _text(self, text: str) -> str:
        return text if self._cut is None else " ".join(self._cut(text))
