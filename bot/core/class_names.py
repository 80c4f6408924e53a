"""Find the class that a teacher names at the head of a message, among the places that are theirs.

「三年级2班」「三年级二班」「三(2)班」「3年2班」 are the same class.
Called by `bot.core.notice_wish`; `bot.services.notice_chat` says which places there are.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SIGNS = {sign: value for value, sign in enumerate("零一二三四五六七八九")}
_NUMBER = re.compile("[一二三四五六七八九十]+")
_BETWEEN = re.compile(r"[\s()（）\[\]【】「」《》·•\-—_第]+")
_SEPARATOR = re.compile(r"[)）\]】」》\s,，:：、;；]*")
_ADDRESSED = re.compile(
    r"的?(?:全体|各位|所有)?(?:孩子|学生|同学)?的?家长(?:们|朋友)?[\s,，:：、]+"
)
_GRADE = "年级"
LONGEST = 40


@dataclass(frozen=True, slots=True)
class Named:
    """A place with what stands above it, as far as it helps to name it."""

    id: int
    name: str
    above: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """Return the whole name, for asking which one is meant."""
        return "".join((*self.above, self.name))


def says(name: str, above: str) -> bool:
    """Say whether a name already holds that of what stands above it (三年级2班 its 三年级)."""
    return plain(name).startswith(plain(above))


def find(text: str, places: Sequence[Named]) -> tuple[list[Named], str]:
    """Return the places that a text begins with the name of, and the text behind it.

    The longest name counts. Nothing is guessed: without a name the list is empty.
    """
    keys: dict[str, list[Named]] = {}
    for place in places:
        for key in _keys(place):
            keys.setdefault(key, []).append(place)
    best, end = "", 0
    for stop in range(1, min(len(text), LONGEST) + 1):
        key = plain(text[:stop])
        if key in keys and len(key) > len(best):
            best, end = key, stop
    if not best:
        return [], text
    rest = _SEPARATOR.sub("", text[end:], count=1)
    addressed = _ADDRESSED.match(rest)
    return keys[best], (rest[addressed.end() :] if addressed else rest).strip()


def plain(text: str) -> str:
    """Return a name without spaces and brackets, its numbers in digits."""
    folded = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).lower()
    return _NUMBER.sub(lambda match: str(_value(match[0])), folded)


def _keys(place: Named) -> Iterator[str]:
    names = {place.name, place.full, "".join((*place.above[-1:], place.name))}
    for name in names:
        key = plain(name)
        yield key
        if key.endswith("班") and _GRADE in key:
            yield key.replace(_GRADE, "年")
            yield key.replace(_GRADE, "")
            yield key.partition(_GRADE)[2]


def _value(signs: str) -> int:
    tens, ten, ones = signs.partition("十")
    if not ten:
        return int("".join(str(_SIGNS[sign]) for sign in signs))
    if any(sign not in _SIGNS for sign in tens + ones) or len(tens) > 1 or len(ones) > 1:
        return 0
    return 10 * (_SIGNS[tens] if tens else 1) + (_SIGNS[ones] if ones else 0)
