"""Consent: what a contact agreed to, for itself and for a child, and the erasing of what may go.

Called by the consent handler and the parents' page. What a consent changes stands in
`bot.services.sharing`; what may be said of a case that goes on, in `bot.services.discretion`.
Source: Personal Information Protection Law, articles 15, 23, 28–29, 31, 47 (separate consent for
sensitive data and for passing it on; a guardian's for a child under 14; withdrawal; deletion).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.core.phrases import PhraseBook
from bot.db.models import (
    Assessment,
    Consent,
    Contact,
    DataRequest,
    Delivery,
    GapTicket,
    Message,
)
from bot.db.models.delivery import FAILED, QUEUED, SENDING
from bot.services import (
    audit,
    bindings,
    cases,
    discretion,
    enrolments,
    holds,
    links,
    notice_feedback,
    risk_cases,
    rule_changes,
    set_aside,
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


def version_of(phrases: PhraseBook, kind: str) -> int:
    """Return the version of the words by which a consent is asked for, in chat and on the page."""
    return phrases.get(f"consent.{kind}").version


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
    """Record separate consents; one that stands to these words is left as it is.

    One to older words stays too, as proof, and the new one stands beside it.

    Args:
        way: where it was given, `chat` or `page`.
        child_id: given by a guardian for this child; None for what the contact says of itself.
        version: of the words that were agreed to.
    """
    rows = await standing_rows(session, contact_id, child_id)
    standing = {row.kind for row in rows if row.version >= version}
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
    # One that was given again to newer words is two rows and one consent.
    rows = sorted({(gone, child) for gone, child in ended.all()}, key=str)
    for gone, child in rows:
        await _log(session, "consent.withdrawn", contact_id, gone, child, now)
    return len(rows)


async def decline(
    session: AsyncSession,
    contact_id: int,
    kind: str,
    *,
    now: datetime,
    for_whom: Sequence[int | None] = (None,),
    way: str = CHAT,
    version: int = VERSION,
) -> bool:
    """Take back one kind of consent where it stands, with what follows; else record the refusal.

    Without `mental_health` the ordinary words kept so far are deleted: whose child they are about
    can't be told apart. What the other two change stands in `bot.services.sharing`. A case of level
    2 and above that is open goes on, whatever was withdrawn: that exception is recorded.

    Args:
        for_whom: ids of children; None for the contact itself.

    Returns:
        True when a consent stood and was taken back, False for a refusal.
    """
    ended = 0
    for child_id in for_whom:
        gone = await withdraw(session, contact_id, now=now, kind=kind, child_id=child_id)
        ended += gone
        if not gone and not await _declined(session, contact_id, kind, child_id):
            session.add(
                Consent(
                    contact_id=contact_id,
                    kind=kind,
                    version=version,
                    given_at=now,
                    withdrawn_at=now,
                    way=way,
                    child_id=child_id,
                    refused=True,
                )
            )
            await _log(session, "consent.refused", contact_id, kind, child_id, now)
    if not ended:
        return False
    if kind == "mental_health":
        await _erase_words(session, contact_id, now=now)
    case = await cases.open_case(session, contact_id)
    if case is not None and case.level in ESCALATED:
        await sharing.note_exception(session, contact_id, kind=kind, case_id=case.id, now=now)
    return True


async def _declined(
    session: AsyncSession, contact_id: int, kind: str, child_id: int | None
) -> bool:
    query = select(Consent.id).where(
        Consent.contact_id == contact_id, Consent.kind == kind, Consent.child_id == child_id
    )
    return await session.scalar(query.limit(1)) is not None


async def stands(session: AsyncSession, contact_id: int, kind: str | None = None) -> bool:
    """Say whether a consent of a contact stands, its own or for a child."""
    query = select(Consent.id).where(
        Consent.contact_id == contact_id, Consent.withdrawn_at.is_(None)
    )
    if kind is not None:
        query = query.where(Consent.kind == kind)
    return await session.scalar(query.limit(1)) is not None


async def outdated(session: AsyncSession, contact_id: int, phrases: PhraseBook) -> tuple[int, ...]:
    """Return the numbers of a contact's own consents that stand to older words only."""
    rows = await standing_rows(session, contact_id, None)
    newest = {kind: max((r.version for r in rows if r.kind == kind), default=0) for kind in KINDS}
    return tuple(
        item for item, kind in enumerate(KINDS, 1) if 0 < newest[kind] < version_of(phrases, kind)
    )


async def may_speak(session: AsyncSession, contact_id: int) -> bool:
    """Say whether a contact need not be asked any more whether it is a guardian.

    It is bound to one, or it has said so before it gave an earlier consent.
    """
    contact = await session.get_one(Contact, contact_id)
    if contact.guardian_id is not None:
        return True
    query = select(Consent.id).where(Consent.contact_id == contact_id, Consent.refused.is_(False))
    return await session.scalar(query.limit(1)) is not None


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
    open case may not lose its ground, and reports have a legal period. Under a legal hold all words
    stay. Where help may be needed, or a hold stands, the class, the guardian and the emergency
    contact are laid aside for the desk (`set_aside`). The contact itself is a stranger afterwards
    in every case, so that nothing the phone shows tells whether anything was kept.
    Consents stay, withdrawn: the law asks for proof of them. Counts, states and the platform's id
    stay. Copies among the rules' test cases go whatever their level: no law asks for them.
    """
    await withdraw(session, contact_id, now=now, everybody=True)
    await links.revoke(session, contact_id, now=now)
    held = await holds.is_held(session, contact_id)
    case = await cases.open_case(session, contact_id)
    contact = await session.get_one(Contact, contact_id)
    gone: tuple[str, ...] = ("pending", "pending_until", "greeted_at", "place_id")
    if held or (case is not None and case.level in ESCALATED):
        if await set_aside.put(session, contact, now=now):
            gone += set_aside.FIELDS
    else:
        gone += set_aside.FIELDS
        await set_aside.forget(session, contact_id)
    await bindings.forget_claims(session, contact_id, words=not held)
    await enrolments.leave_all(session, contact_id, now=now)
    keeps = await _erase_words(session, contact_id, now=now)
    if not held:
        await session.execute(
            update(DataRequest).where(DataRequest.contact_id == contact_id).values(words="")
        )
    await bindings.leave(session, contact, now=now, reason="erased")
    await session.execute(
        update(Contact).where(Contact.id == contact_id).values(dict.fromkeys(gone))
    )
    return keeps


async def erasure_phrase(session: AsyncSession, contact_id: int) -> str:
    """Return the key of the phrase that says truthfully what an erasure will leave, and why."""
    openly = await discretion.may_name_case(session, contact_id)
    return "delete.kept_cases" if openly else "delete.done"


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
    await notice_feedback.forget(session, contact_id)
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
