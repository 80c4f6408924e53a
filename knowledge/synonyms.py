"""Words that parents use for the same thing: the shipped ones and a school's own.

Called where the search is built and by `knowledge.retrieval` for each question. A word found counts
for its whole group, with less weight than the word itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

import ahocorasick_rs

from knowledge.explanation import Rewriting
from knowledge.problems import Problem
from knowledge.text import normalise, words

SHIPPED = Path(__file__).with_name("synonyms.tsv")
MOST_LINES = 5_000
LONGEST = 16
MOST_EXPANSIONS = 24  # of one message, however long
# Excel writes UTF-16 for “Unicode text”, GBK for Chinese CSV; GB 18030 reads both old and new.
_MARKED = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BETWEEN = re.compile("[\t,，、;；]+")


@dataclass(frozen=True)
class Synonyms:
    """
    Groups of words that mean the same; a word belongs to one group at most.

    Args:
        groups: Normalised words, at least two a group, in the order of the file.
        problems: What was wrong with lines that were skipped, in Chinese.
    """

    groups: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = field(default=(), compare=False)

    @classmethod
    def load(cls, school_file: Path | None = None) -> Synonyms:
        """
        Return the shipped groups, and what a school adds to them or switches off.

        Args:
            school_file: Need not exist. Bad lines, and a file that can't be read, are told in
                `problems` and skipped; nothing is raised.
        """
        shipped = _shipped()
        return shipped if school_file is None else shipped.merged(school_file)

    def merged(self, path: Path) -> Synonyms:
        """Return these groups with those of a file; a missing file changes nothing."""
        lines, problems = _read(path)
        making = _Making([list(group) for group in self.groups], path, problems)
        for number, parts in lines:
            making.take(number, parts)
        kept = tuple(tuple(group) for group in making.groups if group)
        return replace(self, groups=kept, problems=(*self.problems, *making.problems))

    @property
    def words(self) -> Iterator[str]:
        """Yield all words of all groups."""
        return (word for group in self.groups for word in group)

    def mentions(self, text: str) -> Iterator[tuple[int, str]]:
        """Yield the group and the word of each place where a normalised text says one."""
        if self.groups:
            owners, engine = self._engine
            for pattern, start, end in engine.find_matches_as_indexes(text):
                yield owners[pattern], text[start:end]

    def found(self, text: str) -> list[tuple[int, str]]:
        """Return the groups that a normalised text speaks of and the word it says, each once."""
        groups: dict[int, str] = {}
        for group, word in self.mentions(text):
            groups.setdefault(group, word)
        return list(groups.items())

    def expand(self, text: str) -> tuple[Rewriting, ...]:
        """Return the words of a normalised text that have others beside them; the last ones win."""
        return tuple(
            Rewriting("synonym", said, tuple(w for w in self.groups[group] if w != said))
            for group, said in self.found(text)[-MOST_EXPANSIONS:]
        )

    @cached_property
    def _engine(self) -> tuple[list[int], ahocorasick_rs.AhoCorasick]:
        owners = [number for number, group in enumerate(self.groups) for _ in group]
        kind = ahocorasick_rs.MatchKind.LeftmostLongest
        return owners, ahocorasick_rs.AhoCorasick(list(self.words), matchkind=kind)


@cache
def _shipped() -> Synonyms:
    return Synonyms().merged(SHIPPED)


class _Making:
    """Takes the lines of a file into groups one by one and notes what is wrong with them."""

    def __init__(self, groups: list[list[str]], path: Path, problems: list[Problem]) -> None:
        self.groups, self.problems, self._path = groups, problems, path
        self._group_of = {word: n for n, group in enumerate(groups) for word in group}
        self._line_of: dict[str, int] = {}

    def take(self, number: int, parts: list[str]) -> None:
        """Add a line's group, add its words to the group that has one of them, or switch off."""
        if parts[0] == words()["synonyms"]["off"]:
            for word in map(normalise, parts[1:]):
                self._switch_off(number, word)
            return
        wanted = list(dict.fromkeys(normalise(part) for part in parts))
        if wrong := next((found for word in wanted if (found := _wrong(word))), None):
            self._tell(wrong[0], number, **wrong[1])
        elif len(wanted) < 2:
            self._tell("few", number)
        else:
            self._add(number, wanted)

    def _add(self, number: int, wanted: list[str]) -> None:
        if again := next((word for word in wanted if word in self._line_of), None):
            self._tell("twice", number, word=again, first=self._line_of[again])
            return
        known = {self._group_of[word]: word for word in wanted if word in self._group_of}
        if len(known) > 1:
            first, second = list(known.values())[:2]
            self._tell("two_groups", number, first=first, second=second)
            return
        place = next(iter(known), len(self.groups))
        if not known:
            self.groups.append([])
        self.groups[place] += [word for word in wanted if word not in self._group_of]
        for word in wanted:
            self._group_of[word], self._line_of[word] = place, number

    def _switch_off(self, number: int, word: str) -> None:
        place = self._group_of.get(word)
        if place is None:
            self._tell("unknown", number, word=word)
            return
        for gone in self.groups[place]:
            del self._group_of[gone]
            self._line_of.pop(gone, None)
        self.groups[place] = []

    def _tell(self, name: str, number: int, **values: object) -> None:
        self.problems.append(_problem(self._path, number, name, **values))


def _wrong(word: str) -> tuple[str, dict[str, object]] | None:
    """Say which sentence tells what is wrong with a word, and what it needs."""
    if any(danger in word for danger in words()["synonyms"]["danger"]):
        return "danger", {"word": word}
    if not any(char.isalnum() for char in word):
        return "letters", {"word": word}
    if len(word) < 2:
        return "short", {"word": word}
    return ("long", {"word": word, "limit": LONGEST}) if len(word) > LONGEST else None


def _problem(path: Path, line: int, name: str, **values: object) -> Problem:
    text = str(words()["synonyms"]["problems"][name]).format(**values)
    return Problem("error", path, line, "", text)


def _read(path: Path) -> tuple[list[tuple[int, list[str]]], list[Problem]]:
    """Return the filled lines with their numbers and parts, whatever program saved the file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [_problem(path, 1, "unreadable", reason=error.strerror or "")]
    text = _decoded(raw)
    if text is None:
        return [], [_problem(path, 1, "encoding")]
    lines = text.splitlines()
    problems = [_problem(path, MOST_LINES + 1, "too_large", limit=MOST_LINES)]
    return list(_parts(lines[:MOST_LINES])), problems if len(lines) > MOST_LINES else []


def _decoded(raw: bytes) -> str | None:
    marked = [encoding for mark, encoding in _MARKED if raw.startswith(mark)]
    for encoding in marked or ["utf-8", "gb18030"]:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else text
    return None


def _parts(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the parts of each line, without the quotation marks and empty cells of a table."""
    for number, line in enumerate(lines, 1):
        cells = (cell.strip().strip('"“”').strip() for cell in _BETWEEN.split(line))
        parts = [cell for cell in cells if cell]
        if parts and not parts[0].startswith("#"):
            yield number, parts
