"""Copy places, duty and hotlines of the real database into a scratch one, for `xinqing ask`.

So the batch form says of people on duty what live would say at this moment. Nothing of a contact,
a message or a case is read, and of staff only the ids: names, logins and passwords stay behind.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Table, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from bot.config import load_settings
from bot.core.errors import ConfigInvalid
from bot.db.base import Base
from bot.db.engine import Database, make_engine
from bot.db.models import Absence, HotlineRow, Place, Shift, Staff

log = structlog.get_logger(__name__)

Rows = list[dict[str, Any]]


async def copy_roster(target: Database, now: datetime) -> bool:
    """Fill an empty migrated database; a service that is not set up leaves it empty.

    Returns:
        True when there was something to copy.
    """
    address = _address()
    if address is None:
        return False
    source = Database(make_engine(address))
    try:
        tables = await _read(source, now)
    except SQLAlchemyError as error:
        log.error("roster_unreadable", error=type(error).__name__)
        return False
    finally:
        await source.close()
    async with target.write() as session:
        for table, rows in tables:
            if rows:
                await session.execute(insert(table), rows)
    return any(rows for _, rows in tables)


def _address() -> str | None:
    """Return the address of the real database, None where none was made yet."""
    try:
        address = load_settings().url
    except ConfigInvalid:
        return None
    url = make_url(address)
    missing = url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file()
    return None if missing else address


async def _read(source: Database, now: datetime) -> list[tuple[Table, Rows]]:
    async with source.read() as session:

        async def rows(model: type[Base], *conditions: Any) -> Rows:
            table = _table(model)
            found = await session.execute(select(table).where(*conditions).order_by(table.c.id))
            return [dict(row) for row in found.mappings()]

        staff = [
            {"id": key, "login": str(key), "name": "", "password_hash": "", "created_at": now}
            for key in await session.scalars(select(Staff.id))
        ]
        # What they were written from stays behind: it says nothing about who is on duty.
        shifts = await rows(Shift, Shift.ends_at > now)
        return [
            (_table(Place), await rows(Place)),
            (_table(Staff), staff),
            (_table(Shift), [row | {"pattern_id": None} for row in shifts]),
            (_table(Absence), await rows(Absence, Absence.ends_at > now)),
            (_table(HotlineRow), await rows(HotlineRow)),
        ]


def _table(model: type[Base]) -> Table:
    table = model.__table__
    assert isinstance(table, Table)
    return table
