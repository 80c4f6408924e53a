"""What a parent meant to type: homophones, slips of one character, and pinyin in letters.

Called by `knowledge.retrieval`. Corrected are only words of the handbook's own questions and search
words, and only where two characters stand side by side that stand so nowhere in the handbook. What
was said always counts too; a correction is one more form of it and is never shown as the parent's.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import rjieba

from knowledge import pinyin
from knowledge.explanation import Rewriting

SHORTEST, LONGEST_WORD = 2, 6
SLIP_FROM = 4  # a word this long is still known with one character missing or too many
MOST = 6  # corrections of one message
READ = 80  # characters of a message that are looked at, from its end: a story has words enough
LEAST_SOUNDED = 3  # syllables: “he” and “ai” alone are no pinyin
MOST_ALIKE = 8  # words of one sound that are tried
LIKELIEST = 4  # words of one sound that are weighed by what stands before them
FITS = 1.5  # how much the frequency of a pair counts beside the words' own
OFTEN = 3  # letters that the handbook uses so often are a word of its own, as “emo”
SELDOM = 2  # a pair that stands so seldom in the handbook may be a slip itself
RARER = 12  # a pair may be a slip where the word it sounds like is so many times more frequent
_CHINESE = re.compile("[\u4e00-\u9fff]+")
_LATIN = re.compile("[a-z]+")
_LETTERS = re.compile(r"[a-z]+(?:[ '’]+[a-z]+)*")
# A slip that adds, drops or swaps one of these changes what is said.
_KEPT = frozenset(
    "不没别无未非勿莫甭唔冇一二三四五六七八九十两半几爸妈爹娘爷奶公婆姥儿女男哥姐弟妹他她我你"
)


@dataclass(slots=True)
class _Node:
    """A step in the tree of sounds: what follows, and the likeliest words that end here."""

    after: dict[str, _Node] = field(default_factory=dict)
    words: list[tuple[float, str]] = field(default_factory=list)


class Speller:
    """
    Corrects messages by the words of a handbook. Built once; may be called from several threads.

    Args:
        phrases: The titles and aliases, normalised: they are segmented into words, and short
            ones are words themselves.
        texts: Everything that is searched, normalised: pairs of characters in it are right.
        terms: Search words and synonyms: words as they are.
    """

    def __init__(
        self, phrases: Iterable[str], texts: Iterable[str], terms: Collection[str] = ()
    ) -> None:
        counts = Counter(_words(phrases))
        counts.update(word for word in terms if _is_word(word))
        self._counts = counts
        self._words = {word for word in counts if len(word) >= SHORTEST}
        self._solid = {
            word for word in self._words if len(word) >= SLIP_FROM and rjieba.has_word(word)
        } | {word for word in terms if _is_word(word) and len(word) >= SLIP_FROM}
        self._pairs: Counter[str] = Counter()
        letters: Counter[str] = Counter()
        for text in texts:
            for run in _CHINESE.findall(text):
                self._pairs.update(a + b for a, b in pairwise(run))
            letters.update(_LATIN.findall(text))
        for word in self._words:
            self._pairs.update(a + b for a, b in pairwise(word))
        self._letters = frozenset(word for word, count in letters.items() if count >= OFTEN)
        self._alike = self._by_sound(self._words, alike=True, kept=MOST_ALIKE)
        self._short = self._by_deletion()
        self._tree = self._by_sound(self._counts, alike=False, kept=LIKELIEST)

    def corrections(self, text: str) -> tuple[Rewriting, ...]:
        """Return the words of a normalised message that were meant otherwise, in their order."""
        found: list[Rewriting] = []
        tail = text[-READ:]
        for match in re.finditer(f"{_CHINESE.pattern}|{_LETTERS.pattern}", tail):
            run = match[0]
            found += self._of_letters(run, tail) if run.isascii() else self._of_signs(run)
        return tuple(found[:MOST])

    @staticmethod
    def apply(text: str, corrections: Iterable[Rewriting]) -> str:
        """Return the text with the corrections made."""
        for correction in corrections:
            text = text.replace(correction.said, correction.read[0])
        return text

    def _of_signs(self, run: str) -> Iterator[Rewriting]:
        """Look at every place where two characters do not belong together: sounds, then slips."""
        counts = [self._pairs[a + b] for a, b in pairwise(run)]
        odd = [place for place, count in enumerate(counts) if count <= SELDOM]
        found: dict[int, tuple[int, Rewriting]] = {}

        def free(place: int) -> bool:
            return not any(start <= place + 1 and place < end for start, (end, _) in found.items())

        if odd:
            sounds = [tuple(map(pinyin.alike, pinyin.readings(char))) for char in run]
            heard = {start: list(self._heard_alike(sounds, start)) for start in _near(odd)}
            for place in odd:
                for start, end, words in _over(place, heard) if free(place) else ():
                    if made := self._sounded(run[start:end], words):
                        found[start] = (end, made)
                        break
        for place in odd:
            for start, end in _spans(place, len(run)) if not counts[place] and free(place) else ():
                if made := self._slipped(run[start:end]):
                    found[start] = (end, made)
                    break
        return (found[start][1] for start in sorted(found))

    def _heard_alike(
        self, sounds: list[tuple[str, ...]], start: int
    ) -> Iterator[tuple[int, list[str]]]:
        """Yield where words end that sound like the characters from a place on, and the words."""
        nodes = [self._alike]
        for end in range(start, len(sounds)):
            nodes = [
                after
                for node in nodes
                for sound in dict.fromkeys(sounds[end])
                if (after := node.after.get(sound))
            ]
            if not nodes:
                return
            if words := [word for node in nodes for _, word in node.words]:
                yield end + 1, words

    def _sounded(self, said: str, words: list[str]) -> Rewriting | None:
        """Return the word that sounds like what was said, if what was said is hardly a word."""
        if said in self._words or rjieba.has_word(said):
            return None
        least = RARER * min(self._pairs[a + b] for a, b in pairwise(said))
        able = [
            word for word in words if self._counts[word] >= least and _may_stand_for(said, word)
        ]
        if not able:
            return None
        return Rewriting("pinyin", said, (max(able, key=lambda word: _same(said, word)),))

    def _slipped(self, said: str) -> Rewriting | None:
        """Return a word with one character more or less, where two stand that never met."""
        if said in self._words or all(self._pairs[a + b] for a, b in pairwise(said)):
            return None
        more = self._short.get(said, ()) if len(said) >= SLIP_FROM - 1 else ()
        less = [word for word in _deletions(said) if word in self._solid]
        words = [word for word in (*more, *less) if _may_stand_for(said, word)]
        return Rewriting("typo", said, (words[0],)) if words else None

    def _of_letters(self, run: str, text: str) -> Iterator[Rewriting]:
        """Read letters as pinyin where all of them are syllables of words that are known."""
        parts = run.replace("'", " ").replace("’", " ").split()
        if sum(part in self._letters for part in parts) * 2 >= len(parts):
            return
        heard = self._hear(parts)
        mixed = _CHINESE.search(text) is not None
        if len(heard) >= (SHORTEST if mixed else LEAST_SOUNDED):
            yield Rewriting("pinyin", run, (heard,))

    def _hear(self, parts: list[str]) -> str:
        """Return the likeliest words that sound like the letters; empty if some are no syllable."""
        letters = "".join(parts)
        ends = {sum(map(len, parts[: count + 1])) for count in range(len(parts))}
        # Of each place and last character the likeliest reading up to there.
        best: list[dict[str, tuple[float, str]]] = [{"": (0.0, "")}]
        best += [{} for _ in letters]
        for start, readings in enumerate(best):
            kept = sorted(readings.values(), reverse=True)[:LIKELIEST]
            for end, word, weight in self._heard_at(letters, start, ends) if kept else ():
                weight, text = max(
                    (score + weight + self._fits(text, word), text + word) for score, text in kept
                )
                if best[end].get(word[-1], (-math.inf, ""))[0] < weight:
                    best[end][word[-1]] = (weight, text)
        return max(best[-1].values(), default=(0.0, ""))[1]

    def _heard_at(
        self, letters: str, start: int, ends: set[int]
    ) -> Iterator[tuple[int, str, float]]:
        """Yield the words that the letters from a place on may be: where they end, their weight."""
        steps = [(start, self._tree)]
        while steps:
            place, node = steps.pop()
            for end in range(place + 1, min(place + 6, len(letters)) + 1):
                after = node.after.get(letters[place:end])
                if after is not None:
                    steps.append((end, after))
                    yield from ((end, word, weight) for weight, word in after.words)
                if end in ends:  # no syllable goes on beyond a space
                    break

    def _fits(self, before: str, word: str) -> float:
        return FITS * math.log1p(self._pairs[before[-1] + word[0]]) if before else 0.0

    def _by_sound(self, words: Iterable[str], *, alike: bool, kept: int) -> _Node:
        """Return the tree of the words' sounds; `kept` words of one sound, the likeliest first."""
        root, total = _Node(), math.log(self._counts.total() or 1)
        weighed = [(math.log(self._counts[word]) - total, word) for word in words]
        for entry in sorted(weighed, reverse=True):
            for sound in pinyin.keys(entry[1]):
                node = root
                for syllable in map(pinyin.alike, sound) if alike else sound:
                    after = node.after.get(syllable)
                    if after is None:
                        after = node.after[syllable] = _Node()
                    node = after
                if node is not root and len(node.words) < kept and entry not in node.words:
                    node.words.append(entry)
        return root

    def _by_deletion(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for word in sorted(self._solid):
            for less in _deletions(word):
                found.setdefault(less, []).append(word)
        return {less: tuple(words) for less, words in found.items()}


def _words(phrases: Iterable[str]) -> Iterator[str]:
    for phrase in phrases:
        for run in _CHINESE.findall(phrase):
            if SHORTEST <= len(run) <= LONGEST_WORD:
                yield run
            yield from (word for word in rjieba.cut(run, False) if _is_word(word))


def _is_word(word: str) -> bool:
    return len(word) <= LONGEST_WORD and _CHINESE.fullmatch(word) is not None


def _near(odd: list[int]) -> list[int]:
    """Return where words may begin that reach over one of the places."""
    return sorted({s for place in odd for s in range(max(0, place - LONGEST_WORD + 2), place + 1)})


def _over(
    place: int, heard: Mapping[int, list[tuple[int, list[str]]]]
) -> list[tuple[int, int, list[str]]]:
    """Return the words heard that hold both characters at a place, longest first."""
    found = [
        (start, end, words)
        for start in range(max(0, place - LONGEST_WORD + 2), place + 1)
        for end, words in heard[start]
        if end > place + 1
    ]
    return sorted(found, key=lambda one: one[0] - one[1])


def _spans(place: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield from where to where a word may reach that holds a pair of characters, longest first."""
    for length in range(LONGEST_WORD + 1, SHORTEST - 1, -1):
        for start in range(max(0, place - length + 2), min(place, size - length) + 1):
            yield start, start + length


def _deletions(word: str) -> Iterator[str]:
    return (word[:place] + word[place + 1 :] for place in range(len(word)))


def _same(said: str, word: str) -> int:
    return sum(a == b for a, b in zip(said, word, strict=False))


def _may_stand_for(said: str, word: str) -> bool:
    """Refuse what turns a meaning round, and homophones of two characters that share neither."""
    changed = set(said) ^ set(word)
    return not changed & _KEPT and (len(word) > SHORTEST or _same(said, word) > 0)
