"""Leave to read one minor's record: asked for with a reason, given by a second person for a time.

Called by `bot.web.permits`, and by whatever shows a record to somebody whose role alone is not
enough. Breaking the glass reads at once, for an hour; it alarms, and a second person judges it
afterwards. Source: Regulations on the Protection of Minors in Cyberspace, article 36 (least
privilege, approval and record of each access by staff).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import Case, Child, ReadPermit, Staff
from bot.services import alarms, audit, rights
from bot.services.alerts import AlertPolicy
from bot.services.staff import StaffView

CHILD, CASE = "child", "case"
PLACES: Mapping[str, tuple[InstrumentedAttribute[int], InstrumentedAttribute[int | None]]] = {
    CHILD: (Child.id, Child.place_id),
    CASE: (Case.id, Case.place_id),
}
ASKED, APPROVED, REFUSED, ENDED = "asked", "approved", "refused", "ended"
BROKEN, JUSTIFIED, UNJUSTIFIED = "broken", "justified", "unjustified"
OPEN = (APPROVED, BROKEN, JUSTIFIED)
HOURS = (1, 4, 24, 72)
GLASS = timedelta(minutes=60)
# Whoever asked and got no answer for so long asks again.
LAPSES = timedelta(days=3)
SHORTEST, LONGEST = 5, 500
SHOWN = 100


@dataclass(frozen=True, slots=True)
class PermitRow:
    """One permit as the pages list it.

    Args:
        by, decided_by: names of people.
        open: it lets its holder read at this moment.
        lapsed: nobody answered in time.
    """

    id: int
    kind: str
    object_id: int
    reason: str
    state: str
    broken_glass: bool
    by: str
    decided_by: str
    asked_at: datetime
    ends_at: datetime | None
    open: bool
    lapsed: bool


async def ask(
    session: AsyncSession,
    by: StaffView,
    *,
    kind: str,
    object_id: int,
    reason: str,
    now: datetime,
) -> ReadPermit:
    """Ask for leave to read a record; the same question again is the same question.

    Raises:
        NotFound: there is no such record within the person's reach.
        InputInvalid: no reason, or one that says nothing.
    """
    await _reach(session, by, "record.read", kind, object_id)
    words = _reason(reason)
    await session.get(Staff, by.id, with_for_update=True)
    known = await session.scalar(
        _of(by.id, kind, object_id).where(
            ReadPermit.state == ASKED, ReadPermit.asked_at > now - LAPSES
        )
    )
    if known is not None:
        return known
    permit = _new(by, kind, object_id, words, ASKED, now)
    return await _stored(session, permit, "record.asked", by.id, now)


async def approve(
    session: AsyncSession, by: StaffView, permit_id: int, *, hours: int, now: datetime
) -> ReadPermit:
    """Let somebody read what they asked for, for some hours.

    Raises:
        NotFound: there is no such question within the person's reach.
        NotAllowed: it is one's own.
        InputInvalid: not one of `HOURS`.
        Conflict: it was answered meanwhile, or has lapsed.
    """
    permit = await _to_decide(session, by, permit_id, ASKED)
    if hours not in HOURS:
        raise InputInvalid("hours", field="hours")
    if permit.asked_at <= now - LAPSES:
        raise Conflict("lapsed")
    permit.state, permit.ends_at = APPROVED, now + timedelta(hours=hours)
    return await _decided(session, permit, by, "record.approved", now, hours=hours)


async def refuse(
    session: AsyncSession, by: StaffView, permit_id: int, *, now: datetime
) -> ReadPermit:
    """Say no to a question.

    Raises:
        NotFound, NotAllowed, Conflict: as for `approve`.
    """
    permit = await _to_decide(session, by, permit_id, ASKED)
    permit.state = REFUSED
    return await _decided(session, permit, by, "record.refused", now)


async def break_glass(
    session: AsyncSession,
    by: StaffView,
    *,
    kind: str,
    object_id: int,
    reason: str,
    now: datetime,
    policy: AlertPolicy | None,
) -> ReadPermit:
    """Read at once, for an hour, because a child's safety can't wait; somebody judges it later.

    Raises:
        NotFound: there is no such record within the person's reach.
        InputInvalid: no reason, or one that says nothing.
    """
    await _reach(session, by, "record.break_glass", kind, object_id)
    words = _reason(reason)
    await session.get(Staff, by.id, with_for_update=True)
    known = await session.scalar(
        _of(by.id, kind, object_id).where(ReadPermit.state == BROKEN, ReadPermit.ends_at > now)
    )
    if known is not None:
        return known
    permit = _new(by, kind, object_id, words, BROKEN, now)
    permit.broken_glass, permit.ends_at = True, now + GLASS
    await _stored(session, permit, "record.glass_broken", by.id, now)
    await alarms.raise_alarm(
        session, "glass_broken", now=now, subject=str(permit.id), policy=policy
    )
    return permit


async def review(
    session: AsyncSession, by: StaffView, permit_id: int, *, verdict: str, now: datetime
) -> ReadPermit:
    """Judge, as a second person, whether breaking the glass was right; if not, it ends at once.

    Raises:
        NotFound, NotAllowed, Conflict: as for `approve`.
        InputInvalid: the verdict is neither `JUSTIFIED` nor `UNJUSTIFIED`.
    """
    permit = await _to_decide(session, by, permit_id, BROKEN)
    if verdict not in (JUSTIFIED, UNJUSTIFIED):
        raise InputInvalid("verdict", field="verdict")
    permit.state = verdict
    if verdict == UNJUSTIFIED and permit.ends_at is not None:
        permit.ends_at = min(permit.ends_at, now)
    return await _decided(session, permit, by, "record.reviewed", now, verdict=verdict)


async def end(session: AsyncSession, by: StaffView, permit_id: int, *, now: datetime) -> ReadPermit:
    """Give one's own leave back, or take somebody's back as one who may give it.

    Raises:
        NotFound: there is no such permit within the person's reach.
        Conflict: it is not open.
    """
    permit = await session.get(ReadPermit, permit_id, with_for_update=True)
    if permit is None:
        raise NotFound(f"permit {permit_id}")
    if permit.staff_id != by.id:
        await _reach(session, by, "record.approve", permit.kind, permit.object_id)
    if permit.state != APPROVED or permit.ends_at is None or permit.ends_at <= now:
        raise Conflict("not_open")
    permit.state, permit.ends_at = ENDED, now
    await _record(session, permit, "record.ended", by.id, now)
    return permit


async def may_read(
    session: AsyncSession, view: StaffView, kind: str, object_id: int, now: datetime
) -> ReadPermit | None:
    """Return the permit by which somebody may read a record at this moment, if there is one.

    A permit alone is not enough: the role by which it was asked for has to hold still.
    """
    place_id = await _place_of(session, kind, object_id)
    if place_id is None:
        return None
    query = _of(view.id, kind, object_id).where(
        ReadPermit.state.in_(OPEN), ReadPermit.ends_at > now
    )
    for permit in await session.scalars(query.order_by(ReadPermit.ends_at.desc())):
        if place_id in reach(view, permit):
            return permit
    return None


def covers(view: StaffView, permit: ReadPermit, kind: str, object_id: int, now: datetime) -> bool:
    """Say whether a permit is this person's own, for this record, and open."""
    own = (permit.staff_id, permit.kind, permit.object_id) == (view.id, kind, object_id)
    return own and permit.state in OPEN and permit.ends_at is not None and permit.ends_at > now


