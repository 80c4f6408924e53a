"""Alarms for the operator: one row per cause, counted, shown by `doctor`, on `/admin` and the desk.

Raised when something must be looked at that no parent and no counselor can mend: a broken rules
file, a callback over the size limit, a platform that refuses the account. The first one of a kind
is posted to the group at the top as well; the post says that there is something, not what.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Reply
from bot.db.models import Alarm, Delivery
from bot.db.models.delivery import ALERT
from bot.services import audit
from bot.services.alerts import TIER_RANK, AlertPolicy, post, softly

log = structlog.get_logger(__name__)

POST_PAUSE = timedelta(hours=1)
# Behind every alert for a case in a group's lane of 20 a minute.
POST_PRIO = 9


async def raise_alarm(
    session: AsyncSession,
    kind: str,
    *,
    now: datetime,
    subject: str = "",
    policy: AlertPolicy | None = None,
) -> None:
    """Record an alarm and, when it is new or had been cleared, post that there is one.

    Args:
        kind: a code such as `rules_invalid`.
        subject: an id or account name that tells two alarms of a kind apart; no personal text.
        policy: which groups there are; None: nothing is posted.
    """
    key = f"{kind}:{subject}"
    alarm = await session.scalar(select(Alarm).where(Alarm.key == key))
    fresh = alarm is None or alarm.cleared_at is not None
    if alarm is None:
        session.add(Alarm(key=key, kind=kind, count=1, first_at=now, last_at=now))
    else:
        alarm.count += 1
        alarm.last_at = now
        alarm.cleared_at = None
    log.error("alarm", alarm=kind, subject=subject)
    if fresh and policy is not None:
        await _post(session, policy, kind, now)


async def _post(session: AsyncSession, policy: AlertPolicy, kind: str, now: datetime) -> None:
    """Queue one post for each group of the highest tier, at most once an hour for a kind."""
    posted = await session.scalar(
        select(Delivery.id)
        .where(
            Delivery.route == ALERT,
            Delivery.key.startswith(f"alarm:{kind}:", autoescape=True),
            Delivery.created_at > now - POST_PAUSE,
        )
        .limit(1)
    )
    groups = policy.to_groups().targets
    if posted is not None or not groups:
        return
    top = max(TIER_RANK[target.tier] for target in groups)
    url = f"{policy.desk_url.removesuffix('/desk')}/admin"
    phrase = policy.phrases.get("alert.alarm")
    words = Reply(phrase.format(url=url), "alarm", phrase.source)
    for target in softly([one for one in groups if TIER_RANK[one.tier] == top]):
        key = f"alarm:{kind}:{int(now.timestamp())}:{target.name}"
        await post(session, target, words, key=key, prio=POST_PRIO, now=now)


async def open_alarms(session: AsyncSession) -> list[Alarm]:
    """Return the alarms that nobody has cleared, newest first."""
    rows = await session.scalars(
        select(Alarm).where(Alarm.cleared_at.is_(None)).order_by(Alarm.last_at.desc()).limit(100)
    )
    return list(rows)


async def count_open(session: AsyncSession) -> int:
    """Return how many alarms nobody has cleared."""
    found = await session.scalar(select(func.count(Alarm.id)).where(Alarm.cleared_at.is_(None)))
    return found or 0


async def clear(
    session: AsyncSession, alarm_id: int, *, staff_id: int | None, now: datetime
) -> None:
    """Mark an alarm as seen to; one that is cleared or gone stays as it is."""
    alarm = await session.get(Alarm, alarm_id, with_for_update=True)
    if alarm is None or alarm.cleared_at is not None:
        return
    alarm.cleared_at = now
    await audit.record(
        session,
        staff_id=staff_id,
        action="alarm.cleared",
        object_kind="alarm",
        object_id=alarm.id,
        now=now,
        data={"kind": alarm.kind},
    )
