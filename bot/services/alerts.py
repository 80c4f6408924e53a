"""Alerts to groups and to the people on duty: made with the case, in its transaction, sent by jobs.

The text holds the case number, the level and how long it waits; never a parent's words, a name or
a phone number. The queue on the desk never depends on an alert. Each step of the ladder uses every
way that is configured for it; `alert_next` goes on to the others when none of them got through.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import rank
from bot.core.messages import Reply
from bot.core.phrases import PhraseBook
from bot.db.models import Case, CaseEvent, Delivery, Place
from bot.db.models.delivery import ACCEPTED, ALERT, QUEUED, SENDING
from bot.jobs.table import enqueue
from bot.services import alert_people, places
from bot.services.alert_people import PUSH

# A first call for a high case goes before everything else in a group's lane of 20 a minute.
FIRST_HIGH, FIRST, REPEATED, PLAIN = 0, 1, 2, 3
LOOK = "alert.look"
TIER_RANK: Mapping[str, int] = {"class": 0, "school": 1, "district": 2}


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """One configured way to call people: its name and the tier from which it is called.

    Args:
        loud: it rings until somebody looks (a DING), so it is kept for danger.
        personal: it calls those on duty for the case's place one by one, whatever the tier:
            `staff` by their id in the organisation, `push` in their browsers; empty: a group or
            a fixed list.
        spare: it is called only when no other way got through.
        home: scene of the place whose cases it is for; empty: of all.
        order: among those that are left to try, the lowest first.
    """

    name: str
    tier: str
    loud: bool = False
    personal: str = ""
    spare: bool = False
    home: str = ""
    order: int = 0


def softly(targets: Sequence[AlertTarget]) -> Sequence[AlertTarget]:
    """Return the ways that suit what is no danger; the loud ones where there are no others."""
    return [target for target in targets if not target.loud] or targets


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """What alerts need to know: the ways to call, the words and the desk's address.

    Args:
        receipt_wait: how long a step waits for a receipt before the next way is tried.
    """

    targets: Sequence[AlertTarget]
    phrases: PhraseBook
    desk_url: str
    receipt_wait: timedelta = timedelta(seconds=90)

    def of(self, scenes: Collection[str]) -> "AlertPolicy":
        """Return the policy with the ways that are for a place, which has these scenes above it."""
        kept = [one for one in self.targets if not one.home or one.home in scenes]
        return replace(self, targets=kept)

    def to_groups(self) -> "AlertPolicy":
        """Return the policy without the spare ways and those that call people one by one."""
        kept = [one for one in self.targets if not one.personal and not one.spare]
        return replace(self, targets=kept)

    def next_after(self, tried: Collection[str], lowest: str) -> AlertTarget | None:
        """Return the next way that a step has not tried yet, the spare ones last.

        Args:
            lowest: as for `called_at`.
        """
        left = [
            one
            for one in self.targets
            if one.name not in tried and (one.personal or TIER_RANK[one.tier] >= TIER_RANK[lowest])
        ]
        return min(
            left,
            key=lambda one: (one.spare, TIER_RANK[one.tier], one.order, one.name),
            default=None,
        )

    def called_at(self, step: int, lowest: str = "class") -> list[AlertTarget]:
        """Return the groups called at a step of the ladder, and the ways to single people.

        The nearest group is called first, each step adds the next; where no group of a tier is
        configured the next one up stands in from the start. Where there is none so high up, the
        highest there is stands in, but never a class.

        Args:
            lowest: the tier at which the climb begins; nobody below it is called.
        """
        usual = [target for target in self.targets if not target.spare]
        single = [target for target in usual if target.personal]
        groups = [target for target in usual if not target.personal]
        return [*self._groups_at(groups, step, lowest), *single]

    @staticmethod
    def _groups_at(groups: Sequence[AlertTarget], step: int, lowest: str) -> list[AlertTarget]:
        ordered = sorted(groups, key=lambda target: (TIER_RANK[target.tier], target.order))
        if not ordered:
            return []
        top = TIER_RANK[ordered[-1].tier]
        floor = min(TIER_RANK[lowest], top)
        if floor < TIER_RANK["school"] <= TIER_RANK[lowest]:
            return []
        ordered = [target for target in ordered if TIER_RANK[target.tier] >= floor]
        tiers = sorted({TIER_RANK[target.tier] for target in ordered})
        reached = tiers[min(step, len(tiers) - 1)]
        return [target for target in ordered if TIER_RANK[target.tier] <= reached]


def first_tier(case: Case) -> str:
    """Return the tier at which a case begins to climb: its desk's, and never a class.

    What stands on the district's desk (a teacher's misconduct, an adult's own risk) is not called
    out at the school (DESIGN §4).
    """
    return "district" if case.tier == "district" else "school"


async def raise_alerts(
    session: AsyncSession, policy: AlertPolicy, case: Case, *, step: int, key: str, now: datetime
) -> int:
    """Queue one alert per group for a step of a case's ladder and return how many.

    Args:
        key: tells this step of this climb from all others.
    """
    here = await policy_of(session, policy, case)
    targets = here.called_at(step, first_tier(case))
    sent = 0
    for target in targets:
        sent += await call(session, here, case, target, step=step, key=key, now=now)
    session.add(CaseEvent(case_id=case.id, at=now, kind="alerted", data={"step": step, "n": sent}))
    await enqueue(
        session,
        LOOK,
        {"case": case.id, "key": key, "step": step},
        key=f"alert-look:{key}:0",
        now=now,
        run_at=now + policy.receipt_wait if sent else now,
        prio=0,
    )
    return sent


async def policy_of(session: AsyncSession, policy: AlertPolicy, case: Case) -> AlertPolicy:
    """Return the ways that are for a case's place; without a place those that are for all."""
    if not any(target.home for target in policy.targets):
        return policy
    place = await places.get(session, case.place_id)
    query = select(Place.scene).where(Place.id.in_(places.path_ids(place) if place else []))
    return policy.of({scene for scene in await session.scalars(query) if scene})


