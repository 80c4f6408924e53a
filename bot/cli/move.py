"""`xinqing move`: take a whole installation over into another, empty database.

Its words are in `move.toml`; no address is printed with its password.
"""

import os
import sys
import tomllib
from importlib.resources import files
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from sqlalchemy import URL

from bot.config import Settings, load_settings
from bot.db.move import move as take_over
from bot.db.move_sides import MoveRefused, address
from bot.db.move_table import Moved
from bot.db.move_values import SQLITE

REFUSED = 2


def add(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(move)


def move(
    to: Annotated[str, typer.Option(help="address of the empty database")],
    check_only: Annotated[
        bool, typer.Option(help="rehearse: copy, compare, and take everything back")
    ] = False,
    yes: Annotated[bool, typer.Option(help="don't ask")] = False,
) -> None:
    """Copy everything into another, empty database; the old one is only read.

    SQLite to PostgreSQL, back, or to the same. Stop the service before.
    """
    texts = _texts()
    words: dict[str, Any] = texts["words"]
    settings = load_settings()
    out, progress_out = Console(highlight=False), Console(stderr=True)
    try:
        source = _source(settings)
        target = address(to)
        places = {"source": _shown(source), "target": _shown(target)}
        if not (yes or check_only):
            typer.confirm(words["ask"].format(**places), abort=True)
        moved = _with_bar(source, target, words["busy"], progress_out, keep=not check_only)
    except MoveRefused as refusal:
        print(f"xinqing: {_sentence(texts, refusal)}", file=sys.stderr)
        raise typer.Exit(REFUSED) from None
    out.print(_compared(words, moved))
    rows = sum(each.rows for each in moved)
    if check_only:
        out.print(words["rehearsed"].format(rows=rows), markup=False)
        return
    out.print(words["moved"].format(rows=rows), markup=False)
    _print_next(settings, words, source, target)


def _texts() -> dict[str, dict[str, Any]]:
    return tomllib.loads(files("bot.cli").joinpath("move.toml").read_text(encoding="utf-8"))


def _source(settings: Settings) -> URL:
    try:
        return address(settings.url)
    except MoveRefused:
        raise MoveRefused("source_address") from None


def _shown(url: URL) -> str:
    """Return an address as it is set in `.env`, its password replaced by stars."""
    hidden = {name: "***" for name in url.query if "pass" in name.lower()}
    if url.drivername == SQLITE:
        url = url.set(drivername="sqlite+aiosqlite")
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _with_bar(source: URL, target: URL, title: str, console: Console, *, keep: bool) -> list[Moved]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)

        def show(table: str, done: int, total: int) -> None:
            bar.update(task, description=f"{title} {table}", completed=done, total=total)

        return take_over(source, target, keep=keep, progress=show)


def _sentence(texts: dict[str, dict[str, Any]], refusal: MoveRefused) -> str:
    fields = dict(refusal.fields)
    if "reason" in fields:
        fields["reason"] = texts["reasons"][str(fields["reason"])]
        fields["column"] = f" {fields['column']}" if fields["column"] else ""
    sentence: str = texts["refused"][refusal.code]
    return sentence.format(**fields)


def _compared(words: dict[str, Any], moved: list[Moved]) -> Table:
    name, rows, hashed = words["headings"]
    table = Table(title=words["title"])
    table.add_column(name, no_wrap=True)
    table.add_column(rows, justify="right")
    table.add_column(hashed, no_wrap=True)
    for each in moved:
        table.add_row(each.table, str(each.rows), each.sha256[:16])
    table.add_section()
    table.add_row(words["total"], str(sum(each.rows for each in moved)), "")
    return table


def _print_next(settings: Settings, words: dict[str, Any], source: URL, target: URL) -> None:
    shown = _shown(target)
    lines = [
        words["next_line"].format(env=settings.data_dir / ".env"),
        f"   XINQING_DATABASE_URL={shown}",
    ]
    if "***" in shown:
        lines.append(words["password"])
    if os.environ.get("XINQING_DATABASE_URL"):
        lines.append(words["environment"])
    lines += [words["check"], words["keep_old"].format(source=_shown(source))]
    # As they are: an address that is cut or coloured can't be copied.
    print("\n".join(lines))
