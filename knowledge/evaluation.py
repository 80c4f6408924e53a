"""Measure the search: recall, rank and time. Behind `xinqing eval search` and the golden set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from knowledge.encoder.port import Encoder
from knowledge.retrieval import Document, Retriever

DEPTH = 10


@dataclass(frozen=True)
class SearchReport:
    """
    The figures of one run.

    Args:
        ranks: Per query the ids of the first ten documents, best first.
    """

    figures: Mapping[str, float | int | str | None]
    ranks: Sequence[Sequence[str]]


def evaluate_search(
    corpus: Iterable[Mapping[str, Any]],
    queries: Iterable[Mapping[str, Any]],
    encoder: Encoder | None,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> SearchReport:
    """
    Index any corpus with the live retriever and rank any queries against it.

    Args:
        corpus: Rows with `id` and `text`; rows with the same id are passages of one document.
        queries: Rows with `text`, and `id` naming the right document.

    Raises:
        ValueError: A query names a document that is not in the corpus.
    """
    documents = _documents(corpus)
    known = {document.id for document in documents}
    wanted = list(queries)
    for number, row in enumerate(wanted, 1):
        if str(row["id"]) not in known:
            raise ValueError(f"query {number}: there is no document {row['id']}")
    started = clock()
    retriever = Retriever.build(documents, encoder)
    built = clock() - started
    ranks: list[list[str]] = []
    times: list[float] = []
    for row in wanted:
        begun = clock()
        hits = retriever.search(row["text"], top_k=DEPTH)
        times.append((clock() - begun) * 1000)
        ranks.append([hit.entry for hit in hits])
    figures = rank_figures(ranks, [str(row["id"]) for row in wanted])
    figures |= {
        "documents": len(documents),
        "queries": len(wanted),
        "p50_ms": _percentile(times, 50),
        "p95_ms": _percentile(times, 95),
        "build_s": round(built, 3),
        "encoder": None if encoder is None else encoder.name,
        "degraded": retriever.degraded,
    }
    return SearchReport(figures, ranks)


def rank_figures(
    ranks: Sequence[Sequence[str]], right: Sequence[str]
) -> dict[str, float | int | str | None]:
    """Return recall at 1, 3 and 10 and the mean reciprocal rank; what is not found counts 0."""
    places = [
        found.index(wanted) + 1 if wanted in found else None
        for found, wanted in zip(ranks, right, strict=True)
    ]
    total = max(len(places), 1)
    figures: dict[str, float | int | str | None] = {
        f"recall@{depth}": round(sum(p is not None and p <= depth for p in places) / total, 4)
        for depth in (1, 3, 10)
    }
    figures["mrr"] = round(sum(1 / place for place in places if place) / total, 4)
    return figures


def _documents(corpus: Iterable[Mapping[str, Any]]) -> list[Document]:
    texts: dict[str, list[str]] = {}
    for row in corpus:
        texts.setdefault(str(row["id"]), []).append(row["text"])
    return [Document(name, texts=tuple(parts)) for name, parts in texts.items()]


def _percentile(times: Sequence[float], share: int) -> float:
    return round(float(np.percentile(times, share)), 3) if times else 0.0
