"""Read which of the offered entries a message chooses: numbers, all of them, or none.

Called by the handler of choices. Only a whole message counts, so that a question with a number in
it stays a question. The words are in `follow_up.toml`.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from knowledge.follow_up import word_lists
from knowledge.text import clean, fold

LONGEST = 30
_SIGNS = re.compile(r"[\s,，、.。;；:：!！~～+&/\-()（）【】\[\]\"“”'‘’\ufe0f\u20e3]+")
_NUMBER = re.compile(r"\d{1,2}", re.ASCII)


def numbers_chosen(text: str) -> tuple[int, ...]:
    """
    Return the numbers that a message consists of, each once and in order (2, 「第二个」, 「1和3」).

    Returns:
        Nothing when anything else is said, or the message is long.
    """
    if len(text) > LONGEST:
        return ()
    rest = unicodedata.normalize("NFKC", clean(text)).lower()
    for word in _around():
        rest = rest.replace(word, " ")
    found: list[int] = []
    for part in _SIGNS.sub(" ", rest).split():
        value = _value(part)
        if value is None:
            return ()
        if value not in found:
            found.append(value)
    return tuple(found)


def all_chosen(text: str) -> bool:
    """Tell whether a whole message asks for everything that was offered."""
    return _is("all", text)


def none_chosen(text: str) -> bool:
    """Tell whether a whole message says that nothing offered is what was asked."""
    return _is("none", text)


def _is(name: str, text: str) -> bool:
    return len(text) <= LONGEST and fold(text) in _folded(name)


@cache
def _folded(name: str) -> frozenset[str]:
    return frozenset(fold(form) for form in word_lists()["chosen"][name])


@cache
def _around() -> tuple[str, ...]:
    return tuple(sorted(word_lists()["chosen"]["around"], key=len, reverse=True))


def _value(part: str) -> int | None:
    if _NUMBER.fullmatch(part):
        return int(part)
    digits = word_lists()["chosen"]["digits"]
    return digits.index(part) + 1 if len(part) == 1 and part in digits else None
