"""`xinqing handbook export | import | report`: the handbook as files, and what it is made of."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bot.config import load_settings
from bot.core.clock import SHANGHAI
from bot.core.errors import InputInvalid
from bot.core.hotlines import load_hotlines
from bot.services.handbook_files import excel as sheets
from bot.services.handbook_files import markdown
from bot.services.handbook_files.plan import REFUSED, Line, make_plan, write_plan
from bot.services.handbook_files.reading import read_file
from bot.services.handbook_files.report import report_page
from bot.services.handbook_files.rows import taken
from bot.services.handbook_files.told import report_file, rest, shown
from bot.services.handbook_files.words import said, words
from bot.web.handbook_print import handbook_pdf
from bot.wiring.answers import handbook_folder
from knowledge.encoder import load_encoder
from knowledge.entry import Entry
from knowledge.loader import load_handbook
from knowledge.report import count, near_duplicates

Folder = Annotated[
    Path | None,
    typer.Option(help="folder with the entries; else XINQING_HANDBOOK", show_default=False),
]


def add(app: typer.Typer) -> None:
    """Add the commands of this file to `xinqing handbook`."""
    app.command("export")(export)
    app.command("import")(import_)
    app.command("report")(report)


def export(
    pdf: Annotated[Path | None, typer.Option(help="printable book, with page numbers")] = None,
    xlsx: Annotated[Path | None, typer.Option(help="one row an entry, for editing")] = None,
    markdown_: Annotated[
        Path | None, typer.Option("--markdown", help="all entries in one text")
    ] = None,
    topic: Annotated[str, typer.Option(help="only this topic, as T06")] = "",
    folder: Folder = None,
) -> None:
    """Write the handbook into files; each can be read back by `import` without loss."""
    entries = [e for e in _entries(chosen(folder)) if not topic or e.topic == topic]
    if not entries:
        raise InputInvalid(said("command", "nothing"))
    if not (pdf or xlsx or markdown_):
        raise InputInvalid(said("command", "no_target"))
    when = datetime.now(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    if markdown_:
        _save(markdown_, markdown.export(entries, when=when).encode("utf-8"), len(entries))
    if xlsx:
        _save(xlsx, sheets.export(entries), len(entries))
    if pdf:
        typer.echo(said("command", "laying_out", entries=len(entries)), err=True)
        _save(pdf, handbook_pdf(entries, when=when), len(entries))


def import_(
    file: Annotated[
        Path,
        typer.Argument(help="a Markdown, Excel or exported PDF file", exists=True, dir_okay=False),
    ],
    write: Annotated[bool, typer.Option("--write", help="write; without it: only try")] = False,
    report: Annotated[Path | None, typer.Option(help="save the report as .xlsx")] = None,
    folder: Folder = None,
) -> None:
    """Compare a file with the handbook and say what becomes of each row; `--write` does it.

    Exit status 1 when a row was refused, 2 when the file can't be read.
    """
    folder = chosen(folder)
    handbook = load_handbook(folder)
    read = read_file(file.read_bytes(), taken(handbook))
    if read.problem:
        raise InputInvalid(read.problem)
    today = datetime.now(SHANGHAI).date()
    lines = make_plan(read, handbook, load_hotlines().numbers(), today)
    for note in read.notes:
        typer.echo(note)
    for line in shown(lines):
        typer.echo("  ".join(cell for cell in _cells(line) if cell))
    if rest(lines):
        typer.echo(rest(lines))
    if report:
        _write(report, report_file(lines))
    _sum_up(lines)
    if write:
        typer.echo(said("command", "written", count=write_plan(lines, folder)))
        if folder == chosen(None):
            typer.echo(said("command", "followed"))
    else:
        typer.echo(said("command", "only_tried"))
    if any(line.state == REFUSED for line in lines):
        raise typer.Exit(1)


def report(
    into: Annotated[Path | None, typer.Option(help="write it as a page of Markdown")] = None,
    folder: Folder = None,
) -> None:
    """Count entries by topic and stage, measure them, and name what is nearly the same."""
    entries = _entries(chosen(folder))
    encoder = load_encoder(load_settings(secret_keys="unused").encoder)
    page = report_page(count(entries), near_duplicates(entries, encoder), entries)
    if into:
        _write(into, page.encode())
    else:
        typer.echo(page)


def chosen(folder: Path | None) -> Path:
    """Return the folder that was named, or the one whose entries the service answers with."""
    return folder or handbook_folder(load_settings(secret_keys="unused"))


def _entries(folder: Path) -> list[Entry]:
    handbook = load_handbook(folder)
    for problem in handbook.problems:
        typer.echo(str(problem), err=True)
    return list(handbook.entries.values())


def _save(target: Path, content: bytes, entries: int) -> None:
    _write(target, content)
    typer.echo(said("command", "saved", entries=entries, file=target, size=len(content) // 1024))


def _write(target: Path, content: bytes) -> None:
    try:
        target.write_bytes(content)
    except OSError as error:
        raise InputInvalid(said("command", "not_saved", file=target)) from error


def _cells(line: Line) -> list[str]:
    state = said("state", line.state)
    row = said("command", "row", number=line.number)
    return [row, state, line.id, line.title, "".join(line.reasons)]


def _sum_up(lines: list[Line]) -> None:
    counts = [
        f"{name} {number}"
        for state, name in words()["state"].items()
        if (number := sum(line.state == state for line in lines))
    ]
    typer.echo(said("command", "sum", count=len(lines), parts="，".join(counts)))
