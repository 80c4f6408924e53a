"""The roster looks after itself: patterns are written ahead, gaps of the coming week are told.

Two scheduled jobs. Every night the patterns are written `shift_patterns.AHEAD` days ahead. In the
morning and in the evening, and when an absence or a removed shift opens one, every roster is looked
at: a gap within seven days is an alarm, without names. Registered in `bot.wiring`, scheduled by
`bot.upkeep`. An alarm is cleared by a person; as long as its gap is there it comes back.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.case_clocks import Span
from bot.core.clock import Clock
from bot.db.models import Place, Shift, ShiftPattern
from bot.db.models.place import OPEN
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue, ensure_schedule
from bot.services import alarms, places, rights, roster, shift_patterns, swaps, waking
from bot.services.alerts import AlertPolicy
from bot.services.shifts import KINDS
from bot.services.staff import StaffView

WRITE, WATCH = "roster.write", "roster.watch"
# Before the day's first look.
WRITE_AT = "25 3 * * *"
WATCH_AT = "5 7,17 * * *"
ALARM = "roster_gap"


@dataclass(frozen=True, slots=True)
class Gap:
    """The gaps of one roster in the coming week."""

    place: Place
    spans: tuple[Span, ...]


class RosterJobs:
    """The jobs of the roster."""

    def __init__(self, clock: Clock, policy: AlertPolicy) -> None:
        self._clock = clock
        self._policy = policy

    def register(self, registry: JobRegistry) -> None:
        """Register both."""
        registry.tx(WRITE, self._write)
        registry.tx(WATCH, self._watch)

    async def _write(self, session: AsyncSession, _run: JobRun) -> None:
        await shift_patterns.write_all(session, self._clock.now())

    async def _watch(self, session: AsyncSession, run: JobRun) -> None:
        place_id = run.payload.get("place")
        await watch(
            session,
            self._policy,
            now=self._clock.now(),
            place_id=place_id if isinstance(place_id, int) else None,
        )


async def schedule_roster(session: AsyncSession, now: datetime) -> None:
    """Make sure that patterns are written and gaps are looked for every day."""
    for kind, cron in ((WRITE, WRITE_AT), (WATCH, WATCH_AT)):
        await ensure_schedule(
            session, kind, cron=cron, kind=kind, payload={}, misfire_seconds=43_200, now=now
        )


async def look_soon(session: AsyncSession, place_id: int, *, now: datetime) -> None:
    """Have a roster looked at after a change that may have opened a gap."""
    key = f"{WATCH}:{place_id}:{int(now.timestamp() * 1000)}"
    await enqueue(session, WATCH, {"place": place_id}, key=key, now=now, prio=5)


async def watch(
    session: AsyncSession,
    policy: AlertPolicy | None,
    *,
    now: datetime,
    place_id: int | None = None,
) -> list[Gap]:
    """Look at every roster, or at those of a place and below it, and raise an alarm for gaps.

    Returns:
        The gaps found.
    """
    await waking.refresh(session, now)
    await swaps.expire(session, now)
    found = await gaps(session, now=now, place_id=place_id)
    for gap in found:
        await alarms.raise_alarm(session, ALARM, now=now, subject=str(gap.place.id), policy=policy)
    return found


async def gaps_for(session: AsyncSession, person: StaffView, *, now: datetime) -> list[Gap]:
    """Return the rosters with gaps in the coming week that a person may read."""
    mine = rights.places_for(person, "roster.read")
    return await gaps(session, now=now, among=mine) if mine else []


async def gaps(
    session: AsyncSession,
    *,
    now: datetime,
    place_id: int | None = None,
    among: Collection[int] | None = None,
) -> list[Gap]:
    """Return the rosters that have gaps in the coming week.

    Every district has a roster; a school has one once somebody was put on duty there. One without
    relies on its district, whose gap is told already.

    Args:
        place_id: only those of this place and below it.
        among: only those of these places.
    """
    query = select(Place).where(
        Place.kind.in_(KINDS),
        Place.state == OPEN,
        or_(
            Place.kind == "district",
            select(Shift.id).where(Shift.place_id == Place.id, Shift.ends_at > now).exists(),
            select(ShiftPattern.id).where(ShiftPattern.place_id == Place.id).exists(),
        ),
    )
    if among is not None:
        query = query.where(Place.id.in_(among))
    found: list[Gap] = []
    for place in list(await session.scalars(query.order_by(Place.path))):
        if place_id is not None and place_id not in places.path_ids(place):
            continue
        spans = await roster.gaps(session, place, now=now)
        if spans:
            found.append(Gap(place, tuple(spans)))
    return found
