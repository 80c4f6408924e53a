"""Nearest vectors with FAISS, kept on disk between starts.

Called by `knowledge.retrieval` and by the search benchmark. A saved index carries the fingerprint
of its texts and encoder; one that is damaged or stale is built again and the reason is told.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import Vectors
from knowledge.errors import IndexDamaged

# More threads make one query slower, and forking after a search then hangs.
faiss.omp_set_num_threads(1)

Kind = Literal["flat", "hnsw", "ivf"]
IVF_PROBES = 32
HNSW_EFFORT = 96


class VectorIndex:
    """
    Find the nearest of many vectors by dot product.

    Args:
        kind: `flat` is exact and right for a handbook; `hnsw` is fast at any size but large;
            `ivf` stores a quarter of the bytes and suits a million vectors.
    """

    def __init__(self, vectors: Vectors, kind: Kind = "flat") -> None:
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.kind = kind
        self._engine = _build(self.vectors, kind)

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, query: Vectors, count: int) -> tuple[Vectors, NDArray[np.int64]]:
        """Return the scores and rows of the nearest vectors, best first, for each query row."""
        count = min(count, len(self))
        scores, rows = self._engine.search(np.ascontiguousarray(query, np.float32), count)
        return scores, rows


def _build(vectors: Vectors, kind: Kind) -> Any:
    size, dimension = vectors.shape
    engine: Any
    if kind == "flat" or size < 1000:
        engine = faiss.IndexFlatIP(dimension)
    elif kind == "hnsw":
        engine = faiss.index_factory(dimension, "HNSW32", faiss.METRIC_INNER_PRODUCT)
        engine.hnsw.efConstruction, engine.hnsw.efSearch = 80, HNSW_EFFORT
    else:
        cells = max(1, int(4 * size**0.5))
        engine = faiss.index_factory(dimension, f"IVF{cells},SQ8", faiss.METRIC_INNER_PRODUCT)
        engine.train(vectors[:: max(1, size // (cells * 50))])
        engine.nprobe = IVF_PROBES
    engine.add(vectors)
    return engine


def fingerprint(texts: Sequence[str], encoder: str) -> str:
    """Hash what the vectors depend on: the texts in their order, and the encoder."""
    digest = hashlib.sha256(encoder.encode())
    for text in texts:
        digest.update(b"\0" + text.encode("utf-8", "replace"))
    return digest.hexdigest()


def load_or_encode(
    folder: Path | None, mark: str, encode: Callable[[], Vectors]
) -> tuple[Vectors, str | None]:
    """
    Return the saved vectors if they are whole and current, else encode and save them.

    Returns:
        The vectors, and why they had to be encoded again (nothing on the first run).
    """
    if folder is None:
        return encode(), None
    reason: str | None = None
    try:
        return _load(folder, mark), None
    except FileNotFoundError:
        pass
    except IndexDamaged as error:
        reason = error.problem
    vectors = encode()
    _save(folder, mark, vectors)
    return vectors, reason


def _load(folder: Path, mark: str) -> Vectors:
    card, data = folder / "vectors.json", folder / "vectors.npy"
    try:
        found = json.loads(card.read_text(encoding="utf-8"))
        if found["fingerprint"] != mark:
            raise IndexDamaged("the saved index belongs to other texts or encoder", file=card)
        raw = data.read_bytes()
        if hashlib.sha256(raw).hexdigest() != found["sha256"]:
            raise IndexDamaged("the saved index is damaged", file=data)
        vectors: Vectors = np.load(data, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexDamaged("the saved index cannot be read", file=folder) from error
    return vectors


def _save(folder: Path, mark: str, vectors: Vectors) -> None:
    """Write beside and rename, so that a reader never meets half a file."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"vectors.{os.getpid()}.part"
        with part.open("wb") as file:
            np.save(file, vectors, allow_pickle=False)
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        part.replace(folder / "vectors.npy")
        card = folder / f"card.{os.getpid()}.part"
        card.write_text(json.dumps({"fingerprint": mark, "sha256": digest}), encoding="utf-8")
        card.replace(folder / "vectors.json")
    except OSError:
        return  # a full or read-only disk costs time at the next start, nothing else
