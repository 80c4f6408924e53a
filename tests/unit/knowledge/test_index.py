"""Saved vectors: current, stale, damaged; and each kind of index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder.port import Vectors
from knowledge.index import Kind, VectorIndex, fingerprint, load_or_encode


def make_vectors(count: int, dimension: int = 16) -> Vectors:
    vectors = np.random.default_rng(1).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


class Counter:
    """Encodes and counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Vectors:
        self.calls += 1
        return make_vectors(5)


def test_vectors_are_encoded_once_and_then_read(tmp_path: Path) -> None:
    encode = Counter()
    first, reason = load_or_encode(tmp_path, "a", encode)
    second, again = load_or_encode(tmp_path, "a", encode)
    assert encode.calls == 1
    assert (reason, again) == (None, None)
    assert np.array_equal(first, second)


def test_other_fingerprint_encodes_again_and_says_why(tmp_path: Path) -> None:
    encode = Counter()
    load_or_encode(tmp_path, "a", encode)
    _, reason = load_or_encode(tmp_path, "b", encode)
    assert encode.calls == 2
    assert reason == "the saved index belongs to other texts or encoder"


@pytest.mark.parametrize("name", ["vectors.npy", "vectors.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x93NUMPY broken"])
def test_damaged_file_is_rebuilt_and_reported(tmp_path: Path, name: str, content: bytes) -> None:
    encode = Counter()
    load_or_encode(tmp_path, "a", encode)
    (tmp_path / name).write_bytes(content)
    vectors, reason = load_or_encode(tmp_path, "a", encode)
    assert vectors.shape == (5, 16)
    assert reason is not None
    assert load_or_encode(tmp_path, "a", encode)[1] is None
    assert encode.calls == 2


def test_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    vectors, _ = load_or_encode(blocked / "cache", "a", Counter())
    assert len(vectors) == 5


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf"])
def test_each_kind_finds_a_vector_itself(kind: Kind) -> None:
    vectors = make_vectors(3000)
    index = VectorIndex(vectors, kind)
    _, rows = index.search(vectors[:50], 1)
    assert (rows[:, 0] == np.arange(50)).mean() > 0.9


def test_fingerprint_depends_on_order_text_and_encoder() -> None:
    marks = {
        fingerprint(texts, encoder)
        for texts, encoder in [(["a", "b"], "x"), (["b", "a"], "x"), (["ab"], "x"), (["a"], "y")]
    }
    assert len(marks) == 4
