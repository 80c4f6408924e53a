"""Peers that compare vectors: chromadb and exact search, and vectors that are kept between rows.

Called by `bot.bench.peers.rows`. Encoding a hundred thousand texts takes minutes; each text is
encoded once for all rows with the same encoder, and each row is told what it would have taken.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.bench.peers.corpus import Corpus

if TYPE_CHECKING:
    from knowledge.encoder.port import Encoder, Vectors

FEW = 64  # a question and its sentences are always encoded: that is what is measured
PART = 2_000
BATCH = 5_000


class KeptEncoder:
    """
    An encoder that looks for the vectors of many texts in a folder first.

    Args:
        show: Told how many texts have been encoded, of how many.

    Attributes:
        seconds: Processor time that the vectors it gave out took when they were encoded.
        spent: Processor time that giving them out took now; a row's own is without it.
        waited: The same on the clock.
    """

    def __init__(
        self, inner: Encoder, folder: Path, show: Callable[[int, int], None] = lambda _a, _b: None
    ) -> None:
        self._inner = inner
        self._folder = folder / inner.fingerprint
        self._show = show
        self.seconds = 0.0
        self.spent = 0.0
        self.waited = 0.0

    def __getattr__(self, name: str) -> Any:
        """Let the search use whatever else the encoder can do; it is never kept."""
        return getattr(self._inner, name)

    @property
    def name(self) -> str:
        """Return the name of the encoder."""
        return self._inner.name

    @property
    def fingerprint(self) -> str:
        """Return what changes with the encoder."""
        return self._inner.fingerprint

    @property
    def dimension(self) -> int:
        """Return how many numbers a vector has."""
        return self._inner.dimension

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode what people ask."""
        if len(texts) < FEW:
            return self._inner.encode_queries(texts)
        return self._kept(texts, "q", self._inner.encode_queries)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """Encode what is searched in."""
        if len(texts) < FEW:
            return self._inner.encode_passages(texts)
        return self._kept(texts, "p", self._inner.encode_passages)

    def _kept(
        self, texts: Sequence[str], sort: str, run: Callable[[Sequence[str]], Vectors]
    ) -> Vectors:
        import numpy as np

        start, clock = time.process_time(), time.perf_counter()
        marks = [
            sort + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest() for text in texts
        ]
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        missing = self._read(marks, vectors)
        firsts = [rows[0] for rows in missing]
        for first in range(0, len(missing), PART):
            rows = firsts[first : first + PART]
            begun = time.process_time()
            found = run([texts[row] for row in rows])
            took = time.process_time() - begun
            for several, vector in zip(missing[first : first + PART], found, strict=True):
                vectors[several] = vector
            self._write([marks[row] for row in rows], found, took)
            self.seconds += took
            self._show(first + len(rows), len(missing))
        self.spent += time.process_time() - start
        self.waited += time.perf_counter() - clock
        return vectors

    def _read(self, marks: Sequence[str], vectors: Vectors) -> list[list[int]]:
        """Fill in the vectors that are there; return the rows of each text that is not."""
        import numpy as np

        rows: dict[str, list[int]] = {}
        for row, mark in enumerate(marks):
            rows.setdefault(mark, []).append(row)
        for path in sorted(self._folder.glob("*.npz")):
            with np.load(path) as part:
                names = part["marks"].tolist()
                wanted = [place for place, name in enumerate(names) if name in rows]
                if not wanted:
                    continue
                found = part["vectors"]
                self.seconds += float(part["seconds"]) * len(wanted) / len(names)
            for place in wanted:
                vectors[rows.pop(names[place])] = found[place]
        return list(rows.values())

    def _write(self, marks: list[str], vectors: Vectors, seconds: float) -> None:
        import numpy as np

        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256("".join(marks).encode()).hexdigest()[:16]
        part = self._folder / f"{name}.part"
        with part.open("wb") as file:
            np.savez(file, marks=np.array(marks), vectors=vectors, seconds=seconds)
        part.replace(self._folder / f"{name}.npz")


class _Encoded:
    """What compares vectors: the encoder of a folder, or the one that ships with the project."""

    def __init__(self, setting: str, kept: Path, show: Callable[[int, int], None]) -> None:
        self._setting = setting
        self._kept = kept
        self._show = show
        self.encoder: KeptEncoder | None = None

    def _load_encoder(self) -> None:
        from knowledge.encoder.load import load_encoder

        self.encoder = KeptEncoder(load_encoder(self._setting), self._kept, self._show)

    def _passages(self, corpus: Corpus) -> Vectors:
        assert self.encoder is not None
        texts = [_cleaned(document.flat) for document in corpus.documents]
        return self.encoder.encode_passages(texts)

    def _query(self, text: str) -> Vectors:
        assert self.encoder is not None
        return self.encoder.encode_queries([_cleaned(text)])


def _cleaned(text: str) -> str:
    """Return a text as the search cleans it, so that the same vectors serve all."""
    from knowledge.text import normalise, without_courtesies

    return without_courtesies(normalise(text))


class Exact(_Encoded):
    """Vectors of whole texts, compared one by one by FAISS."""

    packages: tuple[str, ...] = ("faiss", "onnxruntime")
    _index: Any = None

    def load(self) -> None:
        """Import the library and load the encoder."""
        import faiss

        faiss.omp_set_num_threads(1)
        self._load_encoder()

    def build(self, corpus: Corpus) -> None:
        """Encode one text a document."""
        import faiss

        vectors = self._passages(corpus)
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents."""
        _, found = self._index.search(self._query(query), k)
        return [int(place) for place in found[0] if place >= 0]


class Chroma(_Encoded):
    """A collection of chromadb in memory with our vectors; its index is HNSW as it comes."""

    packages: tuple[str, ...] = ("chromadb", "onnxruntime")
    _collection: Any = None

    def load(self) -> None:
        """Import the library, without its telemetry, and load the encoder."""
        import chromadb
        from chromadb.config import Settings

        client = chromadb.EphemeralClient(Settings(anonymized_telemetry=False))
        self._collection = client.create_collection(
            "texts", configuration={"hnsw": {"space": "ip"}}, embedding_function=None
        )
        self._load_encoder()

    def build(self, corpus: Corpus) -> None:
        """Add the vectors and texts."""
        vectors = self._passages(corpus)
        texts = [document.flat for document in corpus.documents]
        for first in range(0, len(texts), BATCH):
            rows = range(first, min(first + BATCH, len(texts)))
            self._collection.add(
                ids=[str(row) for row in rows],
                embeddings=vectors[first : first + BATCH],
                documents=texts[first : first + BATCH],
            )

    def search(self, query: str, k: int) -> list[int]:
        """Return the places of the best documents."""
        found = self._collection.query(query_embeddings=self._query(query), n_results=k, include=[])
        return [int(place) for place in found["ids"][0]]
