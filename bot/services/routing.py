"""Who is told of a case: by category and subject, not by level alone (DESIGN §4, DOMAIN §2.6).

A teacher's misconduct and an adult's own risk go to the district's desk, not to the school of the
child; abuse, sexual assault and domestic violence start with the school counselor, never with the
class, and never with a guardian. A contact who is bound to no class belongs to the district.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Place
from bot.services import places

DISTRICT_CATEGORIES = frozenset({"TCH"})
NO_GUARDIAN_FAMILIES = frozenset({"abuse"})
NO_GUARDIAN_CATEGORIES = frozenset({"SA", "ABU", "DV", "TCH"})


def desk_kind(categories: Sequence[str], *, subject: str, who: str) -> str:
    """Return whose desk a case stands on: `school` or `district`."""
    if DISTRICT_CATEGORIES & set(categories):
        return "district"
    if subject == "self" and who != "S":
        return "district"
    return "school"


async def desk_place(
    session: AsyncSession,
    place_id: int | None,
    *,
    categories: Sequence[str],
    subject: str,
    who: str,
) -> Place | None:
    """Return the place whose people a case is for."""
    if desk_kind(categories, subject=subject, who=who) == "school":
        school = await places.ancestor(session, place_id, "school")
        if school is not None:
            return school
    return await places.root_district(session, place_id)


def guardian_clock_allowed(family: str, *, subject: str, who: str) -> bool:
    """Say whether a case may start the clock that asks for the guardian to be told."""
    return family not in NO_GUARDIAN_FAMILIES and not (subject == "self" and who != "S")


def bars_guardians(categories: Sequence[str]) -> bool:
    """Say whether a danger bars telling the guardians, whatever else was said beside it.

    A case keeps the family of its worst danger only: violence at home beside a plan of suicide
    would be lost in it.
    """
    return bool(NO_GUARDIAN_CATEGORIES & set(categories))
