"""`/admin/consents`: how many people agreed to what, by place; numbers only, no names."""

import csv
import io

from starlette.responses import Response

from bot.core.clock import to_shanghai
from bot.services import consent_counts, consents, desk, retention, rights
from bot.services.consent_counts import SMALL, STATES, Cell, Line
from bot.web.guard import Call
from bot.web.render import label
from bot.web.tree_words import word

PAGE = "/admin/consents"
YEAR = 365


def _place(call: Call) -> int | None:
    """Return the place that was asked for; anything that is no number is no place."""
    sent = call.request.query_params.get("place", "")
    if not sent:
        return None
    return int(sent) if sent.isdecimal() and len(sent) < 16 else 0


async def list_page(call: Call) -> Response:
    """Show a place and what is directly below it, for each of the three consents."""
    place_id, phrases = _place(call), call.services.phrases
    async with call.services.database.read() as session:
        lines = await consent_counts.lines(session, call.staff, phrases, place_id=place_id)
    anything = any(cell != SMALL for line in lines for cell in line.cells.values())
    return call.page(
        "admin_consents.html",
        lines=lines,
        place=lines[0].place if place_id else None,
        word=word,
        kinds=consents.KINDS,
        states=STATES,
        versions={kind: consents.version_of(phrases, kind) for kind in consents.KINDS},
        texts={kind: consent_text(call, kind) for kind in consents.KINDS},
        reachable=rights.places_for(call.staff, consent_counts.RIGHT),
        anything=anything,
        cell=shown,
    )


def consent_text(call: Call, kind: str) -> str:
    """Return the words of the version in force, its periods filled in."""
    phrase = call.services.phrases.get(f"consent.{kind}")
    kept = retention.table()
    periods: dict[str, object] = {
        "days": kept["chat"].days,
        "years": (kept["case_files"].days or 0) // YEAR,
    }
    return phrase.format(**{name: periods[name] for name in phrase.fields})


def shown(cell: Cell) -> str:
    """Return a number, or in words why it is not shown."""
    return str(cell) if isinstance(cell, int) else label("consent_cell", cell)


async def export(call: Call) -> Response:
    """Hand over everything below a place as a table for a spreadsheet."""
    async with call.services.database.read() as session:
        lines = await consent_counts.lines(
            session, call.staff, call.services.phrases, place_id=_place(call), deep=True
        )
        names = await desk.place_names(session, [line.place.id for line in lines])
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        [label("consent_column", name) for name in ("place", "kind", "consent", *STATES)]
    )
    for line in lines:
        for kind in consents.KINDS:
            table.writerow(_row(line, names[line.place.id][1], kind))
    day = to_shanghai(call.services.clock.now()).strftime("%Y%m%d")
    return Response(
        # Excel reads Chinese only behind this mark.
        out.getvalue().encode("utf-8-sig"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="consents-{day}.csv"'},
    )


def _row(line: Line, name: str, kind: str) -> list[str]:
    numbers = [shown(line.cell(kind, state)) for state in STATES]
    # A spreadsheet takes these for the beginning of a formula.
    safe = f"'{name}" if name.startswith(("=", "+", "-", "@")) else name
    return [safe, word("kind", line.place.kind), label("consent", kind), *numbers]
