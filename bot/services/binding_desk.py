"""The school's yes or no to a parent who could not be matched, and taking it back within a week.

Called by `/teacher/bindings`. Every change asks for `binding.decide` at the place of the claim and
of the child; who was shown which claim is in the audit trail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import AuditEntry, Binding, Child, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ACTIVE, ASKED, BOUND, REFUSED, WITHDRAWN
from bot.services import audit, bindings, cases, people, rights
from bot.services.people import ChildRow
from bot.services.staff import StaffView

RIGHT = "binding.decide"
UNDO = timedelta(days=7)
# Looking again and again within this time is one look.
LOOK = timedelta(minutes=10)
MOST_LISTED = 100
TEACHER = "teacher"
# What a yes has added beside the binding, so that taking it back takes that back too.
TIED = "tied"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One claim that waits.

    Args:
        reason: why the roster did not settle it.
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
    fits: tuple[ChildRow, ...]
    others: tuple[ChildRow, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """One yes that can still be taken back."""

    id: int
    place: str
    child: str
    relation: str
    at: datetime
    until: datetime


async def waiting(session: AsyncSession, ring: KeyRing, by: StaffView) -> list[Waiting]:
    """Return the claims at a person's places, oldest first; `looked` records who was shown."""
    reach = rights.places_for(by, RIGHT)
    query = (
        select(Binding, Place, Contact.channel)
        .join(Place, Place.id == Binding.place_id)
        .join(Contact, Contact.id == Binding.contact_id)
        .where(Binding.state == ASKED, Binding.place_id.in_(reach))
        .order_by(Binding.id)
        .limit(MOST_LISTED)
    )
    rows = (await session.execute(query)).all()
    found = []
    for binding, place, channel in rows:
        fits = await _fitting(session, ring, binding, reach)
        others = await people.children_of(session, place.id) if place.kind == "class" else []
        ids = {child.id for child in fits}
        found.append(
            Waiting(
                id=binding.id,
                contact_id=binding.contact_id,
                place=place.name,
                child=binding.claim.get("child", ""),
                relation=binding.claim.get("relation", ""),
                phone=binding.claim.get("phone", ""),
                reason=binding.reason,
                channel=channel,
                at=binding.created_at,
                fits=tuple(fits),
                others=tuple(child for child in others if child.id not in ids),
            )
        )
    return found


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


async def looked(
    session: AsyncSession,
    by: StaffView,
    contact_ids: Sequence[int],
    now: datetime,
    *,
    action: str = "binding.listed",
) -> None:
    """Record whose claims or requests a person is about to be shown, each once in a while."""
    known = set(
        await session.scalars(
            select(AuditEntry.object_id).where(
                AuditEntry.staff_id == by.id,
                AuditEntry.action == action,
                AuditEntry.at > now - LOOK,
                AuditEntry.object_id.in_(contact_ids),
            )
        )
    )
    for contact_id in dict.fromkeys(contact_ids):
        if contact_id not in known:
            await _record(session, by, action, contact_id, now)


async def decided(session: AsyncSession, by: StaffView, now: datetime) -> list[Decided]:
    """Return what people of the school agreed to in the last week, the newest first."""
    query = (
        select(Binding, Place.name)
        .join(Place, Place.id == Binding.place_id)
        .where(
            Binding.state == BOUND,
            Binding.way == TEACHER,
            Binding.decided_at > now - UNDO,
            Binding.place_id.in_(rights.places_for(by, RIGHT)),
        )
        .order_by(Binding.decided_at.desc(), Binding.id.desc())
        .limit(MOST_LISTED)
    )
    return [
        Decided(
            binding.id,
            place,
            binding.claim.get("child", ""),
            binding.claim.get("relation", ""),
            binding.decided_at,
            binding.decided_at + UNDO,
        )
        for binding, place in await session.execute(query)
        if binding.decided_at is not None
    ]


async def agree(
    session: AsyncSession,
    ring: KeyRing,
    by: StaffView,
    binding_id: int,
    *,
    child_id: int,
    guardian_id: int | None,
    guardian_name: str = "",
    now: datetime,
) -> Guardian:
    """Say yes: the contact is a registered guardian's, or becomes a new one's.

    Another contact of that guardian on the same account is released: there is one on each.

    Args:
        guardian_id: a registered guardian of the child; None adds one with what was claimed.
        guardian_name: of the one to add.

    Raises:
        NotFound: no such claim, or no such child at this person's places.
        InputInvalid: this guardian is none of the child's, or a name is missing.
        Conflict: decided already, or a custody block stands against it (`custody`).
    """
    binding = await _claim(session, by, binding_id)
    child = await session.get(Child, child_id)
    if child is None or child.state != ACTIVE or child.place_id is None:
        raise NotFound("child")
    if not rights.may(by, RIGHT, child.place_id):
        raise NotFound("child")
    await _take(session, binding, BOUND)
    contact = await session.get_one(Contact, binding.contact_id, with_for_update=True)
    await _check_custody(session, ring, binding, child, guardian_id)
    tied = guardian_id is None
    if guardian_id is None:
        guardian = await _added(session, ring, binding, child, contact, guardian_name, now)
    else:
        guardian = await _registered(session, child, guardian_id)
    await _release_other(session, contact, guardian, now)
    if contact.guardian_id not in (None, guardian.id):
        mine = await session.get_one(Guardian, contact.guardian_id)
        await people.tie(session, mine, child, binding.claim.get("relation") or "O", now)
        guardian, tied = mine, True
    await bindings.bind(session, contact, guardian, way=TEACHER, now=now, by=by.id, binding=binding)
    binding.child_id, binding.reason = child.id, TIED if tied else ""
    await cases.tell(session, contact.id, "binding.agreed", now=now)
    return guardian


