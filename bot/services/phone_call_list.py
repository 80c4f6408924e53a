"""The list of phone calls and their counts: no name, no number, no word of anybody.

Called by `bot.web.calls` and by the figures. What was said is read on the case's page, behind the
question why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import LEVELS, rank
from bot.core.rights import right
from bot.db.models import Case, PhoneCall, Place
from bot.services.audit_list import day_starts
from bot.services.case_rights import DISTRICT
from bot.services.phone_calls import ENTER
from bot.services.staff import StaffView

PAGE = 30


@dataclass(frozen=True, slots=True)
class CallRow:
    """One call as the list shows it: no name, no number, no word."""

    id: int
    case_id: int
    place_id: int
    staff_id: int
    started_at: datetime
    ended_at: datetime | None
    direction: str
    level: str
    family: str
    drill: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list; `total`: of all that was asked for."""

    rows: tuple[CallRow, ...]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least one."""
        return -(-self.total // PAGE) or 1


async def listing(
    session: AsyncSession,
    by: StaffView,
    *,
    case_id: int | None = None,
    day: date | None = None,
    page: int = 1,
) -> Listing:
    """Return one page of the calls of one's own places, the newest first."""
    wanted = [*_reach(by)]
    if case_id is not None:
        wanted.append(PhoneCall.case_id == case_id)
    if day is not None:
        wanted += [
            PhoneCall.started_at >= day_starts(day),
            PhoneCall.started_at < day_starts(day + timedelta(days=1)),
        ]
    of = select(PhoneCall, Case).join(Case, Case.id == PhoneCall.case_id).where(*wanted)
    total = await session.scalar(select(func.count()).select_from(of.subquery())) or 0
    page = max(1, min(page, -(-total // PAGE) or 1))
    rows = await session.execute(
        of.order_by(PhoneCall.started_at.desc(), PhoneCall.id.desc())
        .offset((page - 1) * PAGE)
        .limit(PAGE)
    )
    return Listing(tuple(_row(call, case) for call, case in rows.all()), total, page)


def _reach(by: StaffView) -> tuple[ColumnElement[bool], ...]:
    """Narrow calls down to whose cases somebody works on; their own calls always."""
    plain = by.at(*(right(ENTER).roles - {DISTRICT}))
    district = by.at(DISTRICT)
    high = Case.level.in_([level for level in LEVELS if rank(level) >= rank("3")])
    desk = select(Place.id).where(Place.id.in_(district), Place.kind == DISTRICT)
    return (
        or_(
            PhoneCall.staff_id == by.id,
            Case.place_id.in_(plain),
            Case.place_id.in_(desk),
            high & Case.place_id.in_(district),
        ),
    )


def _row(call: PhoneCall, case: Case) -> CallRow:
    return CallRow(
        id=call.id,
        case_id=call.case_id,
        place_id=call.place_id,
        staff_id=call.staff_id,
        started_at=call.started_at,
        ended_at=call.ended_at,
        direction=call.direction,
        level=case.level,
        family=case.family,
        drill=case.drill,
    )


async def counts(
    session: AsyncSession, places: frozenset[int], *, since: datetime, until: datetime
) -> Mapping[tuple[str, str], int]:
    """Return how many calls there were at some places, by level and family; drills left out."""
    rows = await session.execute(
        select(Case.level, Case.family, func.count(PhoneCall.id))
        .join(Case, Case.id == PhoneCall.case_id)
        .where(
            PhoneCall.place_id.in_(places),
            PhoneCall.started_at >= since,
            PhoneCall.started_at < until,
            Case.drill.is_(False),
        )
        .group_by(Case.level, Case.family)
    )
    return {(level, family): count for level, family, count in rows.all()}
