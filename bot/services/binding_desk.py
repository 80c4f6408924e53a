"""The school's yes or no to a parent who could not be matched, and taking a binding back.

For a week any binding can be taken back, whatever proved it. Called by `/teacher/bindings`; what
the page lists stands in `bot.services.binding_lists`. Every change asks for `binding.decide` at the
place of the claim and of the child; who was shown which claim is in the audit trail.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import AuditEntry, Binding, Child, Contact, Guardian, Guardianship
from bot.db.models.person import ACTIVE, ASKED, BOUND, REFUSED, WITHDRAWN
from bot.services import audit, bindings, cases, people, rights
from bot.services.staff import StaffView

RIGHT = "binding.decide"
UNDO = timedelta(days=7)
# Looking again and again within this time is one look.
LOOK = timedelta(minutes=10)
TEACHER = "teacher"
# What a yes has added beside the binding, so that taking it back takes that back too.
TIED = "tied"


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
        Conflict: decided already, a custody block stands against it (`custody`), or the child's
            class is closed (`place_closed`).
    """
    binding = await _claim(session, by, binding_id)
    child = await session.get(Child, child_id)
    if child is None or child.state != ACTIVE or child.place_id is None:
        raise NotFound("child")
    if not rights.may(by, RIGHT, child.place_id):
        raise NotFound("child")
    await people.open_class(session, child.place_id)
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
        same_phone = phone is not None and phone_key == phone
        claimed = same_phone or relation == binding.claim.get("relation")
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
    """Take a binding back within a week, with whatever a yes had added to the roster.

    Where a phone, a slip or a directory was wrong, the contact is nobody's any more, whatever else
    the same proof has led to. No phone binds that guardian again without a yes.

    Raises:
        NotFound: no such binding at this person's places.
        Conflict: it is older, or was ended meanwhile.
    """
    binding = await _claim(session, by, binding_id)
    settled = binding.decided_at
    if binding.state != BOUND or settled is None or settled <= now - UNDO:
        raise Conflict("too late")
    added = binding.reason == TIED
    await _take(session, binding, WITHDRAWN, was=BOUND)
    binding.reason, binding.decided_at, binding.decided_by = bindings.TAKEN_BACK, now, by.id
    if added and binding.guardian_id is not None:
        await _untie(session, binding, now)
    contact = await session.get_one(Contact, binding.contact_id, with_for_update=True)
    if contact.guardian_id == binding.guardian_id and not (
        added and await _bound_elsewhere(session, contact.id)
    ):
        await bindings.leave(session, contact, now=now, reason="withdrawn")
    await _record(session, by, "binding.withdrawn", binding.contact_id, now)
    await cases.tell(session, binding.contact_id, "binding.withdrawn", now=now)


async def _bound_elsewhere(session: AsyncSession, contact_id: int) -> bool:
    query = select(Binding.id).where(Binding.contact_id == contact_id, Binding.state == BOUND)
    return await session.scalar(query.limit(1)) is not None


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
    """Return a claim, or a binding, at a person's places; a child may have moved since."""
    binding = await session.get(Binding, binding_id)
    if binding is None:
        raise NotFound(f"binding {binding_id}")
    place_id: int | None = binding.place_id
    if binding.state != ASKED and binding.child_id is not None:
        child = await session.get_one(Child, binding.child_id)
        place_id = child.place_id
    if place_id is None or not rights.may(by, RIGHT, place_id):
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
