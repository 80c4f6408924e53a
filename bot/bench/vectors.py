"""`xinqing bench vectors`: each kind of index over a million vectors, beside exact search.

Called by `bot.cli.bench`. The vectors are real ones, of the handbook, its phrasings and the
examples of the risk screen, made more by moving each towards another: `moved` says how. Each kind
is built and asked in a process of its own, which reads the vectors from a file, so that what it
holds in memory is the index.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random

import faiss
import numpy as np
from numpy.typing import NDArray

from bot import logs
from bot.bench.measure import load, machine, spread
from bot.config import load_settings
from bot.wiring import HANDBOOK
from knowledge.documents import entry_documents, shipped_examples
from knowledge.encoder import Vectors, load_encoder
from knowledge.index import FILE, Kind, VectorIndex, kind_for, load_or_build
from knowledge.loader import load_handbook
from knowledge.risk.model.examples import read_folder
from knowledge.vector_store import VectorStore

SEED = 20261123
NEAREST = 10
WARM = 50
BLOCK = 20_000
SAMPLE = 2_000
Rows = NDArray[np.int64]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Args:
        size: how many vectors.
        kinds: of the index.
        texts: at most so many real texts are encoded.
        queries: real texts that are kept out of the index and asked for.
        kept: a folder where encoded texts stay for the next run.
    """

    size: int
    kinds: Sequence[Kind]
    texts: int = 20_000
    queries: int = 1_000
    kept: Path | None = None


def bench_vectors(plan: Plan, report: Report) -> dict[str, object]:
    """Build and ask each kind and return the figures."""
    logs.configure("ERROR")
    real, alike = _encode(plan, report)
    queries, real = real[: plan.queries], real[plan.queries :]
    with tempfile.TemporaryDirectory(prefix="xinqing-bench-") as name:
        folder = Path(name)
        np.save(folder / "queries.npy", queries)
        reach = reach_for(real, alike)
        report(f"{len(real)} real vectors, making {plan.size}")
        moved(real, plan.size, reach, folder / "vectors.npy")
        report("exact search")
        np.save(folder / "exact.npy", exact(folder / "vectors.npy", queries))
        kinds: dict[str, object] = {}
        for kind in plan.kinds:
            report(kind)
            kinds[kind] = _in_own_process(kind, folder)
            report(f"{kind}: {kinds[kind]}")
    return {
        "bench": "vectors",
        "size": plan.size,
        "dimension": real.shape[1],
        "real": len(real),
        "queries": len(queries),
        "likeness_of_a_moved_one": round(alike, 3),
        "auto": kind_for(plan.size),
        "kinds": kinds,
        "load": load(),
        "machine": machine(),
    }


def texts() -> list[tuple[str, bool]]:
    """Return the real texts, each once and mixed, and whether it is what people ask."""
    found: dict[str, bool] = {}
    for document in entry_documents(load_handbook(HANDBOOK).entries.values()):
        found |= dict.fromkeys((*document.questions, *document.examples), True)
        found |= dict.fromkeys(document.texts, False)
    for row in read_folder():
        found |= dict.fromkeys(row.turns, True)
    mixed = list(found.items())
    Random(SEED).shuffle(mixed)
    return mixed


def _encode(plan: Plan, report: Report) -> tuple[Vectors, float]:
    """Return the vectors of real texts, and how like two ways of asking one question are."""
    encoder = load_encoder(load_settings(secret_keys="unused").encoder)
    chosen = texts()[: plan.texts + plan.queries]
    ways = [pair[:2] for pair in shipped_examples().values() if len(pair) > 1]
    more = [(way, True) for pair in ways for way in pair]
    store = VectorStore(plan.kept, report=lambda done, of: report(f"encoded {done} of {of}"))
    words, asked = zip(*chosen, *more, strict=True)
    vectors = store.encode(words, asked, encoder).vectors
    ends = vectors[len(chosen) :]
    alike = np.sum(ends[::2] * ends[1::2], axis=1)
    return vectors[: len(chosen)], float(np.median(alike))


def reach_for(real: Vectors, alike: float) -> float:
    """Return how far a vector must be moved so that half of them stay as like as that."""
    low, high = 0.0, 4.0
    random = np.random.default_rng(SEED)
    rows = random.integers(0, len(real), (3, SAMPLE))
    for _ in range(30):
        middle = (low + high) / 2
        likeness = np.sum(real[rows[0]] * _towards(real, rows, middle), axis=1)
        low, high = (middle, high) if np.median(likeness) > alike else (low, middle)
    return low


