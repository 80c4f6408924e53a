"""What was read of a file of entries, before it is compared with anything."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.services.handbook_files.words import said
from knowledge.entry import Entry
from knowledge.loader import LARGEST_FILE, Handbook, parse_entry
from knowledge.problems import problem
from knowledge.writer import write_entry

MOST_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a file, or what stands in its place.

    Args:
        number: the row of the sheet, or the place in the text, from 1.
        entry: nothing when it could not be read.
        faults: sentences that keep it out.
        notes: sentences that don't.
    """

    number: int
    entry: Entry | None = None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    empty: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """The rows of a file, or the sentence that says why there are none."""

    rows: Sequence[Row] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()


def row_of(number: int, text: str, *faults: str, notes: tuple[str, ...] = ()) -> Row:
    """Read one entry's text as a row; a text that can't be written back as it is, is a fault."""
    place = Path(f"{number}.md")
    if len(text.encode("utf-8", "replace")) > LARGEST_FILE:
        too_large = problem("too_large", place, size=len(text.encode("utf-8", "replace")))
        return Row(number, None, (*faults, too_large.text), notes)
    entry, problems = parse_entry(text, place)
    found = [*faults, *(f"{p.field}：{p.text}" for p in problems if p.severity == "error")]
    if entry is not None and parse_entry(write_entry(entry), place)[0] != entry:
        found.append(said("row", "cut_off"))
    return Row(number, entry, tuple(found), notes)


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
