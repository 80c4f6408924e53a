"""Consent: what a contact agreed to, and the erasing of what may be erased.

Source: Personal Information Protection Law, articles 15, 23, 28–29, 47 (separate consent for
sensitive data and for passing it on; withdrawal; deletion).
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Assessment, Consent, Contact, Delivery, GapTicket, Message
from bot.db.models.delivery import FAILED, QUEUED, SENDING
from bot.services import cases, risk_cases, rule_changes

KINDS: tuple[str, ...] = ("mental_health", "school", "district")
VERSION = 1
# Built once: it runs for every message.
_IN_FORCE = select(Consent.kind).where(
    Consent.contact_id == bindparam("contact"), Consent.withdrawn_at.is_(None)
)


async def give(
    session: AsyncSession, contact_id: int, kinds: tuple[str, ...], *, now: datetime
) -> None:
    """Record separate consents; one that stands already is left as it is."""
    standing = await in_force(session, contact_id)
    for kind in kinds:
        if kind not in standing:
            session.add(Consent(contact_id=contact_id, kind=kind, version=VERSION, given_at=now))


async def withdraw(
    session: AsyncSession, contact_id: int, *, now: datetime, kind: str | None = None
) -> None:
    """Withdraw one consent of a contact, or every one."""
    query = update(Consent).where(Consent.contact_id == contact_id, Consent.withdrawn_at.is_(None))
    if kind is not None:
        query = query.where(Consent.kind == kind)
    await session.execute(query.values(withdrawn_at=now))


async def in_force(session: AsyncSession, contact_id: int) -> set[str]:
    """Return the kinds of consent that stand."""
    return set(await session.scalars(_IN_FORCE, {"contact": contact_id}))


async def erase(session: AsyncSession, contact_id: int, *, now: datetime) -> bool:
    """Erase a contact's words, answers, class and names, and say whether something has to be kept.

    Kept are messages of level 2 and above with their assessments and what was said with them: an
    open case may not lose its ground, and reports have a legal period. While such a case is open,
    the class and the emergency contact stay too, for they lead help to the right door. Consents
    stay, withdrawn: the law asks for proof of them. Counts, states and the platform's id stay.
    Copies among the rules' test cases go whatever their level: no law asks for them.
    """
    await withdraw(session, contact_id, now=now)
    case = await cases.open_case(session, contact_id)
    in_danger = case is not None and case.level in ESCALATED
    plain = select(Message.id).where(
        Message.contact_id == contact_id, Message.level.in_(("0", "1"))
    )
    keeps = await cases.any_of(session, contact_id)
    said: ColumnElement[bool] = Delivery.message_id.in_(plain)
    if not keeps:
        said = or_(said, _said_unasked(contact_id))
    await session.execute(
        update(Delivery)
        .where(said, Delivery.state.in_((QUEUED, SENDING)))
        .values(state=FAILED, reason="erased", finished_at=now)
    )
    await session.execute(update(Delivery).where(said).values(body=""))
    await session.execute(
        update(GapTicket).where(GapTicket.message_id.in_(plain)).values(question="", state="erased")
    )
    await rule_changes.forget(session, plain)
    await session.execute(
        update(Assessment).where(Assessment.message_id.in_(plain)).values(spans=[])
    )
    await session.execute(
        update(Message).where(Message.id.in_(plain)).values(text="", media_id="", scene="")
    )
    await risk_cases.erase(session, contact_id, now=now)
    gone = ["name", "who", "pending", "pending_until", "greeted_at"]
    if not in_danger:
        gone += ["place_id", "emergency_contact"]
    await session.execute(
        update(Contact).where(Contact.id == contact_id).values(dict.fromkeys(gone))
    )
    return keeps


def _said_unasked(contact_id: int) -> ColumnElement[bool]:
    """Match what people and jobs have said to a contact; what still waits is not sent empty."""
    return and_(
        Delivery.contact_id == contact_id,
        Delivery.message_id.is_(None),
        Delivery.state.not_in((QUEUED, SENDING)),
    )
