"""What guardians wrote back about notices, as staff read it; every look is an audit entry.

Called by the teacher's pages, which ask before whether the person may see the notice. What is
written is kept by `bot.services.notice_feedback`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import (
    AuditEntry,
    Child,
    Contact,
    Guardianship,
    Notice,
    NoticeChild,
    NoticeFeedback,
)
from bot.services import audit, rights
from bot.services.staff import StaffView

READ_STATES, LIST = "notice.read", "people.list"
SHOWN = "notice.feedback_shown"
# Opened again within this time it is one look, and what was new is still marked so.
LOOK = timedelta(minutes=10)
MOST_ROWS = 200
MOST_UNREAD = 10


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one guardian wrote back, as a member of staff sees it.

    Args:
        children: ids and names of their children that the notice concerns.
        relation: to the first of them; empty: not known (any more).
        text: empty: its author has erased it.
        new: nobody has read it, or this reader only now.
    """

    id: int
    at: datetime
    text: str
    children: tuple[tuple[int, str], ...]
    relation: str
    new: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A notice with answers that nobody has read."""

    notice_id: int
    title: str
    count: int


async def unread(session: AsyncSession, by: StaffView) -> list[Unread]:
    """Return the notices whose answers a person may read and nobody has, the newest first."""
    rows = await session.execute(
        select(NoticeFeedback.notice_id, func.count())
        .join(Notice, Notice.id == NoticeFeedback.notice_id)
        .where(
            NoticeFeedback.read_at.is_(None),
            Notice.place_id.in_(rights.places_for(by, READ_STATES)),
            or_(Notice.author_id == by.id, Notice.place_id.in_(rights.places_for(by, LIST))),
        )
        .group_by(NoticeFeedback.notice_id)
        .order_by(NoticeFeedback.notice_id.desc())
        .limit(MOST_UNREAD)
    )
    counted = {row[0]: row[1] for row in rows}
    found = await session.scalars(
        select(Notice).where(Notice.id.in_(counted)).order_by(Notice.id.desc())
    )
    return [Unread(notice.id, notice.title, counted[notice.id]) for notice in found]


async def of_notice(
    session: AsyncSession, by: StaffView, notice: Notice, *, names: bool, now: datetime
) -> list[Feedback]:
    """Return what was written back, the newest first; the caller has checked the right.

    Args:
        names: the reader may know which children it is about.
    """
    rows = (
        await session.execute(
            select(NoticeFeedback, Contact.guardian_id)
            .join(Contact, Contact.id == NoticeFeedback.contact_id)
            .where(NoticeFeedback.notice_id == notice.id)
            .order_by(NoticeFeedback.id.desc())
            .limit(MOST_ROWS)
        )
    ).all()
    ties = await _ties(session, notice.id, [row[1] for row in rows if row[1]]) if names else {}
    found = []
    for row, guardian_id in rows:
        theirs = ties.get(guardian_id or 0, [])
        mine = row.read_by == by.id and row.read_at is not None and row.read_at > now - LOOK
        found.append(
            Feedback(
                id=row.id,
                at=row.at,
                text=row.text,
                children=tuple((child.id, child.name) for child, _ in theirs),
                relation=theirs[0][1] if theirs else "",
                new=row.read_at is None or mine,
            )
        )
    return found


async def looked(
    session: AsyncSession, by: StaffView, notice: Notice, shown: Sequence[Feedback], now: datetime
) -> bool:
    """Say whether this reader's look at all that is shown stands in the trail already."""
    if not shown:
        return True
    last = await session.scalar(
        select(func.max(AuditEntry.at)).where(
            AuditEntry.staff_id == by.id,
            AuditEntry.at > now - LOOK,
            AuditEntry.action == SHOWN,
            AuditEntry.object_kind == "notice",
            AuditEntry.object_id == notice.id,
        )
    )
    return last is not None and last >= shown[0].at


async def look(
    session: AsyncSession, by: StaffView, notice: Notice, shown: Sequence[Feedback], now: datetime
) -> None:
    """Write into the audit trail that a person is shown these answers; ids only."""
    children = sorted({child_id for one in shown for child_id, _ in one.children})
    await audit.record(
        session,
        staff_id=by.id,
        action=SHOWN,
        object_kind="notice",
        object_id=notice.id,
        now=now,
        data={"children": children, "place": notice.place_id, "count": len(shown)},
    )


async def mark_read(
    session: AsyncSession, by: StaffView, shown: Sequence[Feedback], now: datetime
) -> None:
    """Note that a person has opened the page on which these answers stand."""
    await session.execute(
        update(NoticeFeedback)
        .where(
            NoticeFeedback.id.in_([one.id for one in shown if one.new]),
            NoticeFeedback.read_at.is_(None),
        )
        .values(read_at=now, read_by=by.id)
    )


async def _ties(
    session: AsyncSession, notice_id: int, guardian_ids: Collection[int]
) -> dict[int, list[tuple[Child, str]]]:
    """Return each guardian's children that the notice concerns, with the relation."""
    rows = await session.execute(
        select(Guardianship.guardian_id, Guardianship.relation, Child)
        .join(Child, Child.id == Guardianship.child_id)
        .join(NoticeChild, NoticeChild.child_id == Child.id)
        .where(
            NoticeChild.notice_id == notice_id,
            Guardianship.guardian_id.in_(guardian_ids),
            Guardianship.ended_at.is_(None),
            Guardianship.custody_block.is_(False),
        )
        .order_by(Guardianship.guardian_id, Child.id)
    )
    found: dict[int, list[tuple[Child, str]]] = {}
    for guardian_id, relation, child in rows:
        found.setdefault(guardian_id, []).append((child, relation))
    return found
