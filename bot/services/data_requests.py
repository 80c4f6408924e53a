"""What parents ask to be done with their data, and the answers in writing.

Called by the parents' page (`ask`, `settled`) and by `/admin/requests` (`listing`, `answer`).
Source: Personal Information Protection Law, articles 44–50; 15 working days (DOMAIN §6 item 15),
make-up workdays and public holidays of the mainland counted as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cache

import holidays
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI, to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Contact, DataRequest, Place
from bot.services import audit, cases, places, rights
from bot.services.staff import StaffView

RIGHT = "request.decide"
KINDS = ("copy", "correct", "delete")
OPEN, DONE, REFUSED = "open", "done", "refused"
WORKING_DAYS = 15
MOST_OPEN = 5
LONGEST = 2000
DOUBLE_CLICK = timedelta(minutes=2)
MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class Listed:
    """One request on the page of the staff.

    Args:
        overdue: its time has passed.
    """

    row: DataRequest
    place: str
    overdue: bool


@cache
def _calendar() -> holidays.HolidayBase:
    return holidays.country_holidays("CN")


def due(now: datetime) -> datetime:
    """Return the end of the 15th working day after a moment, in China's time."""
    last = _calendar().get_nth_working_day(to_shanghai(now).date(), WORKING_DAYS)
    return datetime.combine(last, time.max, SHANGHAI).replace(microsecond=0)


async def ask(
    session: AsyncSession, contact: Contact, *, kind: str, words: str, now: datetime
) -> DataRequest:
    """Record a request; the same one again within two minutes is the same one.

    Raises:
        InputInvalid: an unknown kind, nothing said where words are needed, or too many are open.
    """
    said = words.strip()[:LONGEST]
    if kind not in KINDS:
        raise InputInvalid("kind", field="kind")
    if kind == "correct" and not said:
        raise InputInvalid("words", field="words")
    mine = await session.scalars(
        select(DataRequest).where(DataRequest.contact_id == contact.id, DataRequest.state == OPEN)
    )
    standing = mine.all()
    for row in standing:
        if (row.kind, row.words) == (kind, said) and now - row.created_at < DOUBLE_CLICK:
            return row
    if len(standing) >= MOST_OPEN:
        raise InputInvalid("too many", field="many")
    row = await _add(session, contact, kind, said, now)
    await _record(session, row, "request.asked", None, now)
    return row


async def settled(
    session: AsyncSession, contact: Contact, *, kind: str, refused: bool, answer: str, now: datetime
) -> DataRequest:
    """Record a request that the service itself has dealt with, with its answer in writing."""
    row = await _add(session, contact, kind, "", now)
    row.state, row.answer, row.decided_at = REFUSED if refused else DONE, answer, now
    await _record(session, row, "request.settled", None, now)
    return row


async def _add(
    session: AsyncSession, contact: Contact, kind: str, words: str, now: datetime
) -> DataRequest:
    place = await places.get(session, contact.place_id)
    place = place or await places.root_district(session, None)
    row = DataRequest(
        contact_id=contact.id,
        place_id=place.id if place else None,
        kind=kind,
        state=OPEN,
        words=words,
        answer="",
        created_at=now,
        due_at=due(now),
    )
    session.add(row)
    await session.flush()
    return row


async def listing(session: AsyncSession, by: StaffView, now: datetime) -> list[Listed]:
    """Return the requests at a person's places, open ones first, those due soonest before."""
    query = (
        select(DataRequest, Place.name)
        .join(Place, Place.id == DataRequest.place_id)
        .where(DataRequest.place_id.in_(rights.places_for(by, RIGHT)))
        .order_by(DataRequest.state != OPEN, DataRequest.due_at, DataRequest.id)
        .limit(MOST_LISTED)
    )
    rows = (await session.execute(query)).all()
    return [Listed(row, name, row.state == OPEN and row.due_at < now) for row, name in rows]


async def count_open(session: AsyncSession, by: StaffView) -> int:
    """Return how many requests wait at a person's places."""
    query = select(func.count(DataRequest.id)).where(
        DataRequest.state == OPEN, DataRequest.place_id.in_(rights.places_for(by, RIGHT))
    )
    return await session.scalar(query) or 0


async def answer(
    session: AsyncSession,
    by: StaffView,
    request_id: int,
    *,
    state: str,
    words: str,
    now: datetime,
) -> DataRequest:
    """Answer a request in writing; the contact is told that the answer is on its page.

    Raises:
        NotFound: no such request at this person's places.
        InputInvalid: no words, or neither done nor refused.
        Conflict: somebody else has answered it.
    """
    row = await session.get(DataRequest, request_id)
    if row is None or not rights.may(by, RIGHT, row.place_id) or row.place_id is None:
        raise NotFound(f"request {request_id}")
    if state not in (DONE, REFUSED):
        raise InputInvalid("state", field="state")
    if not words.strip():
        raise InputInvalid("answer", field="answer")
    won = await session.scalar(
        update(DataRequest)
        .where(DataRequest.id == request_id, DataRequest.state == OPEN)
        .values(state=state, answer=words.strip()[:LONGEST], decided_at=now, decided_by=by.id)
        .returning(DataRequest.id)
    )
    if won is None:
        raise Conflict(f"request {request_id}")
    await session.refresh(row)
    await _record(session, row, "request.answered", by.id, now)
    await cases.tell(session, row.contact_id, "request.answered", now=now)
    return row


async def of_contact(session: AsyncSession, contact_id: int) -> Sequence[DataRequest]:
    """Return what a contact has asked for, the newest first."""
    query = select(DataRequest).where(DataRequest.contact_id == contact_id)
    return (await session.scalars(query.order_by(DataRequest.id.desc()))).all()


async def _record(
    session: AsyncSession, row: DataRequest, action: str, staff_id: int | None, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=staff_id,
        action=action,
        object_kind="contact",
        object_id=row.contact_id,
        now=now,
        data={"request": row.id, "kind": row.kind, "state": row.state},
    )
