"""What belongs to the classes about people: contacts, children, guardians, bindings, slips.

Part of `bot.services.retention_rules`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    cast,
    func,
    literal,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Binding, BindingSlip, Child, Contact, Guardian, Guardianship
from bot.db.models.person import BOUND, LEFT
from bot.services.holds import (
    children_in_care,
    held_children,
    held_guardians,
    protected_contacts,
)
from bot.services.retention_parts import Forget, Ids, Part, deleting, free, of_contact


def _contact_details(cutoff: datetime) -> Select[int]:
    return select(Contact.id).where(
        func.coalesce(Contact.last_incoming_at, Contact.created_at) <= cutoff,
        or_(
            Contact.name.is_not(None),
            Contact.who.is_not(None),
            Contact.emergency_contact.is_not(None),
        ),
        free(Contact.id),
    )


async def _empty_contacts(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Empty what they told of themselves; the class stays, notices need it."""
    gone = dict.fromkeys(("name", "who", "emergency_contact", "pending", "pending_until"))
    await session.execute(update(Contact).where(Contact.id.in_(ids)).values(gone))


def _in_care() -> Select[Any]:
    """Return the guardians whose contact is protected, or whose child has an open case."""
    writing = select(Contact.guardian_id).where(
        Contact.guardian_id.is_not(None), Contact.id.in_(protected_contacts())
    )
    caring = select(Guardianship.guardian_id).where(Guardianship.child_id.in_(children_in_care()))
    both = union(writing, caring).subquery()
    return select(both.c[0])


def _children_left(cutoff: datetime) -> Select[int]:
    theirs = select(Guardianship.child_id).where(Guardianship.guardian_id.in_(_in_care()))
    return select(Child.id).where(
        Child.state == LEFT,
        Child.left_at <= cutoff,
        Child.name_key != "",
        Child.id.not_in(held_children()),
        Child.id.not_in(children_in_care()),
        Child.id.not_in(theirs),
    )


async def _empty_children(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    gone = dict.fromkeys(("born", "student_no", "student_key", "external_id"))
    await session.execute(
        update(Child).where(Child.id.in_(ids)).values(name="", name_key="", **gone)
    )


def _guardians_left(cutoff: datetime) -> Select[int]:
    over = func.coalesce(Guardianship.ended_at, Child.left_at)
    caring = (
        select(Guardianship.guardian_id)
        .join(Child, Child.id == Guardianship.child_id)
        .where(or_(over.is_(None), over > cutoff))
    )
    return select(Guardian.id).where(
        Guardian.created_at <= cutoff,
        Guardian.erased_at.is_(None),
        Guardian.id.not_in(caring),
        Guardian.id.not_in(held_guardians()),
        Guardian.id.not_in(_in_care()),
    )


async def _empty_guardians(session: AsyncSession, ids: Ids, now: datetime) -> None:
    gone = dict.fromkeys(("phone", "phone_key", "external_id"))
    await session.execute(
        update(Guardian).where(Guardian.id.in_(ids)).values(name="", erased_at=now, **gone)
    )


_HAS_CODE = BindingSlip.code_key.not_like("used:%")


def _slips(*which: ColumnElement[bool], forget: Forget | None = None) -> Part:
    """Return the slips of guardians who are under no hold and in no open case."""

    def due(cutoff: datetime) -> Select[int]:
        over = func.coalesce(BindingSlip.revoked_at, BindingSlip.expires_at)
        held = union(held_guardians(), _in_care()).subquery()
        return select(BindingSlip.id).where(
            over <= cutoff, BindingSlip.guardian_id.not_in(select(held.c[0])), *which
        )

    return Part(due, forget or deleting(BindingSlip))


async def _empty_slips(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    """Forget the hash of a used code; who used it when stays."""
    gone = literal("used:") + cast(BindingSlip.id, String)
    await session.execute(update(BindingSlip).where(BindingSlip.id.in_(ids)).values(code_key=gone))


PEOPLE: Mapping[str, tuple[Part, ...]] = {
    "contact_details": (Part(_contact_details, _empty_contacts),),
    "bindings": (
        of_contact(
            Binding,
            func.coalesce(Binding.decided_at, Binding.created_at),
            Binding.state != BOUND,
        ),
    ),
    "slips": (_slips(BindingSlip.used_at.is_(None)),),
    "slip_codes": (_slips(BindingSlip.used_at.is_not(None), _HAS_CODE, forget=_empty_slips),),
    "slips_used": (_slips(BindingSlip.used_at.is_not(None)),),
    "children_left": (Part(_children_left, _empty_children),),
    "guardians_left": (Part(_guardians_left, _empty_guardians),),
}
