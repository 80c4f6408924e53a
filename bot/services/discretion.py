"""What may be said about cases to whoever holds the phone: nothing, unless it betrays nobody.

The person a report is about may live in the same home and hold this phone. Called by
`bot.services.consents`; docs/decisions/0015-one-answer-for-whoever-holds-the-phone.md says why.
"""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Assessment, Case
from bot.services import cases, holds

# What is said of these never shows in anything a guardian is told or takes away, at any level.
HIDDEN_CATEGORIES = frozenset({"ABU", "SA", "DV", "TCH"})
HIDDEN_FAMILIES = frozenset({"abuse"})
CHILD = "minor"


async def may_name_case(session: AsyncSession, contact_id: int) -> bool:
    """Say whether a contact may be told that a case of danger goes on.

    Only of an open case about the writer themselves, who is not known to be a child, where nothing
    this contact ever wrote is of a hidden category and no legal hold stands. In all other cases
    the answer is the one that somebody without any case gets.
    """
    case = await cases.open_case(session, contact_id)
    if case is None or case.level not in ESCALATED:
        return False
    if case.subject != "self" or case.speaker == CHILD:
        return False
    if await _anything_hidden(session, contact_id):
        return False
    return not await holds.is_held(session, contact_id)


async def _anything_hidden(session: AsyncSession, contact_id: int) -> bool:
    families = await session.scalars(
        select(Case.family).where(Case.contact_id == contact_id).distinct()
    )
    if HIDDEN_FAMILIES & set(families):
        return True
    judged = await session.scalars(
        select(Assessment.categories).where(Assessment.contact_id == contact_id)
    )
    return any(HIDDEN_CATEGORIES & set(categories) for categories in judged)
