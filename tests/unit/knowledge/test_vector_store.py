"""The store of vectors: only what is new is encoded, and nothing damaged is ever used."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from encoders import CountingEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge import vector_store
from knowledge.encoder.fixed import FixedEncoder
from knowledge.encoder.port import Vectors
from knowledge.errors import EncoderError
from knowledge.retrieval import Document, Retriever
from knowledge.vector_store import FILE, VectorStore

TEXTS = ["作业拖到半夜", "不肯上学", "先停十分钟", "不肯上学"]
ASKED = [True, True, False, False]


class Counting(CountingEncoder):
    """Tells questions from passages, and may break."""

    def __init__(self, dimension: int = 64, mark: str = "one") -> None:
        super().__init__(dimension)
        self.breaks_after = 10**9
        self._mark = mark

    @property
    def fingerprint(self) -> str:
        return self._mark

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_queries(texts)
        if len(self.given) > self.breaks_after:
            raise RuntimeError("out of order")
        return vectors

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return self.encode_queries([f"p{text}" for text in texts])


def encoded(folder: Path | None, encoder: Counting, texts: Sequence[str] = TEXTS) -> VectorStore:
    """Encode as a new process would, and check what comes out."""
    store = VectorStore(folder)
    asked = ASKED if texts is TEXTS else [True] * len(texts)
    vectors = store.encode(texts, asked, encoder).vectors
    plain = FixedEncoder(encoder.dimension)
    words = [text if question else f"p{text}" for text, question in zip(texts, asked, strict=True)]
    assert np.allclose(vectors, plain.encode_queries(words))
    return store


def test_texts_are_encoded_once_and_then_read(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    store = encoded(tmp_path, first)
    assert (store.encoded, store.kept, store.rebuilt) == (4, 0, None)
    assert sorted(first.given) == sorted(["作业拖到半夜", "不肯上学", "p先停十分钟", "p不肯上学"])
    store = encoded(tmp_path, second)
    assert (store.encoded, store.kept, store.rebuilt, second.given) == (0, 4, None, [])


def test_only_what_changed_is_encoded_and_what_is_gone_is_dropped(tmp_path: Path) -> None:
    encoded(tmp_path, Counting(), ["甲", "乙", "丙"])
    before = (tmp_path / FILE).stat().st_size
    encoder = Counting()
    store = encoded(tmp_path, encoder, ["丙", "丁", "甲"])
    assert (encoder.given, store.rebuilt) == (["丁"], None)
    assert (tmp_path / FILE).stat().st_size == before
    encoder = Counting()
    encoded(tmp_path, encoder, ["甲"])
    assert (tmp_path / FILE).stat().st_size < before
    encoded(tmp_path, encoder, ["甲", "丙"])
    assert encoder.given == ["丙"]


def test_a_text_that_stands_twice_is_encoded_once(tmp_path: Path) -> None:
    encoder = Counting()
    encoded(tmp_path, encoder, ["甲", "甲", "乙", "甲"])
    assert sorted(encoder.given) == ["乙", "甲"]


def test_the_mark_depends_on_text_order_sort_and_encoder() -> None:
    def mark(texts: list[str], asked: bool = True, encoder: Counting | None = None) -> str:
        return VectorStore(None).encode(texts, [asked] * len(texts), encoder or Counting()).mark

    other, bigger = Counting(mark="two"), Counting(32)
    marks = [
        mark(["甲", "乙"]),
        mark(["乙", "甲"]),
        mark(["甲乙"]),
        mark(["甲", "乙"], asked=False),
    ]
    marks += [mark(["甲", "乙"], encoder=other), mark(["甲", "乙"], encoder=bigger)]
    assert len(set(marks)) == 6


def damage(path: Path, how: str) -> None:
    raw = path.read_bytes()
    head, body = raw.split(b"\n", 1)
    changed = {
        "empty": b"",
        "cut off": raw[: len(raw) // 2],
        "head only": head,
        "one byte": raw[:-1] + bytes([raw[-1] ^ 1]),
        "longer": raw + b"x",
        "not json": b"{" + raw,
        "a list": b"[]\n" + body,
        "null": json.dumps(json.loads(head) | {"texts": None}).encode() + b"\n" + body,
        "more said": json.dumps(json.loads(head) | {"texts": 10**9}).encode() + b"\n" + body,
        "less said": json.dumps(json.loads(head) | {"texts": -1}).encode() + b"\n" + body,
    }
    path.write_bytes(changed[how])


@pytest.mark.parametrize(
    "how",
    [
        "empty",
        "cut off",
        "head only",
        "one byte",
        "longer",
        "not json",
        "a list",
        "null",
        "more said",
        "less said",
    ],
)
def test_a_damaged_file_is_made_again_and_told(tmp_path: Path, how: str) -> None:
    encoded(tmp_path, Counting())
    damage(tmp_path / FILE, how)
    store = encoded(tmp_path, Counting())
    assert store.encoded == 4
    assert store.rebuilt is not None
    assert encoded(tmp_path, Counting()).rebuilt is None


@given(st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_no_bytes_at_all_stop_the_search(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / FILE).write_bytes(raw)
    assert encoded(folder, Counting()).rebuilt is not None


def test_another_encoder_and_another_size_are_told_apart(tmp_path: Path) -> None:
    encoded(tmp_path, Counting(64))
    store = encoded(tmp_path, Counting(32))
    assert store.rebuilt == "the saved vectors have 64 numbers, the encoder's 32"
    store = encoded(tmp_path, Counting(32, "two"))
    assert store.rebuilt == "the saved vectors are another encoder's"
    assert encoded(tmp_path, Counting(32, "two")).rebuilt is None


def test_what_was_encoded_before_a_break_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_store, "CHUNK", 2)
    texts = [f"第{n}条" for n in range(9)]
    broken = Counting()
    broken.breaks_after = 5
    with pytest.raises(RuntimeError):
        encoded(tmp_path, broken, texts)
    encoder = Counting()
    store = encoded(tmp_path, encoder, texts)
    assert (store.kept, len(encoder.given)) == (4, 5)


def test_it_saves_every_few_seconds_and_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_store, "CHUNK", 2)
    told: list[tuple[int, int]] = []
    sizes: list[int] = []

    def report(done: int, total: int) -> None:
        told.append((done, total))
        path = tmp_path / FILE
        sizes.append(path.stat().st_size if path.exists() else 0)

    ticks = itertools.count(step=3)
    store = VectorStore(tmp_path, report=report, clock=lambda: float(next(ticks)))
    store.encode([f"第{n}条" for n in range(7)], [True] * 7, Counting())
    assert told == [(2, 7), (4, 7), (6, 7), (7, 7)]
    assert sizes[0] == sizes[1] == 0
    assert sizes[2] > 0, "a process killed now has lost the last seconds only"


def test_a_seed_saves_the_first_encoding(tmp_path: Path) -> None:
    encoded(tmp_path / "image", Counting())
    encoder = Counting()
    store = VectorStore(tmp_path / "mine", seed=tmp_path / "image")
    store.encode([*TEXTS, "新"], [*ASKED, True], encoder)
    assert (encoder.given, store.rebuilt) == (["新"], None)
    encoded(tmp_path / "mine", encoder)
    assert encoder.given == ["新"]
    assert {path.name for path in (tmp_path / "image").iterdir()} == {FILE}


def test_a_damaged_file_beside_a_seed_is_replaced(tmp_path: Path) -> None:
    encoded(tmp_path / "image", Counting())
    encoded(tmp_path / "mine", Counting())
    file = tmp_path / "mine" / FILE
    file.write_bytes(file.read_bytes()[:-9])
    for told in (True, False):
        store = VectorStore(tmp_path / "mine", seed=tmp_path / "image")
        store.encode(TEXTS, ASKED, Counting())
        assert (store.rebuilt is not None) is told, "once, and not at every start"


def test_a_folder_that_cannot_be_written_is_told_and_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    store = encoded(blocked / "cache", Counting())
    assert store.unsaved is not None


def test_of_many_writers_the_last_wins_and_nobody_reads_half(tmp_path: Path) -> None:
    lists = [[f"{group}{n}" for n in range(200)] for group in "甲乙丙"]

    def process(number: int) -> str | None:
        return encoded(tmp_path, Counting(), lists[number % 3]).rebuilt

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(process, range(30))) == {None}
    assert {path.name for path in tmp_path.iterdir()} == {FILE}


def test_files_of_earlier_versions_are_cleared_away(tmp_path: Path) -> None:
    for name in ("vectors.npy", "vectors.json"):
        (tmp_path / name).write_bytes(b"old")
    encoded(tmp_path, Counting())
    assert {path.name for path in tmp_path.iterdir()} == {FILE}


class Lying(FixedEncoder):
    """Says another size than it gives."""

    @property
    def dimension(self) -> int:
        return 999


class NotNumbers(FixedEncoder):
    """Gives what is not a number."""

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return super().encode_queries(texts) * np.float32("nan")


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        (Lying(64), "XINQING_ENCODER: it gives 64 numbers a text and says 999"),
        (NotNumbers(), "XINQING_ENCODER: what it gives is not a number"),
    ],
)
def test_an_encoder_that_breaks_its_word_is_not_used_and_search_goes_on(
    tmp_path: Path, encoder: FixedEncoder, words: str
) -> None:
    with pytest.raises(EncoderError, match="XINQING_ENCODER"):
        VectorStore(tmp_path).encode(TEXTS, ASKED, encoder)
    document = Document("T11-01", questions=("早上叫不醒",))
    retriever = Retriever.build([document], encoder, tmp_path)
    assert retriever.degraded == words
    assert retriever.search("叫不醒怎么办")[0].entry == "T11-01"
