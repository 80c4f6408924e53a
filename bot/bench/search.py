"""`xinqing bench search`: how long the live retriever takes over the handbook.

Called by `bot.cli.bench`. The very retriever of live, built from the settings in force.
"""

import csv
import os
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pydantic import SecretStr

from bot import logs
from bot.bench.measure import machine, memory_mb, spread
from bot.bench.questions import questions
from bot.config import load_settings
from bot.db.crypto import new_key
from bot.wiring import make_answers
from knowledge.text import LONG

SEED = 20261122
WARM = 50


def bench_search(queries: int, written: Path | None = None) -> dict[str, object]:
    """
    Search so many different questions one after the other and return the figures.

    Args:
        written: TSV with a column `text`: these instead of made ones, the first to warm up.
    """
    logs.configure("ERROR")
    with tempfile.TemporaryDirectory(prefix="xinqing-bench-") as folder:
        settings = load_settings(
            data_dir=folder, secret_keys=SecretStr(new_key("bench")), wechat={}, alert={}
        )
        start = time.perf_counter()
        answers = make_answers(settings)
        built = time.perf_counter() - start
    stream = questions().stream(SEED) if written is None else _column(written)
    words = list(islice(stream, queries + WARM))
    for text in words[:WARM]:
        answers.retriever.search(text)
    searched, decided, stories = [], [], []
    for text in words[WARM:]:
        start = time.perf_counter()
        answers.retriever.search(text)
        searched.append(time.perf_counter() - start)
        start = time.perf_counter()
        answers.decide(text)
        decided.append(time.perf_counter() - start)
        if len(text) > LONG:
            stories.append(decided[-1])
    entries = answers.handbook.entries.values()
    return {
        "bench": "search",
        "entries": len(entries),
        "aliases": sum(len(entry.aliases) for entry in entries),
        "degraded": answers.retriever.degraded,
        "queries": len(decided),
        "search": spread(searched),
        "search_and_decide": spread(decided),
        "stories": {"queries": len(stories), **spread(stories)} if stories else None,
        "build_seconds": round(built, 2),
        "memory_mb": memory_mb(os.getpid()),
        "machine": machine(),
    }


def _column(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["text"]
