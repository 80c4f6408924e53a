"""`xinqing bench peers`: every row at every size, each in a process of its own.

Called by `bot.cli.bench`. What is found is written to the file after every row, and rows of an
earlier run over the very same texts are kept there, so that one row can be measured again.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import knowledge
from bot.bench.measure import machine, spread
from bot.bench.peers.corpus import Corpus, write_corpus
from bot.bench.peers.rows import ROWS
from bot.bench.peers.texts import make_corpus

QUESTIONS = Path(knowledge.__file__).parent / "heldout" / "questions.tsv"
SIZES = (300, 10_000, 100_000)
LAST_WORDS = 300
RAW = ("ranks", "times", "worked")
# No library may call home or look for a model, and all get one thread, as the search has live.
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
}
Show = Callable[[str, int, int], None]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """
    What to measure.

    Args:
        rows: Names of `ROWS`.
        questions: A TSV, see `make_corpus`.
        sample: How many questions; 0 for all.
        seconds: After so long a row is asked no more.
        teacher: The encoder of twelve layers; without one its rows are left out.
        kept: Where vectors stay for the next run; a folder that goes away by default.
    """

    sizes: Sequence[int] = SIZES
    rows: Sequence[str] = tuple(ROWS)
    questions: Path = QUESTIONS
    sample: int = 0
    seed: int = 1
    seconds: float = 240.0
    teacher: Path | None = None
    kept: Path | None = None


def bench_peers(
    plan: Plan, out: Path | None = None, show: Show = lambda _row, _done, _of: None
) -> Figures:
    """
    Measure all rows and return the figures.

    Args:
        out: A file of the figures, kept current.
        show: Told what runs, and how far it is.

    Raises:
        InputInvalid: the questions can't be read.
    """
    with tempfile.TemporaryDirectory(prefix="xinqing-bench-") as name:
        folder = Path(name)
        found: Figures = {"bench": "peers", "sizes": _earlier(out), "machine": machine()}
        for size in plan.sizes:
            corpus = make_corpus(size, plan.questions, sample=plan.sample, seed=plan.seed)
            path = folder / f"{size}.json"
            write_corpus(corpus, path)
            part = _described(corpus, path, found["sizes"].get(str(size), {}))
            found["sizes"][str(size)] = part
            for row in plan.rows:
                part["rows"][row] = _measured(row, corpus, path, plan, show)
                if out is not None:
                    out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
        return found


def figures(result: Mapping[str, Any], corpus: Corpus) -> Figures:
    """Turn what a child measured into a row's figures; what was not found counts 0."""
    if "ranks" not in result:
        return dict(result)
    places = [
        next((place for place, name in enumerate(found, 1) if name in query.right), None)
        for found, query in zip(result["ranks"], corpus.queries, strict=False)
    ]
    exam = [place for place, query in zip(places, corpus.queries, strict=False) if query.exam]
    rest = {name: value for name, value in result.items() if name not in RAW}
    return {
        "asked": len(places),
        **_quality(places),
        "exam": {"asked": len(exam), **_quality(exam)},
        **spread(result["times"]),
        **{f"processor_{name}": value for name, value in spread(result["worked"]).items()},
        **rest,
    }


def _quality(places: Sequence[int | None]) -> dict[str, float]:
    total = max(len(places), 1)
    recall = {
        f"recall@{depth}": round(sum(p is not None and p <= depth for p in places) / total, 4)
        for depth in (1, 3, 10)
    }
    return {**recall, "mrr": round(sum(1 / place for place in places if place) / total, 4)}


def _earlier(out: Path | None) -> dict[str, Figures]:
    """Return the sizes of an earlier run."""
    if out is None or not out.is_file():
        return {}
    sizes: dict[str, Figures] = json.loads(out.read_text(encoding="utf-8"))["sizes"]
    return sizes


def _described(corpus: Corpus, path: Path, earlier: Figures) -> Figures:
    """Describe the texts, with the rows that an earlier run measured on the very same ones."""
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return {
        "documents": len(corpus.documents),
        "pieces": sum(len(document.pieces) for document in corpus.documents),
        "entries": sum(bool(document.asked) for document in corpus.documents),
        "queries": len(corpus.queries),
        "texts": mark,
        "rows": earlier["rows"] if earlier.get("texts") == mark else {},
    }


def _measured(row: str, corpus: Corpus, path: Path, plan: Plan, show: Show) -> Figures:
    job = {
        "row": row,
        "corpus": str(path),
        "kept": str(plan.kept or path.parent / "vectors"),
        "teacher": str(plan.teacher) if plan.teacher else None,
        "seconds": plan.seconds,
    }
    file = path.with_name("job.json")
    file.write_text(json.dumps(job), encoding="utf-8")
    result: Mapping[str, Any] = {"failed": "no result"}
    label = f"{len(corpus.documents):,} {row}"
    for line in _lines(file):
        if line["step"] == "done":
            result = line["result"]
        elif line["step"] == "failed":
            result = {"failed": line["why"]}
        else:
            show(f"{label}: {line['step']}", line["done"], line["of"])
    return figures(result, corpus)


def _lines(job: Path) -> Iterator[dict[str, Any]]:
    """Run a child and yield its lines; when it fails, a last one with what it said."""
    log = job.with_name("child.log")
    command = [sys.executable, "-m", "bot.bench.peers.child", str(job)]
    with log.open("wb") as errors:
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **QUIET},
            text=True,
            encoding="utf-8",
        )
        assert child.stdout is not None
        try:
            for line in child.stdout:
                yield json.loads(line)
        finally:
            child.stdout.close()
            status = child.wait()
    if status:
        said = log.read_text(encoding="utf-8", errors="replace").strip()
        yield {"step": "failed", "why": f"exit status {status}: {said[-LAST_WORDS:]}"}
