"""The rows of the table: which peer, with what, under what name. Called by `child` and `run`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from bot.bench.peers.corpus import Corpus, Found
from bot.bench.peers.lexical import Bm25s, Haystack, Txtai, characters, words
from bot.bench.peers.ours import Ours
from bot.bench.peers.vectors import Chroma, Exact

Show = Callable[[int, int], None]
MORE = 6  # pieces looked at for each document wanted


class Peer(Protocol):
    """A search that can be measured; `packages` are the modules that must be there."""

    packages: tuple[str, ...]

    def load(self) -> None:
        """Import what it needs."""
        ...

    def build(self, corpus: Corpus) -> None:
        """Index the documents."""
        ...

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents, best first, at most k."""
        ...


class Pieces:
    """A peer that gets every piece of a document as a text of its own; the best piece counts."""

    def __init__(self, inner: Peer) -> None:
        self._inner = inner
        self._owners: list[int] = []
        self.packages = inner.packages
        self.load = inner.load

    @property
    def encoder(self) -> object:
        """Return the encoder of the peer, if it has one."""
        return getattr(self._inner, "encoder", None)

    def build(self, corpus: Corpus) -> None:
        """Index the pieces."""
        pieces = [
            (place, piece)
            for place, document in enumerate(corpus.documents)
            for piece in document.pieces
        ]
        self._owners = [place for place, _ in pieces]
        documents = [Found(str(row), texts=(piece,)) for row, (_, piece) in enumerate(pieces)]
        self._inner.build(Corpus(documents, corpus.queries))

    def search(self, query: str, k: int) -> list[int]:
        """Return the owners of the best pieces, each once."""
        count = min(MORE * k, len(self._owners))
        owners = (self._owners[row] for row in self._inner.search(query, count))
        return list(dict.fromkeys(owners))[:k]


@dataclass(frozen=True)
class Means:
    """
    What a peer may need.

    Args:
        kept: Folder of the vectors that are kept between rows.
        teacher: Folder of the encoder of twelve layers.
        show: Told how far encoding is.
    """

    kept: Path
    teacher: str
    show: Show


@dataclass(frozen=True)
class Row:
    """
    A row of the table.

    Args:
        title: As it stands in the table.
        distributions: Those whose versions belong to it.
        pieces: Whether each piece of a document is a text of its own.
        teacher: Whether it needs the encoder of twelve layers.
    """

    title: str
    make: Callable[[Means], Peer]
    distributions: tuple[str, ...]
    pieces: bool = False
    teacher: bool = False

    def peer(self, means: Means) -> Peer:
        """Return a new peer."""
        return Pieces(self.make(means)) if self.pieces else self.make(means)


def _exact(means: Means) -> Peer:
    return Exact(means.teacher, means.kept, means.show)


def _chroma(means: Means) -> Peer:
    return Chroma("default", means.kept, means.show)


VECTORS = ("onnxruntime", "faiss-cpu")
CHROMA = ("chromadb", "onnxruntime")
ROWS = {
    "bm25s-character": Row("bm25s, characters", lambda _: Bm25s(characters), ("bm25s",)),
    "bm25s-word": Row("bm25s, words", lambda _: Bm25s(words), ("bm25s", "rjieba")),
    "bm25s-character-pieces": Row(
        "bm25s, characters, pieces", lambda _: Bm25s(characters), ("bm25s",), pieces=True
    ),
    "bm25s-word-pieces": Row(
        "bm25s, words, pieces", lambda _: Bm25s(words), ("bm25s", "rjieba"), pieces=True
    ),
    "haystack": Row("haystack BM25, as it comes", lambda _: Haystack(), ("haystack-ai",)),
    "haystack-word": Row(
        "haystack BM25, words", lambda _: Haystack(words), ("haystack-ai", "rjieba")
    ),
    "txtai": Row("txtai keyword, as it comes", lambda _: Txtai(), ("txtai",)),
    "txtai-word": Row("txtai keyword, words", lambda _: Txtai(words), ("txtai", "rjieba")),
    "chroma": Row("chromadb, our vectors", _chroma, CHROMA),
    "chroma-pieces": Row("chromadb, our vectors, pieces", _chroma, CHROMA, pieces=True),
    "e5": Row("e5, 12 layers", _exact, VECTORS, teacher=True),
    "e5-pieces": Row("e5, 12 layers, pieces", _exact, VECTORS, pieces=True, teacher=True),
    "ours-plain": Row(
        "**ours, plain texts**", lambda means: Ours(means.kept, means.show, plain=True), VECTORS
    ),
    "ours": Row("**ours**", lambda means: Ours(means.kept, means.show, plain=False), VECTORS),
}


def missing(peer: Peer) -> list[str]:
    """Return the modules that a peer needs and that are not installed."""
    return [name for name in peer.packages if find_spec(name) is None]
