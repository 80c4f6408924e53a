"""Priority: what puts a case before the others of its level. No level and no clock changes by it.

Night (22:00 to 06:00 in China), silence after the safety question, and triggers that the parent
names. Called by the queue and the offers (the order), by cases (opened, raised, heard), by
deliveries (the question went out), by conversations (a person took over) and by the job that looks
after five minutes.
Source: DESIGN §4, last line; DOMAIN §3, points 5 and 10.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.levels import highest, rank
from bot.core.messages import Kind
from bot.db.models import Case, CaseEvent, Contact, Delivery, Message
from bot.db.models.case import CLOSED
from bot.db.models.delivery import ACCEPTED, PASSIVE
from bot.jobs.table import cancel, enqueue
from bot.services import ladder
from bot.services.live import publish
from bot.services.triggers import triggers_in

NIGHT, SILENCE, TRIGGER = "night", "silence", "trigger"
NIGHT_FROM, NIGHT_UNTIL = 22, 6
ANSWER_WITHIN = timedelta(minutes=5)
# Words of yesterday still tell what sort of day it is.
EARLIER = timedelta(hours=24)
EARLIER_MESSAGES = 10
KIND = "case.silence"
# Every crisis reply asks the safety question, and nothing else has this source.
_QUESTION = "crisis:"
# What a platform reports, or a finger touches, is no answer.
_UNWRITTEN = frozenset({Kind.FOLLOW, Kind.UNFOLLOW, Kind.SCAN, Kind.MENU, Kind.RECEIPT})


def is_night(moment: datetime) -> bool:
    """Say whether it is between 22:00 and 06:00 in China (06:00 itself is day)."""
    hour = to_shanghai(moment).hour
    return hour >= NIGHT_FROM or hour < NIGHT_UNTIL


def weight(reasons: Iterable[str]) -> int:
    """Return the priority: one for each sort of reason, several triggers count once."""
    return len({code.partition(":")[0] for code in reasons})


def standing(case: Case) -> str:
    """Return the level by which a case is ordered: the machine's, or a person's that is higher."""
    return highest((case.level, case.judged_level or "0"))


def order(case: Case) -> tuple[bool, int, int, datetime, int]:
    """Return what open cases are sorted by: level, then priority, then the longest wait.

    Every real case goes before a drill of whatever level.
    """
    return case.drill, -rank(standing(case)), -case.priority, case.raised_at, case.id


def wordless(reasons: Iterable[str]) -> list[str]:
    """Return the reasons that tell nothing of what a parent wrote."""
    return [code for code in reasons if not code.startswith(f"{TRIGGER}:")]


async def opened(session: AsyncSession, case: Case, *, now: datetime) -> None:
    """Note the hour, and what the contact named in the messages before, for a case just opened.

    What a person has seen and closed is not held against the new case.
    """
    raised(case, now=now)
    closed_at = select(Case.closed_at).where(
        Case.contact_id == case.contact_id, Case.state == CLOSED
    )
    last = await session.scalar(closed_at.order_by(Case.id.desc()).limit(1))
    since = now - EARLIER if last is None else max(now - EARLIER, last)
    texts = await session.scalars(
        select(Message.text)
        .where(Message.contact_id == case.contact_id, Message.received_at > since)
        .order_by(Message.id.desc())
        .limit(EARLIER_MESSAGES)
    )
    _add(case, _codes(texts))


def raised(case: Case, *, now: datetime) -> None:
    """Note the hour of a message that opened or raised a case."""
    if is_night(now):
        _add(case, [NIGHT])


def heard(case: Case, message: Message) -> None:
    """Note what a further message names; whoever writes is silent no longer.

    What was written before the case reached its level, and is only read now, answers nothing.
    """
    if Kind(message.kind) in _UNWRITTEN:
        return
    if message.received_at >= case.raised_at:
        _set(case, [code for code in case.priority_reasons if code != SILENCE])
    _add(case, _codes([message.text]))


def asks(source: str) -> bool:
    """Say whether a delivery of this source asks the safety question."""
    return source.startswith(_QUESTION)


async def asked(session: AsyncSession, case: Case, delivery: Delivery, *, now: datetime) -> None:
    """Plan to look for an answer, once the question went out; once per raise of a case.

    A reply to what was written before the raise, and one in a conversation that a person holds,
    wait for nothing.
    """
    contact = await session.get_one(Contact, case.contact_id)
    if contact.holder_id is not None or delivery.created_at < case.raised_at:
        return
    round_ = ladder.round_key(case)
    await enqueue(
        session,
        KIND,
        {"case": case.id, "round": round_, "delivery": delivery.id},
        key=f"silence:{round_}",
        now=now,
        run_at=_asked_at(delivery) + ANSWER_WITHIN,
        prio=1,
    )


async def taken_over(session: AsyncSession, case_id: int, *, now: datetime) -> None:
    """Wait for no answer any more: a person holds the conversation."""
    await cancel(session, prefix=f"silence:{case_id}:", now=now)


async def look(
    session: AsyncSession, *, case_id: int, round_: str, delivery_id: int, now: datetime
) -> None:
    """Note the silence, unless somebody wrote, took over, raised or closed the case meanwhile."""
    contact_id = await session.scalar(select(Case.contact_id).where(Case.id == case_id))
    if contact_id is None:
        return
    # The contact's row before the case's, as the inbox does it; a message of this very moment is
    # stored before or after this, never beside it (PostgreSQL).
    contact = await session.get_one(Contact, contact_id, with_for_update={"key_share": True})
    case = await session.get_one(Case, case_id, with_for_update={"key_share": True})
    delivery = await session.get(Delivery, delivery_id)
    gone = case.state == CLOSED or ladder.round_key(case) != round_
    if gone or contact.holder_id is not None or delivery is None or delivery.state != ACCEPTED:
        return
    if SILENCE in case.priority_reasons or await _answered(session, contact_id, delivery):
        return
    _add(case, [SILENCE])
    session.add(CaseEvent(case_id=case.id, at=now, kind=SILENCE, data={"delivery": delivery.id}))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def _answered(session: AsyncSession, contact_id: int, delivery: Delivery) -> bool:
    found = await session.scalar(
        select(Message.id)
        .where(
            Message.contact_id == contact_id,
            Message.id > (delivery.message_id or 0),
            Message.received_at >= _asked_at(delivery),
            Message.kind.not_in([kind.value for kind in _UNWRITTEN]),
        )
        .limit(1)
    )
    return found is not None


def _asked_at(delivery: Delivery) -> datetime:
    """Return when the question left: a passive reply with its callback, others with the receipt."""
    if delivery.route == PASSIVE or delivery.finished_at is None:
        return delivery.created_at
    return delivery.finished_at


def _codes(texts: Iterable[str]) -> list[str]:
    return [f"{TRIGGER}:{code}" for code in triggers_in(texts)]


def _add(case: Case, codes: Iterable[str]) -> None:
    _set(case, list(dict.fromkeys([*case.priority_reasons, *codes])))


def _set(case: Case, codes: list[str]) -> None:
    if codes != case.priority_reasons:
        case.priority_reasons, case.priority = codes, weight(codes)
