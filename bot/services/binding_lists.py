"""What `/teacher/bindings` lists: who waits for a yes, and what was decided in the last week.

Called by `bot.web.bindings`; the decisions are `bot.services.binding_desk`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.rights import right
from bot.db.crypto import KeyRing
from bot.db.models import Binding, Child, Contact, Delivery, Guardianship, Place
from bot.db.models.delivery import ACCEPTED, CONFIRMED, QUEUED, READ, SENDING
from bot.db.models.person import ACTIVE, ASKED, BOUND, REFUSED, WITHDRAWN
from bot.db.models.place import OPEN
from bot.services import people, rights
from bot.services.binding_desk import RIGHT, TEACHER, UNDO
from bot.services.bindings import TAKEN_BACK
from bot.services.people import ChildRow
from bot.services.staff import StaffView

MOST_LISTED = 100
DIRECTORY = "directory"
# Whoever has only this role decides for those who belong to no school yet.
DISTRICT = "district"
# A sentence to a parent is on its way for so long at most before it counts as not sent.
UNDER_WAY = timedelta(minutes=3)
_SENT, _SENDING = (ACCEPTED, READ, CONFIRMED), (QUEUED, SENDING)
# What a parent is told of each outcome; a binding that no person decided was answered in the chat.
_PHRASES = {
    BOUND: "binding.agreed",
    REFUSED: "binding.refused",
    WITHDRAWN: "binding.withdrawn",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """One claim that waits.

    Args:
        reason: why the roster did not settle it.
        closed: its class is closed: there is nobody to say yes to any more.
        fits: the children of that name at the person's places.
        others: the other children of the class.
    """

    id: int
    contact_id: int
    place: str
    child: str
    relation: str
    phone: str
    reason: str
    channel: str
    at: datetime
    closed: bool
    fits: tuple[ChildRow, ...]
    others: tuple[ChildRow, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """One binding, or one no, of the last week.

    Args:
        way: what proved it: `teacher`, `phone`, `slip`, `directory`; empty for a no.
        state: `bound`, `refused` or `withdrawn`.
        until: when it can no longer be taken back; None where there is nothing to take back.
        told: whether the parent knows: `chat` (answered there), `soon`, `sent` or `closed` (the
            platform took nothing).
    """

    id: int
    place: str
    child: str
    relation: str
    way: str
    state: str
    at: datetime
    until: datetime | None
    told: str


def listed_for(by: StaffView) -> ColumnElement[bool]:
    """Match the places, in a query over `Place`, whose claims are a person's to decide.

    The district's duty people reach every class, and decide for those who belong to none: the rest
    is the schools' own work, and its names are not theirs to read.
    """
    near = by.at(*(right(RIGHT).roles - {DISTRICT}))
    return or_(Place.id.in_(near), and_(Place.id.in_(by.at(DISTRICT)), Place.kind == DISTRICT))


async def waiting(session: AsyncSession, ring: KeyRing, by: StaffView) -> list[Waiting]:
    """Return the claims that wait for a person, oldest first.

    `binding_desk.looked` records who was shown.
    """
    query = (
        select(Binding, Place, Contact.channel)
        .join(Place, Place.id == Binding.place_id)
        .join(Contact, Contact.id == Binding.contact_id)
        .where(Binding.state == ASKED, listed_for(by))
        .order_by(Binding.id)
        .limit(MOST_LISTED)
    )
    reach = rights.places_for(by, RIGHT)
    rows = (await session.execute(query)).all()
    return [
        await _one(session, ring, binding, place, channel, reach)
        for binding, place, channel in rows
    ]


async def _one(
    session: AsyncSession,
    ring: KeyRing,
    binding: Binding,
    place: Place,
    channel: str,
    reach: frozenset[int],
) -> Waiting:
    fits = await _fitting(session, ring, binding, reach)
    others = await people.children_of(session, place.id) if place.kind == "class" else []
    ids = {child.id for child in fits}
    return Waiting(
        id=binding.id,
        contact_id=binding.contact_id,
        place=place.name,
        child=binding.claim.get("child", ""),
        relation=binding.claim.get("relation", ""),
        phone=binding.claim.get("phone", ""),
        reason=binding.reason,
        channel=channel,
        at=binding.created_at,
        closed=place.state != OPEN,
        fits=tuple(fits),
        others=tuple(child for child in others if child.id not in ids),
    )


async def _fitting(
    session: AsyncSession, ring: KeyRing, binding: Binding, reach: frozenset[int]
) -> list[ChildRow]:
    name = binding.claim.get("child", "")
    if not name:
        return []
    query = select(Child).where(
        Child.name_key == people.name_key(ring, name),
        Child.state == ACTIVE,
        Child.place_id.in_(reach),
    )
    children = (await session.scalars(query.order_by(Child.id).limit(20))).all()
    return await people.child_rows(session, children)


async def decided(session: AsyncSession, by: StaffView, now: datetime) -> list[Decided]:
    """Return what was bound, refused or taken back in the last week, the newest first.

    What a directory brought comes last: an import binds hundreds. Whose child has left is not in
    it; a child that changed class is with the new one's teachers.
    """
    place_id = func.coalesce(Child.place_id, Binding.place_id)
    query = (
        select(Binding, Child, Guardianship.relation, Place.name)
        .outerjoin(Child, Child.id == Binding.child_id)
        .outerjoin(
            Guardianship,
            and_(
                Guardianship.guardian_id == Binding.guardian_id,
                Guardianship.child_id == Binding.child_id,
            ),
        )
        .join(Place, Place.id == place_id)
        .where(
            Binding.decided_at > now - UNDO,
            or_(
                Binding.state.in_((BOUND, REFUSED)),
                and_(Binding.state == WITHDRAWN, Binding.reason == TAKEN_BACK),
            ),
            or_(Child.id.is_(None), Child.state == ACTIVE),
            or_(listed_for(by), Binding.decided_by == by.id),
        )
        .order_by(Binding.way == DIRECTORY, Binding.decided_at.desc(), Binding.id.desc())
        .limit(MOST_LISTED)
    )
    rows = (await session.execute(query)).all()
    states = await _deliveries(session, [row[0] for row in rows])
    return [
        _decided(binding, child, relation, place, states, now)
        for binding, child, relation, place in rows
    ]


def _decided(
    binding: Binding,
    child: Child | None,
    relation: str | None,
    place: str,
    states: dict[str, str],
    now: datetime,
) -> Decided:
    at = binding.decided_at or binding.created_at
    return Decided(
        id=binding.id,
        place=place,
        child=child.name if child else binding.claim.get("child", ""),
        relation=relation or binding.claim.get("relation", ""),
        way=binding.way,
        state=binding.state,
        at=at,
        until=at + UNDO if binding.state == BOUND else None,
        told=_told(binding, states, now),
    )


def _told(binding: Binding, states: dict[str, str], now: datetime) -> str:
    if binding.state == BOUND and binding.way != TEACHER:
        return "chat"
    state = states.get(_key(binding))
    if state in _SENT:
        return "sent"
    at = binding.decided_at or binding.created_at
    if state in _SENDING or (state is None and now - at < UNDER_WAY):
        return "soon"
    return "closed"


def _key(binding: Binding) -> str:
    """Return the key under which `cases.tell` sends the outcome."""
    at = epoch_ms(binding.decided_at or binding.created_at)
    return f"tell:{binding.contact_id}:{_PHRASES[binding.state]}:{at}"


async def _deliveries(session: AsyncSession, decided: Sequence[Binding]) -> dict[str, str]:
    """Return how the sentences to the parents stand, by key; without one nothing was sent."""
    keys = {_key(binding) for binding in decided}
    query = select(Delivery.key, Delivery.state).where(Delivery.key.in_(keys))
    return {row.key: row.state for row in await session.execute(query)}
