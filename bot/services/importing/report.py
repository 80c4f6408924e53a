"""The report of an import as an Excel file: every row, its state and why. No phones are in it."""

from collections.abc import Iterable, Sequence
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import ImportRow
from bot.services.excel import packed
from bot.services.importing.rows import ASK_CODES, CHOSEN, MOST_GUARDIANS
from bot.services.importing.words import said, words

Line = tuple[int, str, Sequence[str], dict[str, str]]


async def lines(session: AsyncSession, batch_id: int) -> list[Line]:
    """Return number, state, codes and text of every row."""
    query = (
        select(ImportRow.number, ImportRow.state, ImportRow.codes, ImportRow.data)
        .where(ImportRow.batch_id == batch_id)
        .order_by(ImportRow.number)
    )
    return [
        (number, state, codes, data) for number, state, codes, data in await session.execute(query)
    ]


def explained(codes: Iterable[str]) -> list[str]:
    """Return what codes say in Chinese; what was asked is settled once somebody has chosen."""
    listed = list(codes)
    settled = ASK_CODES if CHOSEN in listed else frozenset()
    return [said("code", code) for code in listed if code.partition(":")[0] not in settled]


def report(rows: Iterable[Line]) -> bytes:
    """Return the Excel file; called in a worker thread."""
    text = words()["report"]
    book = Workbook(write_only=True)
    sheet = book.create_sheet(text["sheet"])
    sheet.append(text["columns"])
    for number, state, codes, data in rows:
        cells = [
            said("state", state),
            "；".join(explained(codes)),
            data.get("student_no", ""),
            data.get("child") or data.get("teacher", ""),
            data.get("grade", "") + data.get("class", ""),
        ]
        for index in range(1, MOST_GUARDIANS + 1):
            cells += [data.get(f"g{index}_name", ""), data.get(f"g{index}_relation", "")]
        sheet.append([number, *(_text(sheet, cell) for cell in cells)])
    return packed(book)


def _text(sheet: Any, value: str) -> Any:
    """Return a cell that stays text: a name that begins with = must not become a formula."""
    if not value.startswith("="):
        return value
    cell = WriteOnlyCell(sheet, value)
    cell.data_type = "s"
    return cell
