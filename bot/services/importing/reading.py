"""Read an Excel file into rows, within limits: size, unpacked size, rows, columns.

Called by `batches` in a worker thread. Nothing is evaluated or fetched: a formula is a code on its
row, links to other files are not followed, macros are never looked at.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font

from bot.services.excel import BROKEN, cell_text, merged_rows, packed, refused
from bot.services.importing.rows import MOST_GUARDIANS, MOST_ROWS, Raw, Read
from bot.services.importing.words import header, words

HEADER_ROWS, MOST_COLUMNS, CELL_LENGTH = 10, 60, 200
# Blank rows at the end are common where somebody drew borders down to the last line.
MOST_SHEET_ROWS = MOST_ROWS + 20_000
_ALONE = frozenset({"child"})


@dataclass(frozen=True, slots=True)
class _Columns:
    """The field of each column, and the relation of guardians whose columns name it.

    Args:
        further: columns of guardians after the last one that is taken.
    """

    fields: Mapping[int, str]
    relations: Mapping[int, str]
    twice: bool
    further: frozenset[int]


def read_excel(content: bytes, *, class_known: bool = False) -> Read:
    """Return the rows of a file's first sheet that has a header, or why there are none.

    Args:
        class_known: the file is for one class, so it needs no column for it.
    """
    problem = refused(content)
    if problem:
        return Read(problem=problem)
    try:
        return _read(content, class_known)
    except BROKEN:
        return Read(problem="broken")


def _read(content: bytes, class_known: bool) -> Read:
    book = load_workbook(BytesIO(content), read_only=True, data_only=False, keep_links=False)
    try:
        problem = "empty"
        for sheet in book.worksheets[:5]:
            merged = merged_rows(content, sheet, MOST_SHEET_ROWS)
            cells = sheet.iter_rows(max_row=MOST_SHEET_ROWS, max_col=MOST_COLUMNS)
            found = _rows(cells, merged, class_known)
            if found.problem not in ("empty", "no_header"):
                return found
            problem = "no_header" if "no_header" in (problem, found.problem) else problem
        return Read(problem=problem)
    finally:
        book.close()


def _rows(cells: Iterator[Sequence[Any]], merged: frozenset[int], class_known: bool) -> Read:
    columns: _Columns | None = None
    rows: list[Raw] = []
    something = False
    for number, row in enumerate(cells, 1):
        values = [_text(cell.value) for cell in row]
        if not any(values):
            continue
        something = True
        if columns is None:
            columns = _columns(values, class_known)
            if columns is None and number >= HEADER_ROWS:
                break
            if columns is not None and columns.twice:
                return Read(problem="header_twice")
            continue
        if any(values[index] for index in columns.fields if index < len(values)):
            rows.append(_raw(number, row, values, columns, merged))
            if len(rows) > MOST_ROWS:
                return Read(problem="too_many")
    if columns is None:
        return Read(problem="no_header" if something else "empty")
    return Read(tuple(rows)) if rows else Read(problem="no_rows")


def _raw(
    number: int,
    row: Sequence[Any],
    values: Sequence[str],
    columns: _Columns,
    merged: frozenset[int],
) -> Raw:
    data: dict[str, str] = {}
    codes: list[str] = ["merged"] if number in merged else []
    if any(values[index] for index in columns.further if index < len(values)):
        codes.append("more_guardians")
    for index, name in columns.fields.items():
        if index >= len(row):
            continue
        if row[index].data_type == "f":
            codes.append("formula")
        elif values[index]:
            data[name] = values[index]
    for guardian, relation in columns.relations.items():
        if f"g{guardian}_name" in data:
            data[f"g{guardian}_relation"] = relation
    return Raw(number, data, tuple(dict.fromkeys(codes)))


def _columns(values: Sequence[str], class_known: bool) -> _Columns | None:
    """Return the columns of a header; None: this row is none.

    Guardians are numbered by what the header says, or in the order of their columns.
    """
    fields: dict[int, str] = {}
    named: dict[str, int] = {}
    counts: dict[str, int] = {}
    twice, further = False, set[int]()
    for index, value in enumerate(values):
        known = header(value) if value else None
        if known is None:
            continue
        name, relation, number = known
        if name in ("guardian_name", "relation", "phone"):
            part = name.removeprefix("guardian_")
            if relation:
                number = named.setdefault(relation, 1 + len(named))
            elif not number:
                number = counts[part] = counts.get(part, 0) + 1
            if number > MOST_GUARDIANS:
                further.add(index)
                continue
            name = f"g{number}_{part}"
        twice = twice or name in fields.values()
        fields[index] = name
    found = set(fields.values())
    if "child" not in found or not (found & {"class", "grade"} or (class_known and found - _ALONE)):
        return None
    relations = {number: relation for relation, number in named.items()}
    return _Columns(fields, relations, twice, frozenset(further))


def _text(value: object) -> str:
    return " ".join(cell_text(value).split())[:CELL_LENGTH]


def template() -> bytes:
    """Return the Excel file to fill in."""
    text = words()["template"]
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = text["sheet"]
    _write(sheet, [text["columns"]])
    help_sheet = book.create_sheet(text["help_sheet"])
    for line in text["help"]:
        help_sheet.append([line])
    help_sheet.column_dimensions["A"].width = 90
    return packed(book)


def _write(sheet: Any, rows: Iterable[Sequence[str]]) -> None:
    for row in rows:
        sheet.append(row)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[cell.column_letter].width = 14
    # Text, so that Excel makes no 1.38E+10 of a phone.
    for column in sheet.iter_cols(min_row=1, max_row=1):
        sheet.column_dimensions[column[0].column_letter].number_format = "@"
    sheet.freeze_panes = "A2"
