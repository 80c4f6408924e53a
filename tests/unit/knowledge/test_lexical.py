"""Shared characters."""

from __future__ import annotations

import bm25s
import pytest

from knowledge.lexical import B_TOLD, K1, LexicalIndex, _all_grams, grams


def test_text_with_more_shared_characters_scores_higher() -> None:
    index = LexicalIndex(["写作业拖到十点", "半夜打游戏", "不肯上学"])
    scores = index.scores("作业拖拉")
    assert scores.argmax() == 0
    assert scores[2] == 0


def test_share_of_the_ceiling_tells_a_match_from_chance_and_nothing_is_zero() -> None:
    texts = ["写作业拖到十点", "半夜打游戏", "不肯上学"]
    index = LexicalIndex(texts)
    question = "这里写作业的椅子多少钱一把"
    assert index.scores(texts[0])[0] / index.ceiling(texts[0]) > 0.3
    assert index.scores(question)[0] / index.ceiling(question) < 0.1
    assert not index.scores("zzz").any()
    assert not index.scores("").any()


def test_scores_are_those_of_bm25s() -> None:
    texts = ["写作业拖到十点", "半夜打游戏，作业不写", "", "不肯上学"]
    engine = bm25s.BM25(k1=K1, b=B_TOLD)
    engine.index([_all_grams(text) for text in texts], show_progress=False)
    for question in ("作业", "半夜还在写作业吗zz", "学"):
        known = [gram for gram in grams(question) if gram in engine.vocab_dict]
        assert LexicalIndex(texts).scores(question) == pytest.approx(engine.get_scores(known))


@pytest.mark.parametrize("texts", [[], ["", "？！"]])
def test_empty_corpus_scores_nothing(texts: list[str]) -> None:
    index = LexicalIndex(texts)
    assert index.scores("作业").tolist() == [0.0] * len(texts)
    assert index.ceiling("作业") > 0


def test_grams_skip_marks() -> None:
    assert grams("作业，拖") == ["作", "业", "拖", "作业"]
