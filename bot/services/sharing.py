"""What consents 2 and 3 change about who is told, and what goes on without them.

A wish for a person no longer goes to the school of somebody who refused or took back "tell the
school" (2). Without "tell the district" (3) the district's desk reads only what was written since
somebody asked for a person, not the conversation before. A danger to life goes to both all the
same, and that exception is in the audit trail. Called when a case is opened or raised (`desk`,
`note_told`), by the case's page (`may_share`), and before anything goes to a hospital.
Source: Personal Information Protection Law, articles 13(4), 15, 23, 28–31.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.ages import fourteen
from bot.core.clock import to_shanghai
from bot.core.levels import ESCALATED, rank
from bot.db.models import Case, Child, Consent, Contact, Message, Place
from bot.services import audit, places

SCHOOL, DISTRICT = "school", "district"
# From this level on the district sees the words of every school's case (`case_rights`).
HIGH = "3"


async def withdrawn(
    session: AsyncSession, contact_id: int, kind: str, *, children: bool = False
) -> bool:
    """Say whether a contact refused or took back a consent and has not given it since.

    Args:
        children: what it said for any of its children counts as well.
    """
    newest = await _newest(session, contact_id, kind)
    return any(
        row.withdrawn_at is not None
        for child_id, row in newest.items()
        if child_id is None or children
    )


async def _newest(session: AsyncSession, contact_id: int, kind: str) -> dict[int | None, Consent]:
    """Return the newest row of a kind, for the contact itself (None) and for each child."""
    query = (
        select(Consent)
        .where(Consent.contact_id == contact_id, Consent.kind == kind)
        .order_by(Consent.id)
    )
    return {row.child_id: row for row in (await session.scalars(query)).all()}


async def may_share(
    session: AsyncSession, contact_id: int, kind: str, *, children: bool = False
) -> bool:
    """Say whether a contact agreed that what it said is passed on; never asked is no.

    Args:
        kind: `school` or `district`.
        children: it is about a child: a refusal for any of its children counts too, for which of
            them is meant can't be told from a message.
    """
    newest = await _newest(session, contact_id, kind)
    own = newest.get(None)
    if own is None or own.withdrawn_at is not None:
        return False
    return not (children and any(row.withdrawn_at is not None for row in newest.values()))


async def may_share_child(
    session: AsyncSession, contact_id: int, child_id: int, kind: str, *, now: datetime
) -> bool:
    """Say whether a child's own information may be passed on by its guardian's consent alone.

    From 14 on the child's own agreement is needed as well (articles 28 and 31), and nothing here
    records one yet: the answer is no until a person has it on paper.
    """
    given = (await _newest(session, contact_id, kind)).get(child_id)
    if given is None or given.withdrawn_at is not None:
        return False
    child = await session.get_one(Child, child_id)
    return not fourteen(child.born, to_shanghai(now).date())


async def desk(
    session: AsyncSession, contact_id: int, place: Place | None, *, level: str, subject: str
) -> tuple[Place | None, bool]:
    """Return whose desk a new case may stand on, and whether it stands there without consent.

    Args:
        place: the desk that category and subject ask for.
        subject: `self` for what somebody wrote of themselves; else the children count too.
    """
    if place is None or place.kind != "school":
        return place, False
    if not await withdrawn(session, contact_id, SCHOOL, children=subject != "self"):
        return place, False
    if level in ESCALATED:
        return place, True
    return await places.root_district(session, place.id), False


async def note_told(
    session: AsyncSession,
    case: Case,
    contact: Contact,
    *,
    was: tuple[str, str] | None,
    now: datetime,
) -> None:
    """Record it when a danger lets the district read words that consent 3 does not.

    Args:
        was: level and tier before a case was raised; None for a new one.
    """
    if case.drill or not _district_reads(case.level, case.tier) or (was and _district_reads(*was)):
        return
    if await _kept_from_district(session, case, contact):
        await note_exception(session, contact.id, kind=DISTRICT, case_id=case.id, now=now)


def _district_reads(level: str, tier: str) -> bool:
    return level in ESCALATED and (tier == DISTRICT or rank(level) >= rank(HIGH))


async def words_since(session: AsyncSession, case: Case, contact: Contact) -> datetime | None:
    """Return from when on the district's desk may read a conversation; None: all of it."""
    if case.tier != DISTRICT or case.level in ESCALATED:
        return None
    if not await _kept_from_district(session, case, contact):
        return None
    asked = await session.get(Message, case.message_id) if case.message_id else None
    return min(case.opened_at, asked.received_at) if asked else case.opened_at


async def _kept_from_district(session: AsyncSession, case: Case, contact: Contact) -> bool:
    """Say whether a case is a school's and nobody agreed that the district is told.

    For contacts without a school the district's desk is their own: nothing is passed on.
    """
    if await places.ancestor(session, contact.place_id, SCHOOL) is None:
        return False
    about_child = case.subject != "self"
    return not await may_share(session, contact.id, DISTRICT, children=about_child)


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
