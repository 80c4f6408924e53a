"""`xinqing eval`: measure search and the risk screen on any labelled file."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import logs
from bot.cli import jsonl
from bot.config import load_settings
from bot.core.errors import InputInvalid
from knowledge.encoder import load_encoder
from knowledge.evaluation import evaluate_search
from knowledge.risk.evaluate import evaluate_rows

app = typer.Typer(no_args_is_help=True)


@app.command("search")
def search(
    corpus: Annotated[Path, typer.Option(help='rows of {"id", "text"}')],
    queries: Annotated[Path, typer.Option(help='rows of {"text", "id"}')],
    ranks: Annotated[
        Path | None, typer.Option(help="write the top ten ids of each query, one JSON list a line")
    ] = None,
) -> None:
    """Index a corpus with the live retriever and rank queries against it."""
    logs.configure("ERROR")
    setting = load_settings(secret_keys="unused").encoder
    encoder = None if setting == "none" else load_encoder(setting)
    try:
        report = evaluate_search(jsonl.read(corpus), jsonl.read(queries), encoder)
    except (KeyError, ValueError) as error:
        raise InputInvalid(f"{queries.name} or {corpus.name}: {error}") from None
    if ranks is not None:
        lines = [json.dumps(list(ids), ensure_ascii=False) for ids in report.ranks]
        ranks.write_text("\n".join(lines) + "\n", encoding="utf-8")
    jsonl.write(dict(report.figures))


@app.command("risk")
def risk(
    labelled: Annotated[Path, typer.Option(help='rows of {"text", "must_escalate", "label"}')],
) -> None:
    """Judge labelled texts and print recall and false alarms, by label too."""
    logs.configure("ERROR")
    rows = list(jsonl.read(labelled))
    jsonl.write(timed(lambda: evaluate_rows(rows), len(rows)))


def timed(work: Callable[[], dict[str, Any]], n: int) -> dict[str, Any]:
    """Run something and add how long a row took on average, in milliseconds."""
    start = time.perf_counter()
    result = work()
    per_row = (time.perf_counter() - start) * 1000 / max(n, 1)
    return {**result, "rows": n, "ms_per_row": round(per_row, 3)}
