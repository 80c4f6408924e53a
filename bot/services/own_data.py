"""What a contact may see of what is stored about it and its children, and take away with it.

Called by the parents' page (`bot.web.parents`) and by the consent handler. Left out everywhere:
cases, reports, assessments, other people's words, and every message of danger (level 2 and above):
whoever else holds this phone must not read what was confided (DESIGN §4).
Source: Personal Information Protection Law, articles 44–45, 48 (to know, copy, have explained).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import ESCALATED
from bot.db.models import (
    Assessment,
    AuditEntry,
    Child,
    Consent,
    Contact,
    Course,
    DataRequest,
    Delivery,
    Enrolment,
    Guardian,
    Guardianship,
    Message,
    Place,
    StaffRole,
)
from bot.services import people

# What is said of these never shows in anything a guardian can take away, whatever its level.
HIDDEN_CATEGORIES = frozenset({"ABU", "SA", "DV", "TCH"})
# Own answers and service sentences; not `risk`, not `person`, not `notice` (other people's words).
SHOWN_REPLIES = ("answer", "choices", "abstain", "smalltalk", "service")
# Who may be named as a reader, and of what: never a counselor, never anything of a case.
SHOWN_ROLES = ("teacher", "lead", "admin", "district")
SHOWN_READS = ("people.listed", "people.read", "binding.listed", "request.listed")
MOST_LINES = 2000
_Row = TypeVar("_Row", Consent, DataRequest)


@dataclass(frozen=True, slots=True)
class OwnChild:
    """A child as its guardian sees it."""

    id: int
    name: str
    place: str
    school: str
    relation: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the dialogue; `own`: the contact wrote it."""

    at: datetime
    own: bool
    text: str


@dataclass(frozen=True, slots=True)
class Reads:
    """How often people of a role were shown something, and when last."""

    action: str
    role: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class OwnData:
    """Everything on the page.

    Args:
        phone: with the middle digits covered.
        own_messages: how many messages are stored, those that are not shown too.
    """

    contact: Contact
    guardian: Guardian | None
    phone: str
    place: str
    children: tuple[OwnChild, ...]
    consents: tuple[Consent, ...]
    requests: tuple[DataRequest, ...]
    reads: tuple[Reads, ...]
    enrolments: tuple[tuple[str, datetime, str], ...]
    own_messages: int

    def standing(self, kind: str, child_id: int | None) -> Consent | None:
        """Return the consent of a kind that stands, for the contact itself or for a child."""
        for row in self.consents:
            if row.kind == kind and row.child_id == child_id and row.withdrawn_at is None:
                return row
        return None


async def child_ids(session: AsyncSession, contact_id: int) -> list[int]:
    """Return the ids of the children that a contact's guardian may be told of."""
    contact = await session.get_one(Contact, contact_id)
    if contact.guardian_id is None:
        return []
    return [one.id for one in await people.children_of_guardian(session, contact.guardian_id)]


async def of_contact(session: AsyncSession, contact_id: int) -> OwnData:
    """Return what is stored about a contact, as far as it is shown to it."""
    contact = await session.get_one(Contact, contact_id)
    guardian = await _guardian(session, contact)
    place = await session.get(Place, contact.place_id) if contact.place_id else None
    children = await _children(session, guardian)
    return OwnData(
        contact=contact,
        guardian=guardian,
        phone=covered(guardian.phone) if guardian and guardian.phone else "",
        place=place.name if place else "",
        children=children,
        consents=await _rows(session, Consent, contact_id),
        requests=await _rows(session, DataRequest, contact_id),
        reads=await _reads(session, contact_id, guardian, [child.id for child in children]),
        enrolments=await _enrolments(session, contact_id),
        own_messages=await session.scalar(
            select(func.count(Message.id)).where(Message.contact_id == contact_id)
        )
        or 0,
    )


def covered(phone: str) -> str:
    """Return a phone number with its middle digits covered."""
    return f"{phone[:3]}****{phone[-2:]}"


async def _guardian(session: AsyncSession, contact: Contact) -> Guardian | None:
    if contact.guardian_id is None:
        return None
    found = await session.get(Guardian, contact.guardian_id)
    return found if found is not None and found.erased_at is None else None


async def _rows(session: AsyncSession, model: type[_Row], contact_id: int) -> tuple[_Row, ...]:
    query = select(model).where(model.contact_id == contact_id).order_by(model.id.desc())
    return tuple((await session.scalars(query)).all())


async def _children(session: AsyncSession, guardian: Guardian | None) -> tuple[OwnChild, ...]:
    if guardian is None:
        return ()
    query = (
        select(Child, Guardianship, Place)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(Place, Place.id == Child.place_id)
        .where(Guardianship.guardian_id == guardian.id, ~Guardianship.custody_block, *people.here())
        .order_by(Child.id)
    )
    rows = (await session.execute(query)).all()
    schools = await _schools(session, [place for _, _, place in rows if place is not None])
    return tuple(
        OwnChild(
            child.id,
            child.name,
            place.name if place else "",
            schools.get(place.id, "") if place else "",
            tie.relation,
            tie.created_at,
        )
        for child, tie, place in rows
    )


async def _schools(session: AsyncSession, classes: Sequence[Place]) -> Mapping[int, str]:
    """Return the name of the school above each class."""
    above = {part for place in classes for part in place.path.split("/") if part}
    query = select(Place).where(Place.id.in_(map(int, above)), Place.kind == "school")
    schools = (await session.scalars(query)).all()
    return {
        place.id: school.name
        for place in classes
        for school in schools
        if place.path.startswith(school.path)
    }


