"""`xinqing risk-model train`: make the small classifier beside the rules again."""

from pathlib import Path
from typing import Annotated

import typer

from bot import logs
from bot.core.errors import InputInvalid

app = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep `train` a command of its own group."""


@app.command("train")
def train(
    folder: Annotated[Path, typer.Argument(help="where the model is written")],
    data: Annotated[
        list[Path] | None,
        typer.Option(help='more labelled rows of JSON, {"text", "label"}; never committed'),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="how often each example is read")] = 3,
    seed: Annotated[int, typer.Option(help="same seed, files, processor: same model")] = 7,
    every: Annotated[
        int, typer.Option(min=1, help="read only every so many-th example: a quick trial")
    ] = 1,
) -> None:
    """Train on the project's examples and write the model with its card."""
    logs.configure("WARNING")
    from knowledge.documents import EVERYDAY, OFFTOPIC
    from knowledge.encoder.build import find_source
    from knowledge.risk.model.card import JUDGED, write_card
    from knowledge.risk.model.examples import (
        FOLDER,
        digest,
        read_folder,
        read_harmless,
        read_lines,
    )
    from knowledge.risk.model.train import Recipe
    from knowledge.risk.model.train import train as teach

    harmless = (OFFTOPIC, EVERYDAY)
    examples = [*read_folder(), *(row for path in harmless for row in read_harmless(path))]
    made_from = {
        "examples": digest(FOLDER.glob("*.tsv")),
        **{path.name: digest([path]) for path in harmless},
    }
    for path in data or []:
        if path.name in made_from:
            raise InputInvalid(f"two files are called {path.name}; the card tells them by name")
        examples += read_lines(path)
        made_from[path.name] = digest([path])
    examples = examples[::every]
    dangers = sum(row.escalated for row in examples)
    typer.echo(f"{len(examples)} examples, {dangers} of them dangers")
    teach(
        find_source(),
        folder,
        examples,
        JUDGED,
        Recipe(epochs=epochs, seed=seed),
        report=typer.echo,
    )
    write_card(folder, made_from)
