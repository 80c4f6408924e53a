"""What `bench vectors` makes and compares: moved vectors, the exact answer, the share found."""

from pathlib import Path

import numpy as np
import pytest

from bot.bench import vectors
from bot.bench.vectors import NEAREST, exact, measure, moved, reach_for, recall
from knowledge.encoder import Vectors


def real(count: int = 400) -> Vectors:
    made = np.random.default_rng(1).normal(size=(count, 16)).astype(np.float32)
    unit: Vectors = made / np.linalg.norm(made, axis=1, keepdims=True)
    return unit


def test_moved_vectors_are_as_like_their_own_as_asked(tmp_path: Path) -> None:
    base = real()
    moved(base, 3000, reach_for(base, 0.8), tmp_path / "v.npy")
    made = np.load(tmp_path / "v.npy")
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert np.array_equal(made[:400], base), "the real ones are among them"
    likeness = np.sum(made[400:] * base[np.arange(400, 3000) % 400], axis=1)
    assert np.median(likeness) == pytest.approx(0.8, abs=0.03)


def test_exact_search_in_parts_is_the_search_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BLOCK", 130)
    base, queries = real(), real(20)
    np.save(tmp_path / "v.npy", base)
    whole = np.argsort(-(queries @ base.T), axis=1)[:, :NEAREST]
    assert np.array_equal(exact(tmp_path / "v.npy", queries), whole)


def test_recall_counts_what_was_found_in_any_order() -> None:
    right = np.array([[1, 2], [3, 4]])
    assert recall(right[:, ::-1], right) == 1.0
    assert recall(np.array([[1, 9], [8, 9]]), right) == 0.25


def test_a_kind_is_built_saved_read_and_asked(tmp_path: Path) -> None:
    base = real(3000)
    np.save(tmp_path / "vectors.npy", base)
    np.save(tmp_path / "queries.npy", base[:60])
    np.save(tmp_path / "exact.npy", exact(tmp_path / "vectors.npy", base[:60]))
    flat, cells = measure("flat", tmp_path), measure("ivf-sq", tmp_path)
    assert (flat["recall_at_10"], flat["file_mb"]) == (1.0, None)
    assert cells["recipe"] == "IVF128,SQ8"
    assert cells["file_mb"] is not None
    assert isinstance(reach := cells["reach"], int)
    assert {f"reach_{reach // 2}", f"reach_{reach * 2}"} <= cells.keys(), "what others would give"
    assert not (tmp_path / "ivf-sq").exists()


def test_the_texts_are_real_and_each_is_there_once() -> None:
    found = [text for text, _ in vectors.texts()]
    assert len(found) == len(set(found)) > 30_000
