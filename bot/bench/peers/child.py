"""One row of the table in a process of its own: `python -m bot.bench.peers.child JOB.json`.

Started by `bot.bench.peers.run`. Writes JSON lines: how far it is, and at last what was measured.
Imports as little as it can before the library that it measures.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from bot.bench.measure import load, memory_mb
from bot.bench.peers.corpus import Corpus, read_corpus
from bot.bench.peers.rows import ROWS, Means, Peer, Row, missing

DEPTH = 10
WARM = 5
SHOWN_EVERY = 20
Tell = Callable[[dict[str, object]], None]


def measure(row: Row, job: dict[str, Any], tell: Tell) -> dict[str, object]:
    """
    Run one row.

    Args:
        row: What to measure.
        job: `corpus` (file), `kept` and `teacher` (folders), `seconds` (for all questions).
        tell: Called with how far it is.

    Returns:
        The measurements and the ranks; or `missing` with the modules that are not installed.
    """

    def show(done: int, of: int) -> None:
        tell({"step": "encode", "done": done, "of": of})

    peer = row.peer(Means(Path(job["kept"]), job["teacher"] or "", show))
    lacking = missing(peer)
    if row.teacher and not job["teacher"]:
        lacking.append("teacher")
    if lacking:
        return {"missing": lacking}
    corpus = read_corpus(Path(job["corpus"]))
    at_first = _memory()
    start = _now()
    peer.load()
    imported, loaded = _memory(), _now()
    tell({"step": "build", "done": 0, "of": 1})
    peer.build(corpus)
    built, ready = _memory(), _now()
    encoder = getattr(peer, "encoder", None)
    spent, waited = (encoder.spent, encoder.waited) if encoder else (0.0, 0.0)
    peak = _peak()
    ranks, times, worked = _ask(peer, corpus, float(job["seconds"]), tell)
    return {
        "ranks": ranks,
        "times": [round(seconds, 6) for seconds in times],
        "worked": [round(seconds, 6) for seconds in worked],
        "import_s": round(loaded.clock - start.clock, 2),
        "build_s": round(ready.clock - loaded.clock - waited, 2),
        "build_processor_s": round(ready.processor - loaded.processor - spent, 2),
        "encode_processor_s": round(encoder.seconds, 1) if encoder else None,
        "memory_mb": _less(_memory(), at_first),
        "imported_mb": _less(imported, at_first),
        "built_mb": _less(built, at_first),
        "peak_mb": _less(peak, at_first),
        "load": load(),
        "versions": {name: _version(name) for name in row.distributions},
    }


class _Now(NamedTuple):
    clock: float
    processor: float


def _now() -> _Now:
    return _Now(time.perf_counter(), time.process_time())


def _ask(
    peer: Peer, corpus: Corpus, seconds: float, tell: Tell
) -> tuple[list[list[str]], list[float], list[float]]:
    """Ask one question after the other until all are asked or the time is over.

    Returns:
        What was found, and the seconds of each on the clock and of the processor.
    """
    for query in corpus.queries[:WARM]:
        peer.search(query.text, DEPTH)
    ranks: list[list[str]] = []
    times: list[float] = []
    worked: list[float] = []
    for number, query in enumerate(corpus.queries):
        if number % SHOWN_EVERY == 0:
            tell({"step": "ask", "done": number, "of": len(corpus.queries)})
        start = _now()
        places = peer.search(query.text, DEPTH)
        end = _now()
        times.append(end.clock - start.clock)
        worked.append(end.processor - start.processor)
        ranks.append([corpus.documents[place].id for place in places])
        if sum(times) > seconds:
            break
    return ranks, times, worked


def _memory() -> float | None:
    gc.collect()
    return memory_mb(os.getpid())


def _peak() -> float | None:
    """Return the most memory this process ever held, in MB; None where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) / 1024 if found else None


def _less(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else round(now - before, 1)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def main(path: str) -> None:
    """Run the job of a file."""
    # Whatever a library prints must not come among the lines that are read.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(row: dict[str, object]) -> None:
        out.write(json.dumps(row) + "\n")
        out.flush()

    job = json.loads(Path(path).read_text(encoding="utf-8"))
    tell({"step": "done", "result": measure(ROWS[job["row"]], job, tell)})


if __name__ == "__main__":
    main(sys.argv[1])
