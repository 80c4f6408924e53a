"""The handbook as an Excel sheet: one row an entry, one column a field or a section."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font

from bot.services.excel import BROKEN, cell_text, merged_rows, packed, refused
from bot.services.handbook_files.rows import MOST_ROWS, Numbering, Read, Row, row_of
from bot.services.handbook_files.words import said, words
from knowledge.entry import Entry
from knowledge.outline import topics
from knowledge.problems import entry_format
from knowledge.writer import FIELDS, write_fields

HEADER_ROWS, MOST_COLUMNS = 10, 60
# Lists; the others are one text. Several in one cell stand on lines of their own.
LISTS = ("stages", "audience", "covers", "aliases", "related", "courses", "reviewers")
_NEEDED = ("title", "topic", "stages", "audience", "aliases")
_BEFORE, _AFTER = FIELDS[:9], (*FIELDS[9:], "state")
_WIDE, _NARROW = 42, 11


def export(entries: Iterable[Entry]) -> bytes:
    """Return the entries as the bytes of an .xlsx file."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(words()["sheet"]["name"])
    sheet.freeze_panes = "C2"
    for number, name in enumerate(columns().values(), 1):
        letter = chr(64 + number) if number <= 26 else f"A{chr(64 + number - 26)}"
        sections = name in _headings() or name in (_name("aliases"), _name("title"))
        sheet.column_dimensions[letter].width = _WIDE if sections else _NARROW
    sheet.append([cell(sheet, name, bold=True) for name in columns().values()])
    for entry in entries:
        sheet.append([cell(sheet, value(entry, key)) for key in columns()])
    help_sheet = book.create_sheet(words()["sheet"]["help"])
    for line in words()["sheet"]["help_lines"]:
        help_sheet.append([line])
    return packed(book)


def columns() -> dict[str, str]:
    """Return the columns' names by field or heading, in their order."""
    names = {key: _name(key) for key in _BEFORE}
    return names | {name: name for name in _headings()} | {key: _name(key) for key in _AFTER}


def _headings() -> list[str]:
    return [section["heading"] for section in entry_format()["sections"]]


def _name(key: str) -> str:
    return str(words()["columns"][key])


def value(entry: Entry, key: str) -> str:
    """Return what stands in the column of a field or heading."""
    if key in _headings():
        return entry.sections.get(key, "")
    found = getattr(entry, key)
    return "\n".join(found) if isinstance(found, tuple) else str(found)


def cell(sheet: Any, value: str, *, bold: bool = False) -> Any:
    """Return a cell that is text, whatever it begins with."""
    made = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value))
    made.data_type = "s"
    made.alignment = Alignment(wrap_text=True, vertical="top")
    if bold:
        made.font = Font(bold=True)
    return made


def read(content: bytes, taken: Iterable[str] = ()) -> Read:
    """Return the rows of a file's first sheet with a header, or why there are none.

    Args:
        taken: ids that a row without one may not get.
    """
    problem = refused(content)
    if problem:
        return Read(problem=said("file", problem))
    try:
        return _read(content, taken)
    except BROKEN:
        return Read(problem=said("file", "broken"))


def _read(content: bytes, taken: Iterable[str]) -> Read:
    book = load_workbook(BytesIO(content), read_only=True, keep_links=False)
    try:
        found = Read(problem=said("file", "no_header"))
        for sheet in book.worksheets[:5]:
            merged = merged_rows(content, sheet, MOST_ROWS + HEADER_ROWS)
            rows = sheet.iter_rows(max_row=MOST_ROWS + HEADER_ROWS + 1, max_col=MOST_COLUMNS)
            found = _rows(enumerate(rows, 1), merged, taken)
            if found.problem != said("file", "no_header"):
                return found
        return found
    finally:
        book.close()


