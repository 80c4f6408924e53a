"""Counts that may be shown: small ones are hidden, and so is what would give one away.

Called by the desk's figures. A count under ten is hidden (DOMAIN §4: n ≥ 10 per cell). Beside its
total, a hidden one must not be found by subtracting the others: then the next larger count is
hidden too, and at last the total. Whoever knows everything that is shown can still not tell any
hidden small count from any other between 0 and 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST = 10
_MOST = SMALLEST - 1
# What is shown instead of a number: it is under ten, or it would give such a one away.
SMALL, COVERED = "small", "covered"

Shown = int | str


@dataclass(frozen=True, slots=True)
class Row:
    """Counts and their total as they may be shown."""

    cells: tuple[Shown, ...]
    total: Shown


def hide(counts: Sequence[int]) -> Row:
    """Return counts and their total with what must be hidden.

    Raises:
        ValueError: a count is negative.
    """
    if any(count < 0 for count in counts):
        raise ValueError("a count can't be negative")
    hidden = {n for n, count in enumerate(counts) if count <= _MOST}
    order = sorted((n for n in range(len(counts)) if n not in hidden), key=lambda n: counts[n])
    while not safe([counts[n] for n in hidden]) and order:
        hidden.add(order.pop(0))
    cells = tuple(
        count if n not in hidden else SMALL if count <= _MOST else COVERED
        for n, count in enumerate(counts)
    )
    total = sum(counts)
    known = safe([counts[n] for n in hidden]) and total >= SMALLEST
    return Row(cells, total if known else COVERED)


def safe(hidden: Sequence[int]) -> bool:
    """Say whether the sum of hidden counts may be known.

    It may when every small one of them could still be anything from 0 to 9: the others could take
    up all of the sum, or leave all of it to this one.
    """
    small = [count for count in hidden if count <= _MOST]
    if not small:
        return not hidden or len(hidden) > 1
    large = len(hidden) - len(small)
    spare = sum(hidden) - SMALLEST * large
    return spare >= _MOST and (large > 0 or spare <= _MOST * (len(small) - 1))
