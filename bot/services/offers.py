"""Offers: a case that is offered to one person for a short while, and then to the next.

Called by the queue's pages (take the next one, let it go, go away), by the job `desk.offer`, and by
cases (`over`, when a case is accepted or closed). An offer asks one person first so that not all
look at each other; it locks and hides nothing: the case stands in everybody's queue all the time,
and whoever accepts it has it. At most one offer runs per case and per person, which the table's
unique indexes hold. Ideas: Twilio's task router, Aselo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, Table, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.errors import Conflict
from bot.db.models import Case, CaseEvent, CaseOffer, Place, Presence, Staff
from bot.db.models.case import ACCEPTED, OPEN
from bot.db.models.desk import DECLINED, EXPIRED, LEFT, OVER, READY, TAKEN
from bot.jobs.engines import dialect_of
from bot.jobs.table import enqueue
from bot.services import case_rights, presence, priority, rights, staff
from bot.services.case_rights import DISTRICT, WORK
from bot.services.live import publish
from bot.services.staff import StaffView

KIND = "desk.offer"
OFFERED, ENDED = "offered", "offer_ended"
# 3! has to be accepted within a minute (DOMAIN §2.2): in it two people can be asked. 3 within five
# minutes: five people. 2 within half an hour: whoever is writing to somebody can end the sentence.
LASTS: Mapping[str, timedelta] = {
    "3!": timedelta(seconds=30),
    "3": timedelta(seconds=60),
}
LASTS_OTHERWISE = timedelta(seconds=120)
_OFFER = cast(Table, CaseOffer.__table__)
_LOOK_AGAIN = timedelta(seconds=1)
_RUNS = CaseOffer.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class Running:
    """An offer that runs: to whom, and until when."""

    offer_id: int
    case_id: int
    staff_id: int
    name: str
    until: datetime


def lasts(level: str) -> timedelta:
    """Return how long one person is asked about a case of a level."""
    return LASTS.get(level, LASTS_OTHERWISE)


async def running(
    session: AsyncSession, case_ids: Sequence[int], *, now: datetime
) -> dict[int, Running]:
    """Return the offers that run for these cases; one whose time is up runs no more."""
    if not case_ids:
        return {}
    rows = await _runs(session, CaseOffer.case_id.in_(case_ids), now)
    return {row.case_id: row for row in rows}


async def of_person(session: AsyncSession, staff_id: int, *, now: datetime) -> Running | None:
    """Return the offer that runs for a person."""
    rows = await _runs(session, CaseOffer.staff_id == staff_id, now)
    return rows[0] if rows else None


async def _runs(
    session: AsyncSession, condition: ColumnElement[bool], now: datetime
) -> list[Running]:
    rows = await session.execute(
        select(CaseOffer, Staff.name)
        .join(Staff, Staff.id == CaseOffer.staff_id)
        .join(Case, Case.id == CaseOffer.case_id)
        .where(condition, _RUNS, CaseOffer.until > now, Case.state == OPEN)
    )
    return [Running(o.id, o.case_id, o.staff_id, name, o.until) for o, name in rows]


async def in_hand(session: AsyncSession, staff_id: int) -> list[int]:
    """Return the cases that are still this person's, drills left out; the longest held first."""
    rows = await session.scalars(
        select(Case.id)
        .where(Case.accepted_by == staff_id, Case.state == ACCEPTED, Case.drill.is_(False))
        .order_by(Case.accepted_at, Case.id)
    )
    return list(rows)


async def colleagues(session: AsyncSession, me: StaffView, *, now: datetime) -> list[str]:
    """Return the names of the others who take cases now at a place where this person works."""
    here = rights.places_for(me, WORK)
    found: list[str] = []
    for staff_id in (await presence.ready(session, now)).keys() - {me.id}:
        person = await session.get_one(Staff, staff_id)
        view = await staff.view(session, person, now)
        if here & rights.places_for(view, WORK):
            found.append(person.name)
    return sorted(found)


async def stale(session: AsyncSession, *, now: datetime) -> list[int]:
    """Return the offers whose end nobody has noted yet, so that pages don't wait for the worker."""
    away = or_(Presence.seen_at <= now - presence.AWAY_AFTER, Presence.state != READY)
    rows = await session.scalars(
        select(CaseOffer.id)
        .outerjoin(Presence, Presence.staff_id == CaseOffer.staff_id)
        .where(_RUNS, or_(CaseOffer.until <= now, Presence.staff_id.is_(None), away))
        .order_by(CaseOffer.id)
    )
    return list(rows)


