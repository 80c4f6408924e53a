"""`xinqing why`: how a question was read, what was found and why, for the editors."""

import asyncio
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.scratch import scratch_house
from knowledge.explanation import Explanation, HitExplanation


def add(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(why)


def why(
    text: Annotated[str, typer.Argument(help="what a parent writes")],
    entry: Annotated[
        str | None, typer.Option(help="explain this entry too, however far down it is")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="A to F of the child")] = None,
) -> None:
    """Tell how a question was read, which entries were found and why; nothing is kept."""
    asyncio.run(_why(text, entry, stage))


async def _why(text: str, entry: str | None, stage: str | None) -> None:
    async with scratch_house() as house:
        answers = house.services.answers
        found = answers.retriever.explain(text, stage, thresholds=answers.thresholds, entry=entry)
    for line in lines(found):
        typer.echo(line)


def lines(found: Explanation) -> list[str]:
    """Return an explanation as lines of plain Chinese, the reading first, then entry by entry."""
    said = _words()
    reading = found.reading
    made = [said["read"].format(text=" / ".join(reading.forms) or said["nothing"])]
    made += [
        said["removed"].format(kind=said["cuts"][one.kind], text=one.text)
        for one in reading.removed
    ]
    made += [
        said["rewriting"].format(
            means=said["means"][one.means], said=one.said, read="、".join(one.read)
        )
        for one in reading.rewritings
    ]
    if found.smalltalk:
        made.append(said["smalltalk"])
    if found.degraded:
        made.append(said["degraded"].format(problem=found.degraded))
    made.append(
        said["verdict"].format(
            verdict=said["verdicts"][found.verdict],
            total=found.total,
            anything=found.anything,
            answer=found.answer,
            choices=found.choices,
            candidate=found.candidate,
        )
    )
    if found.outsider:
        made.append(said["outsiders"][found.outsider])
    for hit in found.hits:
        made += ["", *_hit(hit, said)]
    return made


def _hit(hit: HitExplanation, said: dict[str, Any]) -> list[str]:
    made = [
        said["hit"].format(
            rank=hit.rank,
            entry=hit.entry,
            title=hit.title,
            score=hit.score,
            verdict=said["candidates"][hit.verdict],
            why="、".join(said["why"].get(code, code) for code in hit.why),
        )
    ]
    if hit.parts:
        parts = " ".join(
            said["part"].format(name=said["parts"][part.name], share=part.share, value=part.value)
            for part in hit.parts
        )
        made.append(said["fused"].format(fused=hit.fused, parts=parts))
    for passage in hit.passages:
        cosine = "" if passage.cosine is None else f"{passage.cosine:.2f} "
        made.append(
            said["passage"].format(
                kind=said["kinds"][passage.kind], cosine=cosine, text=passage.text
            )
        )
    if hit.shared:
        shared = " ".join(f"{piece.text}({piece.weight:.1f})" for piece in hit.shared)
        made.append(said["shared"].format(shared=shared))
    return made


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("why.toml").read_text(encoding="utf-8"))
