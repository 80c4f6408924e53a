"""`xinqing hotlines`: publish a register of numbers from a file, and show the one in force.

Its words are in `hotlines.toml`. Running processes take over what is published (`bot.upkeep`).
"""

import asyncio
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import load_settings
from bot.core.clock import SystemClock
from bot.core.hotlines import (
    WHOLE_WEEK,
    Interval,
    clock_time,
    load_hotlines,
    parse_hours,
)
from bot.db.engine import Database, make_engine
from bot.services.hotlines import Values, book_of, stored, values_of
from bot.services.register import Difference, RegisterInvalid, compare, publish, read_register
from bot.wiring import HANDBOOK
from knowledge.loader import load_handbook

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")

REFUSED = 2
_PLACE = re.compile(r"\{(\d[\d-]*)\}")


@app.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="the whole register, as bot/core/hotlines.toml")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show what would change")] = False,
) -> None:
    """Check a register, show what is new, changed or gone, and put it in force everywhere."""
    words = _texts()["words"]
    try:
        book = read_register(_text(file), _needed())
        if dry_run:
            difference = compare(_run(stored, writing=False), book)
        else:
            now = SystemClock().now()
            difference = _run(lambda session: publish(session, book, now=now), writing=True)
    except RegisterInvalid as invalid:
        _refuse(_sentence(invalid, file) + _texts()["refused"]["kept"])
    console = Console(highlight=False)
    if not difference:
        console.print(words["nothing"], markup=False, soft_wrap=True)
        return
    _print_changes(console, difference)
    counts = Counter(change.kind for change in difference.changes)
    kinds = {kind: counts[kind] for kind in ("new", "changed", "gone")}
    sentence = words["rehearsed" if dry_run else "loaded"].format(rows=len(book.lines), **kinds)
    console.print(sentence, markup=False, soft_wrap=True)


@app.command("list")
def show() -> None:
    """Show the stored register; exit status 1 when it is wrong and not the one in force."""
    words = _texts()["words"]
    rows = _run(stored, writing=False)
    problem = _problem(rows)
    title = words["list_title" if rows else "list_packaged"]
    rows = rows or [values_of(line) for line in load_hotlines().lines]
    table = Table(title=title.format(rows=len(rows)))
    for heading in words["list_headings"]:
        table.add_column(heading, no_wrap=heading == words["list_headings"][0])
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    Console(highlight=False).print(table)
    if problem:
        print(words["list_invalid"].format(reason=problem), file=sys.stderr)
        raise typer.Exit(1)


def _problem(rows: list[Values]) -> str:
    try:
        if rows:
            book_of(rows)
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


def _run(action: Callable[[AsyncSession], Awaitable[T]], *, writing: bool) -> T:
    async def inside() -> T:
        database = Database(make_engine(load_settings().url))
        try:
            async with database.write() if writing else database.read() as session:
                return await action(session)
        finally:
            await database.close()

    try:
        return asyncio.run(inside())
    except SQLAlchemyError as error:
        _refuse(_texts()["refused"]["database"].format(error=type(error).__name__))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegisterInvalid("unreadable", error=type(error).__name__) from None


def _needed() -> list[str]:
    """Return the numbers that stand in the handbook's entries: each must stay printable."""
    entries = load_handbook(HANDBOOK).entries.values()
    return [
        number
        for entry in entries
        for text in entry.sections.values()
        for number in _PLACE.findall(text)
    ]


def _sentence(invalid: RegisterInvalid, file: Path) -> str:
    texts = _texts()
    fields: dict[str, Any] = {"file": file, **invalid.fields}
    reason = str(fields.get("reason", ""))
    fields["reason"] = texts["rules"].get(reason, reason)
    problem: str = texts["refused"][invalid.code].format(**fields)
    if "entry" not in fields:
        return problem
    line = fields.pop("line")
    at_line = texts["refused"]["at_line"].format(line=line) if line else ""
    sentence: str = texts["refused"]["entry"].format(**fields | {"line": at_line}, problem=problem)
    return sentence


def _print_changes(console: Console, difference: Difference) -> None:
    words = _texts()["words"]
    table = Table(title=words["changes"])
    for heading in words["change_headings"]:
        table.add_column(heading)
    for change in difference.changes:
        cells = (
            words[change.kind],
            change.number,
            change.region or words["whole_country"],
            change.name,
            words["separator"].join(change.fields),
        )
        table.add_row(*map(Text, cells))
    if difference.changes:
        console.print(table)
    if difference.reordered:
        console.print(words["reordered"], markup=False, soft_wrap=True)


def _cells(row: Values) -> list[str]:
    words = _texts()["words"]
    return [
        row["number"],
        row["region"] or words["whole_country"],
        row["name"] + ("" if row["active"] else words["stopped"]),
        _hours(row["hours"]),
        words["separator"].join(map(str, row["kinds"])),
        row["last_verified"].isoformat(),
    ]


def _hours(value: Any) -> str:
    words = _texts()["words"]
    try:
        hours = parse_hours(value)
    except (ValueError, TypeError):
        return str(words["wrong"])
    if not isinstance(hours, tuple):
        return str(words["always"])
    return words["separator"].join(map(_span, hours)) or str(words["unknown"])


def _span(span: Interval) -> str:
    words = _texts()["words"]
    names = "".join(words["day_names"][day - 1] for day in sorted(span.days))
    days = "" if span.days == WHOLE_WEEK else words["days"].format(days=names)
    return f"{days}{clock_time(span.start)}–{clock_time(span.end)}"


@cache
def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("bot.cli").joinpath("hotlines.toml").read_text(encoding="utf-8"))


def _refuse(sentence: str) -> NoReturn:
    print(f"xinqing: {sentence}", file=sys.stderr)
    raise typer.Exit(REFUSED)
