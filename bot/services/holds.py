"""Legal holds: what stops every deletion about a contact, a child or a case, and who decides it.

A hold protects from the moment it is set, for a police matter does not wait; a second person of the
district agrees to it, and its end is asked for by one and granted by another. Called by
`/admin/retention`; `protected_contacts`, `held_children` and `held_imports` by retention and by
whatever erases.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import (
    Case,
    Child,
    ChildPlace,
    Contact,
    Guardianship,
    ImportBatch,
    LegalHold,
    Place,
)
from bot.db.models.case import CLOSED
from bot.services import audit, places, rights
from bot.services.staff import StaffView

CONTACT, CHILD, CASE = "contact", "child", "case"
KINDS = (CONTACT, CHILD, CASE)
REASON_LENGTH = 500
ACTION = "hold.change"


@dataclass(frozen=True, slots=True)
class Shown:
    """One hold as the page lists it.

    Args:
        mine: the viewer set it, so that another person has to agree.
        my_end: the viewer asked for its end.
    """

    hold: LegalHold
    mine: bool
    my_end: bool


def _standing(kind: str) -> Select[int]:
    return select(LegalHold.object_id).where(
        LegalHold.kind == kind, LegalHold.released_at.is_(None)
    )


def held_children() -> Select[int]:
    """Return the ids of children of whom nothing may be deleted."""
    by_guardian = (
        select(Guardianship.child_id)
        .join(Contact, Contact.guardian_id == Guardianship.guardian_id)
        .where(Contact.id.in_(_held_contacts()))
    )
    by_case = select(Case.child_id).where(Case.id.in_(_standing(CASE)), Case.child_id.is_not(None))
    every = union(_standing(CHILD), by_guardian, by_case).subquery()
    return select(every.c[0])


def children_in_care() -> Select[int]:
    """Return the ids of children of whom a case is open that names them."""
    query = select(Case.child_id).where(Case.state != CLOSED, Case.child_id.is_not(None))
    named = query.distinct().subquery()
    return select(named.c[0])


def held_guardians() -> Select[int]:
    """Return the ids of guardians of whom nothing may be deleted."""
    return select(Guardianship.guardian_id).where(Guardianship.child_id.in_(held_children()))


def held_imports() -> Select[int]:
    """Return the ids of imports into places where a child of whom nothing may be deleted was.

    Whom a row means stands in its encrypted part only, so that all rows of such an import stay.
    """
    here, stay = aliased(Place), aliased(ChildPlace)
    return (
        select(ImportBatch.id)
        .join(Place, Place.id == ImportBatch.place_id)
        .join(here, here.path.startswith(Place.path))
        .join(stay, stay.place_id == here.id)
        .where(stay.child_id.in_(held_children()))
        .distinct()
    )


def _held_contacts() -> Select[int]:
    of_cases = select(Case.contact_id).where(Case.id.in_(_standing(CASE)))
    of_children = (
        select(Contact.id)
        .join(Guardianship, Guardianship.guardian_id == Contact.guardian_id)
        .where(Guardianship.child_id.in_(_standing(CHILD)))
    )
    # A call about a child comes from a contact that is nobody's guardian.
    about_children = select(Case.contact_id).where(Case.child_id.in_(_standing(CHILD)))
    every = union(_standing(CONTACT), of_cases, of_children, about_children).subquery()
    return select(every.c[0])


def protected_contacts() -> Select[int]:
    """Return the ids of contacts of whom nothing may be deleted: held, or with an open case."""
    in_care = select(Case.contact_id).where(Case.state != CLOSED)
    every = union(_held_contacts(), in_care).subquery()
    return select(every.c[0])


async def is_held(session: AsyncSession, contact_id: int) -> bool:
    """Say whether a legal hold keeps a contact's data; asked before anything of it is erased."""
    held = _held_contacts().subquery()
    found = await session.scalar(select(held.c[0]).where(held.c[0] == contact_id).limit(1))
    return found is not None


