"""Piece by piece: the candidates are compared again, the others stay behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.port import TokenEncoder, Tokens, Vectors
from knowledge.rerank import CANDIDATES, PIECE, LateInteraction, Reader, candidates, pieces, rerank
from knowledge.retrieval import Document, Retriever


class CharEncoder(FixedEncoder):
    """Its pieces are characters, each like itself alone."""

    token_width = 64

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def encode_tokens(self, texts: Sequence[str], *, asked: bool) -> tuple[Vectors, list[Tokens]]:
        self.runs += 1
        tokens = []
        for text in texts:
            numbers = np.array([ord(char) for char in text], np.int64)
            tokens.append(Tokens(numbers, np.eye(64, dtype=np.float32)[numbers % 64]))
        return self.encode_queries(texts), tokens


def _index(texts: list[str], owners: list[int], count: int) -> tuple[CharEncoder, LateInteraction]:
    encoder = CharEncoder()
    tokens = Reader(encoder).tokens(texts, [False] * len(texts))
    return encoder, LateInteraction(tokens, np.array(owners), count)


def test_document_that_covers_more_of_the_question_is_closer() -> None:
    encoder, index = _index(["abc", "xyz", "abx"], [0, 1, 2], 3)
    _, question = encoder.encode_tokens(["ab"], asked=True)
    found = index.closeness(question[0], np.array([2, 1, 0]))
    assert found.documents.tolist() == [2, 1, 0]
    assert found.likeness[0] == found.likeness[2] == pytest.approx(1.0)
    assert found.likeness[1] == 0


def test_rare_piece_weighs_more_and_passages_of_a_document_count_together() -> None:
    encoder, index = _index(["a1", "a2", "a3", "b"], [0, 0, 1, 2], 3)
    _, question = encoder.encode_tokens(["ab", "12"], asked=True)
    common_or_rare = index.closeness(question[0], np.array([0, 2])).likeness
    assert common_or_rare[1] > common_or_rare[0] > 0
    assert index.closeness(question[1], np.array([0])).likeness[0] == pytest.approx(1.0)


def test_nothing_to_compare_is_no_closeness() -> None:
    encoder, index = _index(["", "a"], [0, 1], 2)
    _, question = encoder.encode_tokens(["", "a", "Ω"], asked=True)
    assert index.closeness(question[0], np.array([0, 1])).likeness.tolist() == [0, 0]
    assert index.closeness(question[1], np.array([0, 1])).likeness.tolist() == [0, 1]
    assert index.closeness(question[2], np.array([0])).likeness.tolist() == [0]
    assert index.bytes == 128


def test_reader_encodes_once_and_reads_on_demand_what_was_kept() -> None:
    encoder = CharEncoder()
    assert isinstance(encoder, TokenEncoder)
    reader = Reader(encoder)
    assert (reader.name, reader.dimension) == (encoder.name, encoder.dimension)
    assert reader.fingerprint == encoder.fingerprint
    assert np.array_equal(reader.encode_passages(["ab"]), encoder.encode_passages(["ab"]))
    assert np.array_equal(reader.encode_queries(["ab"]), encoder.encode_queries(["ab"]))
    runs = encoder.runs
    found = reader.tokens(["ab", "ab"], [True, False])
    assert encoder.runs == runs
    assert found[0].numbers.tolist() == [ord("a"), ord("b")]
    assert reader.tokens(["cd"], [False])[0].numbers.tolist() == [ord("c"), ord("d")]
    assert encoder.runs == runs + 1


def test_candidates_are_ranked_anew_and_the_others_keep_their_order_behind_them() -> None:
    first = np.array([5.0, 4.0, 3.0, 2.0], np.float32)
    part = np.array([0.0, 1.0], np.float32)
    found = rerank(first, np.array([0, 1]), [(1.0, part), (0.5, part)])
    assert np.argsort(-found).tolist() == [1, 0, 2, 3]
    assert found[2] < found[0]


def test_candidates_are_the_best_and_not_too_many() -> None:
    assert candidates(np.array([1.0, 3.0, 2.0], np.float32)).tolist() == [1, 2, 0]
    assert len(candidates(np.zeros(CANDIDATES + 5, np.float32))) == CANDIDATES


@given(st.text(alphabet="孩子不想上学，。！？\n ab", max_size=600))
def test_pieces_hold_the_whole_text_and_none_is_long(text: str) -> None:
    found = pieces(text)
    assert "".join(found) == text
    assert all(len(piece) <= PIECE * 17 // 10 for piece in found)


def test_short_text_is_not_cut_and_a_long_one_between_sentences() -> None:
    assert pieces("孩子不想上学。" * 20) == ["孩子不想上学。" * 20]
    found = pieces("孩子不想上学。" * 40)
    assert len(found) > 1
    assert all(piece.endswith("。") for piece in found)


def test_retriever_reads_pieces_only_where_no_topic_can_be_learnt() -> None:
    texts = [Document("a", texts=("孩子不想上学",)), Document("b", texts=("孩子不想吃饭",))]
    encoder = CharEncoder()
    hits = Retriever.build(texts, encoder).search("不想上学")
    assert [hit.entry for hit in hits] == ["a", "b"]
    assert encoder.runs == 2  # the documents, then the question: never twice
    asked = [replace(each, questions=(f"{each.id}一", "问二", "问三")) for each in texts]
    Retriever.build(asked, encoder).search("不想上学")
    assert encoder.runs == 2


def test_end_of_a_long_text_is_found() -> None:
    long = Document("long", texts=("今天天气很好，我们去公园。" * 30 + "爷爷总给他买玩具枪。",))
    others = [Document(str(n), texts=(f"爷爷第{n}次说买菜",)) for n in range(5)]
    retriever = Retriever.build([long, *others], CharEncoder())
    assert retriever.search("爷爷总给他买玩具枪")[0].entry == "long"


def test_encoder_that_fails_at_a_question_leaves_shared_characters() -> None:
    encoder = CharEncoder()
    texts = [Document("a", texts=("孩子不想上学",)), Document("b", texts=("孩子不想吃饭",))]
    retriever = Retriever.build(texts, encoder)

    def broken(texts: Sequence[str], *, asked: bool) -> tuple[Vectors, list[Tokens]]:
        raise MemoryError

    encoder.encode_tokens = broken  # type: ignore[method-assign]
    assert retriever.search("不想上学")[0].entry == "a"
    assert retriever.degraded == "the encoder failed: MemoryError"
