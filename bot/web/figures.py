"""Figures of the desk: the page, and the same numbers as a table for a spreadsheet."""

import csv
import io

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from starlette.responses import Response

from bot.core.clock import to_shanghai
from bot.core.errors import InputInvalid
from bot.core.small_cells import Shown
from bot.services import audit, desk_figures, level_words, periods
from bot.services.desk_figures import Figures, Spread, Table
from bot.services.periods import Period
from bot.web.guard import Call
from bot.web.render import label, lasting

XLSX, CSV = "xlsx", "csv"
_MEDIA = {
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    CSV: "text/csv; charset=utf-8",
}
# A spreadsheet takes these for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Line = tuple[str, ...]


async def page(call: Call) -> Response:
    """Show the figures of one period."""
    asked = call.request.query_params.get("period", "")
    offered = desk_figures.offered(call.staff, now=call.services.clock.now())
    trouble = ""
    try:
        period = periods.chosen(asked, offered)
    except InputInvalid:
        period, trouble = offered[0], label("problem_figures", "figures_period")
    found, words = await _read(call, period)
    return call.page(
        "figures.html",
        status=422 if trouble else 200,
        f=found,
        offered=offered,
        words=words,
        trouble=trouble,
        shown=shown,
        took=took,
        named=name_of,
        running=period.ends_at > call.services.clock.now(),
    )


async def export(call: Call) -> Response:
    """Hand over the figures of a period as a spreadsheet; what is hidden stays hidden."""
    sort = call.form.get("as", "")
    if sort not in _MEDIA:
        raise InputInvalid("unknown kind of file", field="as")
    now = call.services.clock.now()
    period = periods.chosen(call.form.get("period", ""), desk_figures.offered(call.staff, now=now))
    found, words = await _read(call, period)
    async with call.services.database.write() as session:
        await audit.record(
            session,
            staff_id=call.staff.id,
            action="figures.exported",
            object_kind="figures",
            object_id=None,
            now=now,
            data={"period": period.code, "way": sort},
        )
    lines = _lines(found, words, to_shanghai(now).strftime("%Y-%m-%d %H:%M"))
    name = f'attachment; filename="figures-{period.code}.{sort}"'
    body = _workbook(lines) if sort == XLSX else _csv(lines)
    return Response(body, media_type=_MEDIA[sort], headers={"Content-Disposition": name})


async def _read(call: Call, period: Period) -> tuple[Figures, dict[str, str]]:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        found = await desk_figures.figures(session, call.staff, period, now=now)
        place_id = min(call.staff.at(*call.staff.roles), default=None)
        words = await level_words.shown(session, place_id)
    return found, dict(words)


def shown(cell: Shown) -> str:
    """Return a count, or in words why it is not shown."""
    return str(cell) if isinstance(cell, int) else label("figures_cell", cell)


def took(spread: Spread | None) -> str:
    """Return a spread in words: half within, nine of ten within."""
    if spread is None:
        return label("figures_cell", "few")
    return label("figures", "spread", median=lasting(spread.median), p90=lasting(spread.p90))


def name_of(period: Period) -> str:
    """Return what a period is called: 2026年11月, 2026年秋季学期."""
    return label(
        "figures_period",
        period.sort,
        year=str(period.first.year),
        month=str(period.first.month),
    )


def _lines(found: Figures, words: dict[str, str], made: str) -> list[Line]:
    """Return the tables one under the other, each with a line of headings."""
    head = [
        (label("figures", "title"), name_of(found.period)),
        (label("figures", "made"), made),
        (label("figures", "note"),),
        (label("figures", "drills", n=str(found.drills)),),
    ]
    waits = [
        (words[one.level], took(one.accepted), took(one.words), took(one.closed))
        for one in found.waits
    ]
    hours = [
        (label("figures_hours", name), str(getattr(found.hours, name)))
        for name in ("all", "night", "free")
    ]
    schools = _table("schools", found.schools, {}) if found.schools else []
    return [
        *head,
        *_table("levels", found.levels, words),
        (),
        tuple(label("figures_wait", name) for name in ("level", "accepted", "words", "closed")),
        *waits,
        *_table("outcomes", found.outcomes, _words("close_reason", found.outcomes)),
        *_table("calls", found.calls, _words("figures_call", found.calls)),
        (),
        (label("figures", "hours"), label("figures", "count")),
        *hours,
        *schools,
    ]


def _words(group: str, table: Table) -> dict[str, str]:
    return {code: label(group, code) for code, _ in table.rows}


def _table(name: str, table: Table, words: dict[str, str]) -> list[Line]:
    rows = [(words.get(code, code), shown(cell)) for code, cell in table.rows]
    total = (label("figures", "total"), shown(table.total))
    return [(), (label("figures", name), label("figures", "count")), *rows, total]


def safe(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, and that one can hold."""
    clean = ILLEGAL_CHARACTERS_RE.sub("", text)
    return f"'{clean}" if clean.startswith(_FORMULA) else clean


def _csv(lines: list[Line]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([safe(text) for text in line] for line in lines)
    # Excel reads Chinese only behind this mark.
    return out.getvalue().encode("utf-8-sig")


def _workbook(lines: list[Line]) -> bytes:
    book = Workbook(write_only=True)
    sheet = book.create_sheet(label("figures", "sheet"))
    for line in lines:
        cells = []
        for text in line:
            cell = WriteOnlyCell(sheet, safe(text))
            cell.data_type = "s"
            cells.append(cell)
        sheet.append(cells)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