async def call(
    session: AsyncSession,
    policy: AlertPolicy,
    case: Case,
    target: AlertTarget,
    *,
    step: int,
    key: str,
    now: datetime,
) -> int:
    """Queue a case's alert in one way: one post, or one for each person on duty; return how many.

    Args:
        key: of the step of the climb.
    """
    waiting = max(0, int((now - case.raised_at).total_seconds() // 60))
    words = ("alert.push", "alert.push_drill")
    if target.personal != PUSH:
        words = ("alert.case", "alert.drill")
    phrase = policy.phrases.get(words[case.drill])
    values = {"case": case.id, "level": case.level, "minutes": waiting, "url": policy.desk_url}
    text = phrase.format(**{name: values[name] for name in phrase.fields})
    people: list[int | None] = [None]
    if target.personal:
        people = list(await alert_people.callees(session, case, target.personal, step, now=now))
    for person in people:
        await post(
            session,
            target,
            Reply(text, "alert", phrase.source),
            key=f"alert:{key}:{target.name}" + (f":{person}" if person else ""),
            prio=_prio(case, step),
            now=now,
            case_id=case.id,
            staff_id=person,
        )
    return len(people)


async def raise_handoff(
    session: AsyncSession, policy: AlertPolicy, case: Case, *, now: datetime
) -> None:
    """Tell the nearest group once that a parent asks for a person; single people are let be."""
    phrase = policy.phrases.get("alert.handoff")
    reply = Reply(phrase.format(case=case.id, url=policy.desk_url), "alert", phrase.source)
    here = (await policy_of(session, policy, case)).to_groups()
    for target in softly(here.called_at(0, first_tier(case))):
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
    staff_id: int | None = None,
) -> None:
    """Write one post and queue the job that sends it.

    Args:
        key: unique among all deliveries; the job's key too.
        staff_id: who is called, where it calls one person.
    """
    delivery = Delivery(
        key=key,
        case_id=case_id,
        staff_id=staff_id,
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