def _rows(
    cells: Iterator[tuple[int, Sequence[Any]]], merged: frozenset[int], taken: Iterable[str]
) -> Read:
    for number, row in cells:
        names = [cell_text(cell.value).strip() for cell in row]
        known = {name: key for key, name in columns().items()}
        if _name("title") in names or _name("id") in names:
            problem = _header_fault([name for name in names if name in known])
            if problem:
                return Read(problem=problem)
            notes = [said("row", "unknown_column", column=n) for n in names if n and n not in known]
            fields = {index: known[name] for index, name in enumerate(names) if name in known}
            return _counted(_all(list(cells), fields, merged, taken), tuple(notes))
        if number >= HEADER_ROWS:
            break
    return Read(problem=said("file", "no_header"))


def _header_fault(names: list[str]) -> str:
    if len(set(names)) < len(names):
        return said("file", "header_twice")
    needed = [*(_name(key) for key in _NEEDED), *_headings()]
    missing = [name for name in needed if name not in names]
    return said("file", "missing_columns", names="、".join(missing)) if missing else ""


def _counted(rows: tuple[Row, ...], notes: tuple[str, ...]) -> Read:
    while rows and rows[-1].empty:  # borders drawn down to the last line
        rows = rows[:-1]
    if not rows:
        return Read(problem=said("file", "no_rows"))
    if len(rows) > MOST_ROWS:
        return Read(problem=said("file", "too_many", most=MOST_ROWS))
    return Read(rows, notes=notes)


def _all(
    cells: Sequence[tuple[int, Sequence[Any]]],
    fields: Mapping[int, str],
    merged: frozenset[int],
    taken: Iterable[str],
) -> tuple[Row, ...]:
    rows = [(number, row, _values(row, fields)) for number, row in cells]
    numbering = Numbering((*taken, *(values.get("id", "") for _, _, values in rows)))
    found = []
    for number, row, values in rows:
        faults = [said("row", "merged")] if number in merged else []
        faults += [
            said("row", "formula", column=words()["columns"].get(key, key))
            for index, key in fields.items()
            if index < len(row) and row[index].data_type == "f"
        ]
        found.append(_row(number, values, faults, numbering))
    return tuple(found)


def _values(cells: Sequence[Any], fields: Mapping[int, str]) -> dict[str, str]:
    return {
        key: cell_text(cells[index].value).strip()
        for index, key in fields.items()
        if index < len(cells)
    }


def _row(
    number: int, values: Mapping[str, str], faults: Sequence[str], numbering: Numbering
) -> Row:
    if not any(values.values()):
        return Row(number, faults=(said("row", "empty"),), empty=True)
    topic = values.get("topic", "")
    if values.get("id"):
        return _read_row(number, values, faults)
    if topic not in topics():  # without a topic there is no number to give: that is the fault
        told = [said("row", "no_topic", topic=topic[:20])] if topic else []
        return _read_row(number, values, [*faults, *told], unsaid=("id",))
    found = numbering.next(topic)
    if not found:
        told = [*faults, said("row", "topic_full")]
        return Row(number, faults=tuple(told), title=values.get("title", ""))
    notes = (said("row", "numbered", id=found),)
    return _read_row(number, {**values, "id": found}, faults, notes=notes)


def _read_row(
    number: int,
    values: Mapping[str, str],
    faults: Sequence[str],
    *,
    notes: tuple[str, ...] = (),
    unsaid: Collection[str] = (),
) -> Row:
    sections = {name: values.get(name, "") for name in _headings()}
    text = write_fields(_fields(values), sections)
    row = row_of(number, text, *faults, notes=notes, unsaid=unsaid)
    return replace(row, id=values.get("id", ""), title=values.get("title", ""))


def _fields(values: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    """Return the front matter; what a new entry may leave out gets its usual value."""
    usual = {"version": "1", "reviewers": ""}
    fields: dict[str, str | Sequence[str]] = {}
    for key in FIELDS:
        text = values.get(key, "") or usual.get(key, "")
        # Only these end a line of a cell; blanks inside a line are the writer's own.
        lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
        fields[key] = lines if key in LISTS else " ".join(lines)
    return fields
