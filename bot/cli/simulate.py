"""`xinqing simulate`: a seeded day in which everything breaks, and what was lost, doubled or late.

Its words are in `simulate.toml`. Nothing of this installation is read or written: the day has a
temporary folder and a database of its own.
"""

import asyncio
import tempfile
import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot import logs
from bot.bench.databases import SQLITE, own_database
from bot.cli import jsonl
from bot.cli.simulated.day import SimulatedDay
from bot.simulator.day.plan import make_plan

WHERE = "`sqlite`, or the address of a PostgreSQL server where databases may be made"
BROKEN = 1


class Over(StrEnum):
    """The channels of a day."""

    WECHAT = "wechat"
    DINGTALK = "dingtalk"
    ALL = "all"


def add(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(simulate)


def simulate(
    seed: Annotated[int, typer.Option(help="same seed, same day, same result")] = 1,
    messages: Annotated[int, typer.Option(min=20, help="messages of the day")] = 400,
    channel: Annotated[Over, typer.Option(help="over which channels")] = Over.ALL,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Play a day of parents with everything breaking, and count; 1 when a promise was broken."""
    # Standard error is for the progress bar; a day full of faults would fill it with errors.
    logs.configure("CRITICAL")
    texts = _texts()
    with (
        tempfile.TemporaryDirectory(prefix="xinqing-day-") as folder,
        own_database(database, Path(folder)) as url,
    ):
        counts = _play(texts, seed, messages, channel.value, Path(folder), url)
    if json:
        jsonl.write(counts)
    else:
        _print(Console(highlight=False), texts, counts)
    if counts["broken"]:
        raise typer.Exit(BROKEN)


def _texts() -> dict[str, Any]:
    return tomllib.loads(files("bot.cli").joinpath("simulate.toml").read_text(encoding="utf-8"))


def _play(
    texts: Mapping[str, Any], seed: int, messages: int, channel: str, folder: Path, url: str
) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(texts["words"]["busy"], total=messages)

        def show(done: int) -> None:
            bar.update(task, completed=done)

        plan = make_plan(seed, messages=messages, channel=channel)
        day = SimulatedDay(plan, folder=folder, database_url=url, progress=show)
        return asyncio.run(day.run())


# The printout -------------------------------------------------------------------------------------


def _print(out: Console, texts: Mapping[str, Any], counts: Mapping[str, Any]) -> None:
    words = texts["words"]
    out.print(words["title"].format(**counts), markup=False)
    out.print(_channels(texts, counts))
    out.print(_lines(texts["total"], words["totals"], _flat(counts)))
    for name in ("broke", "calls_hit", "alarms", "given_up"):
        if counts[name]:
            out.print(_lines(texts.get(name, {}), words[name], counts[name]))
    if not counts["broken"]:
        out.print(words["kept"], markup=False)
        return
    out.print(_lines(texts["promise"], words["broken"], counts["broken"]))


def _flat(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the single figures and those one level down, as `group.name`."""
    flat: dict[str, Any] = {}
    for name, value in counts.items():
        inner = value.items() if isinstance(value, Mapping) else ()
        flat |= {f"{name}.{key}": one for key, one in inner} or {name: value}
    return flat


def _lines(labels: Mapping[str, str], title: str, values: Mapping[str, Any]) -> Table:
    table = Table(title=title, show_header=False, title_justify="left")
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    # In the labels' order; what has no label is shown by its code where there are no others.
    for name in [*labels, *([] if labels else values)]:
        if name in values:
            table.add_row(labels.get(name, name), str(values[name]))
    return table


def _channels(texts: Mapping[str, Any], counts: Mapping[str, Any]) -> Table:
    table = Table(title=texts["words"]["channels"], title_justify="left")
    table.add_column("")
    found: Mapping[str, Mapping[str, Any]] = counts["channels"]
    flat = {name: _flat(figures) for name, figures in found.items()}
    for name in found:
        table.add_column(texts["channel"][name], justify="right")
    for key, label in texts["figure"].items():
        table.add_row(label, *(str(figures[key]) for figures in flat.values()))
    return table
