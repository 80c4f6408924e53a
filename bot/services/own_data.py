"""What a contact may see of what is stored about it and its children, and take away with it.

Called by the parents' page (`bot.web.parents`) and by the consent handler. Left out everywhere:
cases, reports, assessments, other people's words, and every message of danger (level 2 and above):
whoever else holds this phone must not read what was confided (DESIGN §4).
Source: Personal Information Protection Law, articles 44–45, 48 (to know, copy, have explained).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.ages import fourteen
from bot.core.levels import ESCALATED
from bot.core.messages import Kind
from bot.db.models import (
    Assessment,
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
)
from bot.services import own_reads, people
from bot.services.discretion import HIDDEN_CATEGORIES
from bot.services.own_reads import Reads

# Own answers and service sentences; not `risk`, not `person`, not `notice` (other people's words).
SHOWN_REPLIES = ("answer", "choices", "abstain", "smalltalk", "service")
MOST_LINES = 2000
# So long after a message that is left out, what follows is left out too.
CONFIDED = timedelta(hours=2)
# What a platform reports, and nobody wrote.
EVENTS = (Kind.FOLLOW, Kind.UNFOLLOW, Kind.SCAN, Kind.RECEIPT)
# A deletion that the contact did itself, here or in the chat.
ERASED = "erased"
# What the classifier found has no words that fired.
BY_MODEL = "model."


@dataclass(frozen=True, slots=True)
class OwnChild:
    """A child as its guardian sees it."""

    id: int
    name: str
    place: str
    school: str
    relation: str
    since: datetime
    born: str | None

    def speaks_too(self, today: date) -> bool:
        """Say whether the child's own agreement is needed besides its guardian's."""
        return fourteen(self.born, today)


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the dialogue; `own`: the contact wrote it."""

    at: datetime
    own: bool
    text: str


@dataclass(frozen=True, slots=True)
class OwnRequest:
    """A request as its asker sees it; `words` are empty once they were to be erased."""

    kind: str
    state: str
    words: str
    answer: str
    created_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class OwnData:
    """Everything on the page.

    Args:
        phone: with the middle digits covered.
        own_messages: how many messages with their words the page tells of, those of danger and
            those that were erased left out.
    """

    contact: Contact
    guardian: Guardian | None
    phone: str
    place: str
    children: tuple[OwnChild, ...]
    consents: tuple[Consent, ...]
    requests: tuple[OwnRequest, ...]
    reads: tuple[Reads, ...]
    enrolments: tuple[tuple[str, datetime, str], ...]
    own_messages: int

    def standing(self, kind: str, child_id: int | None) -> Consent | None:
        """Return the newest consent of a kind that stands, for the contact or for a child."""
        newest = self.newest(kind, child_id)
        return newest if newest is not None and newest.withdrawn_at is None else None

    def newest(self, kind: str, child_id: int | None) -> Consent | None:
        """Return what was said last of a kind: given, refused or taken back."""
        for row in self.consents:
            if row.kind == kind and row.child_id == child_id:
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
        consents=await _consents(session, contact_id),
        requests=await _requests(session, contact_id),
        reads=await own_reads.of_contact(
            session, contact_id, guardian.id if guardian else None, [child.id for child in children]
        ),
        enrolments=await _enrolments(session, contact_id),
        own_messages=len(await _shown_ids(session, contact_id)),
    )


def covered(phone: str) -> str:
    """Return a phone number with its middle digits covered."""
    return f"{phone[:3]}****{phone[-2:]}"


async def _guardian(session: AsyncSession, contact: Contact) -> Guardian | None:
    if contact.guardian_id is None:
        return None
    found = await session.get(Guardian, contact.guardian_id)
    return found if found is not None and found.erased_at is None else None


async def _consents(session: AsyncSession, contact_id: int) -> tuple[Consent, ...]:
    query = select(Consent).where(Consent.contact_id == contact_id).order_by(Consent.id.desc())
    return tuple((await session.scalars(query)).all())