async def take_next(session: AsyncSession, by: StaffView, *, now: datetime) -> Running | None:
    """Offer a person the most urgent open case they may work on; None: there is none to offer.

    Whoever asks for a case is there. Cases that this person has let go come last, and those that
    somebody else is being asked about are left out; both stand in the queue all the same.

    Raises:
        NotAllowed: this person works on no cases anywhere.
    """
    await presence.arrive(session, by, now=now)
    mine = await of_person(session, by.id, now=now)
    if mine is not None:
        return mine
    for case in await _for_person(session, by):
        if await _offer(session, case.id, by.id, now=now):
            return await of_person(session, by.id, now=now)
    return None


async def _for_person(session: AsyncSession, by: StaffView) -> list[Case]:
    """Return the open cases that may be offered to a person, the most urgent first."""
    own: list[ColumnElement[bool]] = [Case.place_id.in_(rights.places_for(by, WORK))]
    if DISTRICT in by.roles:
        own.append(Case.place_id.is_(None))
    asked = select(CaseOffer.id).where(_RUNS, CaseOffer.case_id == Case.id).exists()
    let_go = (
        select(CaseOffer.id)
        .where(
            CaseOffer.case_id == Case.id,
            CaseOffer.staff_id == by.id,
            CaseOffer.made_at >= Case.raised_at,
        )
        .exists()
    )
    rows = await session.execute(
        select(Case, Place.kind, let_go)
        .outerjoin(Place, Place.id == Case.place_id)
        .where(Case.state == OPEN, or_(*own), ~asked)
    )
    found = [
        ((case.drill, bool(gone)), priority.order(case), case)
        for case, kind, gone in rows
        if case_rights.reaches(by, WORK, case, kind)
    ]
    return [case for _, _, case in sorted(found, key=lambda row: row[:2])]


async def _offer(session: AsyncSession, case_id: int, staff_id: int, *, now: datetime) -> bool:
    """Offer a case to a person, unless it is not open or another offer runs for one of them."""
    case = await _locked(session, case_id)
    if case.state != OPEN:
        return False
    until = now + lasts(priority.standing(case))
    row = {
        "case_id": case_id,
        "staff_id": staff_id,
        "made_at": now,
        "until": until,
        "ended_as": "",
    }
    insert = dialect_of(session).insert(_OFFER).values(row)
    made = await session.scalar(insert.on_conflict_do_nothing().returning(CaseOffer.id))
    if made is None:
        return False
    _note(session, case_id, OFFERED, staff_id, now)
    await publish(session, "offer", place_id=case.place_id, case_id=case_id, now=now)
    await _plan(session, made, until=until, staff_id=staff_id, now=now)
    return True


async def _locked(session: AsyncSession, case_id: int) -> Case:
    """Return a case that nobody accepts meanwhile (PostgreSQL): the case before its offers."""
    return await session.get_one(
        Case, case_id, with_for_update={"key_share": True}, populate_existing=True
    )


async def _plan(
    session: AsyncSession, offer_id: int, *, until: datetime, staff_id: int, now: datetime
) -> None:
    """Look again when the offer ends, or when the person may have left, whichever is first."""
    row = await presence.of(session, staff_id)
    gone = row.seen_at + presence.AWAY_AFTER if row is not None else until
    run_at = max(min(until, gone), now + _LOOK_AGAIN)
    key = f"offer:{offer_id}:{epoch_ms(now)}"
    await enqueue(session, KIND, {"offer": offer_id}, key=key, now=now, run_at=run_at, prio=1)


async def look(session: AsyncSession, offer_id: int, *, now: datetime) -> None:
    """End an offer whose time is up or whose person has left, and ask the next one.

    Whoever did not answer is away from then on: the next case is not to wait for them too.
    """
    case_id = await session.scalar(select(CaseOffer.case_id).where(CaseOffer.id == offer_id))
    if case_id is None:
        return
    case = await _locked(session, case_id)
    offer = await session.get_one(CaseOffer, offer_id, populate_existing=True)
    if offer.ended_at is not None:
        return
    how = await _ending(session, case, offer, now)
    if how is None:
        await _plan(session, offer_id, until=offer.until, staff_id=offer.staff_id, now=now)
        return
    await _end(session, case, offer, how, now=now)
    if how == EXPIRED:
        await presence.leave(session, offer.staff_id, now=now)
    if how != OVER:
        await _pass_on(session, case, now=now)


async def _ending(session: AsyncSession, case: Case, offer: CaseOffer, now: datetime) -> str | None:
    if case.state != OPEN:
        return OVER
    if not presence.here(await presence.of(session, offer.staff_id), now):
        return LEFT
    return EXPIRED if now >= offer.until else None


