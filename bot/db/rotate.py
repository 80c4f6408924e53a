"""Key rotation: put stored fields under the key they belong to, in small batches while running.

Called by `xinqing rotate-keys`. Rows written meanwhile carry the right key already; a field that
somebody changes between our reading and our writing keeps what they wrote and is met again in the
next pass. What is done stays done, so that a rotation that broke off is simply run again.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.types import Text

from bot.db import field_keys
from bot.db.base import Base
from bot.db.crypto import installed
from bot.db.engine import Database
from bot.db.types import EncryptedJson, EncryptedText

BATCH = 100
# The service goes on meanwhile, on the same processor and with SQLite's only write lock: after each
# batch it gets as long as the batch took, twice.
REST = 2.0
# A service under more load than the machine can bear may keep that lock for half a minute.
TRIES, BUSY_SECONDS = 10, 1.0
Progress = Callable[[int, int], object]
# How a row of each table leads to its place; a table that is not here belongs to no district.
_PLACE_BY: dict[str, tuple[str, ...]] = {
    "contact": ("place_id",),
    "message": ("contact_id", "place_id"),
    "assessment": ("contact_id", "place_id"),
    "delivery": ("contact_id", "place_id"),
    "gap_ticket": ("message_id", "contact_id", "place_id"),
    "risk_case": ("place_id",),
    "rule_case": ("place_id",),
    "case_form": ("case_id", "place_id"),
    "told": ("case_id", "place_id"),
    "attachment": ("case_id", "place_id"),
    "care_plan": ("case_id", "place_id"),
    "follow_up": ("case_id", "place_id"),
    "report": ("case_id", "place_id"),
    "read_reason": ("case_id", "place_id"),
    "phone_call": ("place_id",),
    "care_task": ("place_id",),
    "worry": ("place_id",),
    "child": ("place_id",),
    "binding": ("place_id",),
    "notice": ("place_id",),
    "notice_feedback": ("contact_id", "place_id"),
    "import_batch": ("place_id",),
    "import_row": ("batch_id", "place_id"),
    "data_request": ("contact_id", "place_id"),
}


@dataclass(frozen=True, slots=True)
class _Field:
    """An encrypted column with the purpose that is bound into its values."""

    table: Table
    column: "Column[Any]"
    purpose: str

    @property
    def raw(self) -> ColumnElement[str]:
        return type_coerce(self.column, Text)

    @property
    def key(self) -> "Column[Any]":
        return next(iter(self.table.primary_key.columns))

    def place(self) -> ScalarSelect[Any] | ColumnElement[Any] | None:
        """Return the place of a row, as something to select."""
        if self.purpose in field_keys.SHARED or self.table.name not in _PLACE_BY:
            return None
        return _follow(self.table, _PLACE_BY[self.table.name])

    def stale(self) -> ColumnElement[bool]:
        """Match what lies under a key it should no longer lie under."""
        keys, main = field_keys.in_use(), f"{installed().current_id}.%"
        place = self.place()
        if place is None or not keys.current:
            return and_(self.column.is_not(None), self.raw.not_like(main))
        current = [self.raw.like(f"{key_id}.%") for key_id in keys.current.values()]
        theirs = [one for one, home in keys.district_of.items() if home in keys.current]
        moves = and_(self.raw.like(main), place.in_(theirs))
        old = ~or_(self.raw.like(main), *current)
        return and_(self.column.is_not(None), or_(old, moves))


def _follow(table: Table, way: tuple[str, ...]) -> ScalarSelect[Any] | ColumnElement[Any]:
    """Return the last column of a way of foreign keys, as seen from a row of the table."""
    column = table.c[way[0]]
    if len(way) == 1:
        return column
    target = next(iter(column.foreign_keys)).column.table.alias()
    inner = _after(target, way[1:]).where(target.c.id == column)
    return inner.scalar_subquery()


def _after(table: FromClause, way: tuple[str, ...]) -> Select[Any]:
    if len(way) == 1:
        return select(table.c[way[0]])
    column = table.c[way[0]]
    target = next(iter(column.foreign_keys)).column.table.alias()
    return select(_after(target, way[1:]).where(target.c.id == column).scalar_subquery())


async def rotate(database: Database, progress: Progress | None = None) -> int:
    """Encrypt every field that is not under the key it belongs to; return how many there were.

    Args:
        progress: is told how many are done, and how many there were at the beginning.

    Raises:
        Undecipherable: a field can't be read with any key; nothing of its batch is changed.
    """
    fields = list(_encrypted())
    total = await stale(database) if progress is not None else 0
    done = 0
    for one in fields:
        start = time.monotonic()
        async for changed in _batches(database, one):
            done += changed
            if progress is not None:
                progress(done, max(total, done))
            await asyncio.sleep(REST * (time.monotonic() - start))
            start = time.monotonic()
    return done


async def stale(database: Database) -> int:
    """Return how many fields are under a key they should no longer be under."""
    found = 0
    async with database.read() as session:
        for one in _encrypted():
            query = select(func.count()).select_from(one.table).where(one.stale())
            found += await session.scalar(query) or 0
    return found


def _encrypted() -> Iterator[_Field]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText | EncryptedJson):
                yield _Field(table, column, column.type.purpose)
    sealed = Base.metadata.tables["tenant_key"]
    yield _Field(sealed, sealed.c.sealed, "tenant_key.sealed")


async def _batches(database: Database, one: _Field) -> AsyncIterator[int]:
    """Yield how many fields each batch changed, until a pass from end to end finds none."""
    last: Any = None
    while True:
        rows = await _patiently(database, one, last)
        if rows:
            last = rows[-1]
            yield len(rows)
        elif last is None:
            return
        else:
            last = None


async def _patiently(database: Database, one: _Field, last: Any) -> list[Any]:
    """Do the next batch, again after a pause where others kept the database busy."""
    for left in reversed(range(TRIES)):
        try:
            return await _batch(database, one, last)
        except OperationalError:
            if not left:
                raise
        await asyncio.sleep(BUSY_SECONDS)
    raise AssertionError("the last try returns or raises")


async def _batch(database: Database, one: _Field, last: Any) -> list[Any]:
    """Encrypt the next fields anew and return the keys of their rows."""
    place = one.place()
    query = select(one.key, one.raw, *([] if place is None else [place])).where(one.stale())
    if last is not None:
        query = query.where(one.key > last)
    async with database.write() as session:
        rows = (await session.execute(query.order_by(one.key).limit(BATCH))).all()
        if not rows:
            return []
        fresh = [
            {"row": row[0], "before": row[1], "after": _again(one, row[1], row[2:])} for row in rows
        ]
        statement = (
            update(one.table)
            .where(one.key == bindparam("row"), one.raw == bindparam("before", type_=Text))
            .values({one.column: bindparam("after", type_=Text)})
        )
        connection = await session.connection()
        await connection.execute(statement, fresh)
        return [row[0] for row in rows]


def _again(one: _Field, stored: str, place: Any) -> str:
    key_id = field_keys.in_use().writing(place[0]) if place else None
    text = field_keys.decrypt(stored, purpose=one.purpose)
    return field_keys.encrypt_under(key_id, text, purpose=one.purpose)
