"""Folds a message into the one form that the rules are written in, and remembers the way back.

Called by `match` for messages and by `patterns` for the phrases of the rule files, so both sides
are folded alike: width, case, traditional and Cantonese characters, zero-width characters, and
everything that is neither a letter nor an emoji. Gaps are kept as break strengths, because
"他想，死活不肯" must not read as "想死".
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, chain, repeat

from opencc import OpenCC

GAP, COMMA, STOP, TURN = 1, 2, 3, 4

_COMMAS = set("，,、；;：:")
_STOPS = set("。！？!?…\n\r")
# One character for one character, so that offsets survive. Gender is dropped: rules say 他 only.
_DIALECT = str.maketrans(
    "她妳您唔佢冇嘅咗喺睇畀嚟𠝹鎅喇啦咯嘞喽俺弗勿吾侬亖",
    "他你你不他没的了在看给来割割了了了了了我不不我你死",
)
_SIMPLIFY = OpenCC("t2s")
_NO_LATIN = "\u0530"
_LOOKALIKES = str.maketrans("аеорсухіѕһјԁзιοανυρτκ", "aeopcyxishjdzioavuptk")
# Marks of web pages and programs between the letters; what holds Chinese is text and stays.
_MARKS = re.compile(
    r"<(?P<tag>[a-zA-Z/!?])[^<>\u3400-\u9fff]{0,300}>|&(?:[a-z]{2,6}|#[0-9]{1,6}|#x[0-9a-f]{1,5});"
    r"|/\*[^*\u3400-\u9fff]{0,80}\*/"
)
_BLOCK_TAG = re.compile(r"</?(?:p|div|br|li|tr|td|th|h[1-6]|ul|ol|table)\b", re.IGNORECASE)

# Kinds of characters: one that folds to one, one that folds to several, separators by strength.
_ONE, _MANY = "k", "m"
_LETTERS = _ONE + _MANY
_KINDS = re.compile("k+|m|[0-4]+")
_THRICE = re.compile(r"([^0-9])\1\1+")
_MOST = 4  # ㍿ folds to four; an Arabic ligature of eighteen letters must not swell a text


def clean(text: str) -> str:
    """Replace each lone surrogate by one replacement character, so that offsets stay the same.

    The matcher and OpenCC raise on lone surrogates. NUL needs no care here: the fold drops it.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return text


@dataclass(frozen=True)
class Folded:
    """A folded text.

    Args:
        text: letters, digits and emoji only.
        starts: offset in the original text of each folded character.
        ends: offset just after it.
        breaks: strength of what stood before each folded character: 0, GAP, COMMA, STOP or TURN.
    """

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    breaks: tuple[int, ...]

    def cut(self, low: int, high: int) -> Folded:
        """Return a stretch of it as a folded text of its own."""
        piece = slice(low, high)
        return Folded(self.text[piece], self.starts[piece], self.ends[piece], self.breaks[piece])

    def without(self, spare: Set[str]) -> Folded:
        """Leave some characters out; each stays behind as a gap."""
        keep: list[int] = []
        breaks: list[int] = []
        pending = 0
        for place, char in enumerate(self.text):
            pending = max(pending, self.breaks[place])
            if char in spare:
                pending = max(pending, GAP)
                continue
            keep.append(place)
            breaks.append(pending)
            pending = 0
        return Folded(
            "".join([self.text[place] for place in keep]),
            tuple([self.starts[place] for place in keep]),
            tuple([self.ends[place] for place in keep]),
            tuple(breaks),
        )

    @cached_property
    def comma_count(self) -> list[int]:
        """Running number of breaks of COMMA or stronger up to and with each character."""
        return list(accumulate(map(COMMA.__le__, self.breaks)))

    @cached_property
    def stop_count(self) -> list[int]:
        """Running number of breaks of STOP or stronger up to and with each character."""
        return list(accumulate(map(STOP.__le__, self.breaks)))

    def crosses_comma(self, start: int, end: int) -> bool:
        """Tell whether a comma or more lies inside the folded stretch."""
        return end - start > 1 and self.comma_count[end - 1] > self.comma_count[start]

    def crosses_stop(self, start: int, end: int) -> bool:
        """Tell whether a full stop or more lies between the characters at `start` and `end`."""
        return self.stop_count[min(end, len(self.text) - 1)] > self.stop_count[start]

    def whole_word(self, start: int, end: int) -> bool:
        """Tell whether a Latin or numeric stretch is not part of a longer word or number."""
        text = self.text
        if start > 0 and self.breaks[start] == 0 and _same_kind(text[start - 1], text[start]):
            return False
        after = end < len(text) and self.breaks[end] == 0
        return not (after and _same_kind(text[end - 1], text[end]))

    def clause_start(self, position: int, *, strength: int = COMMA) -> int:
        """Return where the clause that holds `position` begins."""
        while position > 0 and self.breaks[position] < strength:
            position -= 1
        return position

    def clause_end(self, position: int, *, strength: int = COMMA) -> int:
        """Return where the clause that holds `position` ends (exclusive)."""
        position += 1
        while position < len(self.text) and self.breaks[position] < strength:
            position += 1
        return position