def reach(view: StaffView, permit: ReadPermit) -> frozenset[int]:
    """Return the places at which the right behind a permit holds for its holder now."""
    action = "record.break_glass" if permit.broken_glass else "record.read"
    return rights.places_for(view, action)


async def read(
    session: AsyncSession, view: StaffView, kind: str, object_id: int, now: datetime
) -> ReadPermit:
    """Let somebody pass who may read a record, and write the read into the audit trail.

    Raises:
        NotAllowed: no permit is open.
    """
    permit = await may_read(session, view, kind, object_id, now)
    if permit is None:
        raise NotAllowed("no permit is open")
    await _record(session, permit, "record.read", view.id, now)
    return permit


async def own(session: AsyncSession, view: StaffView, permit_id: int) -> ReadPermit:
    """Return one's own permit, open or not.

    Raises:
        NotFound: there is none, or it is somebody else's.
    """
    permit = await session.get(ReadPermit, permit_id)
    if permit is None or permit.staff_id != view.id:
        raise NotFound(f"permit {permit_id}")
    return permit


async def mine(session: AsyncSession, view: StaffView, *, now: datetime) -> list[PermitRow]:
    """Return one's own permits, newest first."""
    query = select(ReadPermit).where(ReadPermit.staff_id == view.id)
    found = await session.scalars(query.order_by(ReadPermit.id.desc()).limit(SHOWN))
    return await _rows(session, list(found), now)


