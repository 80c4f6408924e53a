"""What guards a family where a name and a phone were enough: others are told, blocks undo it.

Whoever knows a child's name and a registered phone is bound at once. So the rest of the family is
told (`tell_others`), the class teacher can take it back for a week (`bot.services.binding_desk`),
and a custody block ends what the blocked person was given (`recheck`, by `people_desk.set_block`).
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Binding, BindingSlip, Child, Contact, Guardian, Guardianship
from bot.db.models.person import ASKED, BOUND, WITHDRAWN
from bot.services import audit, bindings, cases, links, people

# So long a binding by phone is still the school's to look at.
FRESH = timedelta(days=7)
TOLD_OTHERS = "binding.told_others"
CUSTODY, CUSTODY_OTHER = "custody", "custody_other"


async def tell_others(
    session: AsyncSession, contact: Contact, guardian_id: int, *, now: datetime
) -> None:
    """Tell the rest of the family that somebody was bound by a registered phone, not who.

    That is everybody else bound for these children, and the same guardian on another channel. Where
    anybody is kept from a child nothing is said about that child; who stopped everything unasked
    gets nothing.
    """
    children = {child.id for child in await people.children_of_guardian(session, guardian_id)}
    kept = await session.scalars(
        select(Guardianship.child_id).where(
            Guardianship.child_id.in_(children), Guardianship.custody_block
        )
    )
    family = (
        select(Contact.id)
        .join(Guardianship, Guardianship.guardian_id == Contact.guardian_id)
        .where(
            Guardianship.child_id.in_(children - set(kept)),
            Guardianship.ended_at.is_(None),
            Contact.id != contact.id,
            Contact.stopped_at.is_(None),
        )
        .distinct()
        .order_by(Contact.id)
    )
    for contact_id in (await session.scalars(family)).all():
        await cases.tell(session, contact_id, TOLD_OTHERS, now=now)


async def recheck(session: AsyncSession, child_id: int, *, now: datetime) -> None:
    """Undo what bindings gave to who is kept from a child; the school looks at the rest again.

    The blocked guardians' bindings, links, slips and open claims for this child end without a
    word; for their other children nothing changes. What a phone alone has bound for this child in
    the last week waits for the school's yes: who is kept away may know the other parent's phone.
    """
    child = await session.get_one(Child, child_id)
    rows = await session.scalars(
        select(Guardian)
        .join(Guardianship, Guardianship.guardian_id == Guardian.id)
        .where(Guardianship.child_id == child_id, Guardianship.custody_block)
        .order_by(Guardian.id)
    )
    blocked = rows.all()
    for guardian in blocked:
        await _end(session, child, guardian, now)
    if blocked:
        await _ask_again(session, child, {guardian.id for guardian in blocked}, now)
        await session.execute(
            update(Binding)
            .where(Binding.child_id == child.id, Binding.state == ASKED, Binding.reason != CUSTODY)
            .values(reason=CUSTODY_OTHER)
        )


async def _end(session: AsyncSession, child: Child, guardian: Guardian, now: datetime) -> None:
    await session.execute(
        update(BindingSlip)
        .where(
            BindingSlip.guardian_id == guardian.id,
            BindingSlip.used_at.is_(None),
            BindingSlip.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    theirs = await session.scalars(
        select(Contact).where(Contact.guardian_id == guardian.id).order_by(Contact.id)
    )
    contacts = theirs.all()
    await _end_claims(session, child, guardian, {contact.id for contact in contacts})
    further = await people.children_of_guardian(session, guardian.id)
    for contact in contacts:
        if not further:
            await bindings.leave(session, contact, now=now, reason=CUSTODY)
            continue
        await _end_for_child(session, child, contact, now)


async def _end_for_child(
    session: AsyncSession, child: Child, contact: Contact, now: datetime
) -> None:
    """End one child's part of a contact that stays bound for others, and the pages it has open."""
    await session.execute(
        update(Binding)
        .where(
            Binding.contact_id == contact.id,
            Binding.child_id == child.id,
            Binding.state == BOUND,
        )
        .values(state=WITHDRAWN, reason=CUSTODY)
    )
    await links.revoke(session, contact.id, now=now)
    await audit.record(
        session,
        staff_id=None,
        action="binding.ended",
        object_kind="contact",
        object_id=contact.id,
        now=now,
        data={"guardian": contact.guardian_id, "child": child.id, "reason": CUSTODY},
    )


async def _end_claims(
    session: AsyncSession, child: Child, guardian: Guardian, contacts: set[int]
) -> None:
    """End the claims to a child that a guardian made, by a contact or the phone of theirs."""
    waiting = await session.scalars(
        select(Binding).where(Binding.child_id == child.id, Binding.state == ASKED)
    )
    for claim in waiting.all():
        phone = people.normalise_phone(claim.claim.get("phone", ""))
        if claim.contact_id in contacts or (phone is not None and phone == guardian.phone):
            claim.state, claim.reason = WITHDRAWN, CUSTODY
    await session.flush()


async def _ask_again(session: AsyncSession, child: Child, blocked: set[int], now: datetime) -> None:
    family = select(Guardianship.guardian_id).where(
        Guardianship.child_id == child.id, Guardianship.ended_at.is_(None)
    )
    fresh = await session.scalars(
        select(Binding)
        .where(
            Binding.guardian_id.in_(family),
            Binding.guardian_id.not_in(blocked),
            Binding.way == "phone",
            Binding.state == BOUND,
            Binding.decided_at > now - FRESH,
        )
        .order_by(Binding.id)
    )
    for contact_id, binding in {row.contact_id: row for row in fresh.all()}.items():
        contact = await session.get_one(Contact, contact_id)
        await bindings.leave(session, contact, now=now, reason="recheck")
        await _wait(session, child, binding, now)


async def _wait(session: AsyncSession, child: Child, was: Binding, now: datetime) -> None:
    """Put a binding that has ended before the school, as the claim it once was."""
    place_id = child.place_id or was.place_id
    await session.execute(
        update(Binding)
        .where(
            Binding.contact_id == was.contact_id,
            Binding.place_id == place_id,
            Binding.state == ASKED,
        )
        .values(state=WITHDRAWN, reason="claimed_again")
    )
    session.add(
        Binding(
            contact_id=was.contact_id,
            place_id=place_id,
            child_id=child.id,
            state=ASKED,
            claim=dict(was.claim),
            reason=CUSTODY_OTHER,
            created_at=now,
        )
    )
    await session.flush()
