"""Alerts to group webhooks: made in the transaction that opened the case, sent by a job.

The text holds the case number, the level and how long it waits; never a parent's words, a name or
a phone number. The queue on the desk never depends on an alert.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import rank
from bot.core.messages import Reply
from bot.core.phrases import PhraseBook
from bot.db.models import Case, CaseEvent, Delivery
from bot.db.models.delivery import ACCEPTED, ALERT, QUEUED, SENDING
from bot.jobs.table import enqueue

# A first call for a high case goes before everything else in a group's lane of 20 a minute.
FIRST_HIGH, FIRST, REPEATED, PLAIN = 0, 1, 2, 3
TIER_RANK: Mapping[str, int] = {"class": 0, "school": 1, "district": 2}


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """One configured way to call people: its name and the tier from which it is called.

    Args:
        loud: it rings until somebody looks (a DING), so it is kept for danger.
    """

    name: str
    tier: str
    loud: bool = False


def softly(targets: Sequence[AlertTarget]) -> Sequence[AlertTarget]:
    """Return the ways that suit what is no danger; the loud ones where there are no others."""
    return [target for target in targets if not target.loud] or targets


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What alerts need to know: the groups, the words and the desk's address."""

    targets: Sequence[AlertTarget]
    phrases: PhraseBook
    desk_url: str

    def called_at(self, step: int) -> list[AlertTarget]:
        """Return the groups called at a step of the ladder.

        The nearest group is called first, each step adds the next; where no group of a tier is
        configured the next one up stands in from the start.
        """
        ordered = sorted(self.targets, key=lambda target: TIER_RANK[target.tier])
        if not ordered:
            return []
        tiers = sorted({TIER_RANK[target.tier] for target in ordered})
        reached = tiers[min(step, len(tiers) - 1)]
        return [target for target in ordered if TIER_RANK[target.tier] <= reached]


async def raise_alerts(
    session: AsyncSession, policy: AlertPolicy, case: Case, *, step: int, key: str, now: datetime
) -> int:
    """Queue one alert per group for a step of a case's ladder and return how many.

    Args:
        key: tells this step of this climb from all others.
    """
    waiting = max(0, int((now - case.raised_at).total_seconds() // 60))
    phrase = policy.phrases.get("alert.drill" if case.drill else "alert.case")
    text = phrase.format(case=case.id, level=case.level, minutes=waiting, url=policy.desk_url)
    targets = policy.called_at(step)
    for target in targets:
        await post(
            session,
            target,
            Reply(text, "alert", phrase.source),
            key=f"alert:{key}:{target.name}",
            prio=_prio(case, step),
            now=now,
            case_id=case.id,
        )
    session.add(
        CaseEvent(case_id=case.id, at=now, kind="alerted", data={"step": step, "n": len(targets)})
    )
    return len(targets)


async def raise_handoff(
    session: AsyncSession, policy: AlertPolicy, case: Case, *, now: datetime
) -> None:
    """Tell the nearest group once that a parent asks for a person."""
    phrase = policy.phrases.get("alert.handoff")
    reply = Reply(phrase.format(case=case.id, url=policy.desk_url), "alert", phrase.source)
    for target in softly(policy.called_at(0)):
        key = f"handoff:{case.id}:{target.name}"
        await post(session, target, reply, key=key, prio=PLAIN, now=now, case_id=case.id)


def _prio(case: Case, step: int) -> int:
    if step > 0:
        return REPEATED
    return FIRST_HIGH if rank(case.level) >= rank("3") else FIRST


async def post(
    session: AsyncSession,
    target: AlertTarget,
    words: Reply,
    *,
    key: str,
    prio: int,
    now: datetime,
    case_id: int | None = None,
) -> None:
    """Write one post to a group and queue the job that sends it.

    Args:
        key: unique among all deliveries; the job's key too.
    """
    delivery = Delivery(
        key=key,
        case_id=case_id,
        route=ALERT,
        target=target.name,
        kind=words.kind,
        source=words.source,
        body=words.text,
        state=QUEUED,
        created_at=now,
    )
    session.add(delivery)
    await session.flush()
    await enqueue(
        session,
        "alert.send",
        {"delivery": delivery.id},
        key=key,
        now=now,
        lane=f"alert:{target.name}",
        prio=prio,
    )


async def under_way(session: AsyncSession, case: Case) -> bool:
    """Say whether the newest call for a case is being sent or was accepted by the platform.

    Only then 正在通知 is true; an earlier call that arrived does not make up for a failed one.
    """
    newest = (
        select(func.max(Delivery.created_at))
        .where(Delivery.case_id == case.id, Delivery.route == ALERT)
        .scalar_subquery()
    )
    row = await session.scalar(
        select(Delivery.id)
        .where(
            Delivery.case_id == case.id,
            Delivery.route == ALERT,
            Delivery.created_at == newest,
            Delivery.state.in_((QUEUED, SENDING, ACCEPTED)),
        )
        .limit(1)
    )
    return row is not None
