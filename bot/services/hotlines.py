"""Hotlines in force: the packaged register and the tenant's own rows, by which replies are made.

A number that is not a row here is never printed to a parent.
"""

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.hotlines import (
    Hotline,
    HotlineBook,
    HotlineError,
    dump_hours,
    load_hotlines,
    parse_hours,
)
from bot.db.models import HotlineRow

log = structlog.get_logger(__name__)


class Lines:
    """The book of hotlines that this process prints from; `reload` follows the table."""

    def __init__(self, book: HotlineBook | None = None) -> None:
        self.book = book or load_hotlines()

    async def reload(self, session: AsyncSession) -> bool:
        """Take over what the table says; an empty table leaves the packaged register.

        Returns:
            False when a row is wrong: then the book before stays in force, as a crisis reply may
            not fail over a register.
        """
        rows = list(await session.scalars(select(HotlineRow).order_by(HotlineRow.id)))
        if not rows:
            return True
        try:
            self.book = HotlineBook(_hotline(row) for row in rows if row.active)
        except HotlineError as error:
            log.error("hotlines_invalid", problem=str(error))
            return False
        return True


async def seed(session: AsyncSession) -> int:
    """Copy the packaged register into an empty table and return the number of rows."""
    if await session.scalar(select(HotlineRow.id).limit(1)) is not None:
        return 0
    lines = load_hotlines().lines
    session.add_all(
        HotlineRow(
            number=line.number,
            name=line.name,
            what=line.what,
            region=line.region,
            hours=dump_hours(line.hours),
            kinds=list(line.kinds),
            last_verified=line.last_verified,
            source=line.source,
            note=line.note,
        )
        for line in lines
    )
    return len(lines)


def _hotline(row: HotlineRow) -> Hotline:
    hours = parse_hours(row.hours)
    return Hotline(
        number=row.number,
        name=row.name,
        what=row.what,
        region=row.region,
        hours=hours,
        kinds=tuple(row.kinds),
        last_verified=row.last_verified,
        source=row.source,
        known_hours=bool(hours),
        note=row.note,
    )
