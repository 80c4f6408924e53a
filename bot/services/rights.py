"""Where a member of staff may do something: their roles, their places, what is theirs.

Called by pages, handlers and jobs before anything is read or changed; deny by default.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotAllowed, NotFound
from bot.core.rights import right, table
from bot.db.models import Staff, StaffRole
from bot.services.staff import StaffView, held_now


def places_for(person: StaffView, action: str) -> frozenset[int]:
    """Return the ids of the places at which a person may do something."""
    return person.at(*right(action).roles)


def may(person: StaffView, action: str, place_id: int | None = None) -> bool:
    """Say whether a person may do something at a place; without a place: anywhere at all."""
    if right(action).reach == "self":
        return True
    places = places_for(person, action)
    return bool(places) if place_id is None else place_id in places


def require(person: StaffView, action: str, place_id: int | None) -> None:
    """Let a person pass who may do something at a place.

    Args:
        place_id: None where an object belongs to no place: then nobody passes.

    Raises:
        NotAllowed: none of their roles reaches it.
    """
    if place_id is None or not may(person, action, place_id):
        raise NotAllowed(f"no right {action} here")


def require_somewhere(person: StaffView, action: str) -> None:
    """Let a person pass who may do something at any place: for what belongs to no place.

    Raises:
        NotAllowed: none of their roles may.
    """
    if not may(person, action):
        raise NotAllowed(f"no right {action}")


async def require_over(
    session: AsyncSession, person: StaffView, action: str, staff_id: int, now: datetime
) -> Staff:
    """Let a person pass who may do something to a colleague, and return the colleague.

    That is at every place where the colleague has a role, so that nobody reaches up. Whoever has
    no role at present belongs to no place and is left to the operator's command.

    Raises:
        NotFound: there is no such colleague within the person's reach.
        NotAllowed: it is the person themself.
    """
    colleague = await session.get(Staff, staff_id)
    held = await session.scalars(
        select(StaffRole.place_id).where(StaffRole.staff_id == staff_id, held_now(now))
    )
    places = set(held)
    if colleague is None or not places or not places <= places_for(person, action):
        raise NotFound(f"staff {staff_id}")
    if staff_id == person.id:
        raise NotAllowed("not to oneself")
    return colleague


def needs_factor(person: StaffView) -> bool:
    """Say whether a person may do anything that asks for a second factor where it is demanded."""
    return any(line.factor and line.roles & person.roles for line in table().values())
