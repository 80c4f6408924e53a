"""Why somebody reads a case: asked once a day, written down, and part of every audit entry.

Called by `bot.web.case_reasons`, through which every page of a case goes, and by the audit of
reads. Whoever works on a case needs no click: the reason `working` is written for them.
Source: Regulations on the Protection of Minors in Cyberspace, article 36 (least privilege and a
record of each access by staff).
"""

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import InputInvalid
from bot.db.models import (
    AuditEntry,
    CarePlan,
    Case,
    CaseOffer,
    Contact,
    FollowUp,
    ReadReason,
    Staff,
)
from bot.db.models.case import CLOSED
from bot.db.models.file import DUE
from bot.services import audit, case_rights, transfers
from bot.services.staff import StaffView

TAKE_OVER, OTHER, WORKING = "take_over", "other", "working"
# What a person may choose; `working` is written by itself.
REASONS = (TAKE_OVER, "handover", "supervision", "complaint", OTHER)
LONGEST = 200
# Whoever closed a case still writes on it: supervision, forms, the hand-over of the shift.
AFTER_CLOSING = timedelta(hours=24)
# A page that was open at midnight goes on with the reason given before it.
CARRIED = timedelta(hours=12)
REFUSED_WINDOW = timedelta(hours=1)
REFUSED_MOST = 20


def day_of(moment: datetime) -> str:
    """Return the day in China to which a moment belongs: 2026-11-22."""
    return to_shanghai(moment).date().isoformat()


async def given(session: AsyncSession, staff_id: int, case_id: int, *, now: datetime) -> str:
    """Return the code of the reason somebody gave today for reading a case, or nothing."""
    found = await session.scalar(
        select(ReadReason.reason).where(
            ReadReason.staff_id == staff_id,
            ReadReason.case_id == case_id,
            ReadReason.day == day_of(now),
        )
    )
    return found or ""


async def carried(session: AsyncSession, staff_id: int, case_id: int, *, now: datetime) -> str:
    """Return a reason given a few hours ago, yesterday: for what was opened before midnight."""
    found = await session.scalar(
        select(ReadReason.reason)
        .where(
            ReadReason.staff_id == staff_id,
            ReadReason.case_id == case_id,
            ReadReason.at > now - CARRIED,
        )
        .order_by(ReadReason.id.desc())
        .limit(1)
    )
    return found or ""


async def works_on(session: AsyncSession, by: StaffView, case: Case, *, now: datetime) -> bool:
    """Say whether a person has this case in hand: theirs, offered to them, or a date of theirs."""
    shut = case.state == CLOSED and case.closed_at is not None
    if not shut or (case.closed_at and now - case.closed_at < AFTER_CLOSING):
        if by.id in (case.accepted_by, case.second_id):
            return True
        contact = await session.get(Contact, case.contact_id)
        if contact is not None and contact.holder_id == by.id:
            return True
        handed = await transfers.offered(session, case, now=now)
        if handed is not None and handed.to_id == by.id:
            return True
    theirs = (
        select(CaseOffer.id).where(
            CaseOffer.case_id == case.id,
            CaseOffer.staff_id == by.id,
            CaseOffer.ended_at.is_(None),
            CaseOffer.until > now,
        ),
        select(FollowUp.id).where(
            FollowUp.case_id == case.id, FollowUp.owner_id == by.id, FollowUp.state == DUE
        ),
        select(CarePlan.id).where(
            CarePlan.case_id == case.id, CarePlan.owner_id == by.id, CarePlan.ended_at.is_(None)
        ),
    )
    for query in theirs:
        if await session.scalar(query.limit(1)) is not None:
            return True
    return False


async def give(
    session: AsyncSession,
    by: StaffView,
    case_id: int,
    *,
    reason: str,
    words: str = "",
    by_itself: bool = False,
    now: datetime,
) -> None:
    """Write down why a person reads a case today; the first reason of a day stands.

    Args:
        by_itself: nobody was asked, and the reason may be `working`.

    Raises:
        NotFound: no such case within the person's reach.
        InputInvalid: no such reason, or another one without words for it.
    """
    await case_rights.visible(session, by, case_id)
    said = words.strip()
    if reason not in REASONS and not (by_itself and reason == WORKING):
        raise InputInvalid("reason", field="reason")
    if (reason == OTHER and not said) or len(said) > LONGEST:
        raise InputInvalid("words", field="words")
    # Two taps at once are one reason.
    await session.get(Staff, by.id, with_for_update=True)
    if await given(session, by.id, case_id, now=now):
        return
    session.add(
        ReadReason(
            staff_id=by.id, case_id=case_id, day=day_of(now), reason=reason, words=said, at=now
        )
    )
    await session.flush()
    await audit.record(
        session,
        staff_id=by.id,
        action="case.reason",
        object_kind="case",
        object_id=case_id,
        now=now,
        data={"reason": reason},
    )


async def said(
    session: AsyncSession, by: StaffView, case_id: int, *, now: datetime
) -> dict[str, object]:
    """Return what an audit entry about reading a case carries: the reason of today, if any."""
    code = await given(session, by.id, case_id, now=now)
    return {"reason": code} if code else {}


async def note_refused(
    session: AsyncSession, by: StaffView, case_id: int, *, now: datetime
) -> None:
    """Write into the audit trail that somebody asked for a case that is not theirs to see.

    What does not exist leaves no entry; nor does the twenty-first try of an hour, so that somebody
    who goes through all numbers can't flood the trail.
    """
    if await session.get(Case, case_id) is None:
        return
    await session.get(Staff, by.id, with_for_update=True)
    mine = (
        AuditEntry.staff_id == by.id,
        AuditEntry.action == "case.refused",
        AuditEntry.at > now - REFUSED_WINDOW,
    )
    tries = await session.scalar(select(func.count(AuditEntry.id)).where(*mine)) or 0
    again = await session.scalar(
        select(AuditEntry.id).where(*mine, AuditEntry.object_id == case_id).limit(1)
    )
    if tries >= REFUSED_MOST or again is not None:
        return
    await audit.record(
        session,
        staff_id=by.id,
        action="case.refused",
        object_kind="case",
        object_id=case_id,
        now=now,
        data={"n": tries + 1},
    )
