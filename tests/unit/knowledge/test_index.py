"""Each kind of index, which one a size gets, and what becomes of a saved one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.encoder.port import Vectors
from knowledge.index import (
    FEWEST_PQ,
    FILE,
    FLAT_UP_TO,
    HNSW_UP_TO,
    KINDS,
    SQ_UP_TO,
    Kind,
    VectorIndex,
    kind_for,
    load_or_build,
    part_of,
    recipe_for,
)

SIZE = 2000


def make_vectors(count: int, dimension: int = 16, seed: int = 1) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_finds_a_vector_itself(kind: Kind) -> None:
    size = FEWEST_PQ if kind == "ivf-pq" else SIZE
    vectors = make_vectors(size)
    index = VectorIndex(vectors, kind)
    assert (index.recipe.factory == "Flat") == (kind in ("auto", "flat"))
    _, rows = index.search(vectors[:50], 10)
    assert np.mean([row in found for row, found in enumerate(rows)]) > 0.9
    assert len(index) == size


@pytest.mark.parametrize("kind", KINDS)
def test_asked_for_more_than_its_cells_hold_it_gives_real_rows_in_order(kind: Kind) -> None:
    vectors = make_vectors(SIZE)
    scores, rows = VectorIndex(vectors, kind).search(vectors[:20], SIZE)
    assert scores.shape == rows.shape == (20, SIZE)
    assert rows.min() >= 0
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    assert np.abs(scores).max() < 2


def test_the_kind_follows_from_the_size() -> None:
    sizes = (300, FLAT_UP_TO, FLAT_UP_TO + 1, HNSW_UP_TO + 1, SQ_UP_TO + 1)
    assert [kind_for(size) for size in sizes] == ["flat", "flat", "hnsw", "ivf-sq", "ivf-pq"]
    assert recipe_for("auto", 10**6, 384) == recipe_for("ivf-sq", 10**6, 384)
    assert recipe_for("ivf-sq", 10**6, 384).factory == "IVF2048,SQ8"
    assert recipe_for("ivf-pq", 9_999, 384).factory == "Flat", "too few to be worth it"


@pytest.mark.parametrize("dimension", [1, 7, 30, 384, 1024])
def test_any_dimension_can_be_cut_into_parts(dimension: int) -> None:
    factory = recipe_for("ivf-pq", 10**6, dimension).factory
    parts = int(factory.partition("PQ")[2].removesuffix("x8"))
    assert dimension % parts == 0


def saved(folder: Path, kind: Kind = "ivf-sq", mark: str = "a") -> tuple[VectorIndex, str | None]:
    return load_or_build(folder, mark, make_vectors(SIZE), kind)


def test_a_saved_index_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, reason = saved(tmp_path)
    assert reason is None
    monkeypatch.setattr("knowledge.index.build", None)
    second, reason = saved(tmp_path)
    assert reason is None
    query = make_vectors(5, seed=2)
    assert np.array_equal(first.search(query, 10)[1], second.search(query, 10)[1])
    assert second.recipe == first.recipe


@pytest.mark.parametrize("kind", ["auto", "flat"])
def test_a_flat_one_is_never_saved(tmp_path: Path, kind: Kind) -> None:
    assert saved(tmp_path, kind)[1] is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 63, b"x" * 5000],
    ids=["empty", "too short", "not an index"],
)
def test_a_damaged_one_is_built_again_and_told(tmp_path: Path, content: bytes) -> None:
    saved(tmp_path)
    (tmp_path / FILE).write_bytes(content)
    assert saved(tmp_path)[1] == "the saved index is damaged or cut off"
    assert saved(tmp_path)[1] is None


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_a_single_wrong_byte_is_noticed(tmp_path: Path, share: float) -> None:
    saved(tmp_path)
    raw = bytearray((tmp_path / FILE).read_bytes())
    raw[int(share * len(raw))] ^= 1
    (tmp_path / FILE).write_bytes(raw)
    assert saved(tmp_path)[1] is not None


def test_one_of_other_texts_or_another_kind_is_built_again(tmp_path: Path) -> None:
    saved(tmp_path)
    stale = "the saved index belongs to other texts or encoder"
    assert saved(tmp_path, mark="b")[1] == stale
    assert saved(tmp_path, "hnsw", "b")[1] == stale


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    index, _ = saved(blocked / "cache")
    assert len(index) == SIZE


def test_what_breaks_off_while_writing_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "f.bin"
    path.write_bytes(b"before")

    def write() -> None:
        with part_of(path) as part:
            part.write_bytes(b"half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        write()
    assert [each.name for each in tmp_path.iterdir()] == ["f.bin"]
    assert path.read_bytes() == b"before"
