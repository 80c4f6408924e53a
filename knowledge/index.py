"""Nearest vectors with FAISS: which kind of index by size, and one saved beside its fingerprint.

Called by `knowledge.vector_store`, `knowledge.retrieval` and the benchmarks. A handbook is searched
exactly; the other kinds are for corpora of schools that bring far more, and are kept on disk, as
building them takes minutes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import faiss
import numpy as np
from numpy.typing import NDArray

from knowledge.encoder.port import Vectors
from knowledge.errors import IndexDamaged

log = logging.getLogger(__name__)

# More threads make one query slower, and forking after a search then hangs.
faiss.omp_set_num_threads(1)

Kind = Literal["auto", "flat", "hnsw", "ivf-sq", "ivf-pq"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# Up to here comparing with every vector takes less than 10 ms, and is exact.
FLAT_UP_TO = 50_000
# Up to here HNSW's links, which come on top of the whole vectors, cost less than half a gigabyte.
HNSW_UP_TO = 200_000
# Above this even a byte a number is more than a small box has.
SQ_UP_TO = 5_000_000
FEWEST = 1_000  # below, no other kind than flat is worth its training
# Below, FAISS may look for ever for 256 different pieces to cut the vectors into.
FEWEST_PQ = 10_000
FILE = "nearest.faiss"
ADDED_AT_ONCE = 50_000
LEFT_SECONDS = 3600.0  # a part file this old was left by a process that was killed
_DIGEST = 32


@dataclass(frozen=True)
class Recipe:
    """
    How an index is built and searched.

    Args:
        factory: FAISS's own name of it.
        reach: How many cells (IVF) or candidates (HNSW) a query looks at.
        taught: How many vectors it is trained with; 0: none.
    """

    factory: str
    reach: int = 0
    taught: int = 0


def kind_for(size: int) -> Kind:
    """Return what `auto` stands for at a number of vectors."""
    if size <= FLAT_UP_TO:
        return "flat"
    if size <= HNSW_UP_TO:
        return "hnsw"
    return "ivf-sq" if size <= SQ_UP_TO else "ivf-pq"


def recipe_for(kind: Kind, size: int, dimension: int) -> Recipe:
    """Return how a kind is built for so many vectors; small ones are flat whatever the kind."""
    if kind == "auto":
        kind = kind_for(size)
    if kind == "flat" or size < (FEWEST_PQ if kind == "ivf-pq" else FEWEST):
        return Recipe("Flat")
    if kind == "hnsw":
        return Recipe("HNSW32,Flat", reach=96 if size <= HNSW_UP_TO else 160)
    # About twice the root, as a power of two: half the work lies in choosing cells.
    cells = 2 ** round(np.log2(2 * size**0.5))
    taught = min(size, max(10_000, cells * 40))
    if kind == "ivf-sq":
        # Measured at a million (docs/benchmarks.md): fewer than a twelfth find less than .95.
        return Recipe(f"IVF{cells},SQ8", max(8, cells * 3 // 32), taught)
    parts = next(n for n in range(max(1, dimension // 4), 0, -1) if dimension % n == 0)
    return Recipe(f"IVF{cells},PQ{parts}x8", max(8, cells // 16), taught)


class VectorIndex:
    """
    Find the nearest of many vectors by dot product.

    Args:
        vectors: One a row, of length one.
        kind: `auto` chooses by size; `flat` is exact and right for a handbook; `hnsw` is fast and
            needs most memory; `ivf-sq` stores a quarter of the bytes, `ivf-pq` a sixteenth.
        engine: A finished one that holds these vectors, instead of building it.
    """

    def __init__(self, vectors: Vectors, kind: Kind = "flat", engine: Any = None) -> None:
        size, dimension = vectors.shape
        self.recipe = recipe_for(kind, size, dimension)
        self._engine = build(vectors, self.recipe) if engine is None else engine

    def __len__(self) -> int:
        return int(self._engine.ntotal)

    def search(self, query: Vectors, count: int) -> tuple[Vectors, NDArray[np.int64]]:
        """
        Return the scores and rows of the nearest vectors, best first, for each query row.

        Where the cells that were looked at hold fewer, the last that was found is repeated.
        """
        count = min(count, len(self))
        scores, rows = self._engine.search(np.ascontiguousarray(query, np.float32), count)
        for row, number in enumerate((rows >= 0).sum(axis=1)):
            if number < count:
                last = max(0, number - 1)
                scores[row, number:] = scores[row, last] if number else -1.0
                rows[row, number:] = rows[row, last] if number else 0
        return scores, rows

    def compare(self, query: Vectors) -> Vectors | None:
        """Return the score of every vector, row by row, for each query row; None unless flat.

        Where all are wanted, the sorting of `search` costs more than the scores.
        """
        if not isinstance(self._engine, faiss.IndexFlat):
            return None
        rows = faiss.rev_swig_ptr(self._engine.get_xb(), len(self) * self._engine.d)
        # This way round is the faster one by half for the few rows of a question.
        scores = rows.reshape(len(self), -1) @ np.asarray(query, np.float32).T
        return np.ascontiguousarray(scores.T)

    def look_at(self, reach: int) -> None:
        """Look at so many cells or candidates from now on: more finds more, and takes longer."""
        self.recipe = replace(self.recipe, reach=reach)
        _set_reach(self._engine, self.recipe)

    def save(self, folder: Path, mark: str) -> None:
        """Write beside and rename: a reader never meets half a file, the last writer wins."""
        path = folder / FILE
        try:
            with part_of(path) as part:
                faiss.write_index(self._engine, str(part))
                checksum = _checksum(part, part.stat().st_size)
                with part.open("ab") as file:
                    file.write(checksum + _whole_mark(mark, self.recipe))
        except (OSError, RuntimeError) as error:
            # It costs time at the next start, nothing else.
            log.warning("the index could not be saved: %s", type(error).__name__)


def build(vectors: Vectors, recipe: Recipe) -> Any:
    """Return FAISS's index over vectors; they are read in parts, so they may lie on disk."""
    size, dimension = vectors.shape
    engine: Any = faiss.index_factory(dimension, recipe.factory, faiss.METRIC_INNER_PRODUCT)
    if recipe.factory.startswith("HNSW"):
        engine.hnsw.efConstruction = 80
    if recipe.taught:
        rows = np.sort(np.random.default_rng(1).choice(size, recipe.taught, replace=False))
        engine.train(np.ascontiguousarray(vectors[rows], np.float32))
    for first in range(0, size, ADDED_AT_ONCE):
        engine.add(np.ascontiguousarray(vectors[first : first + ADDED_AT_ONCE], np.float32))
    _set_reach(engine, recipe)
    return engine


