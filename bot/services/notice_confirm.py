"""Confirming a notice: one guardian does it for a child, in chat or on the page, once.

Called by `handlers.confirm`, by the notice's page and by the teacher who was told by phone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.db.models import Contact, Delivery, Guardianship, Notice, NoticeChild, Place, Staff
from bot.db.models.delivery import CONFIRMED, WITHDRAWN
from bot.db.models.notice import EXPANDING, SENT
from bot.db.models.notice import WITHDRAWN as NOTICE_WITHDRAWN
from bot.services.live import publish
from bot.services.notice_rows import CORRECTION, source
from bot.services.notice_words import Sender

CHAT, PAGE, PHONE = "chat", "page", "phone"
# A 收到 long afterwards is about something else.
ASKS_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class OpenNotice:
    """A notice that waits for somebody's confirmation."""

    id: int
    title: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a confirmation came to.

    Args:
        children: for how many children it was the first one; 0: there was one before.
    """

    notice_id: int
    title: str
    children: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A notice as one guardian sees it on its page.

    Args:
        asks: it asks for a confirmation; `waiting` while one of their children has none.
    """

    title: str
    body: str
    sender: str
    at: datetime
    asks: bool
    waiting: bool
    withdrawn: bool


async def waiting(session: AsyncSession, contact_id: int, now: datetime) -> list[OpenNotice]:
    """Return the notices that wait for a contact's confirmation, the oldest first."""
    rows = await session.execute(
        select(Notice.id, Notice.title)
        .where(
            Notice.state.in_((EXPANDING, SENT)),
            Notice.confirm.is_(True),
            Notice.sent_at > now - ASKS_FOR,
            Notice.id.in_(
                select(NoticeChild.notice_id).where(
                    NoticeChild.confirmed_at.is_(None),
                    NoticeChild.child_id.in_(children_of(contact_id)),
                )
            ),
        )
        .order_by(Notice.id)
    )
    return [OpenNotice(row[0], row[1]) for row in rows]


async def after_a_persons_words(
    session: AsyncSession, contact_id: int, now: datetime
) -> int | None:
    """Return the one waiting notice that came after a person's last words to a contact.

    While a person holds the conversation nobody can ask which notice is meant, and a 「收到」 to
    the person's own words confirms nothing. None: there is no such notice, or several.
    """
    said = await session.scalar(
        select(func.max(Delivery.created_at)).where(
            Delivery.contact_id == contact_id, Delivery.staff_id.is_not(None)
        )
    )
    open_ = [one.id for one in await waiting(session, contact_id, now)]
    came = (
        select(Delivery.notice_id)
        .join(Contact, Contact.guardian_id == Delivery.guardian_id)
        .where(Contact.id == contact_id, Delivery.notice_id.in_(open_))
        .distinct()
    )
    if said is not None:
        came = came.where(Delivery.created_at >= said)
    found = (await session.scalars(came)).all()
    return found[0] if len(found) == 1 else None


async def shown(session: AsyncSession, contact_id: int, notice_id: int) -> Shown:
    """Return a notice for a guardian whom it was sent to.

    Raises:
        NotFound: it concerns none of their children.
    """
    row = (
        await session.execute(
            select(Notice, Place.name, Staff.name)
            .join(Place, Place.id == Notice.place_id)
            .outerjoin(Staff, Staff.id == Notice.author_id)
            .where(Notice.id == notice_id, Notice.state.in_((EXPANDING, SENT, NOTICE_WITHDRAWN)))
        )
    ).first()
    mine = (
        await session.scalars(
            select(NoticeChild).where(
                NoticeChild.notice_id == notice_id,
                NoticeChild.child_id.in_(children_of(contact_id)),
            )
        )
    ).all()
    if row is None or not mine:
        raise NotFound(f"notice {notice_id}")
    notice, place, author = row
    return Shown(
        title=notice.title,
        body=notice.body,
        sender=Sender(place, author or "").line,
        at=notice.sent_at or notice.created_at,
        asks=notice.confirm,
        waiting=any(child.confirmed_at is None for child in mine),
        withdrawn=notice.state == NOTICE_WITHDRAWN,
    )


async def confirm(
    session: AsyncSession, contact_id: int, *, notice_id: int, way: str, now: datetime
) -> Confirmed:
    """Confirm a notice for all children of a contact's guardian whom it concerns.

    Raises:
        NotFound: it concerns none of their children, or has been withdrawn.
    """
    notice = await session.get(Notice, notice_id)
    mine = list(
        await session.scalars(
            select(NoticeChild.child_id).where(
                NoticeChild.notice_id == notice_id,
                NoticeChild.child_id.in_(children_of(contact_id)),
            )
        )
    )
    if notice is None or notice.state not in (EXPANDING, SENT) or not mine:
        raise NotFound(f"notice {notice_id}")
    new = await _mark(session, notice, mine, contact_id, way, now)
    return Confirmed(notice_id, notice.title, new)


async def confirm_child(
    session: AsyncSession, notice: Notice, child_id: int, *, now: datetime
) -> int:
    """Note that a child's guardian has confirmed by phone; the caller checks the right.

    Returns:
        1, or 0 when it was confirmed before.
    """
    return await _mark(session, notice, [child_id], None, PHONE, now)


async def _mark(
    session: AsyncSession,
    notice: Notice,
    child_ids: Collection[int],
    contact_id: int | None,
    way: str,
    now: datetime,
) -> int:
    marked = await session.scalars(
        update(NoticeChild)
        .where(
            NoticeChild.notice_id == notice.id,
            NoticeChild.child_id.in_(child_ids),
            NoticeChild.confirmed_at.is_(None),
        )
        .values(confirmed_at=now, confirmed_by=contact_id, way=way)
        .returning(NoticeChild.child_id)
    )
    new = list(marked)
    if new:
        await _show(session, notice.id, new)
        await publish(session, "notice", place_id=notice.place_id, case_id=None, now=now)
    return len(new)


async def _show(session: AsyncSession, notice_id: int, child_ids: Collection[int]) -> None:
    """Let every delivery show it whose guardian has no other child that still waits."""
    concerned = select(Guardianship.guardian_id).where(
        Guardianship.child_id.in_(child_ids),
        Guardianship.ended_at.is_(None),
        Guardianship.custody_block.is_(False),
    )
    still_waiting = exists().where(
        Guardianship.guardian_id == Delivery.guardian_id,
        Guardianship.ended_at.is_(None),
        Guardianship.custody_block.is_(False),
        NoticeChild.child_id == Guardianship.child_id,
        NoticeChild.notice_id == notice_id,
        NoticeChild.confirmed_at.is_(None),
    )
    await session.execute(
        update(Delivery)
        .where(
            Delivery.notice_id == notice_id,
            Delivery.guardian_id.in_(concerned),
            Delivery.source != source(CORRECTION),
            Delivery.state != WITHDRAWN,
            ~still_waiting,
        )
        .values(state=CONFIRMED)
        .execution_options(synchronize_session=False)
    )


def children_of(contact_id: int) -> Select[int]:
    """Return the query for the ids of the children that a contact may be told of."""
    return (
        select(Guardianship.child_id)
        .join(Contact, Contact.guardian_id == Guardianship.guardian_id)
        .where(
            Contact.id == contact_id,
            Guardianship.ended_at.is_(None),
            Guardianship.custody_block.is_(False),
        )
    )
