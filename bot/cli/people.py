"""`xinqing people`: children and guardians from the command line."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot.config import load_settings
from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.models import ImportBatch
from bot.db.models.imports import FAILED
from bot.db.opening import open_database
from bot.services.importing import batches
from bot.services.importing.report import explained, lines
from bot.services.importing.rows import WRONG
from bot.services.importing.words import said
from bot.services.importing.work import Imports

app = typer.Typer(no_args_is_help=True)
SHOWN = 20


@app.callback()
def people() -> None:
    """Children and guardians."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="an Excel file (.xlsx)", exists=True)],
    place: Annotated[int, typer.Option(help="id of the school, grade or class")],
    apply: Annotated[bool, typer.Option("--apply", help="put the rows in")] = False,
) -> None:
    """Check a file of children and guardians row by row, and put it in if wanted.

    No names are printed: the report of every row is on the page of the import.
    """
    failed = asyncio.run(_import(file, place, apply))
    if failed:
        raise typer.Exit(1)


async def _import(file: Path, place: int, apply: bool) -> bool:
    settings, clock = load_settings(), SystemClock()
    ring = crypto.KeyRing.parse(settings.secret_keys.get_secret_value())
    crypto.install(ring)
    database = Database(make_engine(settings.url, synchronous=settings.sqlite_synchronous))
    try:
        await open_database(database)
        imports = Imports(database, clock, ring)
        batch_id = await batches.start_excel(
            database,
            ring,
            None,
            place_id=place,
            name=file.name,
            content=await asyncio.to_thread(file.read_bytes),
            now=clock.now(),
        )
        await imports.to_the_end(batch_id)
        batch = await _batch(database, batch_id)
        if batch.state != FAILED and apply:
            async with database.write() as session:
                await batches.apply(session, None, batch_id, row_version=None, now=clock.now())
            await imports.to_the_end(batch_id)
            batch = await _batch(database, batch_id)
        await _print(database, batch)
        return batch.state == FAILED
    finally:
        await database.close()


async def _batch(database: Database, batch_id: int) -> ImportBatch:
    async with database.read() as session:
        return await session.get_one(ImportBatch, batch_id)


async def _print(database: Database, batch: ImportBatch) -> None:
    typer.echo(f"{batch.id}  {said('batch', batch.state)}  {batch.total}")
    if batch.problem:
        typer.echo(said("problem", batch.problem))
    for key, number in sorted(batch.counts.items(), key=lambda one: -one[1]):
        code = key.removeprefix("code.")
        typer.echo(f"{number:>7}  {said('state' if code == key else 'code', code)}")
    async with database.read() as session:
        wrong = [row for row in await lines(session, batch.id) if row[1] == WRONG]
    for number, _, codes, _ in wrong[:SHOWN]:
        typer.echo(f"{number:>7}  {'；'.join(explained(codes))}")
    if len(wrong) > SHOWN:
        typer.echo(f"     …  {len(wrong) - SHOWN}")
