"""A new district with its first account, who opens all the others and the schools below it.

Called by `xinqing staff add-district` only: nobody who works in the pages stands above a district.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db.locks import Turn, take_turn
from bot.db.models import Place
from bot.services import audit, places, staff

NAME_LENGTH = 60
ROLE = "district"


async def found_district(
    session: AsyncSession, *, name: str, region: str, login: str, person: str, now: datetime
) -> tuple[Place, str]:
    """Add a district and its first account; return the district and the one-time password.

    Args:
        region: as in the table of hotlines; empty: the country's numbers only.

    Raises:
        InputInvalid: no name, a district of this name is there, or the login doesn't fit.
    """
    wanted = " ".join(name.split())
    if not wanted or len(wanted) > NAME_LENGTH:
        raise InputInvalid("name", field="name")
    await take_turn(session, Turn.TREE)
    there = select(Place.id).where(Place.kind == "district", Place.name == wanted)
    if await session.scalar(there) is not None:
        raise InputInvalid("a district of this name is there", field="name")
    district = await places.add(session, kind="district", name=wanted, parent=None)
    district.region = region.strip()
    first, password = await staff.create_staff(session, login=login, name=person, now=now)
    await staff.grant(session, staff_id=first.id, place_id=district.id, role=ROLE)
    for action, kind, object_id in (
        ("place.created", "place", district.id),
        ("staff.created", "staff", first.id),
        ("role.granted", "staff", first.id),
    ):
        await audit.record(
            session, staff_id=None, action=action, object_kind=kind, object_id=object_id, now=now
        )
    return district, password