def fold(text: str, first_break: int = TURN) -> Folded:
    """Fold `text`; offsets point into `text` as it was given."""
    text = clean(text)
    known = {char: _classify(char) for char in set(text)}
    kinds = text.translate({ord(char): kind for char, (kind, _) in known.items()})
    if not known.keys().isdisjoint("<&*"):
        text, kinds = _unmarked(text, kinds)
        known |= {char: _classify(char) for char in set(text)}
    pieces: list[str] = []
    starts: list[int] = []
    breaks: list[int] = []
    pending = first_break
    for hit in _KINDS.finditer(kinds):
        low, high = hit.span()
        kind = kinds[low]
        if kind not in _LETTERS:
            pending = max(pending, int(max(hit.group())))
            continue
        piece = text[low:high] if kind == _ONE else known[text[low]][1]
        pieces.append(piece)
        starts += range(low, high) if kind == _ONE else [low] * len(piece)
        breaks.append(pending)
        breaks += repeat(0, len(piece) - 1)
        pending = 0
    plain = {ord(char): kept for char, (kind, kept) in known.items() if kind == _ONE}
    return _thinned("".join(pieces).translate(plain), starts, breaks)


def _unmarked(text: str, kinds: str) -> tuple[str, str]:
    """Make tags, entities and program comments separators; every offset stays.

    An entity that stands for a letter becomes that letter.
    """
    pieces: list[tuple[str, str]] = []
    position = 0
    for hit in _MARKS.finditer(text):
        low, high = hit.span()
        mark, size = hit.group(), high - low
        strength = STOP if _BLOCK_TAG.match(mark) else GAP
        first = html.unescape(mark)[:1] if mark[0] == "&" else " "
        letter = _classify(first)[0] == _ONE
        pieces.append((text[position:low], kinds[position:low]))
        pieces.append(
            (first + " " * (size - 1), (_ONE if letter else str(strength)) + "0" * (size - 1))
        )
        position = high
    pieces.append((text[position:], kinds[position:]))
    return "".join(part for part, _ in pieces), "".join(kind for _, kind in pieces)


def _thinned(text: str, starts: list[int], breaks: list[int]) -> Folded:
    """Leave out the third and further of the same in a row; numbers may repeat."""
    drop: set[int] = set()
    for hit in _THRICE.finditer(text):
        for place in range(hit.start() + 2, hit.end()):
            if breaks[place] < COMMA:
                drop.add(place)
    if drop:
        for place in sorted(drop, reverse=True):
            if place + 1 < len(text):
                breaks[place + 1] = max(breaks[place], breaks[place + 1])
        keep = [place for place in range(len(text)) if place not in drop]
        text = "".join([text[place] for place in keep])
        starts, breaks = [starts[place] for place in keep], [breaks[place] for place in keep]
    folded = _simplify(text).translate(_DIALECT)
    return Folded(folded, tuple(starts), tuple([offset + 1 for offset in starts]), tuple(breaks))


def join(parts: list[Folded]) -> Folded:
    """Put several folded messages behind one another; offsets of each stay its own."""
    if len(parts) == 1:
        return parts[0]
    return Folded(
        "".join(part.text for part in parts),
        tuple(chain.from_iterable(part.starts for part in parts)),
        tuple(chain.from_iterable(part.ends for part in parts)),
        tuple(chain.from_iterable(part.breaks for part in parts)),
    )


@lru_cache(maxsize=16384)
def _classify(raw: str) -> tuple[str, str]:
    """Return the kind of a character, and the letters, digits or emoji it folds to.

    The kind is `_ONE`, `_MANY`, or the strength with which it separates as a digit.
    """
    form = _plain_latin(unicodedata.normalize("NFKC", raw).lower())
    kept = "".join(char for char in form if _meaningful(char))[:_MOST]
    if kept:
        return (_ONE if len(kept) == 1 else _MANY), kept
    return str(max((_strength(char) for char in form), default=0)), ""


def _plain_latin(form: str) -> str:
    """Take the tone marks off pinyin, and Latin letters for the Greek and Cyrillic ones like them.

    "zì shā" and "zіsha" with a Cyrillic і are read as zisha.
    """
    if form >= _NO_LATIN:
        return form
    base = unicodedata.normalize("NFD", form)[:1]
    if len(form) == 1 and base.isascii() and base.isalpha():
        return base
    return form.translate(_LOOKALIKES)


_MEANING = {"Lu", "Ll", "Lt", "Lo", "Nd", "Nl"}
_SMALL_EMOJI = set("☠⚰✂⛓")
_TITLE = "《"  # kept, because a title tells that a film or a book is spoken of


def is_emoji(char: str) -> bool:
    """Tell whether a kept character is an emoji."""
    return char in _SMALL_EMOJI or (char >= "\U0001f000" and unicodedata.category(char) == "So")


def _meaningful(char: str) -> bool:
    return is_emoji(char) or unicodedata.category(char) in _MEANING or char == _TITLE


def _strength(char: str) -> int:
    if char in _STOPS:
        return STOP
    if char in _COMMAS:
        return COMMA
    return GAP if unicodedata.category(char)[0] in "ZPS" else 0


def _simplify(text: str) -> str:
    simple: str = _SIMPLIFY.convert(text)
    if len(simple) == len(text):
        return simple
    return "".join(part if len(part := _SIMPLIFY.convert(char)) == 1 else char for char in text)


def _same_kind(left: str, right: str) -> bool:
    return left.isascii() and right.isascii() and left.isalpha() == right.isalpha()
