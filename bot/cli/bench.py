"""`xinqing bench`: speed, measured from outside; one JSON object each."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from bot.bench.alerts import bench_alerts
from bot.bench.broadcast import bench_broadcast
from bot.bench.callbacks import bench_callbacks
from bot.bench.databases import SQLITE
from bot.bench.desk_day import bench_desk
from bot.bench.imports import bench_imports
from bot.bench.jobs import bench_jobs
from bot.bench.loss import bench_loss
from bot.bench.peers.rows import ROWS
from bot.bench.peers.run import QUESTIONS, Plan, bench_peers
from bot.bench.peers.table import put_into
from bot.bench.places import bench_places
from bot.bench.risk import bench_risk
from bot.bench.rotate import bench_rotate
from bot.bench.search import bench_search
from bot.bench.start import bench_start
from bot.bench.stream import bench_stream
from bot.bench.vectors import Plan as VectorPlan
from bot.bench.vectors import bench_vectors
from bot.bench.ways import HTTP, STREAM, WAYS, WECHAT
from bot.cli import jsonl
from knowledge.index import KINDS

WHERE = "`sqlite`, or the address of a PostgreSQL server where databases may be made"
app = typer.Typer(no_args_is_help=True)


class Way(StrEnum):
    """The ways in of `bench loss`."""

    WECHAT = WECHAT
    HTTP = HTTP
    STREAM = STREAM
    ALL = "all"


@app.command()
def callbacks(
    processes: Annotated[int, typer.Option(min=1, max=16, help="web processes")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="length of each measurement")] = 20.0,
    rate: Annotated[float, typer.Option(min=1, help="callbacks a second of the steady part")] = 100,
) -> None:
    """Answer encrypted WeChat callbacks, beside a bare echo in the same run."""
    jsonl.write(asyncio.run(bench_callbacks(processes=processes, seconds=seconds, rate=rate)))


@app.command()
def search(
    queries: Annotated[int, typer.Option(min=100, help="different questions")] = 1000,
    questions: Annotated[
        Path | None, typer.Option(help="TSV with a column text, instead of made ones")
    ] = None,
) -> None:
    """Search the handbook, one question after the other."""
    jsonl.write(bench_search(queries, questions))


@app.command()
def peers(
    sizes: Annotated[
        str, typer.Option(help="how many documents, with commas")
    ] = "300,10000,100000",
    rows: Annotated[str, typer.Option(help="only these rows, with commas")] = ",".join(ROWS),
    questions: Annotated[Path, typer.Option(help="TSV: asked_for, text")] = QUESTIONS,
    sample: Annotated[int, typer.Option(min=0, help="ask only so many; 0: all")] = 0,
    seconds: Annotated[float, typer.Option(min=1, help="ask a row no longer")] = 240.0,
    teacher: Annotated[Path | None, typer.Option(help="from `xinqing encoder build`")] = None,
    kept: Annotated[Path | None, typer.Option(help="where vectors stay for the next run")] = None,
    out: Annotated[Path | None, typer.Option(help="figures; earlier rows are kept")] = None,
    page: Annotated[Path | None, typer.Option(help="put the tables into this page")] = None,
) -> None:
    """Search the same texts with other libraries (`pip install 'xinqing[bench-peers]'`)."""
    names = [name for name in rows.split(",") if name]
    if unknown := set(names) - set(ROWS):
        raise typer.BadParameter(f"no such row: {', '.join(sorted(unknown))}")
    if not all(size.strip().isdigit() for size in sizes.split(",")):
        raise typer.BadParameter(f"not a list of numbers: {sizes}")
    plan = Plan(
        [int(size) for size in sizes.split(",")],
        names,
        questions,
        sample,
        1,
        seconds,
        teacher,
        kept,
    )
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        found = bench_peers(
            plan,
            out,
            lambda what, done, of: bar.update(task, description=what, completed=done, total=of),
        )
    if page is not None:
        put_into(page, found)
    jsonl.write(found)


@app.command()
def vectors(
    size: Annotated[int, typer.Option(min=1000, help="how many vectors")] = 1_000_000,
    kinds: Annotated[str, typer.Option(help="with commas")] = "ivf-sq,ivf-pq,hnsw,flat",
    queries: Annotated[int, typer.Option(min=10, help="real texts that are asked for")] = 1000,
    kept: Annotated[Path | None, typer.Option(help="where encoded texts stay")] = None,
) -> None:
    """Build each kind of vector index in a process of its own, and ask it."""
    names = [name for name in KINDS if name in kinds.split(",")]
    plan = VectorPlan(size, names, queries=queries, kept=kept)
    jsonl.write(bench_vectors(plan, lambda line: typer.echo(line, err=True)))


@app.command()
def risk() -> None:
    """Judge held-out messages and long texts, by rules alone and with the classifier."""
    jsonl.write(bench_risk())


@app.command()
def start(
    runs: Annotated[int, typer.Option(min=1, help="starts after the first one")] = 3,
) -> None:
    """Start the service and wait for the first correct answer."""
    jsonl.write(asyncio.run(bench_start(runs)))


@app.command()
def alerts(
    messages: Annotated[int, typer.Option(min=10, help="risk messages, each a new case")] = 120,
    rate: Annotated[float, typer.Option(min=0, help="other callbacks a second meanwhile")] = 20,
    browsers: Annotated[int, typer.Option(min=1, help="open pages of the desk")] = 1,
    people: Annotated[int, typer.Option(min=1, help="how many people they belong to")] = 10,
) -> None:
    """Follow risk messages to the counselors' pages and to the duty group."""
    found = bench_alerts(messages, rate, browsers=browsers, people=people)
    jsonl.write(asyncio.run(found))


