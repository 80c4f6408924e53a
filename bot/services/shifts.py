"""Shifts by hand: who may be put on duty, adding, changing and taking away a shift.

Called by the pages of the roster; `shift_patterns` and `swaps` use its parts. A shift that is over
is history and stays; of one that runs only the end can be moved. Nobody is on duty twice at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.rights import right
from bot.core.shift_days import span_of
from bot.db.models import Place, Shift, ShiftSwap, Staff, StaffRole
from bot.db.models.place import OPEN
from bot.services import audit, places, rights, waking
from bot.services.case_rights import WORK
from bot.services.staff import StaffView, held_now

KINDS = ("school", "district")
# Nobody plans further ahead than a school year.
FURTHEST = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One shift as a person puts it in: a day, and minutes from its midnight in China."""

    staff_id: int
    day: date
    start_minute: int
    end_minute: int

    def span(self) -> tuple[datetime, datetime]:
        """Return when it begins and ends; an end before the start is the next morning.

        Raises:
            InputInvalid: not minutes of a day.
        """
        try:
            return span_of(self.day, self.start_minute, self.end_minute)
        except (ValueError, OverflowError):
            raise InputInvalid("minutes", field="time") from None


async def place_to(session: AsyncSession, by: StaffView, action: str, place_id: int) -> Place:
    """Return a school or district whose roster a person may read or change.

    Raises:
        NotFound: there is none, or not within their reach.
    """
    place = await places.get(session, place_id)
    if place is None or place.kind not in KINDS or not rights.may(by, action, place.id):
        raise NotFound("no such roster here")
    return place


async def rosters(session: AsyncSession, by: StaffView, action: str) -> list[Place]:
    """Return the open schools and districts whose roster a person may read or change."""
    rows = await session.scalars(
        select(Place)
        .where(
            Place.id.in_(rights.places_for(by, action)),
            Place.kind.in_(KINDS),
            Place.state == OPEN,
        )
        .order_by(Place.path)
    )
    return list(rows)


async def people(
    session: AsyncSession, place: Place, now: datetime, *, keeper: StaffView | None = None
) -> list[Staff]:
    """Return who may be on duty for a place: whoever may take its cases now, by their id.

    Args:
        keeper: only whom this person may put on duty: a school does not call on the district.
    """
    query = (
        select(Staff.id)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .where(
            Staff.active.is_(True),
            StaffRole.place_id.in_(places.path_ids(place)),
            StaffRole.role.in_(right(WORK).roles),
            held_now(now),
        )
    )
    if keeper is not None:
        kept = rights.places_for(keeper, "roster.change")
        query = query.where(StaffRole.place_id.in_(kept))
    rows = await session.scalars(select(Staff).where(Staff.id.in_(query)).order_by(Staff.id))
    return list(rows)


async def qualified(
    session: AsyncSession,
    place: Place,
    staff_id: int,
    now: datetime,
    *,
    keeper: StaffView | None = None,
) -> Staff:
    """Return somebody who may be on duty for a place, their row locked against a second change.

    Args:
        keeper: as for `people`.

    Raises:
        InputInvalid: they may not take the place's cases.
    """
    found = await people(session, place, now, keeper=keeper)
    if staff_id not in {person.id for person in found}:
        raise InputInvalid("nobody", field="staff")
    return await session.get_one(Staff, staff_id, with_for_update=True)


def tier_of(place: Place) -> str:
    """Return the tier of a shift at a place."""
    return "district" if place.kind == "district" else "counselor"


async def overlapping(
    session: AsyncSession, staff_id: int, starts_at: datetime, ends_at: datetime, *, but: int = 0
) -> Sequence[Shift]:
    """Return the shifts of a person that touch a stretch of time.

    Args:
        but: a shift that doesn't count.
    """
    rows = await session.scalars(
        select(Shift)
        .where(
            Shift.staff_id == staff_id,
            Shift.starts_at < ends_at,
            Shift.ends_at > starts_at,
            Shift.id != but,
        )
        .order_by(Shift.starts_at)
    )
    return rows.all()


async def _refuse_overlap(
    session: AsyncSession, staff_id: int, starts_at: datetime, ends_at: datetime, *, but: int = 0
) -> None:
    if await overlapping(session, staff_id, starts_at, ends_at, but=but):
        raise Conflict("overlap")