def _towards(real: Vectors, rows: Rows, reach: float) -> Vectors:
    """Move some vectors along the difference of two others, and make them as long as one."""
    made = real[rows[0]] + np.float32(reach) * (real[rows[1]] - real[rows[2]])
    unit: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def moved(real: Vectors, size: int, reach: float, path: Path) -> None:
    """Write so many vectors into a file: the real ones, then each again and again, moved."""
    shape = (size, real.shape[1])
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    random = np.random.default_rng(SEED)
    for first in range(0, size, BLOCK):
        numbers = np.arange(first, min(first + BLOCK, size))
        others = random.integers(0, len(real), (2, len(numbers)))
        block = _towards(real, np.vstack([numbers % len(real), others]), reach)
        originals = numbers < len(real)
        block[originals] = real[numbers[originals]]
        made[numbers] = block
    made.flush()


def exact(path: Path, queries: Vectors) -> Rows:
    """Return the rows of the nearest vectors of each query, found by comparing with all."""
    vectors = np.load(path, mmap_mode="r")
    best = np.full((len(queries), NEAREST), -np.inf, np.float32)
    rows = np.zeros((len(queries), NEAREST), np.int64)
    for first in range(0, len(vectors), BLOCK):
        likeness = queries @ vectors[first : first + BLOCK].T
        near = np.argpartition(-likeness, NEAREST - 1, axis=1)[:, :NEAREST]
        both = np.hstack([best, np.take_along_axis(likeness, near, axis=1)])
        names = np.hstack([rows, near + first])
        order = np.argsort(-both, axis=1, kind="stable")[:, :NEAREST]
        best, rows = (np.take_along_axis(each, order, axis=1) for each in (both, names))
    return rows


def recall(found: Rows, right: Rows) -> float:
    """Return the share of the right rows that were found."""
    hits = [len(set(a) & set(b)) for a, b in zip(found.tolist(), right.tolist(), strict=True)]
    return sum(hits) / right.size


def _in_own_process(kind: Kind, folder: Path) -> dict[str, object]:
    # Spawned: what a fork shares with its parent would be counted as its own.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, kind, folder).result()


def measure(kind: Kind, folder: Path) -> dict[str, object]:
    """Build one kind, save and read it, and ask it one query after the other."""
    faiss.omp_set_num_threads(1)
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    queries, right = np.load(folder / "queries.npy"), np.load(folder / "exact.npy")
    before, start, begun = own_memory_mb(), time.perf_counter(), time.process_time()
    index = VectorIndex(vectors, kind)
    built, worked = time.perf_counter() - start, time.process_time() - begun
    memory = own_memory_mb()
    found: dict[str, object] = {"recipe": index.recipe.factory, "reach": index.recipe.reach}
    found |= _asked(index, queries, right)
    found |= {
        "index_mb": round(memory - before, 1),
        "process_mb": round(memory, 1),
        "build_seconds": round(built, 1),
        "build_cpu_seconds": round(worked, 1),
        **_saved(index, kind, folder),
    }
    reach = index.recipe.reach
    for other in (reach // 2, reach * 2) if reach else ():
        index.look_at(other)
        found[f"reach_{other}"] = _asked(index, queries, right)
    return found


def _asked(index: VectorIndex, queries: Vectors, right: Rows) -> dict[str, object]:
    """Ask one query after the other; the processor's time does not grow beside other programs."""
    for query in queries[:WARM]:
        index.search(query[None], NEAREST)
    times, work, found = [], [], []
    for query in queries:
        start, begun = time.perf_counter(), time.thread_time()
        found.append(index.search(query[None], NEAREST)[1][0])
        times.append(time.perf_counter() - start)
        work.append(time.thread_time() - begun)
    return {
        "recall_at_10": round(recall(np.array(found), right), 4),
        "query": spread(times),
        "query_cpu": spread(work),
    }


def _saved(index: VectorIndex, kind: Kind, folder: Path) -> dict[str, object]:
    """Save the index and read it back, as a start does."""
    if index.recipe.factory == "Flat":
        return {"file_mb": None, "read_seconds": None}
    own = folder / kind
    index.save(own, kind)
    start = time.perf_counter()
    _, reason = load_or_build(own, kind, np.load(folder / "vectors.npy", mmap_mode="r"), kind)
    read = time.perf_counter() - start
    if reason is not None:
        raise RuntimeError(reason)
    size = (own / FILE).stat().st_size
    shutil.rmtree(own)
    return {"file_mb": round(size / 2**20, 1), "read_seconds": round(read, 2)}


def own_memory_mb() -> float:
    """Return the memory of this process without the files it has mapped."""
    try:
        lines = Path(f"/proc/{os.getpid()}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    (line,) = (line for line in lines if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024