async def decline(session: AsyncSession, by: StaffView, offer_id: int, *, now: datetime) -> None:
    """Let a case go that is offered to this person; the next one is asked.

    Raises:
        NotFound: no such offer within the person's reach.
        Conflict: the offer runs no more, or it is somebody else's.
    """
    offer = await session.get(CaseOffer, offer_id)
    about = await session.get(Case, offer.case_id) if offer is not None else None
    await case_rights.to_work(session, by, about)
    if offer is None or offer.staff_id != by.id:
        raise Conflict("somebody else's offer")
    case = await _locked(session, offer.case_id)
    if not await _end(session, case, offer, DECLINED, now=now):
        raise Conflict("the offer is over")
    await _pass_on(session, case, now=now)


async def leave(session: AsyncSession, by: StaffView, *, now: datetime) -> None:
    """Go away from the desk; what is offered to this person is offered to the next one."""
    offer = await session.scalar(select(CaseOffer).where(_RUNS, CaseOffer.staff_id == by.id))
    await presence.leave(session, by.id, now=now)
    if offer is not None:
        case = await _locked(session, offer.case_id)
        if await _end(session, case, offer, LEFT, now=now):
            await _pass_on(session, case, now=now)


async def over(session: AsyncSession, case_id: int, *, by_id: int | None, now: datetime) -> None:
    """End the offer of a case that was accepted or closed; called by cases in their transaction.

    Args:
        by_id: who accepted it; theirs ends as taken.
    """
    offer = await session.scalar(
        select(CaseOffer)
        .where(_RUNS, CaseOffer.case_id == case_id)
        .execution_options(populate_existing=True)
    )
    if offer is None:
        return
    case = await session.get_one(Case, case_id)
    await _end(session, case, offer, TAKEN if offer.staff_id == by_id else OVER, now=now)


async def _end(
    session: AsyncSession, case: Case, offer: CaseOffer, how: str, *, now: datetime
) -> bool:
    """End an offer once; say whether this call did."""
    ended = await session.scalar(
        update(CaseOffer)
        .where(CaseOffer.id == offer.id, _RUNS)
        .values(ended_at=now, ended_as=how)
        .returning(CaseOffer.id)
    )
    if ended is None:
        return False
    _note(session, case.id, ENDED, offer.staff_id, now, reason=how)
    await publish(session, "offer", place_id=case.place_id, case_id=case.id, now=now)
    return True


async def _pass_on(session: AsyncSession, case: Case, *, now: datetime) -> None:
    """Ask the next person; with nobody left the case waits in the queue for everyone."""
    if case.state != OPEN:
        return
    for staff_id in await _next_people(session, case, now):
        if await _offer(session, case.id, staff_id, now=now):
            return


async def _next_people(session: AsyncSession, case: Case, now: datetime) -> list[int]:
    """Return who may be asked: not twice in a round, the least busy and longest unasked first."""
    asked = set(
        await session.scalars(
            select(CaseOffer.staff_id).where(
                CaseOffer.case_id == case.id, CaseOffer.made_at >= case.raised_at
            )
        )
    )
    place = None if case.place_id is None else await session.get(Place, case.place_id)
    found: list[int] = []
    for staff_id in (await presence.ready(session, now)).keys() - asked:
        person = await staff.view(session, await session.get_one(Staff, staff_id), now)
        if case_rights.reaches(person, WORK, case, place.kind if place else None):
            found.append(staff_id)
    busy = await _busy(session, found)
    return sorted(found, key=lambda staff_id: (busy[staff_id], staff_id))


async def _busy(session: AsyncSession, people: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return for each person how many cases they have in hand, and their last offer's number."""
    in_hand = await session.execute(
        select(Case.accepted_by, func.count())
        .where(Case.state == ACCEPTED, Case.accepted_by.in_(people))
        .group_by(Case.accepted_by)
    )
    last = await session.execute(
        select(CaseOffer.staff_id, func.max(CaseOffer.id))
        .where(CaseOffer.staff_id.in_(people))
        .group_by(CaseOffer.staff_id)
    )
    counts = {row[0]: row[1] for row in in_hand}
    asked = {row[0]: row[1] for row in last}
    return {person: (counts.get(person, 0), asked.get(person, 0)) for person in people}


def _note(
    session: AsyncSession, case_id: int, kind: str, staff_id: int, now: datetime, **data: object
) -> None:
    session.add(CaseEvent(case_id=case_id, at=now, kind=kind, staff_id=staff_id, data=dict(data)))
