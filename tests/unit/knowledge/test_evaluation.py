"""The figures of the search."""

from __future__ import annotations

from itertools import count

import pytest

from knowledge.encoder.fixed import FixedEncoder
from knowledge.evaluation import evaluate_search, rank_figures

CORPUS = [
    {"id": 1, "text": "写作业拖拉"},
    {"id": 2, "text": "半夜打游戏"},
    {"id": 3, "text": "不肯上学"},
]


def test_recall_and_mean_reciprocal_rank() -> None:
    figures = rank_figures([["a", "b"], ["b", "a"], ["c"], []], ["a", "a", "a", "a"])
    assert figures == {"recall@1": 0.25, "recall@3": 0.5, "recall@10": 0.5, "mrr": 0.375}


def test_any_corpus_is_indexed_and_ranked() -> None:
    ticks = count()
    queries: list[dict[str, object]] = [
        {"text": "作业拖", "id": 1},
        {"text": "打游戏到半夜", "id": "2"},
    ]
    report = evaluate_search(CORPUS, queries, FixedEncoder(), clock=lambda: next(ticks) / 1000)
    assert report.figures["recall@1"] == 1.0
    assert (report.figures["documents"], report.figures["queries"]) == (3, 2)
    assert report.figures["p50_ms"] == pytest.approx(1.0)
    assert [rank[0] for rank in report.ranks] == ["1", "2"]


def test_query_for_an_unknown_document_is_refused() -> None:
    with pytest.raises(ValueError, match="query 1"):
        evaluate_search(CORPUS, [{"text": "作业", "id": "9"}], None)


def test_no_queries_give_zero_figures() -> None:
    assert evaluate_search(CORPUS, [], None).figures["recall@1"] == 0
