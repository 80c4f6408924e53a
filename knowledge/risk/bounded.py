"""Refuses a regular expression that could run away on a long message.

Called by `loading` for each expression of the lexicon, and by `rules` for how far one reaches.
What is counted is the structure: in how many ways one place of a text can be read. That bounds the
steps for any text, so no clock is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from math import prod
from typing import Any

# The reader of Python's own expressions; it says what `re.compile` will do.
_parser: Any = import_module("re._parser")

MOST_REPEATS = 32
MOST_WAYS = 20_000
_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_SINGLE = {"LITERAL", "NOT_LITERAL", "IN", "ANY", "AT"}


class Unbounded(ValueError):
    """An expression whose time could grow out of hand; the message says why."""


def ways(expression: str) -> int:
    """Return the most ways in which the expression can be tried at one place of any text.

    Raises:
        Unbounded: when there are too many, or when a part has no upper end.
    """
    found = _of_row(_parser.parse(expression))
    if found > MOST_WAYS:
        raise Unbounded(f"{found} ways to match at one place, at most {MOST_WAYS}")
    return found


def width(expression: str) -> int:
    """Return how many characters the expression can take at most."""
    return int(_parser.parse(expression).getwidth()[1])


def _of_row(row: Iterable[tuple[Any, Any]]) -> int:
    return prod(_of_part(str(name), argument) for name, argument in row)


def _of_part(name: str, argument: Any) -> int:
    if name in _SINGLE:
        return 1
    if name == "BRANCH":
        return sum(_of_row(row) for row in argument[1])
    if name == "SUBPATTERN":
        return _of_row(argument[-1])
    if name in _REPEATS:
        least, most, row = argument
        if most > MOST_REPEATS:
            raise Unbounded(f"a repeat needs an upper end, at most {MOST_REPEATS}")
        once = _of_row(row)
        return sum(once**times for times in range(least, most + 1))
    raise Unbounded(f"{name} is not allowed")
