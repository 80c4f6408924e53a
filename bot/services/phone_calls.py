"""Phone calls of the hotline: entered while somebody is on the phone or afterwards.

Called by `bot.web.calls`. A call opens a case of the same model as a message does, or is added to
one that stands open; whoever enters it has accepted that case.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import SHANGHAI
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.levels import LEVELS
from bot.db.crypto import KeyRing
from bot.db.models import Case, CaseEvent, Child, Contact, PhoneCall, Place, Staff
from bot.db.models.case import CLOSED
from bot.services import audit, case_rights, cases, people, rights
from bot.services.alerts import AlertPolicy
from bot.services.case_rights import DISTRICT
from bot.services.cases_by_hand import open_by_hand
from bot.services.live import publish
from bot.services.people import ChildRow
from bot.services.staff import StaffView

ENTER = "call.enter"
IN, OUT = "in", "out"
DIRECTIONS = (IN, OUT)
# Who speaks, by the screen's codes; a case opened by a call says so as one opened by a message.
WHO = ("PC", "G", "PS", "S", "T", "PO", "X")
ORIGIN = "phone"
OLDEST, CLOCK_SKEW, LONGEST_CALL = timedelta(days=30), timedelta(minutes=2), timedelta(hours=12)
LONGEST_NAME, LONGEST_PHONE, LONGEST_NOTE = 40, 30, 4000
FOUND = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """What somebody enters about a call.

    Args:
        started, ended: as a form's field gives them (`2026-11-22T23:40`, Asia/Shanghai); no end:
            still on the phone.
        caller: empty: they did not say.
        case: number of a case to add the call to; empty: a new case.
        who, level, category, place_id, child_id: for a new case.
    """

    direction: str
    started: str
    ended: str = ""
    caller: str = ""
    phone: str = ""
    note: str = ""
    case: str = ""
    who: str = "X"
    level: str = ""
    category: str = ""
    place_id: int | None = None
    child_id: int | None = None


async def enter(
    session: AsyncSession, policy: AlertPolicy, by: StaffView, entry: Entry, *, now: datetime
) -> PhoneCall:
    """Enter a call; the same one sent twice is one.

    Raises:
        InputInvalid: what is wrong, by a code `call_…`.
        NotFound: the place, child or case is out of the person's reach.
        Conflict: the case is closed (`call_closed`).
    """
    rights.require_somewhere(by, ENTER)
    _check(entry)
    started, ended = moments(entry.started, entry.ended, now)
    # Two clicks come one after the other here.
    await session.get(Staff, by.id, with_for_update=True)
    if (same := await _same(session, by, entry, started)) is not None:
        return same
    if entry.case.strip():
        case = await _known(session, by, entry.case.strip())
    else:
        case = await _new(session, policy, by, entry, now)
    place_id = case.place_id or entry.place_id or min(rights.places_for(by, ENTER))
    call = PhoneCall(
        case_id=case.id,
        place_id=place_id,
        staff_id=by.id,
        started_at=started,
        ended_at=ended,
        direction=entry.direction,
        caller=entry.caller.strip(),
        phone=entry.phone.strip(),
        note=entry.note.strip(),
    )
    session.add(call)
    await session.flush()
    # On the phone somebody speaks as a person from the first moment.
    if case.first_words_at is None or case.first_words_at < case.raised_at:
        case.first_words_at = max(started, case.raised_at)
    data: dict[str, object] = {"call": call.id, "direction": call.direction}
    session.add(CaseEvent(case_id=case.id, at=now, kind="call", staff_id=by.id, data=dict(data)))
    await audit.record(
        session,
        staff_id=by.id,
        action="call.entered",
        object_kind="case",
        object_id=case.id,
        now=now,
        data=data,
    )
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return call


async def end(
    session: AsyncSession, by: StaffView, call_id: int, *, note: str, now: datetime
) -> PhoneCall:
    """Hang up a call that was entered while it ran; only whoever holds the phone does.

    Raises:
        NotFound: there is no such call of theirs.
        InputInvalid: the note is too long (`call_long`).
        Conflict: it has ended already (`call_over`).
    """
    call = await session.get(PhoneCall, call_id)
    if call is None or call.staff_id != by.id or not rights.may(by, ENTER, call.place_id):
        raise NotFound(f"call {call_id}")
    if len(note) > LONGEST_NOTE:
        raise InputInvalid("call_long", field="note")
    ended = await session.scalar(
        update(PhoneCall)
        .where(PhoneCall.id == call_id, PhoneCall.ended_at.is_(None))
        .values(ended_at=max(now, call.started_at))
        .returning(PhoneCall.id)
    )
    if ended is None:
        raise Conflict("call_over")
    await session.refresh(call)
    call.note = note.strip() or call.note
    case = await session.get_one(Case, call.case_id)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return call


def moments(started: str, ended: str, now: datetime) -> tuple[datetime, datetime | None]:
    """Return when a call began and ended.

    Raises:
        InputInvalid: `call_started`, `call_future`, `call_old`, `call_ended`, `call_order` or
            `call_endless`.
    """
    begun = _moment(started, "call_started")
    if begun is None:
        raise InputInvalid("call_started", field="started")
    over = _moment(ended, "call_ended")
    if max(begun, over or begun) > now + CLOCK_SKEW:
        raise InputInvalid("call_future", field="started")
    if begun < now - OLDEST:
        raise InputInvalid("call_old", field="started")
    if over is not None and over < begun:
        raise InputInvalid("call_order", field="ended")
    if (over or now) - begun > LONGEST_CALL:
        raise InputInvalid("call_endless", field="ended")
    return min(begun, now), None if over is None else min(over, now)


def _moment(text: str, code: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=SHANGHAI)
    except ValueError:
        raise InputInvalid(code, field=code.removeprefix("call_")) from None


def _check(entry: Entry) -> None:
    if entry.direction not in DIRECTIONS:
        raise InputInvalid("call_direction", field="direction")
    if len(entry.caller.strip()) > LONGEST_NAME:
        raise InputInvalid("call_caller", field="caller")
    phone = entry.phone.strip()
    if len(phone) > LONGEST_PHONE or any(sign not in "0123456789+- ()" for sign in phone):
        raise InputInvalid("call_phone", field="phone")
    if len(entry.note.strip()) > LONGEST_NOTE:
        raise InputInvalid("call_long", field="note")
    if entry.case.strip():
        return
    if entry.level not in LEVELS:
        raise InputInvalid("call_level", field="level")
    if entry.who not in WHO:
        raise InputInvalid("call_who", field="who")


async def _same(
    session: AsyncSession, by: StaffView, entry: Entry, started: datetime
) -> PhoneCall | None:
    rows = await session.scalars(
        select(PhoneCall).where(
            PhoneCall.staff_id == by.id,
            PhoneCall.started_at == started,
            PhoneCall.direction == entry.direction,
        )
    )
    said = entry.caller.strip(), entry.phone.strip()
    return next((row for row in rows if (row.caller, row.phone) == said), None)


async def _known(session: AsyncSession, by: StaffView, number: str) -> Case:
    """Return the case of a number that somebody typed, if a call can be added to it."""
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise InputInvalid("call_case", field="case")
    try:
        case = await case_rights.to_work(session, by, await session.get(Case, int(number)))
    except NotFound:
        raise InputInvalid("call_case", field="case") from None
    if case.state == CLOSED:
        raise Conflict("call_closed")
    return case


async def _new(
    session: AsyncSession, policy: AlertPolicy, by: StaffView, entry: Entry, now: datetime
) -> Case:
    """Open a case; whoever is on the phone has it, unless it stands on somebody else's desk."""
    place_id = entry.place_id
    if entry.child_id is not None:
        child = await session.get(Child, entry.child_id)
        if child is None or not rights.may(by, ENTER, child.place_id or 0):
            raise NotFound(f"child {entry.child_id}")
        place_id = child.place_id
    if place_id is None or not rights.may(by, ENTER, place_id):
        raise InputInvalid("call_place", field="place")
    case = await open_by_hand(
        session,
        policy,
        by,
        place_id=place_id,
        level=entry.level,
        categories=(entry.category,) if entry.category else (),
        origin=ORIGIN,
        now=now,
        subject="self" if entry.who == "PS" else "child",
        who="" if entry.who == "X" else entry.who,
        child_id=entry.child_id,
        name=entry.caller.strip(),
    )
    if phone := entry.phone.strip():
        contact = await session.get_one(Contact, case.contact_id)
        contact.emergency_contact = phone
    place = await session.get(Place, case.place_id) if case.place_id else None
    if case_rights.reaches(by, case_rights.WORK, case, place.kind if place else None):
        await cases.accept(session, by, case.id, now=now)
    return case


