"""How far a notice has come, guardian by guardian and child by child.

Called by the teacher's pages and by `handlers.notices`. Of several rounds the furthest state
counts: who has read the first message has read it, whatever becomes of the reminder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Integer, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Child, Delivery, Guardian, Guardianship, Notice, NoticeChild
from bot.db.models.delivery import (
    ACCEPTED,
    CONFIRMED,
    FAILED,
    QUEUED,
    READ,
    SENDING,
    UNKNOWN,
    UNREACHABLE,
    WITHDRAWN,
)
from bot.services.notice_rows import CORRECTION, source

# From the least to the furthest.
ORDER = (WITHDRAWN, UNREACHABLE, FAILED, UNKNOWN, QUEUED, SENDING, ACCEPTED, READ, CONFIRMED)
ROWS = 500


@dataclass(frozen=True, slots=True)
class GuardianState:
    """One guardian of a child, and how far the notice has come with them.

    Args:
        way: the way out (`notice_plan.WAYS`), empty for none.
        reason: a code, where it did not get through.
        mark: a code, where people noted before that this guardian can't be reached; says nothing
            of this notice.
    """

    guardian_id: int
    name: str
    relation: str
    state: str
    way: str
    reason: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class ChildState:
    """One child a notice concerns.

    Args:
        way: how it was confirmed: `chat`, `page` or `phone`; empty: not yet.
    """

    child_id: int
    name: str
    confirmed_at: datetime | None
    way: str
    guardians: tuple[GuardianState, ...]


@dataclass(frozen=True, slots=True)
class NoticeStates:
    """How far a notice has come.

    Args:
        counts: guardians (of a course's push: contacts) by state.
        reasons: those who were not reached, by the code of the reason.
        children: as many as were asked for, those still open first.
    """

    people: int
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    children_total: int
    children_confirmed: int
    children: Sequence[ChildState]


async def states(session: AsyncSession, notice_id: int, *, rows: int = ROWS) -> NoticeStates:
    """Return how far a notice has come.

    Args:
        rows: how many children are listed; their names are deciphered one by one.
    """
    await session.get_one(Notice, notice_id)
    counts, reasons = await _people(session, notice_id)
    total, confirmed = (
        await session.execute(
            select(func.count(), func.count(NoticeChild.confirmed_at)).where(
                NoticeChild.notice_id == notice_id
            )
        )
    ).one()
    children = await _children(session, notice_id, rows) if rows else []
    return NoticeStates(sum(counts.values()), counts, reasons, total, confirmed, children)


def _rank() -> ColumnElement[int]:
    return case({state: rank for rank, state in enumerate(ORDER)}, value=Delivery.state, else_=0)


async def _people(session: AsyncSession, notice_id: int) -> tuple[dict[str, int], dict[str, int]]:
    person = func.coalesce(Delivery.guardian_id, -Delivery.contact_id)
    furthest = (
        select(
            person.label("person"),
            func.max(_rank(), type_=Integer).label("rank"),
            func.max(Delivery.reason).label("reason"),
        )
        .where(Delivery.notice_id == notice_id, Delivery.source != source(CORRECTION))
        .group_by(person)
        .subquery()
    )
    found = await session.execute(
        select(furthest.c.rank, furthest.c.reason, func.count()).group_by(
            furthest.c.rank, furthest.c.reason
        )
    )
    counts: dict[str, int] = dict.fromkeys(reversed(ORDER), 0)
    reasons: dict[str, int] = {}
    for rank, reason, number in found:
        counts[ORDER[rank]] += number
        if reason and ORDER[rank] in (UNREACHABLE, FAILED):
            reasons[reason] = reasons.get(reason, 0) + number
    return counts, reasons


async def _children(session: AsyncSession, notice_id: int, rows: int) -> list[ChildState]:
    found = (
        await session.execute(
            select(NoticeChild, Child)
            .join(Child, Child.id == NoticeChild.child_id)
            .where(NoticeChild.notice_id == notice_id)
            .order_by(NoticeChild.confirmed_at.is_not(None), NoticeChild.child_id)
            .limit(rows)
        )
    ).all()
    guardians = await _guardians(session, notice_id, [child.id for _, child in found])
    return [
        ChildState(
            child.id, child.name, mark.confirmed_at, mark.way, tuple(guardians.get(child.id, ()))
        )
        for mark, child in found
    ]


async def _guardians(
    session: AsyncSession, notice_id: int, child_ids: Sequence[int]
) -> dict[int, list[GuardianState]]:
    told = await session.execute(
        select(
            Guardianship.child_id,
            Guardianship.relation,
            Guardianship.custody_block,
            Guardianship.unreachable,
            Guardian,
            Delivery.state,
            Delivery.target,
            Delivery.reason,
        )
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .join(
            Delivery,
            (Delivery.guardian_id == Guardian.id)
            & (Delivery.notice_id == notice_id)
            & (Delivery.source != source(CORRECTION)),
        )
        .where(Guardianship.child_id.in_(child_ids), Guardianship.ended_at.is_(None))
        .order_by(Guardianship.child_id, Guardian.id, Delivery.id)
    )
    best: dict[tuple[int, int], GuardianState] = {}
    for child_id, relation, blocked, mark, guardian, state, way, reason in told:
        before = best.get((child_id, guardian.id))
        if before is not None and ORDER.index(before.state) > ORDER.index(state):
            continue
        if blocked:
            # Told of another child perhaps, but not of this one.
            state, way, reason = UNREACHABLE, "", "custody_block"
        best[child_id, guardian.id] = GuardianState(
            guardian.id, guardian.name, relation, state, way, reason, mark
        )
    found: dict[int, list[GuardianState]] = {}
    for (child_id, _), row in best.items():
        found.setdefault(child_id, []).append(row)
    return found
