"""Lists of notices for the people who may read them: old ones by pages, drafts, the latest.

Called by the teacher's pages; the notices themselves are made in `bot.services.notices`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.db.models import Notice, NoticeChild
from bot.db.models.notice import DRAFT
from bot.services import desk, notice_feedback
from bot.services.rights import may, places_for
from bot.services.staff import StaffView

ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice in a list.

    Args:
        children: how many it concerns; 0 while it is a draft.
        confirmed: for how many of them somebody has confirmed.
        feedback: how many guardians' answers there are, and `unread` of them.
    """

    id: int
    title: str
    place: str
    state: str
    confirm: bool
    author: str
    at: datetime
    children: int
    confirmed: int
    feedback: int
    unread: int


@dataclass(frozen=True, slots=True)
class NoticePage:
    """One page of a list, and how many pages there are (at least 1)."""

    rows: tuple[NoticeRow, ...]
    page: int
    pages: int


async def visible(session: AsyncSession, by: StaffView, notice_id: int) -> Notice:
    """Return a notice that a person may see; drafts only its author.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    found = await session.get(Notice, notice_id)
    if found is None or not may(by, "notice.read", found.place_id):
        raise NotFound(f"notice {notice_id}")
    if found.state == DRAFT and found.author_id != by.id:
        raise NotFound(f"notice {notice_id}")
    return found


async def listing(
    session: AsyncSession, by: StaffView, *, page: int = 1, size: int = ON_A_PAGE
) -> NoticePage:
    """Return a page of the notices that a person may see, the newest first."""
    seen = _seen_by(by)
    total = await session.scalar(select(func.count()).select_from(Notice).where(seen)) or 0
    pages = max(1, -(-total // size))
    page = min(max(page, 1), pages)
    rows = await session.scalars(
        select(Notice).where(seen).order_by(Notice.id.desc()).limit(size).offset((page - 1) * size)
    )
    return NoticePage(await _rows(session, rows.all()), page, pages)


async def drafts(session: AsyncSession, by: StaffView) -> tuple[NoticeRow, ...]:
    """Return a person's own notices that they have not sent yet, the newest first."""
    rows = await session.scalars(
        select(Notice)
        .where(Notice.author_id == by.id, Notice.state == DRAFT)
        .order_by(Notice.id.desc())
        .limit(ON_A_PAGE)
    )
    return await _rows(session, rows.all())


def _seen_by(by: StaffView) -> ColumnElement[bool]:
    # What the service announces by itself (a course's reminder) has no author and is not listed.
    return and_(
        Notice.author_id.is_not(None),
        Notice.state != DRAFT,
        Notice.place_id.in_(places_for(by, "notice.read")),
    )


async def _rows(session: AsyncSession, found: Sequence[Notice]) -> tuple[NoticeRow, ...]:
    counted = await _progress(session, [notice.id for notice in found])
    answers = await notice_feedback.counts(session, [notice.id for notice in found])
    authors = await desk.staff_names(session, {notice.author_id for notice in found})
    places = await desk.place_names(session, {notice.place_id for notice in found})
    return tuple(
        NoticeRow(
            id=notice.id,
            title=notice.title,
            place=places[notice.place_id][1],
            state=notice.state,
            confirm=notice.confirm,
            author=authors.get(notice.author_id or 0, ""),
            at=notice.sent_at or notice.created_at,
            children=counted.get(notice.id, (0, 0))[0],
            confirmed=counted.get(notice.id, (0, 0))[1],
            feedback=answers.get(notice.id, (0, 0))[0],
            unread=answers.get(notice.id, (0, 0))[1],
        )
        for notice in found
    )


async def _progress(session: AsyncSession, ids: list[int]) -> dict[int, tuple[int, int]]:
    if not ids:
        return {}
    rows = await session.execute(
        select(NoticeChild.notice_id, func.count(), func.count(NoticeChild.confirmed_at))
        .where(NoticeChild.notice_id.in_(ids))
        .group_by(NoticeChild.notice_id)
    )
    return {row[0]: (row[1], row[2]) for row in rows}
