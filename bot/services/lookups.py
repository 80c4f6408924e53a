"""Keyed hashes for looking people up, made anew when the ring's oldest key has gone.

`KeyRing.fingerprint` uses the oldest key of the ring. Once that key is taken out, nobody is found
by name, number or phone until these hashes are those of the key that is the oldest now. Called by
`xinqing rotate-keys`; while nothing changed it only reads. Hashes whose text is not kept (links,
browsers, recovery codes) can't be made anew: those things end with the key.
"""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, Guardian
from bot.services import people

BATCH = 500
Row = TypeVar("Row", Child, Guardian)


async def renew(database: Database, ring: KeyRing) -> int:
    """Make the hashes fit the ring and return how many rows had others."""
    children = await _each(database, Child, lambda row: _child(ring, row))
    return children + await _each(database, Guardian, lambda row: _guardian(ring, row))


async def _each(database: Database, model: type[Row], fit: Callable[[Row], bool]) -> int:
    last = changed = 0
    while True:
        async with database.write() as session:
            rows = await _next(session, model, last)
            changed += sum(fit(row) for row in rows)
        if not rows:
            return changed
        last = rows[-1].id


async def _next(session: AsyncSession, model: type[Row], last: int) -> list[Row]:
    query = select(model).where(model.id > last).order_by(model.id).limit(BATCH)
    return list(await session.scalars(query.with_for_update()))


def _child(ring: KeyRing, row: Child) -> bool:
    """Fit one child; who was anonymised has no name and no hash."""
    before = (row.name_key, row.student_key)
    row.name_key = people.name_key(ring, row.name) if row.name_key else ""
    if row.student_no and row.student_key:
        row.student_key = people.student_key(ring, row.student_no)
    return before != (row.name_key, row.student_key)


def _guardian(ring: KeyRing, row: Guardian) -> bool:
    before = row.phone_key
    if row.phone and row.phone_key:
        row.phone_key = people.phone_key(ring, row.phone)
    return before != row.phone_key