async def to_decide(session: AsyncSession, view: StaffView, *, now: datetime) -> list[PermitRow]:
    """Return what waits for this person: questions, and broken glass to be judged; oldest first."""
    places = rights.places_for(view, "record.approve")
    if not places:
        return []
    waiting: list[ReadPermit] = []
    asked = (ReadPermit.state == ASKED) & (ReadPermit.asked_at > now - LAPSES)
    for kind, (own_id, place) in PLACES.items():
        found = await session.scalars(
            select(ReadPermit)
            .join_from(ReadPermit, own_id.class_, own_id == ReadPermit.object_id)
            .where(
                ReadPermit.kind == kind,
                ReadPermit.staff_id != view.id,
                asked | (ReadPermit.state == BROKEN),
                place.in_(places),
            )
            .order_by(ReadPermit.id)
            .limit(SHOWN)
        )
        waiting += found.all()
    return await _rows(session, sorted(waiting, key=lambda one: one.id), now)


async def _place_of(session: AsyncSession, kind: str, object_id: int) -> int | None:
    if kind not in PLACES:
        return None
    own_id, place = PLACES[kind]
    found: int | None = await session.scalar(select(place).where(own_id == object_id))
    return found


async def _reach(
    session: AsyncSession, by: StaffView, action: str, kind: str, object_id: int
) -> None:
    """Answer alike for what does not exist and for what is out of reach."""
    place_id = await _place_of(session, kind, object_id)
    if place_id is None or not rights.may(by, action, place_id):
        raise NotFound(f"{kind} {object_id}")


async def _to_decide(
    session: AsyncSession, by: StaffView, permit_id: int, state: str
) -> ReadPermit:
    permit = await session.get(ReadPermit, permit_id, with_for_update=True)
    if permit is None:
        raise NotFound(f"permit {permit_id}")
    await _reach(session, by, "record.approve", permit.kind, permit.object_id)
    if permit.staff_id == by.id:
        raise NotAllowed("not one's own")
    if permit.state != state:
        raise Conflict("decided")
    return permit


def _of(staff_id: int, kind: str, object_id: int) -> Select[ReadPermit]:
    return select(ReadPermit).where(
        ReadPermit.staff_id == staff_id,
        ReadPermit.kind == kind,
        ReadPermit.object_id == object_id,
    )


def _new(
    by: StaffView, kind: str, object_id: int, reason: str, state: str, now: datetime
) -> ReadPermit:
    return ReadPermit(
        staff_id=by.id, kind=kind, object_id=object_id, reason=reason, state=state, asked_at=now
    )


def _reason(text: str) -> str:
    words = text.strip()
    if not SHORTEST <= len(words) <= LONGEST:
        raise InputInvalid("reason", field="reason")
    return words


async def _stored(
    session: AsyncSession, permit: ReadPermit, action: str, staff_id: int, now: datetime
) -> ReadPermit:
    session.add(permit)
    await session.flush()
    await _record(session, permit, action, staff_id, now)
    return permit


async def _decided(
    session: AsyncSession,
    permit: ReadPermit,
    by: StaffView,
    action: str,
    now: datetime,
    **data: object,
) -> ReadPermit:
    permit.decided_by, permit.decided_at = by.id, now
    await _record(session, permit, action, by.id, now, **data)
    return permit


async def _record(
    session: AsyncSession,
    permit: ReadPermit,
    action: str,
    staff_id: int,
    now: datetime,
    **data: object,
) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action=action,
        object_kind=permit.kind,
        object_id=permit.object_id,
        now=now,
        data={"permit": permit.id, **data},
    )


async def _rows(session: AsyncSession, permits: list[ReadPermit], now: datetime) -> list[PermitRow]:
    people = {one.staff_id for one in permits} | {one.decided_by for one in permits}
    found = await session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(people - {None})))
    names = {row.id: row.name for row in found}
    return [
        PermitRow(
            id=one.id,
            kind=one.kind,
            object_id=one.object_id,
            reason=one.reason,
            state=one.state,
            broken_glass=one.broken_glass,
            by=names.get(one.staff_id, ""),
            decided_by=names.get(one.decided_by or 0, ""),
            asked_at=one.asked_at,
            ends_at=one.ends_at,
            open=one.state in OPEN and one.ends_at is not None and one.ends_at > now,
            lapsed=one.state == ASKED and one.asked_at <= now - LAPSES,
        )
        for one in permits
    ]
