"""Conversations that a person holds: take over, write, hand back. Called by the desk.

Whoever may work on the contact's newest case may take them over; only who holds one writes in it.

While a counselor holds a conversation the bot is silent and the screen goes on.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.messages import Reply
from bot.core.privacy import clean
from bot.db.models import CaseEvent, Contact, Delivery
from bot.services import case_rights, cases, contacts, deliveries, priority
from bot.services.live import publish
from bot.services.staff import StaffView

MAX_BYTES = 2048
# So long after the holder's last words the bot keeps quite still; later it says who has the
# conversation and repeats what to do in danger.
ATTENDED = timedelta(minutes=15)


async def attended(session: AsyncSession, contact: Contact, now: datetime) -> bool:
    """Say whether a person holds a conversation and took it, or wrote, within `ATTENDED`."""
    if contact.holder_id is None:
        return False
    wrote = await session.scalar(
        select(func.max(Delivery.created_at)).where(
            Delivery.contact_id == contact.id, Delivery.staff_id.is_not(None)
        )
    )
    last = max(moment for moment in (contact.held_since, wrote) if moment is not None)
    return now - last < ATTENDED


async def take(session: AsyncSession, by: StaffView, contact_id: int, *, now: datetime) -> Contact:
    """Let a counselor hold a conversation.

    Raises:
        NotFound: no such contact, or their newest case is out of the person's reach.
        Conflict: somebody else holds it.
    """
    await case_rights.to_work(session, by, await cases.latest(session, contact_id))
    taken = await session.scalar(
        update(Contact)
        .where(Contact.id == contact_id, Contact.holder_id.is_(None))
        .values(holder_id=by.id, held_since=now)
        .returning(Contact.id)
    )
    contact = await session.get_one(Contact, contact_id, populate_existing=True)
    if taken is None and contact.holder_id != by.id:
        raise Conflict(f"contact {contact_id} is held by another")
    if taken is not None:
        await _note(session, contact, "taken_over", by.id, now)
    return contact


async def release(
    session: AsyncSession, by: StaffView, contact_id: int, *, now: datetime, closing: bool = False
) -> Contact:
    """Hand a conversation back to the bot; it is enough to hold it.

    Args:
        closing: the case is closed in the same breath, which says more to the parent than this.

    Raises:
        NotFound: no such contact.
        Conflict: it is held by somebody else, or by nobody.
    """
    contact = await session.get(Contact, contact_id)
    if contact is None:
        raise NotFound(f"contact {contact_id}")
    if contact.holder_id != by.id:
        raise Conflict(f"contact {contact_id} is not held by {by.id}")
    contact.holder_id = contact.held_since = None
    await _note(session, contact, "handed_back", by.id, now)
    if not closing:
        await cases.tell(session, contact_id, "handoff.returned", now=now)
    return contact


async def write(
    session: AsyncSession,
    by: StaffView,
    contact_id: int,
    *,
    text: str,
    now: datetime,
) -> Delivery:
    """Queue a counselor's words to a parent; they belong to the contact's newest case.

    Raises:
        InputInvalid: empty, or longer than one message (2,048 bytes).
        NotFound: no such contact, or their newest case is out of the person's reach.
        Conflict: the conversation is held by somebody else, or the platform's window is closed.
    """
    words = clean(text).strip()
    if not words:
        raise InputInvalid("nothing was written", field="text")
    if len(words.encode()) > MAX_BYTES:
        raise InputInvalid("longer than one message", field="text")
    case = await case_rights.to_work(session, by, await cases.latest(session, contact_id))
    contact = await session.get_one(Contact, contact_id, with_for_update=True)
    if contact.holder_id != by.id:
        raise Conflict(f"contact {contact_id} is not held by {by.id}")
    if not contacts.can_write(contact, now):
        raise Conflict("the platform's window for this contact is closed")
    if case.first_words_at is None or case.first_words_at < case.raised_at:
        case.first_words_at = now
    delivery = await deliveries.add(
        session,
        contact,
        Reply(words, "person", f"staff:{by.id}"),
        key=f"staff:{by.id}:{contact_id}:{int(now.timestamp() * 1_000_000)}",
        now=now,
        case_id=case.id,
        staff_id=by.id,
    )
    await _note(session, contact, "wrote", by.id, now)
    return delivery


async def _note(
    session: AsyncSession, contact: Contact, kind: str, staff_id: int, now: datetime
) -> None:
    case = await cases.open_case(session, contact.id)
    if case is None:
        return
    if kind == "taken_over":
        await priority.taken_over(session, case.id, now=now)
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=staff_id, data={}))
    await publish(session, "conversation", place_id=case.place_id, case_id=case.id, now=now)
