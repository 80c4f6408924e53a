"""Look whether a text of the exam is, or nearly is, one that the search was given.

Called by `xinqing eval handbook`. What is word for word in the product is no exam and is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knowledge.heldout.rows import Row
from knowledge.retrieval import Document
from knowledge.text import fold

NEARLY = 0.7


@dataclass(frozen=True)
class Double:
    """A row that the product knows: the text it is like, and how like, 1 for word for word."""

    row: Row
    known: str
    likeness: float


class Known:
    """The texts of the product, to be compared by pairs of neighbouring letters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts: list[str] = []
        self._pairs: list[frozenset[str]] = []
        self._exact: dict[str, str] = {}
        self._having: defaultdict[str, list[int]] = defaultdict(list)
        for text in texts:
            plain = fold(text)
            if plain and plain not in self._exact:
                self._exact[plain] = text
                self._add(text, _pairs(plain))

    def _add(self, text: str, pairs: frozenset[str]) -> None:
        for pair in pairs:
            self._having[pair].append(len(self._texts))
        self._texts.append(text)
        self._pairs.append(pairs)

    def doubles(self, rows: Iterable[Row], nearly: float = NEARLY) -> list[Double]:
        """Return the rows that are at least so like a known text, the likest first."""
        found = [double for row in rows if (double := self._double(row)).likeness >= nearly]
        return sorted(found, key=lambda double: -double.likeness)

    def _double(self, row: Row) -> Double:
        plain = fold(row.text)
        if plain in self._exact:
            return Double(row, self._exact[plain], 1.0)
        pairs = _pairs(plain)
        shared = Counter(place for pair in pairs for place in self._having.get(pair, ()))
        best, likeness = "", 0.0
        for place, count in shared.items():
            share = count / (len(pairs) + len(self._pairs[place]) - count)
            if share > likeness:
                # 0.999: only the same letters in the same order are word for word.
                best, likeness = self._texts[place], min(share, 0.999)
        return Double(row, best, likeness)


def shipped_texts(
    documents: Iterable[Document], background: Iterable[str], listed: Iterable[str] = ()
) -> list[str]:
    """Return every way of asking, search word and background message that the search has."""
    asked = [t for d in documents for t in (*d.questions, *d.examples, *d.terms)]
    return [*asked, *background, *listed]


def without(rows: Sequence[Row], doubles: Iterable[Double]) -> list[Row]:
    """Leave out the rows that are word for word in the product."""
    same = {id(double.row) for double in doubles if double.likeness == 1.0}
    return [row for row in rows if id(row) not in same]


def _pairs(plain: str) -> frozenset[str]:
    return frozenset(plain[i : i + 2] for i in range(len(plain) - 1)) or frozenset((plain,))
