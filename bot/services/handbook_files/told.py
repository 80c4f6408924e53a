"""What an import's report shows: refused rows first, what did not change in one sentence."""

from collections.abc import Sequence

from openpyxl import Workbook

from bot.services.excel import packed
from bot.services.handbook_files.excel import cell
from bot.services.handbook_files.plan import CHANGED, EMPTY, NEW, REFUSED, SAME, Line
from bot.services.handbook_files.words import said, words

_ORDER = (REFUSED, CHANGED, NEW, EMPTY, SAME)
# In the order of the columns: row, id, title, what becomes of it, why.
_WIDTHS = (8, 10, 36, 10, 80)


def shown(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that are told one by one: those of which there is something to say."""
    told = [line for line in lines if line.state != SAME or line.reasons]
    return sorted(told, key=lambda line: (_ORDER.index(line.state), line.number))


def rest(lines: Sequence[Line]) -> str:
    """Return the sentence about the others, empty when there are none."""
    others = len(lines) - len(shown(lines))
    if not others:
        return ""
    return said("command", "same_all" if others == len(lines) else "same_rest", count=others)


def report_file(lines: Sequence[Line]) -> bytes:
    """Return the report as the bytes of an .xlsx file; its first row stays while one scrolls."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(words()["sheet"]["report"])
    sheet.freeze_panes = "A2"
    for letter, width in zip("ABCDE", _WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.append([cell(sheet, name, bold=True) for name in words()["sheet"]["report_columns"]])
    for line in shown(lines):
        cells = [line.id, line.title, said("state", line.state), "\n".join(line.reasons)]
        sheet.append([line.number, *(cell(sheet, text) for text in cells)])
    if rest(lines):
        sheet.append(["", "", "", "", cell(sheet, rest(lines))])
    return packed(book)
