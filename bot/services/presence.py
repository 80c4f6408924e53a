"""Presence: who takes cases now. Called by the queue's pages and by the offers.

A counselor says 我在线 or 暂离. The page that is open asks every 20 seconds and keeps `seen_at`
fresh; a browser that is closed, frozen or cut off is silent, and after `AWAY_AFTER` whoever sat
there counts as away. Presence decides who is asked first, never who may see or take a case.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Presence, Staff
from bot.db.models.desk import AWAY, READY
from bot.jobs.engines import dialect_of
from bot.services import rights
from bot.services.case_rights import WORK
from bot.services.staff import StaffView

_PRESENCE = cast(Table, Presence.__table__)
# A hidden tab may ask only once a minute (Chromium slows its timers): one miss is forgiven.
AWAY_AFTER = timedelta(seconds=90)
# Not every asking is a write.
NOTED_EVERY = timedelta(seconds=15)


async def arrive(session: AsyncSession, by: StaffView, *, now: datetime) -> None:
    """Note that a person takes cases from now on.

    Raises:
        NotAllowed: this person works on no cases anywhere.
    """
    rights.require_somewhere(by, WORK)
    await _put(session, by.id, READY, now)


async def leave(session: AsyncSession, staff_id: int, *, now: datetime) -> None:
    """Note that a person takes no cases now; whoever says so for them ends their offer too."""
    await _put(session, staff_id, AWAY, now)


async def _put(session: AsyncSession, staff_id: int, state: str, now: datetime) -> None:
    known = await session.get(Presence, staff_id, populate_existing=True)
    since = known.since if known is not None and known.state == state else now
    row = {"staff_id": staff_id, "state": state, "since": since, "seen_at": now}
    insert = dialect_of(session).insert(_PRESENCE).values(row)
    await session.execute(insert.on_conflict_do_update(index_elements=["staff_id"], set_=row))
    if known is not None:
        await session.refresh(known)


async def of(session: AsyncSession, staff_id: int) -> Presence | None:
    """Return what a person last said, or None."""
    return await session.get(Presence, staff_id)


def said_ready(row: Presence | None) -> bool:
    """Say whether a person wants to take cases, wherever their page is just now."""
    return row is not None and row.state == READY


def here(row: Presence | None, now: datetime) -> bool:
    """Say whether a person takes cases at this moment."""
    return row is not None and row.state == READY and now - row.seen_at < AWAY_AFTER


def due(row: Presence | None, now: datetime) -> bool:
    """Say whether a sign of life is worth writing down."""
    return row is not None and row.state == READY and now - row.seen_at >= NOTED_EVERY


async def seen(session: AsyncSession, staff_id: int, *, now: datetime) -> None:
    """Note a sign of life from the page of a person who takes cases; never back in time."""
    await session.execute(
        update(Presence)
        .where(Presence.staff_id == staff_id, Presence.state == READY, Presence.seen_at < now)
        .values(seen_at=now)
    )


async def ready(session: AsyncSession, now: datetime) -> Mapping[int, datetime]:
    """Return who takes cases at this moment, each with the moment from which on."""
    rows = await session.execute(
        select(Presence.staff_id, Presence.since)
        .join(Staff, Staff.id == Presence.staff_id)
        .where(
            Presence.state == READY,
            Presence.seen_at > now - AWAY_AFTER,
            Staff.active.is_(True),
        )
    )
    return {row.staff_id: row.since for row in rows}