async def _requests(session: AsyncSession, contact_id: int) -> tuple[OwnRequest, ...]:
    query = (
        select(DataRequest)
        .where(DataRequest.contact_id == contact_id)
        .order_by(DataRequest.id.desc())
    )
    erased = await _erased_at(session, contact_id)
    return tuple(
        OwnRequest(
            ERASED if row.decided_at is not None and row.decided_by is None else row.kind,
            row.state,
            "" if erased is not None and row.created_at <= erased else row.words,
            row.answer,
            row.created_at,
            row.due_at,
        )
        for row in (await session.scalars(query)).all()
    )


async def _erased_at(session: AsyncSession, contact_id: int) -> datetime | None:
    """Return when a contact last had everything erased."""
    return await session.scalar(
        select(func.max(DataRequest.decided_at)).where(
            DataRequest.contact_id == contact_id,
            DataRequest.kind == "delete",
            DataRequest.decided_by.is_(None),
        )
    )


async def _shown_from(session: AsyncSession, contact_id: int) -> datetime | None:
    """Return the moment up to which a contact wanted its words gone.

    A legal hold may keep them all the same; the page shows what it would show without one.
    """
    unwanted = await session.scalar(
        select(func.max(Consent.withdrawn_at)).where(
            Consent.contact_id == contact_id,
            Consent.kind == "mental_health",
            Consent.refused.is_(False),
        )
    )
    moments = [one for one in (await _erased_at(session, contact_id), unwanted) if one is not None]
    return max(moments, default=None)


async def _shown_ids(session: AsyncSession, contact_id: int) -> list[int]:
    """Return the messages that the page tells of, oldest first.

    What was said on a message that is not shown is left out for a while too, for it may go on
    about it. Nothing depends on whether a case was opened: that, too, would tell.
    """
    since = await _shown_from(session, contact_id)
    rows = await session.execute(
        select(
            Message.id,
            Message.received_at,
            Assessment.fresh_level,
            Assessment.subject,
            Assessment.categories,
            Assessment.spans,
            Assessment.rule_ids,
        )
        .join(Assessment, Assessment.message_id == Message.id)
        .where(Message.contact_id == contact_id, Message.kind.not_in(EVENTS))
        .order_by(Message.received_at, Message.id)
    )
    shown: list[int] = []
    confided: datetime | None = None
    for message_id, at, level, subject, categories, spans, rule_ids in rows:
        own_sign = bool(spans) or any(rule.startswith(BY_MODEL) for rule in rule_ids)
        if _is_hidden(level, subject, categories, own_sign=own_sign):
            confided = at
        elif (confided is None or at > confided + CONFIDED) and (since is None or at > since):
            shown.append(message_id)
    return shown


def _is_hidden(level: str, subject: str, categories: Sequence[str], *, own_sign: bool) -> bool:
    """Say whether one message, judged by itself, is left out.

    Args:
        own_sign: something fired in this very message; else its categories, and a weak level, are
            those of what was said before it.
    """
    if level in ESCALATED:
        return True
    if not own_sign:
        return False
    return bool(HIDDEN_CATEGORIES & set(categories)) or (level != "0" and subject == "self")


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
            child.born,
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
    ids = (await _shown_ids(session, contact_id))[-MOST_LINES:]
    own = await session.execute(
        select(Message.id, Message.received_at, Message.text).where(Message.id.in_(ids))
    )
    shown = {row.id: row for row in own if row.text}
    lines = [Line(shown[one].received_at, True, shown[one].text) for one in ids if one in shown]
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
    told = [Line(row[0], False, row[1]) for row in replies if row[1] and row[2] in shown]
    lines += reversed(told)
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
            "courses_stopped": contact.courses_stopped_at is not None,
            "notices_stopped": contact.notices_stopped_at is not None,
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
                "refused": row.refused,
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