@app.command()
def desk(
    arrivals: Annotated[int, typer.Option(min=1, help="parents in one day")] = 400,
    counselors: Annotated[int, typer.Option(min=1, help="people at the desk")] = 3,
    seed: Annotated[int, typer.Option(help="of who comes when, and how long they talk")] = 1,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Play a day at the desk in its own order, first in first out, and dealt out in turn."""
    found = bench_desk(seed=seed, many=arrivals, counselors=counselors, database=database)
    jsonl.write(asyncio.run(found))


@app.command()
def loss(
    callbacks: Annotated[int, typer.Option(min=30, help="different messages")] = 2000,
    kills: Annotated[int, typer.Option(min=0, help="how often the service is killed")] = 5,
    rate: Annotated[float, typer.Option(min=1, help="messages a second")] = 20,
    seed: Annotated[int, typer.Option(help="of who writes what, when, and of the kills")] = 1,
    channel: Annotated[Way, typer.Option(help="how messages come in")] = Way.WECHAT,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Kill the service again and again and count what was lost or doubled."""
    for name in WAYS if channel is Way.ALL else [channel.value]:
        found = bench_loss(
            callbacks=callbacks, kills=kills, rate=rate, seed=seed, channel=name, database=database
        )
        jsonl.write(asyncio.run(found))


@app.command()
def stream(
    minutes: Annotated[float, typer.Option(min=0.05, help="how long parents write")] = 10.0,
    disconnects: Annotated[int, typer.Option(min=1, help="how often the line breaks")] = 50,
    rate: Annotated[float, typer.Option(min=1, help="messages a second")] = 5,
    seed: Annotated[int, typer.Option(help="of who writes what, when, and of the breaks")] = 1,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Break DingTalk's Stream connection again and again and count what was lost or doubled."""
    found = bench_stream(
        minutes=minutes, disconnects=disconnects, rate=rate, seed=seed, database=database
    )
    jsonl.write(asyncio.run(found))


@app.command()
def rotate(
    fields: Annotated[int, typer.Option(min=100, help="encrypted fields")] = 100_000,
    rate: Annotated[float, typer.Option(min=1, help="messages a second meanwhile")] = 20,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Put every encrypted field under a new key while parents write."""
    jsonl.write(asyncio.run(bench_rotate(fields=fields, rate=rate, database=database)))


@app.command()
def broadcast(
    people: Annotated[int, typer.Option(min=100, help="guardians of the school")] = 20_000,
    slots: Annotated[int, typer.Option(min=1, max=500, help="sends in flight per worker")] = 20,
    kill: Annotated[bool, typer.Option(help="kill a worker when half is sent")] = True,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Send a notice to a whole school, with one kill, and count what was lost or doubled."""
    found = bench_broadcast(people=people, slots=slots, database=database, kill=kill)
    jsonl.write(asyncio.run(found))


@app.command()
def imports(
    rows: Annotated[int, typer.Option(min=1, max=50_000, help="rows of the file")] = 20_000,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Import a made-up school from Excel, watch its progress, and take it back."""
    jsonl.write(asyncio.run(bench_imports(rows=rows, database=database)))


@app.command()
def places(
    people: Annotated[int, typer.Option(min=2, max=500, help="parents who want one")] = 50,
    places: Annotated[int, typer.Option(min=1, help="places of the course")] = 5,
    processes: Annotated[int, typer.Option(min=1, max=16, help="web processes")] = 2,
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
) -> None:
    """Let many parents sign up for the last places in the same second; one gives up again."""
    if places >= people:
        raise typer.BadParameter("fewer places than people")
    found = bench_places(people=people, places=places, processes=processes, database=database)
    jsonl.write(asyncio.run(found))


@app.command()
def jobs(
    database: Annotated[str, typer.Option(help=WHERE)] = SQLITE,
    jobs: Annotated[int, typer.Option(min=100, help="sends of each backlog")] = 20_000,
    slots: Annotated[int, typer.Option(min=1, max=500, help="jobs in flight per worker")] = 50,
) -> None:
    """Drain, kill, limit and share out the job table with two worker processes."""
    jsonl.write(bench_jobs(database=database, jobs=jobs, slots=slots))
