"""What a withdrawn consent changes about who is told, and what goes on without consent.

A wish for a person no longer goes to the school of somebody who withdrew "tell the school"; a
danger to life still does, and that exception is in the audit trail. Called when a case is opened.
Source: Personal Information Protection Law, articles 13(4), 15, 23.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Consent, Place
from bot.services import audit, places

SCHOOL = "school"


async def withdrawn(session: AsyncSession, contact_id: int, kind: str) -> bool:
    """Say whether a contact took back a consent and has not given it again."""
    query = (
        select(Consent.withdrawn_at)
        .where(Consent.contact_id == contact_id, Consent.kind == kind, Consent.child_id.is_(None))
        .order_by(Consent.id.desc())
        .limit(1)
    )
    found = (await session.execute(query)).first()
    return found is not None and found[0] is not None


async def desk(
    session: AsyncSession, contact_id: int, place: Place | None, *, level: str
) -> tuple[Place | None, bool]:
    """Return whose desk a new case may stand on, and whether it stands there without consent.

    Args:
        place: the desk that category and subject ask for.
    """
    if place is None or place.kind != "school":
        return place, False
    if not await withdrawn(session, contact_id, SCHOOL):
        return place, False
    if level in ESCALATED:
        return place, True
    return await places.root_district(session, place.id), False


async def note_exception(
    session: AsyncSession, contact_id: int, *, kind: str, case_id: int, now: datetime
) -> None:
    """Record that somebody is told without consent, because a life may depend on it."""
    await audit.record(
        session,
        staff_id=None,
        action="consent.exception",
        object_kind="contact",
        object_id=contact_id,
        now=now,
        data={"kind": kind, "case": case_id, "basis": "life_saving"},
    )
