"""Hotlines in force: the packaged register and the tenant's own rows, by which replies are made.

A number that is not a row here is never printed to a parent. `bot.services.register` publishes
rows, and `bot.upkeep` has every process follow them.
"""

from typing import Any, TypeAlias

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.hotlines import (
    Hotline,
    HotlineBook,
    dump_hours,
    load_hotlines,
    parse_hours,
)
from bot.db.models import HotlineRow

log = structlog.get_logger(__name__)

Values: TypeAlias = dict[str, Any]
"""One row of the table, without its id."""

_COLUMNS = tuple(column for column in HotlineRow.__table__.columns if column.name != "id")


class Lines:
    """The book of hotlines that this process prints from; `reload` follows the table."""

    def __init__(self, book: HotlineBook | None = None) -> None:
        self._packaged = book or load_hotlines()
        self.book = self._packaged
        self._taken: list[Values] | None = None

    async def reload(self, session: AsyncSession) -> bool:
        """Take over what the table says; an empty table means the packaged register.

        Returns:
            False when a row is wrong: then the book before stays in force, as a crisis reply may
            not fail over a register.
        """
        rows = await stored(session)
        self._taken = rows
        try:
            self.book = book_of(rows) if rows else self._packaged
        except (ValueError, TypeError) as error:
            log.error("hotlines_invalid", problem=str(error))
            return False
        return True

    async def changed(self, session: AsyncSession) -> bool:
        """Tell whether the table says something else than when it was last taken over.

        A register is some dozens of rows: to compare all of them needs no counter beside them, and
        finds what was changed by hand as well.
        """
        return await stored(session) != self._taken

    def forget(self) -> None:
        """Have the next look find a change: what the last one found could not be told."""
        self._taken = None


async def stored(session: AsyncSession) -> list[Values]:
    """Return the table in the register's order."""
    found = await session.execute(select(*_COLUMNS).order_by(HotlineRow.id))
    return [dict(row) for row in found.mappings()]


async def seed(session: AsyncSession) -> int:
    """Copy the packaged register into an empty table and return the number of rows."""
    if await session.scalar(select(HotlineRow.id).limit(1)) is not None:
        return 0
    lines = load_hotlines().lines
    session.add_all(HotlineRow(**values_of(line)) for line in lines)
    return len(lines)


def values_of(line: Hotline) -> Values:
    """Return a line as its row in the table."""
    return {
        "number": line.number,
        "name": line.name,
        "what": line.what,
        "region": line.region,
        "hours": dump_hours(line.hours),
        "kinds": list(line.kinds),
        "last_verified": line.last_verified,
        "source": line.source,
        "note": line.note,
        "active": True,
    }


def book_of(rows: list[Values]) -> HotlineBook:
    """Return the lines of stored rows.

    Raises:
        ValueError, TypeError: a row is wrong, or a line that has to be there is not.
    """
    return HotlineBook(_hotline(row) for row in rows if row["active"])


def _hotline(row: Values) -> Hotline:
    hours = parse_hours(row["hours"])
    fields = {key: value for key, value in row.items() if key != "active"}
    return Hotline(
        **fields | {"hours": hours, "kinds": tuple(row["kinds"]), "known_hours": bool(hours)}
    )
