"""Compare a file of entries with the handbook: what becomes of each row, before it is written.

Called by `xinqing handbook import`. A row that is refused keeps none of the others out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from bot.services.handbook_files.rows import Read, Row, sentence, taken
from bot.services.handbook_files.words import said, words
from knowledge.check import check_entry, check_handbook
from knowledge.entry import Entry
from knowledge.loader import Handbook
from knowledge.problems import Problem, entry_format
from knowledge.writer import FIELDS, write_entry

NEW, CHANGED, SAME, REFUSED, EMPTY = "new", "changed", "same", "refused", "empty"
# What a change of it alone is no new version: nobody reads these in an answer.
_BOOKKEEPING = frozenset({"version", "reviewers", "written", "next_review"})


@dataclass(frozen=True, slots=True)
class Line:
    """What becomes of a row.

    Args:
        entry: as it will be written, its version raised where the text changed.
        reasons: sentences for a person: why it is refused, or what to look at.
        given_id: as it was written, where there is no entry; so is `given_title`.
    """

    number: int
    state: str
    entry: Entry | None
    reasons: tuple[str, ...] = ()
    given_id: str = ""
    given_title: str = ""

    @property
    def id(self) -> str:
        """The entry's id, as far as it could be read."""
        return self.entry.id if self.entry else self.given_id

    @property
    def title(self) -> str:
        """The entry's title, as far as it could be read."""
        return self.entry.title if self.entry else self.given_title


def make_plan(
    read: Read, handbook: Handbook, known_numbers: Collection[str], today: date
) -> list[Line]:
    """Return one line for every row of a file, in its order."""
    lines = [_line(row, handbook) for row in _without_rivals(read.rows)]
    coming = _coming(lines).values()
    alone = [problem for entry in coming for problem in check_entry(entry, known_numbers, today)]
    lines = _without_refused(lines, alone)
    while True:  # who links to a row that was refused in this round is refused in the next
        problems = check_handbook(_whole(handbook, lines), known_numbers, today)
        left = _without_refused(lines, problems)
        if left == lines:
            found = _by_file(problems)
            return [_judged(line, found) for line in lines]
        lines = left


def _coming(lines: Sequence[Line]) -> dict[str, Entry]:
    return {line.id: line.entry for line in lines if line.entry and line.state in (NEW, CHANGED)}


def _whole(handbook: Handbook, lines: Sequence[Line]) -> Handbook:
    """Return the handbook as it would be; what comes in stands last, so that a clash is its own."""
    coming = _coming(lines)
    staying = {name: entry for name, entry in handbook.entries.items() if name not in coming}
    return Handbook({**staying, **coming})


def _by_file(problems: Sequence[Problem]) -> dict[Path, list[tuple[bool, str]]]:
    found: dict[Path, list[tuple[bool, str]]] = {}
    for problem in problems:
        found.setdefault(problem.file, []).append((problem.severity == "error", sentence(problem)))
    return found


def _without_refused(lines: Sequence[Line], problems: Sequence[Problem]) -> list[Line]:
    """Refuse the lines that have errors; leave the others as they are."""
    found = _by_file(problems)
    judged = [_judged(line, found) for line in lines]
    pairs = zip(lines, judged, strict=True)
    return [after if after.state == REFUSED else before for before, after in pairs]


def _without_rivals(rows: Sequence[Row]) -> list[Row]:
    """Refuse rows that say different things under one id, and the second of two alike."""
    places: dict[str, list[Row]] = {}
    for row in rows:
        if row.entry:
            places.setdefault(row.entry.id, []).append(row)
    return [_without_rival(row, places) for row in rows]


def _without_rival(row: Row, places: Mapping[str, list[Row]]) -> Row:
    if row.entry is None:
        return row
    others = [other for other in places[row.entry.id] if other.number != row.number]
    rivals = [other for other in others if not _alike(other.entry, row.entry)]
    if rivals:
        fault = said("row", "contradiction", other=rivals[0].number)
        return replace(row, faults=(*row.faults, fault))
    if others and others[0].number < row.number:
        return replace(row, faults=(*row.faults, said("row", "same_row", other=others[0].number)))
    return row


def _alike(one: Entry | None, other: Entry | None) -> bool:
    return one is not None and other is not None and write_entry(one) == write_entry(other)


def _line(row: Row, handbook: Handbook) -> Line:
    if row.entry is None or row.faults:
        state = EMPTY if row.empty else REFUSED
        reasons = (*row.faults, *row.notes)
        return Line(row.number, state, row.entry, reasons, row.id, row.title)
    before = handbook.entries.get(row.entry.id)
    if before is None:
        if row.entry.id in taken(handbook):
            fault = said("row", "unread_file", id=row.entry.id)
            return Line(row.number, REFUSED, row.entry, (fault, *row.notes))
        return Line(row.number, NEW, row.entry, row.notes)
    # A file that is read a second time still has the version it went out with.
    version = max(row.entry.version, before.version)
    entry = replace(row.entry, version=version, path=before.path)
    if write_entry(before) == write_entry(entry):
        return Line(row.number, SAME, before, row.notes)
    entry, notes = _raised(entry, before)
    if row.entry.version < before.version:
        notes.append(said("row", "older", old=row.entry.version, now=before.version))
    return Line(row.number, CHANGED, entry, (*row.notes, *notes))


def _raised(entry: Entry, before: Entry) -> tuple[Entry, list[str]]:
    """Return a changed entry under its next version, unsigned, and what is said of that."""
    parts = _changed_parts(entry, before)
    notes = [said("row", "changed_parts", parts="、".join(parts))]
    if not set(parts) - {words()["columns"][key] for key in _BOOKKEEPING}:
        return entry, notes
    version = max(entry.version, before.version + 1)
    if version != entry.version:
        notes.append(said("row", "raised", old=entry.version, new=version))
    if before.reviewers and entry.reviewers == before.reviewers:
        notes.append(said("row", "signature_gone"))
        entry = replace(entry, reviewers=())
    return replace(entry, version=version), notes


def _changed_parts(entry: Entry, before: Entry) -> list[str]:
    fields = [key for key in FIELDS if getattr(entry, key) != getattr(before, key)]
    headings = [section["heading"] for section in entry_format()["sections"]]
    sections = [h for h in headings if entry.sections.get(h) != before.sections.get(h)]
    return [*(words()["columns"][key] for key in fields), *sections]


def _judged(line: Line, found: Mapping[Path, list[tuple[bool, str]]]) -> Line:
    """Add what the check says of a row that would be written."""
    if line.entry is None or line.state not in (NEW, CHANGED):
        return line
    said_of_it = found.get(line.entry.path, [])
    state = REFUSED if any(is_error for is_error, _ in said_of_it) else line.state
    reasons = (*(text for _, text in said_of_it), *line.reasons)
    return replace(line, state=state, reasons=reasons)


def write_plan(lines: Sequence[Line], folder: Path) -> int:
    """Write what is new or changed into the handbook's folder; return how many files."""
    count = 0
    for line in lines:
        if line.entry is None or line.state not in (NEW, CHANGED):
            continue
        target = folder / line.entry.topic / f"{line.entry.id}.md"
        if line.state == CHANGED and line.entry.path.is_relative_to(folder):
            target = line.entry.path  # wherever it stands: a second file with its id would rival it
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_text(write_entry(line.entry), encoding="utf-8")
        part.replace(target)
        count += 1
    return count
