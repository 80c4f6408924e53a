"""What became of the deliveries of a notice: taken, read, refused, lost, unknown.

Called by the jobs of `bot.pipeline.notices`, in the transactions that acknowledge or give up the
sending, and by the reports that platforms push by themselves.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import UNKNOWN as NO_ANSWER
from bot.db.models import Contact, Delivery, Notice
from bot.db.models.delivery import (
    ACCEPTED,
    CONFIRMED,
    FAILED,
    READ,
    UNKNOWN,
    UNREACHABLE,
    WITHDRAWN,
)
from bot.db.models.notice import WITHDRAWN as NOTICE_WITHDRAWN
from bot.services import contacts, notice_plan, notice_rows
from bot.services.live import publish
from bot.services.notice_plan import DINGTALK, TEMPLATE, WINDOW, Way

# Reasons that say that no way leads to somebody now; any other is a failure of the sending.
NO_WAY = frozenset(
    {
        notice_plan.NO_CONTACT,
        notice_plan.CLOSED,
        notice_plan.UNFOLLOWED,
        notice_plan.STOPPED,
        notice_plan.CUSTODY,
        notice_plan.ERASED,
        "refused",
    }
)
WORKER = "worker_lost"
_SETTLED = frozenset({ACCEPTED, READ, CONFIRMED})
# Open pages of a large notice look again once in so many deliveries.
SHOWN_EVERY = 25


async def accepted(
    session: AsyncSession,
    delivery_id: int,
    *,
    way: Way,
    receipt: str,
    templates: Collection[str],
    now: datetime,
) -> None:
    """Record that the platform took a delivery, and by which way."""
    delivery = await session.get_one(Delivery, delivery_id)
    late = delivery.state == WITHDRAWN
    if delivery.state not in _SETTLED:
        delivery.state, delivery.reason = ACCEPTED, ""
    delivery.target, delivery.contact_id = way.name, way.contact_id
    delivery.receipt, delivery.finished_at = receipt[:128], now
    if way.name == WINDOW and way.contact_id is not None:
        contact = await session.get_one(Contact, way.contact_id)
        contact.window_used += 1
    if late:
        await _correct(session, delivery, templates=templates, now=now)
    await _show(session, delivery, now)


async def gave_up(session: AsyncSession, delivery_id: int, *, reason: str, now: datetime) -> None:
    """Record that a delivery did not get through, or that nobody knows whether it did."""
    delivery = await session.get_one(Delivery, delivery_id)
    if delivery.state in _SETTLED or delivery.state == WITHDRAWN:
        return
    if reason == NO_ANSWER:
        delivery.state = UNKNOWN
    else:
        delivery.state = UNREACHABLE if reason in NO_WAY else FAILED
    delivery.reason, delivery.finished_at = reason[:64], now
    await _show(session, delivery, now)


async def held(
    session: AsyncSession,
    delivery_id: int,
    *,
    reason: str,
    templates: Collection[str],
    now: datetime,
) -> None:
    """Record that the sending broke off: its author is shown it, and it is not sent again."""
    delivery = await session.get_one(Delivery, delivery_id)
    if delivery.state in _SETTLED:
        return
    late = delivery.state == WITHDRAWN
    # The worker that stopped is not the guardian who said stop.
    code = WORKER if reason in ("stopped", "lease lost") else reason[:64]
    delivery.state, delivery.reason, delivery.finished_at = UNKNOWN, code, now
    if late:
        await _correct(session, delivery, templates=templates, now=now)
    await _show(session, delivery, now)


async def read(
    session: AsyncSession, *, account: str, person: str, receipt: str, now: datetime
) -> bool:
    """Record that somebody has read what DingTalk's robot sent them; say whether it was a notice.

    Args:
        receipt: the platform's `processQueryKey`.
    """
    delivery = await _of_receipt(session, "dingtalk", account, person, receipt)
    if delivery is None or delivery.target != DINGTALK:
        return False
    if delivery.read_at is None:
        delivery.read_at = now
        if delivery.state not in (CONFIRMED, WITHDRAWN):
            delivery.state = READ
        await _show(session, delivery, now)
    return True


async def template_failed(
    session: AsyncSession, *, account: str, person: str, receipt: str, status: str, now: datetime
) -> bool:
    """Record what WeChat reports of a template message that did not arrive after all.

    Source: developers.weixin.qq.com, event TEMPLATESENDJOBFINISH (`failed:user block`,
    `failed: system failed`).
    """
    delivery = await _of_receipt(session, "wechat", account, person, receipt)
    if delivery is None or delivery.target != TEMPLATE or delivery.state != ACCEPTED:
        return False
    blocked = "block" in status
    delivery.state = UNREACHABLE if blocked else FAILED
    delivery.reason = "refused" if blocked else "template"
    await _show(session, delivery, now)
    return True


async def _of_receipt(
    session: AsyncSession, channel: str, account: str, person: str, receipt: str
) -> Delivery | None:
    contact = await contacts.find(session, channel, account, person)
    if contact is None or not receipt:
        return None
    return await session.scalar(
        select(Delivery)
        .where(
            Delivery.contact_id == contact.id,
            Delivery.receipt == receipt[:128],
            Delivery.notice_id.is_not(None),
        )
        .order_by(Delivery.id.desc())
        .limit(1)
    )


async def _correct(
    session: AsyncSession, delivery: Delivery, *, templates: Collection[str], now: datetime
) -> None:
    """Correct what was under way while its notice was withdrawn."""
    notice = await session.get_one(Notice, delivery.notice_id)
    if notice.state != NOTICE_WITHDRAWN or notice_rows.round_of(delivery) == notice_rows.CORRECTION:
        return
    if delivery.guardian_id is not None:
        scope = notice_plan.children_concerned(notice.id)
        found = await notice_plan.ways(
            session, [delivery.guardian_id], scope, now=now, templates=templates
        )
        await notice_rows.add(session, notice, found, {}, now=now, round_=notice_rows.CORRECTION)
    elif delivery.contact_id is not None:
        purpose = notice_plan.purpose_of(notice)
        found = await notice_plan.ways_to_contacts(
            session, [delivery.contact_id], purpose=purpose, now=now, templates=templates
        )
        await notice_rows.add(session, notice, {}, found, now=now, round_=notice_rows.CORRECTION)


async def _show(session: AsyncSession, delivery: Delivery, now: datetime) -> None:
    notice = await session.get_one(Notice, delivery.notice_id)
    if sum(notice.counts.values()) <= 4 * SHOWN_EVERY or delivery.id % SHOWN_EVERY == 0:
        await publish(session, "notice", place_id=notice.place_id, case_id=None, now=now)
