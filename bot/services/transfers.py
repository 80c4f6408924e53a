"""Transfers: a case goes to another counselor, or up to the district; and a second person helps.

Called by the case's page and by the queue (`waiting_for`). Whoever has a case answers for it until
somebody else has taken it (首接负责): an offer to one person changes nothing by itself, runs out by
itself, and can be taken back. Up to the district a case is called out again: its ladder starts anew
and whoever accepts first has it. An offer stands in the timeline, which is all there is of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid
from bot.core.levels import rank
from bot.core.rights import right
from bot.db.models import Case, CaseEvent, CaseForm, Contact, Place, Staff, StaffRole
from bot.db.models.case import ACCEPTED, CLOSED, OPEN
from bot.db.models.file import DRAFT
from bot.services import case_notes, case_rights, cases, drafts, ladder, places, presence, priority
from bot.services import staff as people
from bot.services.alerts import AlertPolicy
from bot.services.live import publish
from bot.services.staff import StaffView

OFFERED, TAKEN, DECLINED, TAKEN_BACK = (
    "transfer_offered",
    "transfer_taken",
    "transfer_declined",
    "transfer_taken_back",
)
UP = "transfer_up"
_KINDS = (OFFERED, TAKEN, DECLINED, TAKEN_BACK, UP)
# Somebody who has a parent in danger on the line can't wait for a yes as long as others can.
LASTS, LASTS_HIGH = timedelta(minutes=30), timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who may work on a case, and whether they are at the desk now."""

    id: int
    name: str
    here: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """A transfer that waits for a yes."""

    case_id: int
    from_id: int
    to_id: int
    until: datetime


async def colleagues(
    session: AsyncSession, by: StaffView, case: Case, *, now: datetime
) -> list[Colleague]:
    """Return who else may work on a case, those at the desk first."""
    place = await places.get(session, case.place_id)
    reached = [] if place is None else [StaffRole.place_id.in_(places.path_ids(place))]
    rows = await session.scalars(
        select(Staff)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .where(
            Staff.active.is_(True),
            Staff.id != by.id,
            StaffRole.role.in_(right(case_rights.WORK).roles),
            people.held_now(now),
            *reached,
        )
        .distinct()
    )
    there = await presence.ready(session, now)
    found = [
        Colleague(person.id, person.name, person.id in there)
        for person in rows
        if await _may(session, case, place, person, now)
    ]
    return sorted(found, key=lambda one: (not one.here, one.name))


async def _may(
    session: AsyncSession, case: Case, place: Place | None, person: Staff, now: datetime
) -> bool:
    seen = await people.view(session, person, now)
    return case_rights.reaches(seen, case_rights.WORK, case, place.kind if place else None)


async def offered(session: AsyncSession, case: Case, *, now: datetime) -> Offered | None:
    """Return the transfer of a case that waits for a yes."""
    if case.state != ACCEPTED:
        return None
    last = await session.scalar(
        select(CaseEvent)
        .where(CaseEvent.case_id == case.id, CaseEvent.kind.in_(_KINDS))
        .order_by(CaseEvent.id.desc())
        .limit(1)
    )
    if last is None or last.kind != OFFERED or last.staff_id != case.accepted_by:
        return None
    to, high = last.data.get("to"), rank(case.level) >= rank("3")
    until = last.at + (LASTS_HIGH if high else LASTS)
    if not isinstance(to, int) or until <= now:
        return None
    return Offered(case.id, last.staff_id or 0, to, until)


async def waiting_for(session: AsyncSession, by: StaffView, *, now: datetime) -> list[Offered]:
    """Return the transfers that wait for this person's yes."""
    latest = (
        select(func.max(CaseEvent.id).label("id"))
        .where(CaseEvent.kind.in_(_KINDS), CaseEvent.at > now - LASTS)
        .group_by(CaseEvent.case_id)
        .subquery()
    )
    rows = await session.scalars(
        select(Case)
        .join(CaseEvent, CaseEvent.case_id == Case.id)
        .join(latest, latest.c.id == CaseEvent.id)
        .where(CaseEvent.kind == OFFERED, Case.state == ACCEPTED)
    )
    found = [await offered(session, case, now=now) for case in rows.all()]
    return [one for one in found if one is not None and one.to_id == by.id]


async def offer(
    session: AsyncSession, by: StaffView, case: Case, *, to_id: int, note: str, now: datetime
) -> None:
    """Ask a colleague to take a case over; until they do, it stays where it is.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: the colleague may not work on it (`transfer_to`), or no note was written.
        Conflict: the case is not this person's (`transfer_not_yours`), or one waits already.
    """
    await _mine(session, by, case)
    await _colleague(session, case, to_id, now, field="to")
    if to_id == by.id:
        raise InputInvalid("transfer_to", field="to")
    if await offered(session, case, now=now) is not None:
        raise Conflict("transfer_waits")
    await case_notes.put(session, by, case, case_notes.HANDED, note, now=now)
    await _note(session, case, OFFERED, by, now, to=to_id)


