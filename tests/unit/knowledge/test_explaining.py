"""Why an entry was found: the reading, the parts of the score, the passages, the verdict."""

from __future__ import annotations

import pytest

from knowledge.decision import Thresholds
from knowledge.encoder.fixed import FixedEncoder
from knowledge.explanation import Explanation
from knowledge.retrieval import Document, Retriever

BACKGROUND = ["食堂今天吃红烧肉吗", "校车几点到站"]


@pytest.fixture(scope="module")
def worded() -> Retriever:
    """A search with search words, phrasings, a gap and background."""
    documents = [
        Document(
            "T06-01",
            questions=("写作业拖到十点多怎么办", "磨到半夜还没写完"),
            texts=("先停下催促，把作业切成小段",),
            examples=("橡皮抠成渣也不动笔",),
            terms=("作业拖拉",),
            stages=("C",),
        ),
        Document("T11-01", questions=("天天熬到十二点怎么调",), texts=("先把起床时间固定下来",)),
        Document("T13-01", questions=("孩子在学校被欺负怎么办",), texts=("先听他说完",)),
        Document("T21-01", questions=("入园哭一个月了",), texts=("每天说好几点来接",)),
        Document("Q9", examples=("叫不醒又爱打瞌睡", "老打瞌睡怎么叫都不醒"), hidden=True),
    ]
    return Retriever.build(documents, FixedEncoder(), background=BACKGROUND)


def everything_shown(found: Explanation) -> str:
    return "".join(
        piece
        for hit in found.hits
        for piece in (hit.title, *(p.text for p in hit.passages), *(s.text for s in hit.shared))
    )


def test_the_hits_are_those_of_the_search(worded: Retriever) -> None:
    question = "老师好，写做业拖到半夜😭"
    found, hits = worded.explain(question), worded.search(question)
    assert [(one.entry, one.score, one.why) for one in found.hits] == [
        (hit.entry, hit.score, hit.why) for hit in hits
    ]
    assert [one.rank for one in found.hits] == [1, 2, 3, 4]


def test_the_reading_tells_what_went_and_what_was_added(worded: Retriever) -> None:
    reading = worded.explain("老师好，写做业拖到半夜😭").reading
    assert reading.forms == ("写做业拖到半夜",)
    assert {one.kind for one in reading.removed} == {"courtesy", "emoji"}
    assert ("pinyin", "写做业", ("写作业",)) in [
        (r.means, r.said, r.read) for r in reading.rewritings
    ]


def test_the_parts_add_up_to_the_ranking_score(worded: Retriever) -> None:
    for hit in worded.explain("写作业拖到半夜").hits:
        assert hit.fused == pytest.approx(sum(part.share for part in hit.parts), abs=1e-3)
        assert all(p.share == pytest.approx(p.standing * p.weight) for p in hit.parts)


def test_the_nearest_passages_are_the_entrys_own_with_their_kind(worded: Retriever) -> None:
    best = worded.explain("橡皮抠成渣也不动笔").hits[0]
    assert (best.passages[0].kind, best.passages[0].text) == ("phrasing", "橡皮抠成渣也不动笔")
    assert best.passages[0].cosine == pytest.approx(1, abs=1e-3)
    cosines = [passage.cosine or 0 for passage in best.passages]
    assert cosines == sorted(cosines, reverse=True)
    kinds = {p.kind for hit in worded.explain("作业拖拉").hits for p in hit.passages}
    assert {"title", "term", "text"} <= kinds


def test_shared_words_are_weighed(worded: Retriever) -> None:
    shared = worded.explain("作业拖到半夜").hits[0].shared
    assert "作业" in {piece.text for piece in shared}
    weights = [piece.weight for piece in shared]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize("question", ["食堂今天吃红烧肉吗", "叫不醒又爱打瞌睡", "校车几点到站啊"])
def test_what_must_not_be_found_is_counted_but_never_shown(
    worded: Retriever, question: str
) -> None:
    found = worded.explain(question)
    assert found.outsider == ("gap" if "瞌睡" in question else "background")
    assert not [text for text in (*BACKGROUND, "老打瞌睡") if text in everything_shown(found)]


def test_the_verdict_follows_the_thresholds(worded: Retriever) -> None:
    question = "作业拖到半夜"
    sure = worded.explain(question, thresholds=Thresholds(answer=0.0))
    assert (sure.verdict, sure.hits[0].verdict) == ("answer", "answered")
    none = worded.explain(question, thresholds=Thresholds(answer=1.0, choices=1.0))
    assert none.verdict == "abstain"
    assert {hit.verdict for hit in none.hits} == {"below", "outside"}
    some = worded.explain(question, thresholds=Thresholds(1.0, 0.0, 0.0))
    assert [hit.verdict for hit in some.hits] == ["offered"] * 3 + ["outside"]


def test_an_entry_far_down_is_explained_when_asked_for(worded: Retriever) -> None:
    found = worded.explain("作业拖到半夜", top_k=1, entry="T21-01")
    assert [hit.entry for hit in found.hits] == ["T06-01", "T21-01"]
    assert found.hits[1].rank > 1
    assert len(worded.explain("作业拖到半夜", top_k=1, entry="T99-99").hits) == 1
    assert found.total == pytest.approx(found.hits[0].score)


@pytest.mark.parametrize("question", ["", "😀", "谢谢老师"])
def test_nothing_asked_is_told_as_such(worded: Retriever, question: str) -> None:
    found = worded.explain(question)
    assert found.smalltalk
    assert found.verdict != "answer"


def test_without_an_encoder_there_are_words_alone() -> None:
    documents = [Document("a", questions=("写作业拖拉",)), Document("b", questions=("叫不醒",))]
    found = Retriever.build(documents, None).explain("作业拖")
    assert found.degraded == "no encoder"
    assert [part.name for part in found.hits[0].parts] == ["words"]
    assert found.hits[0].passages[0].cosine is None


def test_an_empty_search_is_explained() -> None:
    found = Retriever.build([], FixedEncoder()).explain("作业")
    assert (found.hits, found.verdict, found.reading.forms) == ((), "abstain", ("作业",))
