"""Small counts are hidden, and nothing that is shown gives one away."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.small_cells import COVERED, SMALL, Row, Shown, hide

counts = st.lists(st.integers(0, 40), min_size=1, max_size=6)


def possible(cell: Shown, most: int) -> range:
    """Return what somebody who reads a cell has to think possible."""
    if cell == SMALL:
        return range(10)
    return range(10, most + 1) if cell == COVERED else range(int(cell), int(cell) + 1)


@given(counts)
def test_no_small_count_is_ever_shown(found: list[int]) -> None:
    row = hide(found)
    for count, cell in zip(found, row.cells, strict=True):
        assert (cell == SMALL) is (count < 10)
        assert cell in (count, SMALL, COVERED)
    assert row.total == COVERED or (row.total == sum(found) >= 10)


@given(st.lists(st.integers(0, 25), min_size=1, max_size=4))
def test_whoever_knows_all_that_is_shown_can_not_narrow_down_a_small_count(
    found: list[int],
) -> None:
    """Every value of 0 to 9 remains possible for each hidden small count: tried one by one."""
    row = hide(found)
    most = sum(found) + 10
    ranges = [possible(cell, min(most, 60)) for cell in row.cells]
    for n, cell in enumerate(row.cells):
        if cell != SMALL:
            continue
        others = [one for m, one in enumerate(ranges) if m != n]
        if row.total == COVERED:
            continue
        left = {int(row.total) - sum(rest) for rest in product(*others)}
        assert set(range(10)) <= left, (found, row)


@given(counts)
def test_what_is_large_enough_and_gives_nothing_away_is_shown(found: list[int]) -> None:
    if all(count >= 10 for count in found):
        assert hide(found) == Row(tuple(found), sum(found))


@pytest.mark.parametrize(
    ("found", "cells", "total"),
    [
        ([30, 20, 3], (30, COVERED, SMALL), 53),
        ([30, 10, 3], (COVERED, COVERED, SMALL), 43),
        ([5, 5, 5], (SMALL, SMALL, SMALL), 15),
        ([5, 6], (SMALL, SMALL), COVERED),
        ([4], (SMALL,), COVERED),
        ([0, 0], (SMALL, SMALL), COVERED),
        ([12, 15], (12, 15), 27),
        ([], (), COVERED),
    ],
)
def test_by_hand(found: list[int], cells: tuple[Shown, ...], total: Shown) -> None:
    assert hide(found) == Row(cells, total)


def test_a_negative_count_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="negative"):
        hide([-1])
