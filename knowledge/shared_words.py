"""What a question and a document have in common by their words: said, meant and synonymous.

Called by `knowledge.retrieval`. Characters and pairs (`knowledge.lexical`) carry most; a group of
synonyms counts less than the words said, and a corrected form less than one that needed none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from knowledge.explanation import Means, Rewriting, SharedPiece
from knowledge.lexical import B_TOLD, LexicalIndex, Scores, grams
from knowledge.spelling import Speller
from knowledge.synonyms import Synonyms

# Of a group that a document names in other words only: as much as one rare character, where a word
# said counts its two characters and their pair. Measured in docs/search.md.
SYNONYM_WEIGHT = 1.0
CORRECTED_WEIGHT = 0.9
SATURATION = 1.2
MOST_SHARED = 12
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Wording:
    """
    A message's forms, as said and as they may have been meant.

    Args:
        said: The forms; at least one.
        meant: The same with corrections; equal where nothing was corrected.
        corrections: What was corrected.
        synonyms: Words of the forms that belong to a group.
        unknown: Some of them no document uses; `meant` has the word that most use.
    """

    said: tuple[str, ...]
    meant: tuple[str, ...]
    corrections: tuple[Rewriting, ...] = ()
    synonyms: tuple[Rewriting, ...] = ()
    unknown: bool = False

    @property
    def means(self) -> Means:
        """How what was meant was found."""
        return self.corrections[0].means if self.corrections else "synonym"

    @property
    def compared(self) -> tuple[str, ...]:
        """What the encoder is given: as said, but as meant where letters are read as pinyin."""
        sounded = any(one.said.isascii() for one in self.corrections)
        return self.meant if sounded or self.unknown else self.said


class SharedWords:
    """
    Score every document against a message by words; safe to call from several threads.

    Args:
        texts: One a document, normalised.
        speller: None corrects nothing.
        b: BM25's weight of a text's length.
    """

    def __init__(
        self,
        texts: Sequence[str],
        synonyms: Synonyms,
        speller: Speller | None,
        b: float = B_TOLD,
    ) -> None:
        self._texts = texts
        self._lexical = LexicalIndex(texts, b)
        self._synonyms = synonyms
        self._speller = speller
        self._groups, self._rows = _weigh(texts, synonyms)

    def wording(self, forms: Sequence[str]) -> Wording:
        """Return the forms with what was meant by them."""
        said = tuple(forms)
        corrections = () if self._speller is None else self._speller.corrections(said[0])
        meant = tuple(Speller.apply(form, corrections) for form in said)
        synonyms = self._synonyms.expand(meant[0])
        usual = tuple(found for one in synonyms if (found := self._usual(one)))
        meant = tuple(Speller.apply(form, usual) for form in meant)
        return Wording(said, meant, corrections, synonyms, unknown=bool(usual))

    def _usual(self, found: Rewriting) -> Rewriting | None:
        """Return the word that documents use most for one that none of them uses."""
        if len(self._rows.get(found.said, ())):
            return None
        often = max(found.read, key=lambda word: len(self._rows.get(word, ())))
        known = len(self._rows.get(often, ()))
        return Rewriting("synonym", found.said, (often,)) if known else None

    def scores(self, wording: Wording) -> tuple[Scores, list[float]]:
        """
        Return per document the mean over the forms, as a share of what a perfect match has.

        Beside it per form the most that a document shares with it, in BM25's own measure: how much
        of it the documents know.
        """
        pairs = zip(wording.said, wording.meant, strict=True)
        rows, known = zip(*(self._score(*pair) for pair in pairs), strict=True)
        return np.asarray(np.mean(rows, axis=0), np.float32), list(known)

    def _score(self, said: str, meant: str) -> tuple[Scores, float]:
        shared = self._lexical.scores(said)
        ceiling = self._lexical.ceiling(said)
        row = shared / ceiling
        if meant != said:
            ceiling = self._lexical.ceiling(meant)
            row = np.maximum(row, CORRECTED_WEIGHT * self._lexical.scores(meant) / ceiling)
        for group, word in self._synonyms.found(meant):
            rows, weights = self._others(group, word)
            row[rows] += SYNONYM_WEIGHT * weights / ceiling
        return np.asarray(row, np.float32), float(shared.max(initial=0.0))

    def _others(self, group: int, word: str) -> tuple[Rows, Scores]:
        """Return the documents that say it in other words only, and how much that tells."""
        rows, weights = self._groups.get(group, _NOTHING)
        others = ~np.isin(rows, self._rows.get(word, _NOTHING[0]))
        return rows[others], weights[others]

    def reasons(self, wording: Wording, document: int) -> tuple[str, ...]:
        """Return which of synonym, pinyin and typo brought this document nearer."""
        text = self._texts[document]
        found = [
            correction.means
            for correction in wording.corrections
            if not _all_pairs(correction.said, text) and _any_pair(correction.read[0], text)
        ]
        if any(
            one.said not in text and any(w in text for w in one.read) for one in wording.synonyms
        ):
            found.append("synonym")
        return tuple(dict.fromkeys(found))

    def shared(self, wording: Wording, document: int) -> tuple[SharedPiece, ...]:
        """Return what message and document have in common, heaviest first."""
        text = self._texts[document]
        known = set(grams(text))
        weigh: Callable[[str], float] = self._lexical.ceiling
        said = dict.fromkeys(gram for form in wording.meant for gram in grams(form))
        pieces = {gram: _weight(gram, weigh) for gram in said if gram in known}
        for form in wording.meant:
            for group, word in self._synonyms.found(form):
                rows, weights = self._others(group, word)
                here = np.flatnonzero(rows == document)
                if len(here):
                    added = SYNONYM_WEIGHT * float(weights[here[0]])
                    pieces[word] = pieces.get(word, 0.0) + added
        heaviest = sorted(pieces.items(), key=lambda piece: -piece[1])[:MOST_SHARED]
        return tuple(SharedPiece(text, round(weight, 2)) for text, weight in heaviest)


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.float32))


def _weigh(
    texts: Sequence[str], synonyms: Synonyms
) -> tuple[dict[int, tuple[Rows, Scores]], dict[str, Rows]]:
    """Return per group the documents that speak of it and how much that tells; and per word."""
    times: dict[int, dict[int, int]] = {}
    said: dict[str, dict[int, None]] = {}
    for row, text in enumerate(texts):
        for group, word in synonyms.mentions(text):
            rows = times.setdefault(group, {})
            rows[row] = rows.get(row, 0) + 1
            said.setdefault(word, {})[row] = None
    groups = {}
    for group, rows in times.items():
        rarity = np.log1p((len(texts) - len(rows) + 0.5) / (len(rows) + 0.5))
        often = np.fromiter(rows.values(), np.float32)
        weights = (rarity * often / (often + SATURATION)).astype(np.float32)
        groups[group] = (np.fromiter(rows, np.int64), weights)
    return groups, {word: np.fromiter(rows, np.int64) for word, rows in said.items()}


def _weight(gram: str, ceiling: Callable[[str], float]) -> float:
    """Return one gram's weight; a pair's ceiling holds its two characters too."""
    singles = sum(ceiling(char) for char in dict.fromkeys(gram)) if len(gram) > 1 else 0.0
    return ceiling(gram) - singles


def _pairs(text: str) -> list[str]:
    return [a + b for a, b in pairwise(text)]


def _any_pair(word: str, text: str) -> bool:
    return any(pair in text for pair in _pairs(word))


def _all_pairs(word: str, text: str) -> bool:
    return all(pair in text for pair in _pairs(word))
