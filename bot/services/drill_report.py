"""A drill's report: clock by clock, call by call, and what failed, as codes.

Pure but for reading; called by `bot.services.drills`. What the codes are called stands with the
pages. No words of the drill are in it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import ACK, GUARDIAN, MET, WORDS, Clock
from bot.db.models import Case, Delivery
from bot.db.models.case import CLOSED
from bot.db.models.delivery import ACCEPTED, ALERT, CONFIRMED, QUEUED, READ, SENDING
from bot.services import case_times

NOBODY, LATE, NO_CALL, NO_RECEIPT, NOT_CLOSED, UNCOVERED = (
    "nobody",
    "late_ack",
    "no_call",
    "no_receipt",
    "not_closed",
    "uncovered",
)
# Without these a drill has not passed; the others are things to do better.
DECISIVE = frozenset({NOBODY, LATE, NO_CALL, NO_RECEIPT, NOT_CLOSED})
# What proves that a call arrived: the platform's receipt, or that somebody opened it.
ARRIVED = frozenset({ACCEPTED, READ, CONFIRMED})
_NAMED = {WORDS: "words_missed", GUARDIAN: "guardian_missed"}


async def make(session: AsyncSession, case: Case, *, now: datetime) -> dict[str, Any]:
    """Return what came of a drill up to now, as it is stored."""
    found = await case_times.of_case(session, case, now=now)
    calls = await _calls(session, case)
    return {
        "clocks": [_clock(one) for one in found],
        "calls": [_call(one) for one in calls],
        "accepted_by": case.accepted_by,
        "accepted_at": _text(case.accepted_at),
        "closed_by": case.closed_by,
        "closed_at": _text(case.closed_at),
        "uncovered": case.uncovered,
        "problems": problems(
            {one.name: one.state for one in found},
            [one.state for one in calls],
            accepted=case.accepted_at is not None,
            closed=case.state == CLOSED and case.closed_by is not None,
            uncovered=case.uncovered,
        ),
    }


async def _calls(session: AsyncSession, case: Case) -> Sequence[Delivery]:
    rows = await session.scalars(
        select(Delivery)
        .where(Delivery.case_id == case.id, Delivery.route == ALERT)
        .order_by(Delivery.created_at, Delivery.id)
    )
    return rows.all()


def problems(
    clocks: Mapping[str, str],
    calls: Sequence[str],
    *,
    accepted: bool,
    closed: bool,
    uncovered: bool,
) -> list[str]:
    """Return what went wrong, the decisive first.

    Args:
        clocks: the state of each clock by its name.
        calls: the state of each call.
    """
    found = [NOBODY] if not accepted else []
    if accepted and clocks.get(ACK, MET) != MET:
        found.append(LATE)
    if not calls:
        found.append(NO_CALL)
    elif not ARRIVED & set(calls):
        found.append(NO_RECEIPT)
    if not closed:
        found.append(NOT_CLOSED)
    if uncovered:
        found.append(UNCOVERED)
    found += [code for name, code in _NAMED.items() if clocks.get(name, MET) != MET]
    return found


def passed(report: Mapping[str, Any]) -> bool:
    """Say whether a drill with this report has passed."""
    return not DECISIVE & set(report["problems"])


def waits(report: Mapping[str, Any]) -> bool:
    """Say whether a receipt may still come that would decide."""
    states = {one["state"] for one in report["calls"]}
    return not ARRIVED & states and bool(states & {QUEUED, SENDING})


def _clock(one: Clock) -> dict[str, str | None]:
    return {
        "name": one.name,
        "due": _text(one.due),
        "met_at": _text(one.met_at),
        "state": one.state,
    }


def _call(one: Delivery) -> dict[str, str | None]:
    return {
        "target": one.target,
        "state": one.state,
        "at": _text(one.created_at),
        "finished_at": _text(one.finished_at),
        "reason": one.reason,
    }


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
