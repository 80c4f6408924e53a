"""Alarms for the operator: one row per cause, counted, shown by `doctor` and on the desk.

Raised when something must be looked at that no parent and no counselor can mend: a broken rules
file, a callback over the size limit, a platform that refuses the account.
"""

from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Alarm

log = structlog.get_logger(__name__)


async def raise_alarm(
    session: AsyncSession, kind: str, *, now: datetime, subject: str = ""
) -> None:
    """Record an alarm.

    Args:
        kind: a code such as `rules_invalid`.
        subject: an id or account name that tells two alarms of a kind apart; no personal text.
    """
    key = f"{kind}:{subject}"
    alarm = await session.scalar(select(Alarm).where(Alarm.key == key))
    if alarm is None:
        session.add(Alarm(key=key, kind=kind, count=1, first_at=now, last_at=now))
    else:
        alarm.count += 1
        alarm.last_at = now
        alarm.cleared_at = None
    log.error("alarm", alarm=kind, subject=subject)


async def open_alarms(session: AsyncSession) -> list[Alarm]:
    """Return the alarms that nobody has cleared, newest first."""
    rows = await session.scalars(
        select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.last_at.desc()).limit(100)
    )
    return list(rows)


async def clear(session: AsyncSession, alarm_id: int, *, now: datetime) -> None:
    """Mark an alarm as seen to."""
    alarm = await session.get(Alarm, alarm_id)
    if alarm is not None:
        alarm.cleared_at = now
