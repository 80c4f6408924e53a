"""The list of the rules' test cases and their counts, without any words.

Called by the pages about rules. Who sees which is decided by `bot.services.risk_cases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import rank
from bot.db.models import RuleCase
from bot.db.models.rule_case import AGREED, FALSE_ALARM, MISSED, NEW, REJECTED
from bot.services.risk_cases import seen_by
from bot.services.staff import StaffView

STATES = (NEW, AGREED, REJECTED)
ON_A_PAGE = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the list, without any words."""

    id: int
    kind: str
    state: str
    expected_level: str
    expected_category: str
    found_level: str
    found_category: str
    place_id: int | None
    staff_id: int
    decided_by: int | None
    created_at: datetime
    erased: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list.

    Args:
        counts: by state.
        pages: how many pages there are, at least 1.
    """

    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    page: int
    pages: int


async def listing(session: AsyncSession, viewer: StaffView, *, state: str, page: int) -> Listing:
    """Return a page of the cases that a person may see, the newest first."""
    counted = await session.execute(
        select(RuleCase.state, func.count()).where(seen_by(viewer)).group_by(RuleCase.state)
    )
    counts = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in counted}
    pages = max(1, -(-counts[state] // ON_A_PAGE))
    page = min(max(page, 1), pages)
    rows = await session.execute(
        select(
            RuleCase.id,
            RuleCase.kind,
            RuleCase.state,
            RuleCase.expected_level,
            RuleCase.expected_category,
            RuleCase.found_level,
            RuleCase.found_category,
            RuleCase.place_id,
            RuleCase.staff_id,
            RuleCase.decided_by,
            RuleCase.created_at,
            RuleCase.erased_at.is_not(None).label("erased"),
        )
        .where(seen_by(viewer), RuleCase.state == state)
        .order_by(RuleCase.id.desc())
        .limit(ON_A_PAGE)
        .offset((page - 1) * ON_A_PAGE)
    )
    return Listing(tuple(Row(**row._asdict()) for row in rows), counts, page, pages)


@dataclass(frozen=True, slots=True)
class Figure:
    """How many cases of a kind, category and level there are."""

    kind: str
    category: str
    level: str
    count: int


async def figures(session: AsyncSession, viewer: StaffView) -> tuple[Figure, ...]:
    """Count what was not rejected: false alarms by what was found, misses by what should have been.

    Numbers only; nothing that a parent wrote leaves through them.
    """
    found: list[Figure] = []
    for kind, category, level in (
        (FALSE_ALARM, RuleCase.found_category, RuleCase.found_level),
        (MISSED, RuleCase.expected_category, RuleCase.expected_level),
    ):
        rows = await session.execute(
            select(category, level, func.count())
            .where(seen_by(viewer), RuleCase.kind == kind, RuleCase.state != REJECTED)
            .group_by(category, level)
        )
        found += [Figure(kind, *row) for row in rows]
    return tuple(sorted(found, key=lambda one: (one.kind, -rank(one.level), one.category)))