def _set_reach(engine: Any, recipe: Recipe) -> None:
    if recipe.factory.startswith("HNSW"):
        engine.hnsw.efSearch = recipe.reach
    elif recipe.reach:
        engine.nprobe = recipe.reach


def load_or_build(
    folder: Path | None, mark: str, vectors: Vectors, kind: Kind
) -> tuple[VectorIndex, str | None]:
    """
    Return the saved index if it is whole and of these vectors, else build and save it.

    Args:
        mark: Changes with the texts, their order and the encoder.

    Returns:
        The index, and why it had to be built again (nothing on the first run). A flat one is built
        in no time and never saved.
    """
    size, dimension = vectors.shape
    recipe = recipe_for(kind, size, dimension)
    if folder is None or recipe.factory == "Flat":
        return VectorIndex(vectors, kind), None
    reason: str | None = None
    try:
        engine = _load(folder / FILE, _whole_mark(mark, recipe), size, dimension)
        _set_reach(engine, recipe)
        return VectorIndex(vectors, kind, engine), None
    except FileNotFoundError:
        pass
    except IndexDamaged as error:
        reason = error.problem
    index = VectorIndex(vectors, kind)
    index.save(folder, mark)
    return index, reason


def _whole_mark(mark: str, recipe: Recipe) -> bytes:
    return hashlib.sha256(f"{mark} {recipe} {faiss.__version__}".encode()).digest()


def _load(path: Path, mark: bytes, size: int, dimension: int) -> Any:
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END) - 2 * _DIGEST
            file.seek(max(0, length))
            found = file.read()
        if len(found) != 2 * _DIGEST or _checksum(path, length) != found[:_DIGEST]:
            raise IndexDamaged("the saved index is damaged or cut off", file=path)
        if found[_DIGEST:] != mark:
            raise IndexDamaged("the saved index belongs to other texts or encoder", file=path)
        engine = faiss.read_index(str(path))
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # FAISS raises its own as RuntimeError
        raise IndexDamaged("the saved index cannot be read", file=path) from error
    if (engine.ntotal, engine.d) != (size, dimension):
        raise IndexDamaged("the saved index has another size", file=path)
    return engine


@contextmanager
def part_of(path: Path) -> Iterator[Path]:
    """
    Give a new file beside a path to write into; afterwards it takes the path's place at once.

    Raises:
        OSError: The folder can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob("*.part"):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            left.unlink(missing_ok=True)
    number, name = tempfile.mkstemp(prefix=f"{path.stem}.", suffix=".part", dir=path.parent)
    os.close(number)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)  # what the image builds as root is read by another account
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _checksum(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(length, 2**20))):
            digest.update(block)
            length -= len(block)
    return digest.digest()
