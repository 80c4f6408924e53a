"""What is measured beside the search: the peers that are installed, pieces, and kept vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from encoders import CountingEncoder

from bot.bench.peers.child import measure
from bot.bench.peers.corpus import Asked, Corpus, Found, write_corpus
from bot.bench.peers.lexical import characters, words
from bot.bench.peers.ours import Ours
from bot.bench.peers.rows import ROWS, Means, Pieces, Row, missing
from bot.bench.peers.vectors import KeptEncoder
from knowledge.encoder import load
from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.port import Encoder, Vectors

CORPUS = Corpus(
    [
        Found(
            "homework", asked=("写作业拖到半夜", "一催就炸"), texts=("先停十分钟,再从最容易的写起",)
        ),
        Found(
            "phone", asked=("整天抱着手机",), examples=("吃饭也刷短视频",), texts=("先约好时间",)
        ),
        Found("sleep", asked=("晚上睡不着",), terms=("失眠",), texts=("睡前一小时不看屏幕",)),
        Found("other", texts=("食堂今天几点开饭",)),
    ],
    [
        Asked("孩子写作业老是拖到半夜怎么办", ("homework",)),
        Asked("吃饭也刷短视频", ("phone", "sleep")),
    ],
    ["校车几点到"],
)


class _Counting(CountingEncoder):
    more = "something the search may use"


@pytest.fixture
def means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Means:
    def small(_setting: str = "default") -> Encoder:
        return FixedEncoder()

    monkeypatch.setattr(load, "load_encoder", small)
    return Means(tmp_path / "kept", "twelve", lambda _done, _of: None)


def _installed() -> list[str]:
    means = Means(Path("kept"), "", lambda _done, _of: None)
    return [name for name, row in ROWS.items() if not missing(row.peer(means))]


@pytest.mark.parametrize("name", _installed())
def test_a_peer_finds_what_is_asked_for(name: str, means: Means) -> None:
    peer = ROWS[name].peer(means)
    peer.load()
    peer.build(CORPUS)
    for query in CORPUS.queries:
        found = peer.search(query.text, 3)
        assert CORPUS.documents[found[0]].id in query.right
        assert len(set(found)) == len(found) <= 3


def test_what_is_part_of_the_service_is_always_measured() -> None:
    assert {"bm25s-character", "bm25s-word", "e5", "ours", "ours-plain"} <= set(_installed())


@pytest.mark.parametrize("name", ["bm25s-character", "bm25s-word"])
def test_a_question_without_a_known_word_finds_nothing(name: str, means: Means) -> None:
    peer = ROWS[name].peer(means)
    peer.load()
    peer.build(CORPUS)
    assert peer.search("???", 3) == peer.search("xyz", 3) == []


class _Absent:
    packages: tuple[str, ...] = ("json", "there_is_no_such_library")

    def load(self) -> None:
        raise AssertionError("what is not installed is not imported")

    def build(self, corpus: Corpus) -> None:
        raise AssertionError

    def search(self, query: str, k: int) -> list[int]:
        raise AssertionError


def test_a_library_that_is_not_installed_is_said_and_no_error() -> None:
    absent = Row("absent", lambda _: _Absent(), ("there-is-no-such-library",))
    job = {"corpus": "none", "kept": "none", "teacher": None, "seconds": 1}
    found = measure(absent, job, lambda _row: None)
    assert found == {"missing": ["there_is_no_such_library"]}


def test_a_row_without_its_encoder_says_so() -> None:
    job = {"corpus": "none", "kept": "none", "teacher": None, "seconds": 1}
    assert measure(ROWS["e5"], job, lambda _row: None) == {"missing": ["teacher"]}


def test_a_row_is_measured(tmp_path: Path, means: Means) -> None:
    write_corpus(CORPUS, tmp_path / "corpus.json")
    job = {
        "corpus": str(tmp_path / "corpus.json"),
        "kept": str(means.kept),
        "teacher": None,
        "seconds": 60,
    }
    told: list[dict[str, object]] = []
    found = measure(ROWS["ours"], job, told.append)
    ranks = found["ranks"]
    assert isinstance(ranks, list)
    assert [names[0] for names in ranks] == ["homework", "phone"]
    assert isinstance(found["times"], list)
    assert len(found["times"]) == len(CORPUS.queries)
    assert {row["step"] for row in told} == {"build", "ask"}
    assert isinstance(found["versions"], dict)
    assert set(found["versions"]) == set(ROWS["ours"].distributions)


def test_time_that_is_over_ends_the_questions(tmp_path: Path) -> None:
    write_corpus(CORPUS, tmp_path / "corpus.json")
    job = {"corpus": str(tmp_path / "corpus.json"), "kept": "", "teacher": None, "seconds": 0}
    found = measure(ROWS["bm25s-character"], job, lambda _row: None)
    assert len(found["ranks"]) == 1  # type: ignore[arg-type]


def test_a_search_that_goes_on_without_vectors_is_not_taken_for_ours(
    means: Means, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = Ours(means.kept, means.show, plain=False)
    ours.load()
    ours.build(CORPUS)
    assert ours.encoder is not None

    def broken(_texts: Sequence[str]) -> Vectors:
        raise OSError

    monkeypatch.setattr(ours.encoder, "encode_queries", broken)
    with pytest.raises(RuntimeError, match="OSError"):
        ours.search("写作业", 3)


class _Reversed(_Absent):
    """Finds the last texts first."""

    packages: tuple[str, ...] = ()

    def load(self) -> None:
        self.texts: list[str] = []

    def build(self, corpus: Corpus) -> None:
        self.texts = [document.flat for document in corpus.documents]

    def search(self, query: str, k: int) -> list[int]:
        return list(range(len(self.texts)))[::-1][:k]


def test_of_the_pieces_of_a_document_the_best_counts() -> None:
    inner = _Reversed()
    pieces = Pieces(inner)
    pieces.load()
    pieces.build(CORPUS)
    assert inner.texts == [piece for document in CORPUS.documents for piece in document.pieces]
    assert pieces.search("", 3) == [3, 2, 1]
    assert pieces.search("", 9) == [3, 2, 1, 0]


def test_vectors_are_encoded_once_for_all_rows(tmp_path: Path) -> None:
    texts = [f"第{number % 150}条" for number in range(200)]
    first, second = _Counting(), _Counting()
    made = KeptEncoder(first, tmp_path)
    vectors = made.encode_passages(texts)
    assert len(first.given) == len(set(texts))
    again = KeptEncoder(second, tmp_path)
    np.testing.assert_array_equal(again.encode_passages([*texts[::-1], "新的"])[:-1], vectors[::-1])
    assert second.given == ["新的"]
    assert again.seconds >= 0.99 * made.seconds, "what it took then is told"
    np.testing.assert_allclose(vectors, FixedEncoder().encode_passages(texts))


def test_a_question_is_always_encoded(tmp_path: Path) -> None:
    inner = _Counting()
    kept = KeptEncoder(inner, tmp_path)
    for _ in range(2):
        kept.encode_queries(["手机"])
    assert inner.given == ["手机"] * 2
    assert (kept.seconds, kept.spent) == (0.0, 0.0)
    assert (kept.name, kept.dimension, kept.more) == (inner.name, inner.dimension, inner.more)


def test_characters_are_letters_and_pairs_of_neighbours() -> None:
    assert characters("孩子,A b") == ["孩", "子", "a", "b", "孩子"]


def test_words_leave_out_what_is_no_word() -> None:
    assert words("手机,怎么办?") == ["手机", "怎么", "怎么办"]