async def _reads(
    session: AsyncSession, contact_id: int, guardian: Guardian | None, children: Sequence[int]
) -> tuple[Reads, ...]:
    """Count the recorded reads of the roster's data, by role; nothing of cases and counselors."""
    objects = (AuditEntry.object_kind == "contact") & (AuditEntry.object_id == contact_id)
    if guardian is not None:
        objects |= (AuditEntry.object_kind == "guardian") & (AuditEntry.object_id == guardian.id)
    if children:
        objects |= (AuditEntry.object_kind == "child") & AuditEntry.object_id.in_(children)
        # A list of the class, or of the whole grade or school, held the child too.
        above = await _places_above(session, children)
        objects |= (AuditEntry.object_kind == "place") & AuditEntry.object_id.in_(above)
    query = (
        select(AuditEntry.action, StaffRole.role, AuditEntry.id, AuditEntry.at)
        .join(StaffRole, StaffRole.staff_id == AuditEntry.staff_id)
        .where(objects, AuditEntry.action.in_(SHOWN_READS), StaffRole.role.in_(SHOWN_ROLES))
    )
    seen: dict[int, tuple[str, str, datetime]] = {}
    for action, role, entry_id, at in await session.execute(query):
        # Whoever has several roles is shown once, by the one that stands nearest to the child.
        known = seen.get(entry_id)
        if known is None or SHOWN_ROLES.index(role) < SHOWN_ROLES.index(known[1]):
            seen[entry_id] = (action, role, at)
    found: dict[tuple[str, str], list[datetime]] = {}
    for action, role, at in seen.values():
        found.setdefault((action, role), []).append(at)
    return tuple(
        Reads(action, role, len(times), max(times))
        for (action, role), times in sorted(found.items())
    )


async def _places_above(session: AsyncSession, children: Sequence[int]) -> set[int]:
    paths = await session.scalars(
        select(Place.path).join(Child, Child.place_id == Place.id).where(Child.id.in_(children))
    )
    return {int(part) for path in paths for part in path.split("/") if part}


async def _enrolments(
    session: AsyncSession, contact_id: int
) -> tuple[tuple[str, datetime, str], ...]:
    query = (
        select(Course.title, Course.starts_at, Enrolment.state)
        .join(Enrolment, Enrolment.course_id == Course.id)
        .where(Enrolment.contact_id == contact_id)
        .order_by(Course.starts_at)
    )
    return tuple((title, at, state) for title, at, state in await session.execute(query))


async def dialogue(session: AsyncSession, contact_id: int) -> list[Line]:
    """Return a contact's own words and the service's answers, oldest first, danger left out."""
    own = await session.execute(
        select(Message.id, Message.received_at, Message.text, Assessment.categories)
        .join(Assessment, Assessment.message_id == Message.id)
        .where(
            Message.contact_id == contact_id,
            Message.level.not_in(ESCALATED),
            Assessment.fresh_level.not_in(ESCALATED),
            or_(Assessment.fresh_level == "0", Assessment.subject != "self"),
        )
        .order_by(Message.id.desc())
        .limit(MOST_LINES)
    )
    shown = {row.id: row for row in own if row.text and not HIDDEN_CATEGORIES & set(row.categories)}
    lines = [Line(row.received_at, True, row.text) for row in shown.values()]
    replies = await session.execute(
        select(Delivery.created_at, Delivery.body, Delivery.message_id)
        .where(
            Delivery.contact_id == contact_id,
            Delivery.kind.in_(SHOWN_REPLIES),
            Delivery.message_id.is_not(None),
        )
        .order_by(Delivery.id.desc())
        .limit(MOST_LINES)
    )
    lines += [Line(row[0], False, row[1]) for row in replies if row[1] and row[2] in shown]
    return sorted(lines, key=lambda line: (line.at, not line.own))


def as_plain(data: OwnData, lines: Sequence[Line], now: datetime) -> dict[str, object]:
    """Return everything as plain values, for the JSON file."""
    contact = data.contact
    return {
        "exported_at": now.isoformat(),
        "contact": {
            "channel": contact.channel,
            "since": contact.created_at.isoformat(),
            "name": contact.name,
            "class": data.place,
            "emergency_contact": contact.emergency_contact,
            "stopped": contact.stopped_at is not None,
        },
        "guardian": None
        if data.guardian is None
        else {
            "name": data.guardian.name,
            "phone": data.phone,
            "large_type": data.guardian.large_type,
        },
        "children": [
            {
                "name": child.name,
                "school": child.school,
                "class": child.place,
                "relation": child.relation,
            }
            for child in data.children
        ],
        "consents": [
            {
                "kind": row.kind,
                "for_child": row.child_id is not None,
                "version": row.version,
                "way": row.way,
                "given_at": row.given_at.isoformat(),
                "withdrawn_at": row.withdrawn_at.isoformat() if row.withdrawn_at else None,
            }
            for row in data.consents
        ],
        "enrolments": [
            {"title": title, "starts_at": at.isoformat(), "state": state}
            for title, at, state in data.enrolments
        ],
        "requests": [
            {
                "kind": row.kind,
                "state": row.state,
                "asked_at": row.created_at.isoformat(),
                "words": row.words,
                "answer": row.answer,
            }
            for row in data.requests
        ],
        "dialogue": [
            {"at": line.at.isoformat(), "from": "me" if line.own else "service", "text": line.text}
            for line in lines
        ],
    }
