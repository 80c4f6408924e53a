"""The search: exact match, order, score, stage, degradation, threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from encoders import CountingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.port import Vectors
from knowledge.retrieval import MOST_ENCODED, Document, Retriever
from knowledge.synonyms import Synonyms


class BrokenEncoder(FixedEncoder):
    """Fails when asked, or from the start."""

    def __init__(self, *, at_start: bool) -> None:
        super().__init__()
        self.broken = at_start

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        if self.broken:
            raise RuntimeError("out of order")
        return super().encode_queries(texts)


@pytest.mark.parametrize(
    "question",
    [
        "磨到半夜还没写完",
        "磨到半夜，还没写完！！",
        "老师您好，磨到半夜还没寫完，谢谢",
        "磨到半夜还没写完😭",
    ],
)
def test_alias_scores_one_however_it_is_dressed(retriever: Retriever, question: str) -> None:
    best = retriever.search(question)[0]
    assert (best.entry, best.score, best.why) == ("T06-01", 1.0, ("exact", "alias"))


def test_near_question_finds_its_entry_with_reasons(retriever: Retriever) -> None:
    best = retriever.search("作业磨到半夜怎么办")[0]
    assert best.entry == "T06-01"
    assert "words" in best.why
    assert best.matched in ("磨到半夜还没写完", "写作业拖到十点多怎么办")
    assert 0 < best.score < 1


def test_of_a_story_the_end_and_what_the_documents_know_are_encoded(
    documents: list[Document],
) -> None:
    encoder = CountingEncoder()
    retriever = Retriever.build(documents, encoder)
    encoder.given.clear()
    telling = ["写作业拖到十点多", "天天磨到半夜", "作业还没写完"]
    others = ["我们住得挺远坐地铁来回三个钟头", "他爸长年驻外"]
    story = [others[0], telling[0], others[1], *telling[1:], "请老师指点一下"]
    found = retriever.search("。".join(story) + "。")
    assert len(encoder.given) == MOST_ENCODED
    assert encoder.given[-1] == story[-1]
    assert set(encoder.given[:-1]) < set(telling)
    assert found[0].entry == "T06-01"


def test_off_topic_message_scores_low(retriever: Retriever) -> None:
    assert retriever.search("明天几点下雨")[0].score < 0.3


def test_entries_of_another_stage_rank_lower(documents: list[Document]) -> None:
    retriever = Retriever.build(documents, FixedEncoder())
    question = "拖到十二点"
    free = {hit.entry: hit.score for hit in retriever.search(question)}
    young = {hit.entry: hit.score for hit in retriever.search(question, stage="C")}
    assert young["T11-01"] < free["T11-01"]
    assert young["T06-01"] == pytest.approx(free["T06-01"])


@pytest.mark.parametrize("question", ["", "   ", "！！", "😀", "\0"])
def test_nothing_asked_finds_nothing_certain(retriever: Retriever, question: str) -> None:
    assert all(hit.score < 0.5 for hit in retriever.search(question))


def test_without_encoder_the_search_goes_on_and_says_so(documents: list[Document]) -> None:
    retriever = Retriever.build(documents, None)
    assert retriever.degraded == "no encoder"
    assert retriever.search("闹钟叫不醒")[0].entry == "T11-01"


@pytest.mark.parametrize("at_start", [True, False])
def test_broken_encoder_degrades_and_never_raises(
    documents: list[Document], at_start: bool
) -> None:
    encoder = BrokenEncoder(at_start=at_start)
    retriever = Retriever.build(documents, encoder)
    encoder.broken = True
    assert retriever.search("闹钟叫不醒")[0].entry == "T11-01"
    assert retriever.degraded == "the encoder failed: RuntimeError"


def test_encoder_that_recovers_is_used_again(documents: list[Document]) -> None:
    encoder = BrokenEncoder(at_start=False)
    retriever = Retriever.build(documents, encoder)
    encoder.broken = True
    retriever.search("闹钟叫不醒")
    encoder.broken = False
    retriever.search("闹钟叫不醒")
    assert retriever.degraded is None


def test_empty_corpus_finds_nothing() -> None:
    assert Retriever.build([], FixedEncoder()).search("作业") == []
    assert Retriever.build([], None).search("作业") == []


def test_top_k_is_kept_with_an_exact_match_first(retriever: Retriever) -> None:
    assert [hit.entry for hit in retriever.search("黑眼圈像熊猫", top_k=1)] == ["T11-01"]
    assert retriever.search("黑眼圈像熊猫", top_k=0) == []


def test_threads_get_the_same_answers(retriever: Retriever) -> None:
    questions = ["作业磨到半夜", "堵他要钱", "叫不醒", "寫作業"] * 25
    alone = [retriever.search(question) for question in questions]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(retriever.search, questions))
    assert together == alone


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_message_gets_scores_between_0_and_1(retriever: Retriever, text: str) -> None:
    hits = retriever.search(text)
    assert all(0 <= hit.score <= 1 for hit in hits)
    found = retriever.explain(text)
    assert [hit.entry for hit in found.hits] == [hit.entry for hit in hits]


@pytest.mark.parametrize(
    ("question", "codes"),
    [
        ("磨到半夜还没写玩", {"pinyin"}),
        ("mo dao banye hai mei xiewan", {"pinyin"}),
        ("做功课磨到半液", {"pinyin", "synonym"}),
    ],
)
def test_how_a_word_was_read_is_among_the_reasons(
    retriever: Retriever, question: str, codes: set[str]
) -> None:
    best = retriever.search(question)[0]
    assert best.entry == "T06-01"
    assert codes <= set(best.why)


def test_a_message_that_only_sounds_like_an_alias_is_nearly_sure(retriever: Retriever) -> None:
    best = retriever.search("磨到半夜还没写玩")[0]
    assert 0.9 < best.score < 1


def test_a_short_word_written_in_letters_is_nearly_sure() -> None:
    in_love = Document("a", questions=("两个孩子好上了",), terms=("早恋",))
    found = Retriever.build([in_love, Document("b", terms=("作业",))], None)
    best = found.search("zaolian")[0]
    assert (best.entry, best.score) == ("a", 0.95)
    assert "pinyin" in best.why


def test_of_two_that_sound_the_same_neither_is_sure() -> None:
    twins = [Document("a", questions=("他是谁呀",)), Document("b", questions=("她是谁呀",))]
    hits = Retriever.build(twins, None).search("它是谁呀")
    assert all(hit.score < 0.9 for hit in hits)


def test_a_word_of_the_school_finds_what_the_handbook_calls_otherwise(tmp_path: Path) -> None:
    documents = [
        Document("a", questions=("被班主任批评了怎么办",)),
        Document("b", questions=("被同学笑话了怎么办",)),
        Document("c", questions=("写作业拖到十点多怎么办",)),
    ]
    (tmp_path / "synonyms.tsv").write_text("班主任\t大管家\n", encoding="utf-8")
    synonyms = Synonyms.load(tmp_path / "synonyms.tsv")
    hit = Retriever.build(documents, None, synonyms=synonyms).search("大管家说他")[0]
    assert (hit.entry, "synonym" in hit.why) == ("a", True)
    plain = Retriever.build(documents, None).search("大管家说他")[0]
    assert "synonym" not in plain.why


def test_question_without_an_entry_is_not_sent_to_a_neighbour(documents: list[Document]) -> None:
    question = "叫不醒又爱打瞌睡怎么办"
    gap = Document("Q1", examples=("老打瞌睡怎么叫都不醒", "叫不醒爱打瞌睡"), hidden=True)
    open_search = Retriever.build(documents, FixedEncoder()).search(question)
    closed_search = Retriever.build([*documents, gap], FixedEncoder()).search(question)
    assert closed_search[0].score < open_search[0].score
    assert {hit.entry for hit in closed_search} == {d.id for d in documents}


def test_examples_are_searched_but_never_shown() -> None:
    document = Document("a", questions=("写作业拖拉怎么办",), examples=("橡皮抠成渣也不动笔",))
    best = Retriever.build([document], FixedEncoder()).search("橡皮抠成渣也不动笔")[0]
    assert best.matched == "写作业拖拉怎么办"
    assert best.why != ("exact",)


def test_document_without_text_does_not_disturb_the_others() -> None:
    documents = [Document("a"), Document("b", texts=("写作业拖拉",)), Document("c", texts=("！",))]
    hits = Retriever.build(documents, FixedEncoder()).search("作业拖拉")
    assert hits[0].entry == "b"
    assert len(hits) == 3


def test_large_corpus_is_compared_by_its_nearest_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.retrieval.WHOLE_LIMIT", 10)
    monkeypatch.setattr("knowledge.retrieval.CANDIDATES", 5)
    corpus = [
        Document(str(n), texts=(f"第{n}条说的是{chr(0x4E00 + n * 7)}和别的",)) for n in range(60)
    ]
    retriever = Retriever.build(corpus, FixedEncoder())
    assert all(retriever.search(d.texts[0])[0].entry == d.id for d in corpus)


def test_a_search_word_is_met_exactly_and_never_shown() -> None:
    worded = [
        Document("T15-05", questions=("三岁了说话结巴怎么办",), terms=("口吃",)),
        Document("T06-01", questions=("写作业拖到十点多怎么办",), texts=("把作业切成小段",)),
    ]
    retriever = Retriever.build(worded, FixedEncoder())
    (hit, *_) = retriever.search("口吃")
    assert (hit.entry, hit.score, hit.why) == ("T15-05", 1.0, ("exact",))
    shown = {found.matched for found in retriever.search("孩子口吃")}
    assert shown <= {text for one in worded for text in (*one.questions, *one.texts)}
