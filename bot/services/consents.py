"""Consent: what a contact agreed to, for itself and for a child, and the erasing of what may go.

Source: Personal Information Protection Law, articles 15, 23, 28–29, 31, 47 (separate consent for
sensitive data and for passing it on; a guardian's for a child under 14; withdrawal; deletion).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import Assessment, Consent, Contact, Delivery, GapTicket, Message
from bot.db.models.delivery import FAILED, QUEUED, SENDING
from bot.services import (
    audit,
    bindings,
    cases,
    enrolments,
    holds,
    links,
    risk_cases,
    rule_changes,
    sharing,
)

KINDS: tuple[str, ...] = ("mental_health", "school", "district")
VERSION = 1
CHAT, PAGE = "chat", "page"
# Built once: it runs for every message.
_IN_FORCE = select(Consent.kind).where(
    Consent.contact_id == bindparam("contact"),
    Consent.withdrawn_at.is_(None),
    Consent.child_id.is_(None),
)


async def give(
    session: AsyncSession,
    contact_id: int,
    kinds: tuple[str, ...],
    *,
    now: datetime,
    way: str = CHAT,
    child_id: int | None = None,
    version: int = VERSION,
) -> None:
    """Record separate consents; one that stands already is left as it is.

    Args:
        way: where it was given, `chat` or `page`.
        child_id: given by a guardian for this child; None for what the contact says of itself.
        version: of the words that were agreed to.
    """
    standing = {row.kind for row in await standing_rows(session, contact_id, child_id)}
    for kind in kinds:
        if kind in standing:
            continue
        session.add(
            Consent(
                contact_id=contact_id,
                kind=kind,
                version=version,
                given_at=now,
                way=way,
                child_id=child_id,
            )
        )
        await _log(session, "consent.given", contact_id, kind, child_id, now)


async def withdraw(
    session: AsyncSession,
    contact_id: int,
    *,
    now: datetime,
    kind: str | None = None,
    child_id: int | None = None,
    everybody: bool = False,
) -> int:
    """Withdraw one consent of a contact, or every one; return how many stood.

    Args:
        child_id: the consents for this child; None: those the contact gave for itself.
        everybody: its own and those for every child.
    """
    query = update(Consent).where(Consent.contact_id == contact_id, Consent.withdrawn_at.is_(None))
    if not everybody:
        query = query.where(Consent.child_id == child_id)
    if kind is not None:
        query = query.where(Consent.kind == kind)
    ended = await session.execute(
        query.values(withdrawn_at=now).returning(Consent.kind, Consent.child_id)
    )
    rows = ended.all()
    for gone, child in rows:
        await _log(session, "consent.withdrawn", contact_id, gone, child, now)
    return len(rows)


async def take_back(
    session: AsyncSession,
    contact_id: int,
    kind: str,
    *,
    now: datetime,
    child_id: int | None = None,
    everybody: bool = False,
) -> bool:
    """Withdraw one kind of consent with what follows from it.

    Without `mental_health` the ordinary words kept so far are deleted; without `school` a later
    wish for a person goes to the district (`bot.services.sharing`). A case of level 2 and above
    that is open goes on, whatever was withdrawn: that exception is recorded.

    Returns:
        True when such a case goes on.
    """
    ended = await withdraw(
        session, contact_id, now=now, kind=kind, child_id=child_id, everybody=everybody
    )
    own = everybody or child_id is None
    if ended and own and kind == "mental_health":
        await _erase_words(session, contact_id, now=now)
    case = await cases.open_case(session, contact_id)
    goes_on = case is not None and case.level in ESCALATED
    if case is not None and goes_on and ended:
        await sharing.note_exception(session, contact_id, kind=kind, case_id=case.id, now=now)
    return goes_on


async def in_force(session: AsyncSession, contact_id: int) -> set[str]:
    """Return the kinds of consent that a contact gave for itself and that stand."""
    return set(await session.scalars(_IN_FORCE, {"contact": contact_id}))


async def standing_rows(
    session: AsyncSession, contact_id: int, child_id: int | None
) -> Sequence[Consent]:
    """Return the consents that stand: a contact's own, or those it gave for a child."""
    query = select(Consent).where(
        Consent.contact_id == contact_id,
        Consent.child_id == child_id,
        Consent.withdrawn_at.is_(None),
    )
    return (await session.scalars(query)).all()


async def counts(session: AsyncSession, place_ids: Collection[int]) -> Mapping[str, int]:
    """Return how many contacts of places stand by each kind, for the pages of the staff."""
    query = (
        select(Consent.kind, func.count(func.distinct(Consent.contact_id)))
        .join(Contact, Contact.id == Consent.contact_id)
        .where(Consent.withdrawn_at.is_(None), Contact.place_id.in_(place_ids))
        .group_by(Consent.kind)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def _log(
    session: AsyncSession,
    action: str,
    contact_id: int,
    kind: str,
    child_id: int | None,
    now: datetime,
) -> None:
    await audit.record(
        session,
        staff_id=None,
        action=action,
        object_kind="contact",
        object_id=contact_id,
        now=now,
        data={"kind": kind, "child": child_id},
    )


async def erase(session: AsyncSession, contact_id: int, *, now: datetime) -> bool:
    """Erase a contact's words, answers, class and names, and say whether something has to be kept.

    Kept are messages of level 2 and above with their assessments and what was said with them: an
    open case may not lose its ground, and reports have a legal period. While such a case is open,
    the class, the binding and the emergency contact stay too, for they lead help to the right door.
    Under a legal hold only the consents and the links end, all else stays until it is lifted.
    Consents stay, withdrawn: the law asks for proof of them. Counts, states and the platform's id
    stay. Copies among the rules' test cases go whatever their level: no law asks for them.
    """
    await withdraw(session, contact_id, now=now, everybody=True)
    await links.revoke(session, contact_id, now=now)
    if await holds.is_held(session, contact_id):
        return True
    await bindings.forget_claims(session, contact_id)
    await enrolments.leave_all(session, contact_id, now=now)
    case = await cases.open_case(session, contact_id)
    in_danger = case is not None and case.level in ESCALATED
    keeps = await _erase_words(session, contact_id, now=now)
    gone = ["name", "who", "pending", "pending_until", "greeted_at"]
    if not in_danger:
        gone += ["place_id", "emergency_contact"]
        contact = await session.get_one(Contact, contact_id)
        await bindings.leave(session, contact, now=now, reason="erased")
    await session.execute(
        update(Contact).where(Contact.id == contact_id).values(dict.fromkeys(gone))
    )
    return keeps


async def erasure_phrase(session: AsyncSession, contact_id: int) -> str:
    """Return the key of the phrase that says truthfully what an erasure will leave, and why."""
    if await holds.is_held(session, contact_id):
        return "delete.kept_law"
    return "delete.kept_cases" if await cases.any_of(session, contact_id) else "delete.done"


async def _erase_words(session: AsyncSession, contact_id: int, *, now: datetime) -> bool:
    """Erase what was said below level 2, both ways; return whether anything has to stay."""
    if await holds.is_held(session, contact_id):
        return True
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
    return keeps


def _said_unasked(contact_id: int) -> ColumnElement[bool]:
    """Match what people and jobs have said to a contact; what still waits is not sent empty."""
    return and_(
        Delivery.contact_id == contact_id,
        Delivery.message_id.is_(None),
        Delivery.state.not_in((QUEUED, SENDING)),
    )
