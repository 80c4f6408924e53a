"""What guardians write back about a notice, for its author: kept, counted, forgotten.

Called by `handlers.notice_reply`, by the notice's page behind a link, and for counts by the lists
of notices; staff read it through `bot.services.notice_answers`.
Every word was stored and screened as an incoming message before; one of level 2 and above never
becomes feedback, nor does anything while a case of that level is open (the floor is in the level).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.core.levels import ESCALATED
from bot.db.models import (
    Contact,
    Message,
    Notice,
    NoticeChild,
    NoticeFeedback,
)
from bot.db.models.notice import EXPANDING, SENT, WITHDRAWN
from bot.services.live import publish
from bot.services.notice_confirm import ASKS_FOR, children_of

WORDS_MOST = 500
# Sent again by a second tap within this time it is the same words once.
SAME = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Recent:
    """A notice of the last weeks that concerns somebody's children."""

    id: int
    title: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class Said:
    """What a contact itself wrote back; empty words: they were erased."""

    at: datetime
    text: str


def check_words(text: str) -> str:
    """Return the words as they are kept.

    Raises:
        InputInvalid: empty (`empty`), or longer than `WORDS_MOST` signs (`long`).
    """
    words = text.replace("\r\n", "\n").strip()
    if not words:
        raise InputInvalid("empty", field="empty")
    if len(words) > WORDS_MOST:
        raise InputInvalid("long", field="long")
    return words


async def recent(session: AsyncSession, contact_id: int, now: datetime) -> list[Recent]:
    """Return the notices that a contact may answer or might mean, the oldest first."""
    rows = await session.execute(
        select(Notice.id, Notice.title, Notice.state)
        .where(
            Notice.state.in_((EXPANDING, SENT, WITHDRAWN)),
            Notice.kind == "notice",
            Notice.sent_at > now - ASKS_FOR,
            Notice.id.in_(
                select(NoticeChild.notice_id).where(
                    NoticeChild.child_id.in_(children_of(contact_id))
                )
            ),
        )
        .order_by(Notice.id)
    )
    return [Recent(row.id, row.title, row.state == WITHDRAWN) for row in rows]


async def add(
    session: AsyncSession,
    *,
    notice_id: int,
    contact_id: int,
    message_id: int,
    text: str,
    now: datetime,
) -> str:
    """Keep what a guardian wrote back; the same message, or the same words again, are one.

    Returns:
        The notice's title.

    Raises:
        NotFound: the notice concerns none of their children.
        Conflict: it was withdrawn.
        NotAllowed: the words are for the counselor, not for a teacher.
        InputInvalid: see `check_words`.
    """
    notice = await session.get(Notice, notice_id)
    theirs = NoticeChild.child_id.in_(children_of(contact_id))
    mine = select(NoticeChild.child_id).where(NoticeChild.notice_id == notice_id, theirs).limit(1)
    if notice is None or await session.scalar(mine) is None:
        raise NotFound(f"notice {notice_id}")
    if notice.state not in (EXPANDING, SENT):
        raise Conflict(f"notice {notice_id} was withdrawn")
    words = check_words(text)
    message = await session.get_one(Message, message_id)
    if message.level in ESCALATED or message.contact_id != contact_id:
        raise NotAllowed(f"message {message_id}")
    # Two taps at once are one after the other.
    await session.get_one(Contact, contact_id, with_for_update=True)
    if not await _known(session, notice_id, contact_id, message_id, words, now):
        session.add(
            NoticeFeedback(
                notice_id=notice_id,
                contact_id=contact_id,
                message_id=message_id,
                text=words,
                at=now,
            )
        )
        await session.flush()
        await publish(session, "notice", place_id=notice.place_id, case_id=None, now=now)
    return notice.title


async def said(session: AsyncSession, contact_id: int, notice_id: int) -> list[Said]:
    """Return what a contact itself wrote back about a notice, the oldest first."""
    rows = await session.scalars(
        select(NoticeFeedback)
        .where(NoticeFeedback.contact_id == contact_id, NoticeFeedback.notice_id == notice_id)
        .order_by(NoticeFeedback.id)
    )
    return [Said(row.at, row.text) for row in rows]


async def counts(
    session: AsyncSession, notice_ids: Collection[int]
) -> Mapping[int, tuple[int, int]]:
    """Return for notices how many answers there are, and how many of them nobody has read."""
    rows = await session.execute(
        select(
            NoticeFeedback.notice_id,
            func.count(),
            func.count() - func.count(NoticeFeedback.read_at),
        )
        .where(NoticeFeedback.notice_id.in_(notice_ids))
        .group_by(NoticeFeedback.notice_id)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


async def forget(session: AsyncSession, contact_id: int) -> None:
    """Erase the words of a contact; that there was an answer still counts."""
    await session.execute(
        update(NoticeFeedback).where(NoticeFeedback.contact_id == contact_id).values(text="")
    )


async def _known(
    session: AsyncSession,
    notice_id: int,
    contact_id: int,
    message_id: int,
    words: str,
    now: datetime,
) -> bool:
    stored = select(NoticeFeedback.id).where(NoticeFeedback.message_id == message_id)
    if await session.scalar(stored) is not None:
        return True
    last = await session.scalar(
        select(NoticeFeedback)
        .where(
            NoticeFeedback.notice_id == notice_id,
            NoticeFeedback.contact_id == contact_id,
            NoticeFeedback.at > now - SAME,
        )
        .order_by(NoticeFeedback.id.desc())
        .limit(1)
    )
    return last is not None and last.text == words
