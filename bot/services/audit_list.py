"""The audit trail as people read it: filtered, a page at a time, in Chinese words.

Called by `/admin/audit` and by `xinqing audit export`. What each action is called, and whether it
touches a minor's record, stands in `audit_actions.toml`.
"""

import tomllib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI
from bot.core.errors import NotAllowed
from bot.db.models import AuditEntry, Place, StaffRole
from bot.services.rights import places_for
from bot.services.staff import StaffView

PAGE = 50
EXPORT_BATCH = 500
OF_FAMILIES = ("contact", "link")
KINDS = ("district", "school")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are wanted.

    Args:
        since, until: moments (aware), the second one is no longer wanted.
        staff_id: None for everybody.
        staff_ids: only what these people did, and the service itself apart from what concerns
            single families; None for no such limit.
        place_id: only what people with a role at this place or below it did, now or once.
    """

    since: datetime | None = None
    until: datetime | None = None
    action: str = ""
    staff_id: int | None = None
    staff_ids: Select[int] | None = None
    place_id: int | None = None


@cache
def actions() -> Mapping[str, Mapping[str, str]]:
    """Return what is said of each action: `word`, and `minors` where it touches their records."""
    text = files("bot.services").joinpath("audit_actions.toml").read_text("utf-8")
    return tomllib.loads(text)


def word(action: str) -> str:
    """Return the Chinese words for an action; an unknown one is shown as it is."""
    return actions().get(action, {}).get("word", action)


def day_starts(day: date) -> datetime:
    """Return the first moment of a day in China."""
    return datetime.combine(day, time.min, SHANGHAI).astimezone(UTC)


def of_days(first: date, last: date) -> Wanted:
    """Return what was done from one day to another, both included."""
    return Wanted(since=day_starts(first), until=day_starts(last + timedelta(days=1)))


async def limited_to(session: AsyncSession, viewer: StaffView, wanted: Wanted) -> Wanted:
    """Narrow down to what a viewer may see: all, or what the staff of their own places did.

    Raises:
        NotAllowed: no role of theirs reads the trail anywhere, or not of the place asked for.
    """
    places = places_for(viewer, "audit.read")
    if not places or (wanted.place_id is not None and wanted.place_id not in places):
        raise NotAllowed("no right audit.read")
    districts = set(await session.scalars(select(Place.id).where(Place.parent_id.is_(None))))
    if districts <= places:
        return wanted
    return replace(
        wanted, staff_ids=select(StaffRole.staff_id).where(StaffRole.place_id.in_(places))
    )


def _matching(wanted: Wanted) -> Select[Any]:
    query = select(AuditEntry)
    if wanted.since is not None:
        query = query.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditEntry.at < wanted.until)
    if wanted.action:
        query = query.where(AuditEntry.action == wanted.action)
    if wanted.staff_id is not None:
        query = query.where(AuditEntry.staff_id == wanted.staff_id)
    if wanted.place_id is not None:
        query = query.where(AuditEntry.staff_id.in_(_working_below(wanted.place_id)))
    if wanted.staff_ids is not None:
        own = AuditEntry.staff_id.in_(wanted.staff_ids)
        # What families did by themselves, and what went on without their consent, has no place:
        # it would be every school's.
        service = AuditEntry.staff_id.is_(None) & AuditEntry.object_kind.not_in(OF_FAMILIES)
        query = query.where(or_(own, service))
    return query


def _working_below(place_id: int) -> Select[int]:
    here = select(Place.path).where(Place.id == place_id).scalar_subquery()
    return (
        select(StaffRole.staff_id)
        .join(Place, Place.id == StaffRole.place_id)
        .where(func.substr(Place.path, 1, func.length(here)) == here)
    )


async def places(session: AsyncSession, viewer: StaffView) -> Sequence[Place]:
    """Return the districts and schools whose people's entries a viewer may ask for."""
    mine = Place.id.in_(places_for(viewer, "audit.read"))
    found = select(Place).where(mine, Place.kind.in_(KINDS)).order_by(Place.path)
    return (await session.scalars(found)).all()


async def count(session: AsyncSession, wanted: Wanted) -> int:
    """Return how many entries fit."""
    matching = _matching(wanted).with_only_columns(func.count(AuditEntry.id))
    return await session.scalar(matching) or 0


async def page(
    session: AsyncSession, wanted: Wanted, *, before: int | None = None
) -> Sequence[AuditEntry]:
    """Return the newest entries that fit, one more than a page holds when there are more.

    Args:
        before: the id that the last page ended with.
    """
    query = _matching(wanted).order_by(AuditEntry.id.desc()).limit(PAGE + 1)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return (await session.scalars(query)).all()


async def known_actions(session: AsyncSession) -> list[str]:
    """Return the actions that stand in the trail, for the filter."""
    return sorted(await session.scalars(select(AuditEntry.action).distinct()))


async def people(session: AsyncSession, wanted: Wanted) -> list[int]:
    """Return who did something that the viewer may see, for the filter."""
    seen = _matching(replace(wanted, staff_id=None, action="")).with_only_columns(
        AuditEntry.staff_id
    )
    return [one for one in await session.scalars(seen.distinct()) if one is not None]


async def rows(session: AsyncSession, wanted: Wanted) -> AsyncIterator[dict[str, object]]:
    """Yield the entries that fit, the oldest first, as an export writes them: codes and ids."""
    last = 0
    while True:
        query = _matching(wanted).where(AuditEntry.id > last).order_by(AuditEntry.id)
        batch = (await session.scalars(query.limit(EXPORT_BATCH))).all()
        for entry in batch:
            last = entry.id
            yield _row(entry)
        if len(batch) < EXPORT_BATCH:
            return
        session.expunge_all()


def _row(entry: AuditEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "staff_id": entry.staff_id,
        "action": entry.action,
        "word": word(entry.action),
        "object_kind": entry.object_kind,
        "object_id": entry.object_id,
        "data": entry.data,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }
