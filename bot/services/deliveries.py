"""Deliveries: what is said to a contact, and what became of it.

Called by the router (replies), by conversations (a counselor's words) and by the delivery jobs.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Reply
from bot.db.models import Case, CaseEvent, Contact, Delivery
from bot.db.models.delivery import (
    ACCEPTED,
    ALERT,
    API,
    FAILED,
    PASSIVE,
    QUEUED,
    SENDING,
    UNREACHABLE,
)
from bot.jobs.table import enqueue
from bot.services import cases, contacts, priority
from bot.services.live import publish

URGENT_KINDS = frozenset({"risk", "person"})
# So many of the few messages that a platform takes are left to people while a case is open: what
# the service says by itself beside a danger's reply must not use up a counselor's words.
KEPT_FOR_PEOPLE = 2
KEPT = "kept_for_people"


async def add(
    session: AsyncSession,
    contact: Contact,
    reply: Reply,
    *,
    key: str,
    now: datetime,
    passive: bool = False,
    group: str | None = None,
    message_id: int | None = None,
    case_id: int | None = None,
    staff_id: int | None = None,
    delay: timedelta = timedelta(),
) -> Delivery:
    """Write one delivery; unless it leaves as the passive reply, queue the job that sends it.

    One that the service says by itself, and that would use up what is left for people, is written
    as failed (`KEPT`) and not sent: the desk shows that it was not said.

    Args:
        group: the group in which the reply is given; None: 1:1.
        delay: how long to wait, so that one reply arrives behind another.
    """
    delivery = Delivery(
        key=key,
        contact_id=contact.id,
        message_id=message_id,
        case_id=case_id,
        staff_id=staff_id,
        route=PASSIVE if passive else API,
        group=group,
        kind=reply.kind,
        source=reply.source,
        body=reply.text,
        state=SENDING if passive else QUEUED,
        created_at=now,
    )
    by_itself = not passive and staff_id is None and group is None
    if by_itself and reply.kind not in URGENT_KINDS and await _scarce(session, contact, now):
        delivery.state, delivery.reason, delivery.finished_at = FAILED, KEPT, now
    session.add(delivery)
    await session.flush()
    if delivery.state == QUEUED:
        await queue(session, contact, delivery, now=now, delay=delay)
    return delivery


async def _scarce(session: AsyncSession, contact: Contact, now: datetime) -> bool:
    """Say whether what the platform still takes is to be left to the people in an open case."""
    left = contacts.budget_left(contact, now)
    if left is None or await cases.open_case(session, contact.id) is None:
        return False
    under_way = await session.scalar(
        select(func.count())
        .select_from(Delivery)
        .where(
            Delivery.contact_id == contact.id,
            Delivery.route == API,
            Delivery.state.in_((QUEUED, SENDING)),
        )
    )
    return left - (under_way or 0) <= KEPT_FOR_PEOPLE


async def queue(
    session: AsyncSession,
    contact: Contact,
    delivery: Delivery,
    *,
    now: datetime,
    delay: timedelta = timedelta(),
) -> None:
    """Queue the job that sends a delivery through the channel's own interface."""
    await enqueue(
        session,
        "reply.send",
        {"delivery": delivery.id},
        key=f"reply:{delivery.id}",
        now=now,
        run_at=now + delay,
        lane=f"{contact.channel}:{contact.account}",
        prio=1 if delivery.kind in URGENT_KINDS else 5,
    )


async def of_message(session: AsyncSession, message_id: int) -> list[Delivery]:
    """Return the deliveries that answer a message, in the order in which they were made."""
    rows = await session.scalars(
        select(Delivery).where(Delivery.message_id == message_id).order_by(Delivery.id)
    )
    return list(rows)


async def handed_over(session: AsyncSession, ids: list[int], *, now: datetime) -> None:
    """Mark passive replies as given to the platform in the callback's answer."""
    rows = await session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids), Delivery.state == SENDING, Delivery.route == PASSIVE)
        .values(state=ACCEPTED, receipt="passive", finished_at=now)
        .returning(Delivery.id, Delivery.source)
    )
    for delivery_id in [row.id for row in rows if priority.asks(row.source)]:
        await _asked(session, await session.get_one(Delivery, delivery_id), now)


async def not_handed_over(session: AsyncSession, before: datetime) -> list[Delivery]:
    """Return passive replies that no callback took: the process died, or the platform hung up."""
    rows = await session.scalars(
        select(Delivery)
        .where(Delivery.state == SENDING, Delivery.route == PASSIVE, Delivery.created_at < before)
        .order_by(Delivery.id)
        .limit(500)
    )
    return list(rows)


async def accepted(session: AsyncSession, delivery_id: int, *, receipt: str, now: datetime) -> None:
    """Record that the platform took a delivery."""
    delivery = await session.get_one(Delivery, delivery_id)
    delivery.state, delivery.receipt, delivery.finished_at = ACCEPTED, receipt, now
    if delivery.contact_id is not None and delivery.route == API:
        contact = await session.get_one(Contact, delivery.contact_id)
        contact.window_used += 1
    if priority.asks(delivery.source):
        await _asked(session, delivery, now)
    await _tell_desk(session, delivery, now)


async def _asked(session: AsyncSession, delivery: Delivery, now: datetime) -> None:
    """Wait for the answer to the safety question in a reply that has gone out."""
    if delivery.contact_id is None:
        return
    case = await cases.open_case(session, delivery.contact_id)
    if case is not None:
        await priority.asked(session, case, delivery, now=now)


async def gave_up(
    session: AsyncSession, delivery_id: int, *, reason: str, unreachable: bool, now: datetime
) -> None:
    """Record that a delivery will not arrive; a case behind it now needs a phone call."""
    delivery = await session.get_one(Delivery, delivery_id)
    if delivery.state == ACCEPTED:
        return
    delivery.state = UNREACHABLE if unreachable else FAILED
    delivery.reason, delivery.finished_at = reason[:64], now
    await _tell_desk(session, delivery, now)


async def held_up(
    session: AsyncSession, delivery_id: int, *, doubts: int, phone: bool, now: datetime
) -> None:
    """Record that a delivery has not got through yet.

    Args:
        doubts: how often the platform may have taken it without saying so.
        phone: somebody should phone meanwhile, if there is a case.
    """
    delivery = await session.get_one(Delivery, delivery_id)
    delivery.doubts = doubts
    if not phone or delivery.contact_id is None:
        return
    case = await cases.open_case(session, delivery.contact_id)
    if case is not None and not case.phone_now:
        case.phone_now = True
        await publish(session, "delivery", place_id=case.place_id, case_id=case.id, now=now)


async def _tell_desk(session: AsyncSession, delivery: Delivery, now: datetime) -> None:
    case = None
    if delivery.contact_id is not None:
        case = await cases.open_case(session, delivery.contact_id)
    elif delivery.case_id is not None:
        case = await session.get(Case, delivery.case_id)
    if case is None:
        return
    lost = delivery.state in (FAILED, UNREACHABLE)
    if lost and delivery.route != ALERT and delivery.kind in URGENT_KINDS:
        case.phone_now = True
    if lost or delivery.route == ALERT:
        session.add(
            CaseEvent(
                case_id=case.id,
                at=now,
                kind=f"{'alert' if delivery.route == ALERT else 'reply'}_{delivery.state}",
                data={
                    "delivery": delivery.id,
                    "target": delivery.target,
                    "reason": delivery.reason,
                },
            )
        )
    await publish(session, "delivery", place_id=case.place_id, case_id=case.id, now=now)
