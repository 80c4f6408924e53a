"""Imports as their pages show them: the list, one with a page of its rows, where it stands.

Called by `bot.web.imports`; changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import ImportBatch, ImportRow, Place
from bot.db.models.imports import FAILED, READING
from bot.services import rights
from bot.services.importing.batches import EXCEL, PLACES, READING_LASTS, RIGHT
from bot.services.staff import StaffView

# Rows of a page can be ticked; a form takes fifty fields.
PAGE = 40


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a batch, and how many there are of that state."""

    rows: Sequence[ImportRow]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return max(1, -(-self.total // PAGE))


async def listed(session: AsyncSession, by: StaffView, most: int = 50) -> Sequence[ImportBatch]:
    """Return the newest batches of the places where somebody may import."""
    here = rights.places_for(by, RIGHT)
    query = select(ImportBatch).where(ImportBatch.place_id.in_(here))
    return (await session.scalars(query.order_by(ImportBatch.id.desc()).limit(most))).all()


async def rows_of(session: AsyncSession, batch_id: int, state: str, page: int) -> RowPage:
    """Return a page of a batch's rows; an empty state is all of them."""
    mine = [ImportRow.batch_id == batch_id] + ([ImportRow.state == state] if state else [])
    total = await session.scalar(select(func.count(ImportRow.id)).where(*mine)) or 0
    page = max(1, min(page, -(-total // PAGE) or 1))
    query = select(ImportRow).where(*mine).order_by(ImportRow.number)
    rows = await session.scalars(query.offset((page - 1) * PAGE).limit(PAGE))
    return RowPage(rows.all(), total, page)


def shown_state(batch: ImportBatch, now: datetime) -> tuple[str, str]:
    """Return state and problem as a page shows them; a reader that was killed has broken off."""
    lost = batch.state == READING and batch.kind == EXCEL and batch.total == 0
    if lost and now - batch.created_at > READING_LASTS:
        return FAILED, "broke_off"
    return batch.state, batch.problem


async def places_of(session: AsyncSession, by: StaffView) -> Sequence[Place]:
    """Return the places that somebody may import into."""
    here = rights.places_for(by, RIGHT)
    query = select(Place).where(Place.id.in_(here), Place.kind.in_(PLACES), Place.state == "open")
    return (await session.scalars(query.order_by(Place.path))).all()