async def standing(session: AsyncSession, viewer: StaffView) -> list[Shown]:
    """Return the holds that stand and whose object is at the viewer's places, newest first."""
    query = select(LegalHold).where(LegalHold.released_at.is_(None)).order_by(LegalHold.id.desc())
    shown = []
    for hold in (await session.scalars(query)).all():
        place_id = await _place_of(session, hold.kind, hold.object_id)
        if rights.may(viewer, ACTION, place_id or 0):
            mine, my_end = hold.staff_id == viewer.id, hold.release_asked_by == viewer.id
            shown.append(Shown(hold, mine, my_end))
    return shown


async def set_hold(
    session: AsyncSession,
    by: StaffView,
    *,
    kind: str,
    object_id: int,
    reason: str,
    now: datetime,
) -> LegalHold:
    """Stop every deletion about something from now on; the same hold again is the one that stands.

    Raises:
        InputInvalid: no such kind; no such object at the person's places; no reason, or too long.
    """
    if kind not in KINDS:
        raise InputInvalid("no such kind", field="kind")
    if not reason.strip() or len(reason) > REASON_LENGTH:
        raise InputInvalid("reason", field="reason")
    # Whether something exists that belongs to somebody else is not said.
    if not rights.may(by, ACTION, await _place_of(session, kind, object_id) or 0):
        raise InputInvalid("no such object", field="object")
    same = select(LegalHold).where(
        LegalHold.kind == kind, LegalHold.object_id == object_id, LegalHold.released_at.is_(None)
    )
    if (found := await session.scalar(same)) is not None:
        return found
    hold = LegalHold(
        kind=kind, object_id=object_id, reason=reason.strip(), staff_id=by.id, created_at=now
    )
    session.add(hold)
    await session.flush()
    await _record(session, "set", hold, by, now)
    return hold


async def agree(session: AsyncSession, by: StaffView, hold_id: int, *, now: datetime) -> None:
    """Agree to a hold that somebody else set.

    Raises:
        Conflict: it is the person's own (`own`), or it is agreed to or ended already (`state`).
    """
    hold = await _get(session, by, hold_id)
    if hold.staff_id == by.id:
        raise Conflict("own")
    if hold.agreed_at is not None or hold.released_at is not None:
        raise Conflict("state")
    hold.agreed_by, hold.agreed_at = by.id, now
    await _record(session, "agreed", hold, by, now)


async def end(session: AsyncSession, by: StaffView, hold_id: int, *, now: datetime) -> str:
    """Take back an own hold nobody agreed to; else ask for its end, or grant what another asked.

    Returns:
        What was done: `taken_back`, `end_asked` or `ended`.

    Raises:
        Conflict: the person asked for the end themselves (`own`), or it has ended (`state`).
    """
    hold = await _get(session, by, hold_id)
    if hold.released_at is not None:
        raise Conflict("state")
    if hold.release_asked_by == by.id:
        raise Conflict("own")
    if hold.agreed_at is None and hold.staff_id == by.id:
        done = "taken_back"
    elif hold.release_asked_by is None:
        done = "end_asked"
    else:
        done = "ended"
    if done == "end_asked":
        hold.release_asked_by = by.id
    else:
        hold.released_at, hold.released_by = now, by.id
    await _record(session, done, hold, by, now)
    return done


async def _get(session: AsyncSession, by: StaffView, hold_id: int) -> LegalHold:
    hold = await session.get(LegalHold, hold_id, with_for_update=True)
    place_id = await _place_of(session, hold.kind, hold.object_id) if hold else None
    if hold is None or not rights.may(by, ACTION, place_id or 0):
        raise NotFound("no such hold")
    return hold


async def _place_of(session: AsyncSession, kind: str, object_id: int) -> int | None:
    """Return the place something belongs to, the first district for what belongs to none.

    None: there is no such thing.
    """
    model: type[Any] = {CONTACT: Contact, CHILD: Child, CASE: Case}[kind]
    found = await session.execute(select(model.place_id).where(model.id == object_id))
    row = found.first()
    if row is None or row[0] is not None:
        return None if row is None else int(row[0])
    district = await places.root_district(session, None)
    return district.id if district else None


async def _record(
    session: AsyncSession, what: str, hold: LegalHold, by: StaffView, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=f"hold.{what}",
        object_kind="hold",
        object_id=hold.id,
        now=now,
        data={"kind": hold.kind, "object": hold.object_id},
    )
