"""`xinqing retention`: do now what the night would do, or only say what it would be."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bot.config import load_settings
from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.models import RetentionRun
from bot.services import retention

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `run` a command of its own."""


@app.command("run")
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count only, delete nothing")] = False,
) -> None:
    """Forget what is over its time, and prove that nothing is left; exit with 1 if something is."""
    settings = load_settings()
    crypto.install(crypto.KeyRing.parse(settings.secret_keys.get_secret_value()))
    gone, overdue = asyncio.run(_run(settings.url, dry_run=dry_run))
    table = Table(title="到期的数据（没有删除）" if dry_run else "删除了的数据")
    for heading in ("类别", "期限（天）", "条数"):
        table.add_column(heading)
    for name in retention.timed():
        one = retention.table()[name]
        table.add_row(one.what, str(one.days), str(gone.get(name, 0)))
    Console().print(table, markup=False)
    if not dry_run:
        typer.echo(f"核对：还有 {overdue} 条到期未删")
        if overdue:
            raise typer.Exit(1)


async def _run(url: str, *, dry_run: bool) -> tuple[dict[str, int], int]:
    database = Database(make_engine(url))
    try:
        now = SystemClock().now()
        async with database.read() as session:
            due = await retention.due(session, now)
        return (due, sum(due.values())) if dry_run else await _forget(database, due)
    finally:
        await database.close()


async def _forget(database: Database, due: dict[str, int]) -> tuple[dict[str, int], int]:
    clock, name = SystemClock(), retention.timed()[0]
    async with database.write() as session:
        run_id = (await retention.begin(session, clock.now())).id
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("删除到期数据", total=sum(due.values()))
        while name:
            async with database.write() as session:
                night = await session.get_one(RetentionRun, run_id)
                name = await retention.go_on(session, night, name)
                bar.update(task, completed=sum(retention.gone_in(night).values()))
    async with database.write() as session:
        night = await session.get_one(RetentionRun, run_id)
        overdue = await retention.finish(session, night, now=clock.now(), policy=None)
        return retention.gone_in(night), overdue
