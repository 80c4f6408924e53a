"""Messages that are a way of asking word for word, or sound the same as one.

Called by `knowledge.retrieval` before anything is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knowledge import pinyin
from knowledge.explanation import Means
from knowledge.passages import Document
from knowledge.text import fold, letters, normalise, without_courtesies

SAME, SOUNDS_SAME = 1.0, 0.95
LEAST_SOUNDS = 4  # characters: shorter ones sound like too much else
LONGEST_SOUNDS = 60
FEWEST_SPELLED = 2  # written in letters (zaolian) a short search word is as clear as a longer one
LONGEST = 500  # no way of asking is longer; folding a pasted book would take long


@dataclass(frozen=True)
class Match:
    """
    A document one of whose ways of asking a message is.

    Args:
        score: 1 word for word, less if it only sounds so.
        why: The codes of `Hit`.
    """

    document: int
    score: float
    why: tuple[str, ...]


class ExactMatches:
    """Look up whole messages among the titles, aliases and search words of documents."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._found: dict[str, Match] = {}
        self._sounds: dict[str, int | None] = {}
        self._spelled: dict[str, int | None] = {}
        for owner, document in enumerate(documents):
            self._add(owner, document.questions[:1], ("exact",))
            self._add(owner, document.terms, ("exact",))
        for owner, document in enumerate(documents):
            self._add(owner, document.questions[1:], ("exact", "alias"))

    def _add(self, owner: int, texts: Iterable[str], why: tuple[str, ...]) -> None:
        match = Match(owner, SAME, why)
        for text in texts:
            plain = normalise(text)
            for form in {letters(plain), letters(without_courtesies(plain))}:
                if form:
                    self._found.setdefault(form, match)
                    self._add_sound(owner, form)

    def _add_sound(self, owner: int, form: str) -> None:
        """Keep what a way of asking sounds like, unless another document's sounds the same."""
        if LEAST_SOUNDS <= len(form) <= LONGEST_SOUNDS:
            sound = pinyin.key(form)
            _keep(self._sounds, sound, owner)
        elif FEWEST_SPELLED <= len(form) < LEAST_SOUNDS and not form.isascii():
            for spelled in pinyin.keys(form):
                _keep(self._spelled, "".join(spelled), owner)

    def find(self, said: Iterable[str], meant: str, means: Means) -> Match | None:
        """
        Return the document that a message asks for word for word, or else by its sound.

        Args:
            said: The message as it came, and normalised.
            meant: The message as it may have been meant.
            means: How one came from what was said to what was meant.
        """
        short = dict.fromkeys(text for text in said if len(text) <= LONGEST)
        forms = [form for text in short if (form := fold(text))]
        for form in forms:
            if form in self._found:
                return self._found[form]
        known = None if meant in short else self._found.get(fold(meant[:LONGEST]))
        if known is not None:
            return Match(known.document, SOUNDS_SAME, (means,))
        for form in forms:
            owner = self._spelled.get(form)
            if owner is not None:
                return Match(owner, SOUNDS_SAME, ("pinyin",))
            if LEAST_SOUNDS <= len(form) <= LONGEST_SOUNDS:
                owner = self._sounds.get(pinyin.key(form))
                if owner is not None:
                    return Match(owner, SOUNDS_SAME, ("pinyin",))
        return None


def _keep(found: dict[str, int | None], sound: str, owner: int) -> None:
    """Keep whose a sound is, and that it is nobody's where two documents sound the same."""
    known = found.setdefault(sound, owner)
    if known != owner:
        found[sound] = None
