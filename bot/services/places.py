"""Places: look up the tree district → school → class. Called by routing, roster and pages."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Place
from bot.db.models.place import OPEN


def path_ids(place: Place) -> list[int]:
    """Return the ids from the root down to this place."""
    return [int(part) for part in place.path.split("/") if part]


async def get(session: AsyncSession, place_id: int | None) -> Place | None:
    """Return a place, or None."""
    return None if place_id is None else await session.get(Place, place_id)


async def of_scene(session: AsyncSession, scene: str) -> Place | None:
    """Return the open place that a QR code or an account names; a closed one leads nowhere."""
    return await session.scalar(select(Place).where(Place.scene == scene, Place.state == OPEN))


async def ancestor(session: AsyncSession, place_id: int | None, kind: str) -> Place | None:
    """Return the place of a kind at or above a place."""
    place = await get(session, place_id)
    if place is None:
        return None
    rows = await session.scalars(
        select(Place).where(Place.id.in_(path_ids(place)), Place.kind == kind)
    )
    return rows.first()


async def root_district(session: AsyncSession, place_id: int | None) -> Place | None:
    """Return the district above a place; without a place the only or first district."""
    found = await ancestor(session, place_id, "district")
    if found is not None:
        return found
    query = select(Place).where(Place.kind == "district").order_by(Place.id).limit(1)
    return await session.scalar(query)


async def add(
    session: AsyncSession, *, kind: str, name: str, parent: Place | None, scene: str | None = None
) -> Place:
    """Add a place under its parent and set its path."""
    place = Place(
        kind=kind,
        name=name,
        parent_id=parent.id if parent else None,
        scene=scene,
        region=parent.region if parent else "",
    )
    session.add(place)
    await session.flush()
    place.path = f"{parent.path if parent else '/'}{place.id}/"
    return place