async def take(session: AsyncSession, by: StaffView, case: Case, *, now: datetime) -> None:
    """Take a case over that was offered; its open forms and drafts come with it.

    Raises:
        NotFound: the case is out of the person's reach.
        Conflict: it is not offered to this person, or no longer (`transfer_gone`).
    """
    await case_rights.to_work(session, by, case)
    # The contact's row before the case's, as the inbox does it.
    contact = await session.get_one(Contact, case.contact_id, with_for_update=True)
    await session.refresh(case, with_for_update=True)
    found = await offered(session, case, now=now)
    if found is None or found.to_id != by.id:
        raise Conflict("transfer_gone")
    case.accepted_by, case.accepted_at = by.id, case.accepted_at or now
    if case.second_id == by.id:
        case.second_id = None
    if contact.holder_id == found.from_id:
        contact.holder_id, contact.held_since = by.id, now
    await session.flush()
    await _hand_on(session, case, found.from_id, by.id)
    await _note(session, case, TAKEN, by, now)
    await cases.tell(session, case.contact_id, "case.transferred", now=now)


async def _hand_on(session: AsyncSession, case: Case, from_id: int, to_id: int) -> None:
    rows = await session.scalars(
        select(CaseForm).where(
            CaseForm.case_id == case.id, CaseForm.state == DRAFT, CaseForm.author_id == from_id
        )
    )
    for row in rows:
        row.author_id, row.row_version = to_id, row.row_version + 1
    await drafts.hand_on(session, case.id, from_id=from_id, to_id=to_id)


async def decline(session: AsyncSession, by: StaffView, case: Case, *, now: datetime) -> None:
    """Say no to a case that was offered, or take one's own offer back.

    Raises:
        NotFound: the case is out of the person's reach.
        Conflict: none waits, or it is between two others (`transfer_gone`).
    """
    await case_rights.to_work(session, by, case)
    await session.refresh(case, with_for_update=True)
    found = await offered(session, case, now=now)
    if found is None or by.id not in (found.from_id, found.to_id):
        raise Conflict("transfer_gone")
    await _note(session, case, DECLINED if by.id == found.to_id else TAKEN_BACK, by, now)


async def call_district(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView,
    case: Case,
    *,
    note: str,
    now: datetime,
) -> None:
    """Call a case out up to the district: it is open again, and its ladder starts anew.

    Who had it keeps the conversation and answers for it until somebody accepts.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no note was written.
        Conflict: the case is not this person's, its level does not reach the district
            (`transfer_level`), or it is there already (`transfer_there`).
    """
    await _mine(session, by, case)
    if rank(case.level) < rank("3"):
        raise Conflict("transfer_level")
    if case.tier == case_rights.DISTRICT:
        raise Conflict("transfer_there")
    await case_notes.put(session, by, case, case_notes.HANDED, note, now=now)
    await ladder.stop(session, case.id, now=now)
    case.state, case.tier, case.raised_at = OPEN, case_rights.DISTRICT, now
    priority.raised(case, now=now)
    await _note(session, case, UP, by, now)
    await ladder.start(session, policy, case, now=now)


async def invite(
    session: AsyncSession, by: StaffView, case: Case, *, second_id: int | None, now: datetime
) -> None:
    """Ask a colleague to be the second person in a case; None: nobody is any more.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: the colleague may not work on it (`transfer_to`).
        Conflict: the case is not this person's.
    """
    await _mine(session, by, case)
    if second_id == by.id:
        raise InputInvalid("transfer_to", field="second")
    if second_id is not None:
        await _colleague(session, case, second_id, now, field="second")
    case.second_id = second_id
    if second_id is None:
        await _note(session, case, "second_left", by, now)
    else:
        await _note(session, case, "second_invited", by, now, to=second_id)


async def _mine(session: AsyncSession, by: StaffView, case: Case) -> None:
    """Let somebody pass who has accepted a case that is not closed."""
    await case_rights.to_work(session, by, case)
    await session.refresh(case, with_for_update=True)
    if case.state == CLOSED:
        raise Conflict("closed")
    if case.state != ACCEPTED or case.accepted_by != by.id:
        raise Conflict("transfer_not_yours")


async def _colleague(
    session: AsyncSession, case: Case, staff_id: int, now: datetime, *, field: str
) -> None:
    person = await session.get(Staff, staff_id)
    place = await places.get(session, case.place_id)
    if person is None or not person.active or not await _may(session, case, place, person, now):
        raise InputInvalid("transfer_to", field=field)


async def _note(
    session: AsyncSession, case: Case, kind: str, by: StaffView, now: datetime, **data: object
) -> None:
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data=dict(data)))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
