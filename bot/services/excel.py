"""What every reader of an Excel file needs: limits first, merged cells, text of a cell.

Called by `importing.reading` (people) and `handbook_files.excel` (entries). Nothing is evaluated or
fetched: links to other files are not followed, macros are never looked at.
"""

import lzma
import re
import struct
import zipfile
import zlib
from datetime import date, datetime
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from openpyxl import Workbook
from openpyxl.utils import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException

from bot.core.privacy import clean

FILE_BYTES = 20 * 1024 * 1024
UNPACKED_BYTES, SHARED_BYTES, MOST_PARTS = 300 * 1024 * 1024, 64 * 1024 * 1024, 500
# Whatever openpyxl and the modules below it raise on a file that is none.
BROKEN = (
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
    NotImplementedError,  # zipfile, of a way of packing it does not know
    OverflowError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
    RuntimeError,
)
_MERGE = re.compile(rb'<mergeCell\b[^>]*\bref="([A-Z0-9:]{2,30})"')


def refused(content: bytes) -> str:
    """Return why a file is not even opened: a code of `excel` problems, or nothing."""
    if not content.strip(b"\0 \r\n\t"):
        return "empty"
    if len(content) > FILE_BYTES:
        return "too_big"
    if not content.startswith(b"PK"):
        return "not_xlsx"
    try:
        return _packed_wrongly(content)
    except BROKEN:
        return "broken"


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


def merged_rows(content: bytes, sheet: Any, most_rows: int) -> frozenset[int]:
    """Return the rows that merged cells touch; the reading mode of openpyxl doesn't say."""
    rows: set[int] = set()
    with zipfile.ZipFile(BytesIO(content)) as packed:
        name = str(getattr(sheet, "_worksheet_path", "")).lstrip("/")
        if name not in packed.namelist():
            return frozenset()
        with packed.open(name) as part:
            kept = b""
            while chunk := part.read(1 << 20):
                text = kept + chunk
                for match in _MERGE.finditer(text):
                    _, first, _, last = range_boundaries(match.group(1).decode())
                    if first and last:
                        rows.update(range(first, min(last, most_rows) + 1))
                kept = text[-200:]
    return frozenset(rows)


def cell_text(value: object) -> str:
    """Return a cell's value as a person reads it, without characters that can't be stored."""
    if value is None:
        return ""
    if isinstance(value, datetime | date):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return clean(str(value))


def packed(book: Workbook) -> bytes:
    """Return a workbook as the bytes of its file."""
    out = BytesIO()
    book.save(out)
    return out.getvalue()
