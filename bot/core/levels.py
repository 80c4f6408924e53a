"""Rank of the internal risk codes, for layers that compare them without the text engine."""

from collections.abc import Iterable

LEVELS: tuple[str, ...] = ("0", "1", "2", "3", "3!")
ESCALATED = frozenset({"2", "3", "3!"})


def rank(level: str) -> int:
    """Return 0…4 for the codes `0 1 2 3 3!`.

    Raises:
        ValueError: for any other text.
    """
    return LEVELS.index(level)


def highest(levels: Iterable[str]) -> str:
    """Return the highest of the codes; `0` for none."""
    return max(levels, key=rank, default="0")
