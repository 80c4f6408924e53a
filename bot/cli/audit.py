"""`xinqing audit`: check the trail, and write it or the yearly report on minors' data to a file."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from openpyxl import Workbook
from rich.console import Console
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import Settings, load_settings
from bot.core.clock import SystemClock
from bot.core.errors import InputInvalid
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.services import audit, audit_list, audit_minors
from bot.services.anchors import Anchor, Anchors, first_missing

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")
Row = dict[str, object]
DAYS = ["%Y-%m-%d"]


def _run(settings: Settings, action: Callable[[Database], Awaitable[T]]) -> T:
    async def inside() -> T:
        crypto.install(crypto.KeyRing.parse(settings.secret_keys.get_secret_value()))
        database = Database(make_engine(settings.url))
        try:
            return await action(database)
        finally:
            await database.close()

    return asyncio.run(inside())


@app.command("verify")
def verify(
    hash_: Annotated[
        str, typer.Option("--hash", help="`id:hash` as an earlier check or backup printed it")
    ] = "",
) -> None:
    """Read the whole trail; exit with 1 and name the first entry that does not fit."""
    settings = load_settings()
    anchors = Anchors(settings.data_dir)
    broken, missing, newest = _run(settings, lambda db: _verify(db, anchors, _printed(hash_)))
    if broken is not None:
        typer.echo(f"审计记录从第 {broken} 条起对不上：有人改动、抽走或塞进了记录", err=True)
    if missing is not None:
        typer.echo(
            f"{missing.day} 时应有第 {missing.entry_id} 条，现在没有或内容不同：结尾被截掉或重写过",
            err=True,
        )
    if broken is not None or missing is not None:
        raise typer.Exit(1)
    anchors.write(newest, SystemClock().now())
    typer.echo(f"审计记录完整。最新一条（请随备份保存）：{newest.entry_id}:{newest.hash}")


def _printed(text: str) -> list[Anchor]:
    """Read what an earlier check printed, as one more anchor."""
    entry, _, digest = text.partition(":")
    if not text:
        return []
    if not entry.isdecimal() or len(digest) != 64:
        raise InputInvalid("--hash: expected id:hash, as `xinqing audit verify` prints it")
    return [Anchor(datetime.now(UTC).date(), int(entry), digest)]


async def _verify(
    database: Database, anchors: Anchors, printed: list[Anchor]
) -> tuple[int | None, Anchor | None, audit.Newest]:
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("核对审计记录", total=None)
        async with database.read() as session:
            broken = await audit.verify(
                session, lambda done, total: bar.update(task, completed=done, total=total)
            )
            missing = await first_missing(session, [*anchors, *printed])
            return broken, missing, await audit.newest(session)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="*.jsonl or *.xlsx; must not exist")],
    from_: Annotated[datetime, typer.Option("--from", formats=DAYS, help="first day, China time")],
    to: Annotated[datetime, typer.Option("--to", formats=DAYS, help="last day, included")],
    minors: Annotated[
        bool, typer.Option("--minors", help="the yearly report on minors' data: counts, no names")
    ] = False,
) -> None:
    """Write entries, or the report on minors' data, as JSON Lines or as an Excel file.

    The Excel file of the report is in Chinese; JSON Lines are codes.
    """
    if file.suffix not in (".jsonl", ".xlsx"):
        raise InputInvalid("FILE: name it *.jsonl or *.xlsx")
    if file.exists():
        raise InputInvalid(f"FILE: {file.name} exists")
    settings = load_settings()
    first, last = from_.date(), to.date()
    if last < first:
        raise InputInvalid("--to is before --from")
    rows = _run(settings, lambda database: _rows(database, first, last, minors=minors))
    in_words = minors and file.suffix == ".xlsx"
    count = _write(file, audit_minors.readable(rows) if in_words else rows)
    typer.echo(f"写了 {count} 行：{file}")


async def _rows(database: Database, first: date, last: date, *, minors: bool) -> list[Row]:
    wanted = audit_list.of_days(first, last)
    async with database.read() as session:
        if minors:
            rows = await audit_minors.report(session, wanted)
        else:
            rows = [row async for row in audit_list.rows(session, wanted)]
    async with database.write() as session:
        await _record_export(session, minors=minors, count=len(rows))
    return rows


async def _record_export(session: AsyncSession, *, minors: bool, count: int) -> None:
    """Write into the trail that it was exported; from the command line nobody is known."""
    await audit.record(
        session,
        staff_id=None,
        action="audit.minors_exported" if minors else "audit.exported",
        object_kind="audit",
        object_id=None,
        now=SystemClock().now(),
        data={"rows": count, "way": "command"},
    )


def _write(path: Path, rows: list[Row]) -> int:
    path.touch(mode=0o600)
    if path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as target:
            target.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        return len(rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet("audit")
    if rows:
        sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([_cell(value) for value in row.values()])
    book.save(path)
    return len(rows)


def _cell(value: object) -> object:
    """Return what Excel can hold; what would be a formula is written as text."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" and value else value