async def add(
    session: AsyncSession, by: StaffView, place_id: int, wanted: Wanted, *, now: datetime
) -> Shift:
    """Put somebody on duty once; of what has passed already only the rest counts.

    Raises:
        NotFound: no roster that they may change.
        InputInvalid: nobody for this place, in the past, or too far ahead.
        Conflict: `overlap`; the person is on duty then already.
    """
    place = await place_to(session, by, "roster.change", place_id)
    starts_at, ends_at = wanted.span()
    if ends_at <= now:
        raise InputInvalid("past", field="time")
    if starts_at > now + FURTHEST:
        raise InputInvalid("far", field="time")
    await qualified(session, place, wanted.staff_id, now, keeper=by)
    starts_at = max(starts_at, now)
    await _refuse_overlap(session, wanted.staff_id, starts_at, ends_at)
    shift = Shift(
        place_id=place.id,
        staff_id=wanted.staff_id,
        tier=tier_of(place),
        starts_at=starts_at,
        ends_at=ends_at,
        wakes=await waking.wakes(session, wanted.staff_id),
    )
    session.add(shift)
    await session.flush()
    await note(session, by, "roster.shift_added", shift, now)
    return shift


async def to_change(session: AsyncSession, by: StaffView, shift_id: int) -> tuple[Shift, Place]:
    """Return a shift that a person may change, locked, and its place.

    Raises:
        NotFound: there is none, or it is not within their reach.
    """
    shift = await session.get(Shift, shift_id, with_for_update=True, populate_existing=True)
    if shift is None:
        raise NotFound("no such shift")
    return shift, await place_to(session, by, "roster.change", shift.place_id)


def seen(shift: Shift) -> str:
    """Return what tells a shift as it was shown from one that was changed meanwhile."""
    return f"{shift.staff_id}.{shift.starts_at.timestamp():.0f}.{shift.ends_at.timestamp():.0f}"


async def change(
    session: AsyncSession,
    by: StaffView,
    shift_id: int,
    wanted: Wanted,
    *,
    as_seen: str,
    now: datetime,
) -> Shift:
    """Give a shift to somebody else or move it; of one that runs only the end.

    It keeps its pattern, which leaves it alone from now on, for it is no longer as planned.

    Raises:
        NotFound: no shift that they may change.
        InputInvalid: as for `add`.
        Conflict: `over`, `running`, `changed` (by somebody else) or `overlap`.
    """
    shift, place = await to_change(session, by, shift_id)
    if seen(shift) != as_seen:
        raise Conflict("changed")
    if shift.ends_at <= now:
        raise Conflict("over")
    starts_at, ends_at = wanted.span()
    if shift.starts_at <= now:
        if wanted.staff_id != shift.staff_id:
            raise Conflict("running")
        starts_at = shift.starts_at
    if ends_at <= max(now, starts_at):
        raise InputInvalid("past", field="time")
    if starts_at > now + FURTHEST:
        raise InputInvalid("far", field="time")
    if wanted.staff_id != shift.staff_id:
        await qualified(session, place, wanted.staff_id, now, keeper=by)
    await session.get_one(Staff, wanted.staff_id, with_for_update=True)
    await _refuse_overlap(session, wanted.staff_id, starts_at, ends_at, but=shift.id)
    shift.staff_id, shift.starts_at, shift.ends_at = wanted.staff_id, starts_at, ends_at
    shift.wakes = await waking.wakes(session, wanted.staff_id)
    await session.flush()
    await note(session, by, "roster.shift_changed", shift, now)
    return shift


async def remove(
    session: AsyncSession, by: StaffView, shift_id: int, *, as_seen: str, now: datetime
) -> None:
    """Take a shift off the roster; one that runs ends now.

    Raises:
        NotFound: no shift that they may change.
        Conflict: `over` or `changed`.
    """
    shift, _ = await to_change(session, by, shift_id)
    if seen(shift) != as_seen:
        raise Conflict("changed")
    if shift.ends_at <= now:
        raise Conflict("over")
    await note(session, by, "roster.shift_removed", shift, now)
    await drop(session, shift, now)


async def drop(session: AsyncSession, shift: Shift, now: datetime) -> None:
    """End a shift that runs, delete one that has not begun; whoever calls has asked the right."""
    if shift.starts_at < now:
        shift.ends_at = min(shift.ends_at, now)
    else:
        await session.execute(delete(ShiftSwap).where(ShiftSwap.shift_id == shift.id))
        await session.delete(shift)
    await session.flush()


async def note(
    session: AsyncSession, by: StaffView, action: str, shift: Shift, now: datetime
) -> None:
    """Write into the audit trail what was done to a shift."""
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="shift",
        object_id=shift.id,
        now=now,
        data={
            "place": shift.place_id,
            "staff": shift.staff_id,
            "starts": shift.starts_at.isoformat(timespec="minutes"),
            "ends": shift.ends_at.isoformat(timespec="minutes"),
        },
    )
