"""`xinqing ask`, `risk` and `chat`: what live would answer and how it would judge."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import logs
from bot.cli import jsonl
from bot.cli.scratch import scratch_house, tell
from bot.config import load_settings
from bot.core.errors import InputInvalid
from bot.core.messages import Outcome
from bot.services.guarding import live_rules
from bot.wiring import House
from knowledge.risk.evaluate import judge_row

# What is neither answer nor danger (stop, consent, hand-off) is small talk in the batch form.
KINDS = frozenset({"answer", "choices", "abstain", "smalltalk", "risk"})


def add(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(ask)
    app.command()(risk)
    app.command()(chat)


def _rows(text: str | None, path: Path | None) -> list[dict[str, Any]]:
    if (text is None) == (path is None):
        raise InputInvalid("give either a text or --jsonl FILE")
    return [{"text": text}] if path is None else list(jsonl.read(path))


def ask(
    text: Annotated[str | None, typer.Argument(help="what a parent writes")] = None,
    path: Annotated[
        Path | None, typer.Option("--jsonl", help='rows of {"text"} or {"turns"}')
    ] = None,
) -> None:
    """Answer as live would, one JSON object a row."""
    asyncio.run(_ask(_rows(text, path)))


async def _ask(rows: list[dict[str, Any]]) -> None:
    async with scratch_house() as house:
        for number, row in enumerate(rows, 1):
            outcome: Outcome | None = None
            for turn in jsonl.turns_of(row, number):
                _, outcome = await tell(house, f"row-{number}", turn, datetime.now(UTC))
            jsonl.write(_answer(house, outcome))


def _answer(house: House, outcome: Outcome | None) -> dict[str, Any]:
    detail = dict(outcome.detail) if outcome else {}
    entry = house.services.answers.entry(str(detail.get("entry", "")))
    kind = detail.get("kind", "smalltalk")
    return {
        "kind": kind if kind in KINDS else "smalltalk",
        "entry": entry.id if entry else None,
        "covers": list(entry.covers) if entry else [],
        "title": entry.title if entry else None,
        "text": _words(outcome),
        "version": entry.version if entry else None,
        "state": entry.state if entry else None,
        "score": detail.get("score"),
        "candidates": [
            _candidate(house, str(entry_id), score)
            for entry_id, score in detail.get("candidates", [])
        ],
    }


def _words(outcome: Outcome | None) -> str:
    """Return what was answered: the first reply, and those that go on with it."""
    if outcome is None or not outcome.replies:
        return ""
    first = outcome.replies[0]
    rest = [reply.text for reply in outcome.replies[1:] if reply.kind == first.kind == "answer"]
    return "\n\n".join([first.text, *rest])


def _candidate(house: House, entry_id: str, score: float) -> dict[str, Any]:
    entry = house.services.answers.handbook.entries[entry_id]
    return {
        "entry": entry_id,
        "covers": list(entry.covers),
        "title": entry.title,
        "score": score,
    }


def risk(
    text: Annotated[str | None, typer.Argument(help="what a parent writes")] = None,
    path: Annotated[
        Path | None, typer.Option("--jsonl", help='rows of {"text"} or {"turns"}, maybe "who"')
    ] = None,
    who: Annotated[str | None, typer.Option(help="PS PC PO T S G Q X")] = None,
) -> None:
    """Judge danger, one JSON object a row."""
    logs.configure("ERROR")
    rows = _rows(text, path)
    rules = live_rules(load_settings(secret_keys="unused").risk_model)
    for number, row in enumerate(rows, 1):
        jsonl.turns_of(row, number)
        jsonl.write(judge_row({"who": who, **row} if who else row, rules))


def chat() -> None:
    """Write as a parent in the terminal; an empty line ends it."""
    asyncio.run(_chat())


async def _chat() -> None:
    async with scratch_house() as house:
        typer.echo("心晴（演示）。直接写，空行结束。", err=True)
        while True:
            text = await asyncio.to_thread(_line)
            if not text:
                return
            level, outcome = await tell(house, "chat", text, datetime.now(UTC))
            typer.echo(f"[{level}] {outcome.handler if outcome else '-'}", err=True)
            for reply in outcome.replies if outcome else ():
                typer.echo(reply.text)


def _line() -> str:
    try:
        return input("> ").strip()
    except EOFError:
        return ""