async def find_children(
    session: AsyncSession, by: StaffView, ring: KeyRing, text: str, *, now: datetime
) -> list[tuple[ChildRow, tuple[int, ...]]]:
    """Return the children of exactly this name or number within reach, each with its open cases."""
    wanted = text.strip()
    if not wanted or len(wanted) > people.NAME_LENGTH:
        return []
    found = await session.scalars(
        select(Child)
        .where(
            (Child.name_key == people.name_key(ring, wanted))
            | (Child.student_key == people.student_key(ring, wanted)),
            Child.place_id.in_(rights.places_for(by, ENTER)),
        )
        .order_by(Child.id)
        .limit(FOUND)
    )
    rows = await people.child_rows(session, found.all())
    await audit.record(
        session,
        staff_id=by.id,
        action="people.searched",
        object_kind="place",
        object_id=None,
        now=now,
        data={"rows": len(rows)},
    )
    open_cases = await _open_cases(session, by, [row.id for row in rows])
    return [(row, tuple(open_cases.get(row.id, ()))) for row in rows]


async def _open_cases(
    session: AsyncSession, by: StaffView, children: list[int]
) -> Mapping[int, list[int]]:
    rows = await session.execute(
        select(Case, Place.kind)
        .outerjoin(Place, Place.id == Case.place_id)
        .where(Case.child_id.in_(children), Case.state != CLOSED)
        .order_by(Case.id)
    )
    found: dict[int, list[int]] = {}
    for case, kind in rows.all():
        if case.child_id and case_rights.reaches(by, case_rights.WORK, case, kind):
            found.setdefault(case.child_id, []).append(case.id)
    return found


async def places_of(session: AsyncSession, by: StaffView) -> list[Place]:
    """Return the schools and the district at which somebody may enter a call; schools first."""
    query = select(Place).where(
        Place.id.in_(rights.places_for(by, ENTER)), Place.kind.in_(("school", DISTRICT))
    )
    return sorted(
        (await session.scalars(query)).all(), key=lambda one: (one.kind == DISTRICT, one.id)
    )


async def of_case(session: AsyncSession, case_id: int) -> list[PhoneCall]:
    """Return the calls of a case with their words, oldest first; who shows them asked the right."""
    query = select(PhoneCall).where(PhoneCall.case_id == case_id).order_by(PhoneCall.started_at)
    return list(await session.scalars(query))
