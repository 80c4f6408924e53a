"""Where a member of staff may do something: their roles, their places, what is theirs.

Called by pages, handlers and jobs before anything is read or changed; deny by default.
"""

from bot.core.errors import NotAllowed
from bot.core.rights import right
from bot.services.staff import StaffView


def places_for(person: StaffView, action: str) -> frozenset[int]:
    """Return the ids of the places at which a person may do something."""
    return person.at(*right(action).roles)


def may(person: StaffView, action: str, place_id: int | None = None) -> bool:
    """Say whether a person may do something at a place; without a place: anywhere at all."""
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
