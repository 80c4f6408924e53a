"""What was read of a file of entries, before it is compared with anything."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.services.handbook_files.words import said, words
from knowledge.entry import Entry
from knowledge.loader import LARGEST_FILE, Handbook, parse_entry
from knowledge.problems import Problem, problem
from knowledge.writer import write_entry

MOST_ROWS = 5_000
# Where a head stands that nobody could read, and how much of a line of it is shown.
HEAD, LONGEST_GIVEN = 4_000, 80


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a file, or what stands in its place.

    Args:
        number: the row of the sheet, or the place in the text, from 1.
        entry: nothing when it could not be read.
        faults: sentences that keep it out.
        notes: sentences that don't.
        id: as it was written, also where the rest could not be read; so is `title`.
    """

    number: int
    entry: Entry | None = None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    empty: bool = False
    id: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """The rows of a file, or the sentence that says why there are none."""

    rows: Sequence[Row] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()


def row_of(
    number: int,
    text: str,
    *faults: str,
    notes: tuple[str, ...] = (),
    unsaid: Collection[str] = (),
) -> Row:
    """Read one entry's text as a row; a text that can't be written back as it is, is a fault.

    Args:
        unsaid: fields of which nothing is said, because `faults` say it.
    """
    place = Path(f"{number}.md")
    id_, title = _given(text, "id"), _given(text, "title")
    if len(text.encode("utf-8", "replace")) > LARGEST_FILE:
        too_large = problem("too_large", place, size=len(text.encode("utf-8", "replace")))
        return Row(number, None, (*faults, too_large.text), notes, id=id_, title=title)
    entry, problems = parse_entry(text, place)
    errors = [p for p in problems if p.severity == "error" and p.field not in unsaid]
    found = [*faults, *map(sentence, errors)]
    if entry is not None and parse_entry(write_entry(entry), place)[0] != entry:
        found.append(said("row", "cut_off"))
    return Row(number, entry, tuple(found), notes, id=id_, title=title)


def sentence(found: Problem) -> str:
    """Return what is wrong as people read it: by the sheet's own names, and no name twice."""
    name = str(words()["columns"].get(found.field, found.field))
    text = found.text.replace(f"“{found.field}”", f"“{name}”")
    return text if text.startswith(name) or f"“{name}”" in text else f"{name}：{text}"


def _given(text: str, key: str) -> str:
    """Return a line of a text's head, though the head as a whole may not be readable."""
    found = re.search(rf"^{key}[ \t]*:[ \t]*([^\n]*)$", text[:HEAD], re.M)
    return found[1].strip().strip("\"'").strip()[:LONGEST_GIVEN] if found else ""


def taken(handbook: Handbook) -> frozenset[str]:
    """Return what no new entry may be called: ids, and names of files that could not be read."""
    return frozenset((*handbook.entries, *(problem.file.stem for problem in handbook.problems)))


class Numbering:
    """Gives new entries the next free number of their topic.

    Args:
        taken: ids that are in use.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def next(self, topic: str) -> str:
        """Return a free id and keep it; empty when the topic's 999 are in use."""
        numbers = (f"{topic}-{number:02d}" for number in range(1, 1000))
        found = next((name for name in numbers if name not in self._taken), "")
        self._taken.add(found)
        return found
