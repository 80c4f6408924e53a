"""Read an Excel file into rows, within limits: size, unpacked size, rows, columns.

Called by `batches` in a worker thread. Nothing is evaluated or fetched: a formula is a code on its
row, links to other files are not followed, macros are never looked at.
"""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font
from openpyxl.utils import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from bot.core.privacy import clean
from bot.services.importing.rows import MOST_GUARDIANS, MOST_ROWS, Raw, Read
from bot.services.importing.words import header, words

FILE_BYTES = 20 * 1024 * 1024
UNPACKED_BYTES, SHARED_BYTES, MOST_PARTS = 300 * 1024 * 1024, 64 * 1024 * 1024, 500
HEADER_ROWS, MOST_COLUMNS, CELL_LENGTH = 10, 60, 200
# Blank rows at the end are common where somebody drew borders down to the last line.
MOST_SHEET_ROWS = MOST_ROWS + 20_000
_ALONE = frozenset({"child"})
_MERGE = re.compile(rb'<mergeCell\b[^>]*\bref="([A-Z0-9:]{2,30})"')
_BROKEN = (
    KeyError,
    ValueError,
    IndexError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    ParseError,
    DefusedXmlException,
    zipfile.BadZipFile,
    InvalidFileException,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class _Columns:
    """The field of each column, and the relation of guardians whose columns name it."""

    fields: Mapping[int, str]
    relations: Mapping[int, str]
    twice: bool


def read_excel(content: bytes, *, class_known: bool = False) -> Read:
    """Return the rows of a file's first sheet that has a header, or why there are none.

    Args:
        class_known: the file is for one class, so it needs no column for it.
    """
    if not content.strip(b"\0 \r\n\t"):
        return Read(problem="empty")
    if len(content) > FILE_BYTES:
        return Read(problem="too_big")
    if not content.startswith(b"PK"):
        return Read(problem="not_xlsx")
    try:
        problem = _packed_wrongly(content)
        return Read(problem=problem) if problem else _read(content, class_known)
    except _BROKEN:
        return Read(problem="broken")


def _packed_wrongly(content: bytes) -> str:
    with zipfile.ZipFile(BytesIO(content)) as packed:
        parts = packed.infolist()
    if not any(part.filename.startswith("xl/") for part in parts):
        return "not_xlsx"
    shared = sum(part.file_size for part in parts if "sharedStrings" in part.filename)
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > UNPACKED_BYTES or shared > SHARED_BYTES:
        return "bomb"
    return ""


def _read(content: bytes, class_known: bool) -> Read:
    book = load_workbook(BytesIO(content), read_only=True, data_only=False, keep_links=False)
    try:
        problem = "empty"
        for sheet in book.worksheets[:5]:
            merged = _merged_rows(content, str(getattr(sheet, "_worksheet_path", "")))
            cells = sheet.iter_rows(max_row=MOST_SHEET_ROWS, max_col=MOST_COLUMNS)
            found = _rows(cells, merged, class_known)
            if found.problem not in ("empty", "no_header"):
                return found
            problem = "no_header" if "no_header" in (problem, found.problem) else problem
        return Read(problem=problem)
    finally:
        book.close()


def _merged_rows(content: bytes, path: str) -> frozenset[int]:
    """Return the rows that merged cells touch; the reading mode of openpyxl doesn't say."""
    rows: set[int] = set()
    with zipfile.ZipFile(BytesIO(content)) as packed:
        name = path.lstrip("/")
        if name not in packed.namelist():
            return frozenset()
        with packed.open(name) as part:
            kept = b""
            while chunk := part.read(1 << 20):
                text = kept + chunk
                for match in _MERGE.finditer(text):
                    _, first, _, last = range_boundaries(match.group(1).decode())
                    if first and last:
                        rows.update(range(first, min(last, MOST_SHEET_ROWS) + 1))
                kept = text[-200:]
    return frozenset(rows)


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
    twice = False
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
                continue
            name = f"g{number}_{part}"
        twice = twice or name in fields.values()
        fields[index] = name
    found = set(fields.values())
    if "child" not in found or not (found & {"class", "grade"} or (class_known and found - _ALONE)):
        return None
    return _Columns(fields, {number: relation for relation, number in named.items()}, twice)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return " ".join(clean(str(value)).split())[:CELL_LENGTH]


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


def packed(book: Workbook) -> bytes:
    """Return a workbook as the bytes of its file."""
    out = BytesIO()
    book.save(out)
    return out.getvalue()