async def _added(
    session: AsyncSession,
    ring: KeyRing,
    binding: Binding,
    child: Child,
    contact: Contact,
    name: str,
    now: datetime,
) -> Guardian:
    """Return who the contact is to this child from now on; a bound contact stays who it is."""
    if contact.guardian_id is not None:
        return await session.get_one(Guardian, contact.guardian_id)
    guardian = await people.add_guardian(
        session,
        name=name,
        phone=binding.claim.get("phone", ""),
        now=now,
        ring=ring,
        source=TEACHER,
    )
    await people.tie(session, guardian, child, binding.claim.get("relation") or "O", now)
    return guardian


async def _registered(session: AsyncSession, child: Child, guardian_id: int) -> Guardian:
    tie = await session.scalar(
        select(Guardianship).where(
            Guardianship.child_id == child.id,
            Guardianship.guardian_id == guardian_id,
            Guardianship.ended_at.is_(None),
        )
    )
    guardian = await session.get(Guardian, guardian_id)
    if tie is None or guardian is None or guardian.erased_at is not None:
        raise InputInvalid("guardian", field="guardian")
    return guardian


async def _check_custody(
    session: AsyncSession, ring: KeyRing, binding: Binding, child: Child, guardian_id: int | None
) -> None:
    """Refuse a yes to somebody whom a court or the school keeps from the child.

    Raises:
        Conflict: `custody`.
    """
    blocked = await session.execute(
        select(Guardianship.guardian_id, Guardianship.relation, Guardian.phone_key)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .where(Guardianship.child_id == child.id, Guardianship.custody_block)
    )
    phone = people.phone_key(ring, binding.claim.get("phone", ""))
    contact = await session.get_one(Contact, binding.contact_id)
    for who, relation, phone_key in blocked:
        claimed = relation == binding.claim.get("relation") or phone_key == phone
        if who in (guardian_id, contact.guardian_id) or (guardian_id is None and claimed):
            raise Conflict("custody")


async def _release_other(
    session: AsyncSession, contact: Contact, guardian: Guardian, now: datetime
) -> None:
    other = await bindings.other_contact(session, contact, guardian.id)
    if other is not None:
        await bindings.leave(session, other, now=now, reason="replaced")
        await cases.tell(session, other.id, "binding.withdrawn", now=now)


async def refuse(session: AsyncSession, by: StaffView, binding_id: int, *, now: datetime) -> None:
    """Say no; the parent is told to ask the class teacher, and nothing else.

    Raises:
        NotFound: no such claim at this person's places.
        Conflict: decided already.
    """
    binding = await _claim(session, by, binding_id)
    await _take(session, binding, REFUSED)
    binding.decided_at, binding.decided_by = now, by.id
    await _record(session, by, "binding.refused", binding.contact_id, now)
    await cases.tell(session, binding.contact_id, "binding.refused", now=now)


async def withdraw(session: AsyncSession, by: StaffView, binding_id: int, *, now: datetime) -> None:
    """Take a yes back within a week, with whatever it had added to the roster.

    Raises:
        NotFound: no such binding at this person's places.
        Conflict: it is older, or was ended meanwhile.
    """
    binding = await _claim(session, by, binding_id)
    settled = binding.decided_at
    if binding.way != TEACHER or settled is None or settled <= now - UNDO:
        raise Conflict("too late")
    added = binding.reason == TIED
    await _take(session, binding, WITHDRAWN, was=BOUND)
    if added and binding.guardian_id is not None:
        await _untie(session, binding, now)
    contact = await session.get_one(Contact, binding.contact_id, with_for_update=True)
    others = await session.scalar(
        select(Binding.id).where(Binding.contact_id == contact.id, Binding.state == BOUND).limit(1)
    )
    if others is None and contact.guardian_id == binding.guardian_id:
        await bindings.leave(session, contact, now=now, reason="withdrawn")
    await _record(session, by, "binding.withdrawn", binding.contact_id, now)
    await cases.tell(session, binding.contact_id, "binding.withdrawn", now=now)


async def _untie(session: AsyncSession, binding: Binding, now: datetime) -> None:
    tie = await session.scalar(
        select(Guardianship).where(
            Guardianship.guardian_id == binding.guardian_id,
            Guardianship.child_id == binding.child_id,
        )
    )
    if tie is not None:
        await people.untie(session, tie, now)


async def check(session: AsyncSession, by: StaffView, binding_id: int) -> None:
    """Let a person pass who may decide a claim.

    Raises:
        NotFound: no such claim at this person's places.
    """
    await _claim(session, by, binding_id)


async def _claim(session: AsyncSession, by: StaffView, binding_id: int) -> Binding:
    binding = await session.get(Binding, binding_id)
    if binding is None or not rights.may(by, RIGHT, binding.place_id):
        raise NotFound(f"binding {binding_id}")
    return binding


async def _take(session: AsyncSession, binding: Binding, state: str, *, was: str = ASKED) -> None:
    """Move a claim on, for the first of two people only."""
    won = await session.scalar(
        update(Binding)
        .where(Binding.id == binding.id, Binding.state == was)
        .values(state=state)
        .returning(Binding.id)
    )
    if won is None:
        raise Conflict(f"binding {binding.id}")
    await session.refresh(binding)


async def _record(
    session: AsyncSession, by: StaffView, action: str, contact_id: int, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="contact",
        object_id=contact_id,
        now=now,
    )
