"""Who may see a case and work on it: the rights of `rights.toml`, narrowed as they say there.

Called by the desk, by everything that changes a case or a conversation for a person, and by what
shows their words. A counselor works on the cases of their own schools; the district on level 3, on
what stands on its own desk (adults' own risk, a teacher's misconduct), and on contacts without a
place; a lead sees a summary of level 3 without words. Source: DOMAIN §4, row "Access".
"""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.core.levels import rank
from bot.core.rights import right
from bot.db.models import Case, Place
from bot.services.staff import StaffView

READ, WORK, SUMMARY_OF = "case.read", "case.work", "case.summary"
TEXT, SUMMARY = "text", "summary"
DISTRICT = "district"


def reaches(viewer: StaffView, action: str, case: Case, place_kind: str | None) -> bool:
    """Say whether a right over cases reaches one case.

    Args:
        place_kind: kind of the case's place; None for a case without a place.
    """
    roles = right(action).roles
    if case.place_id is not None and case.place_id in viewer.at(*(roles - {DISTRICT})):
        return True
    if DISTRICT not in roles & viewer.roles:
        return False
    high = rank(case.level) >= rank("3")
    narrowed = high or place_kind == DISTRICT
    return case.place_id is None or (narrowed and case.place_id in viewer.at(DISTRICT))


def scope_of(viewer: StaffView, case: Case, place_kind: str | None) -> str | None:
    """Return how much of a case a person may see: `text`, `summary` or None."""
    if reaches(viewer, READ, case, place_kind):
        return TEXT
    summary = viewer.at(*(right(SUMMARY_OF).roles - right(READ).roles))
    if rank(case.level) >= rank("3") and case.place_id in summary:
        return SUMMARY
    return None


async def visible(session: AsyncSession, viewer: StaffView, case_id: int) -> Case:
    """Return a case whose words a person may read.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    return await reached(session, viewer, READ, await session.get(Case, case_id))


async def to_work(session: AsyncSession, by: StaffView, case: Case | None) -> Case:
    """Return a case on which a person may work.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    return await reached(session, by, WORK, case)


async def reached(session: AsyncSession, person: StaffView, action: str, case: Case | None) -> Case:
    """Return a case at which a person may do something; what is missing is like what is barred.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    if case is not None:
        place = None if case.place_id is None else await session.get(Place, case.place_id)
        if reaches(person, action, case, place.kind if place else None):
            return case
    raise NotFound("no such case here")
