"""Data keys of districts: made by a command, loaded at start and whenever a process looks again.

A new key writes only some seconds after it was made, when every process has seen it: what one
process writes, all can read. Keys are never deleted while fields may lie under them. Called by
`bot.db.opening`, `bot.upkeep` and `xinqing rotate-keys`.
"""

import os
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db import field_keys
from bot.db.crypto import KeyRing
from bot.db.field_keys import DistrictKey, FieldKeys
from bot.db.models import Place, TenantKey
from bot.db.notices import Topic, notify

KEY_BYTES = 32
# Every process looks at least every 3 s (`bot.upkeep.PUBLISHED_SECONDS`).
WRITES_AFTER = timedelta(seconds=15)


async def load(session: AsyncSession, now: datetime) -> None:
    """Open every district's keys for this process.

    Raises:
        Undecipherable: a key was sealed with a ring that is no longer there.
    """
    rows = (await session.scalars(select(TenantKey).order_by(TenantKey.id))).all()
    known = field_keys.in_use().by_id
    by_id = {row.key_id: known.get(row.key_id) or _opened(row) for row in rows}
    # The newest that every process knows; of a district's first one nothing can lie under it yet.
    current = {row.place_id: row.key_id for row in rows if row.created_at <= now - WRITES_AFTER}
    places = await _districts(session) if rows else {}
    field_keys.use(FieldKeys(by_id, current, places))


def _opened(row: TenantKey) -> DistrictKey:
    return DistrictKey(row.place_id, KeyRing([(row.key_id, field_keys.open_key(row.sealed))]))


async def _districts(session: AsyncSession) -> dict[int, int]:
    """Return by place the district it is in: the first of its path."""
    rows = await session.execute(select(Place.id, Place.path))
    return {place_id: int(path.split("/")[1]) for place_id, path in rows if path.count("/") > 1}


async def make(session: AsyncSession, district_id: int, now: datetime) -> str:
    """Make a new data key for a district and return its id; earlier ones only read from then on.

    Raises:
        InputInvalid: there is no such district.
    """
    district = await session.get(Place, district_id)
    if district is None or district.kind != "district" or district.parent_id is not None:
        raise InputInvalid("no such district", field="district")
    query = select(TenantKey).where(TenantKey.place_id == district_id).order_by(TenantKey.id)
    before = (await session.scalars(query)).all()
    for row in before:
        row.retired_at = row.retired_at or now
    key_id = f"d{district_id}-{len(before) + 1}"
    sealed = field_keys.seal_key(os.urandom(KEY_BYTES))
    session.add(TenantKey(place_id=district_id, key_id=key_id, sealed=sealed, created_at=now))
    await session.flush()
    await notify(session, Topic.PUBLISHED)
    return key_id
