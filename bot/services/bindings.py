"""Bindings: make a contact a guardian's, and take it away again.

Whose contact it is was proved before: by a registered phone (`bot.services.binding_claims`), by a
slip of paper (`binding_slips`), by a platform's directory (`directory_contacts`) or by somebody of
the school (`binding_desk`). What keeps a child's family safe from a wrong one is `binding_guard`.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict
from bot.db.models import Binding, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ASKED, BOUND, WITHDRAWN
from bot.services import audit, links, people

# No claim: what an erasure had to keep (`bot.services.set_aside`).
SET_ASIDE = "kept"
# The school has said that a binding was wrong.
TAKEN_BACK = "taken_back"


async def class_of_scene(session: AsyncSession, scene: str) -> Place | None:
    """Return the class whose QR code was scanned, a closed one too, so that this can be said."""
    return await session.scalar(select(Place).where(Place.scene == scene, Place.kind == "class"))


async def other_contact(
    session: AsyncSession, contact: Contact, guardian_id: int
) -> Contact | None:
    """Return the other contact on the same account that is this guardian's already."""
    return await session.scalar(
        select(Contact).where(
            Contact.guardian_id == guardian_id,
            Contact.channel == contact.channel,
            Contact.account == contact.account,
            Contact.id != contact.id,
        )
    )


async def bind(
    session: AsyncSession,
    contact: Contact,
    guardian: Guardian,
    *,
    way: str,
    now: datetime,
    by: int | None = None,
    binding: Binding | None = None,
) -> Guardian:
    """Make a contact a guardian's and return that guardian.

    Args:
        way: `phone`, `directory`, `teacher` or `slip`.
        by: the member of staff who said yes.
        binding: the claim that is settled by it; without one a row is added.

    Raises:
        Conflict: another contact on this account is this guardian's already (`second_contact`), or
            this contact is somebody else's (`other_guardian`).
    """
    if await other_contact(session, contact, guardian.id) is not None:
        raise Conflict("second_contact")
    if contact.guardian_id not in (None, guardian.id):
        mine = await session.get_one(Guardian, contact.guardian_id)
        if mine.phone_key is None or mine.phone_key != guardian.phone_key:
            raise Conflict("other_guardian")
        await join(session, mine, guardian, now)
        guardian = mine
    contact.guardian_id = guardian.id
    children = await people.children_of_guardian(session, guardian.id)
    if children and contact.place_id not in [child.place_id for child in children]:
        contact.place_id = children[0].place_id
    if binding is None and contact.place_id is not None:
        binding = Binding(
            contact_id=contact.id, place_id=contact.place_id, claim={}, created_at=now
        )
        session.add(binding)
    if binding is not None:
        here = [child.id for child in children if child.place_id == contact.place_id]
        binding.child_id = binding.child_id or (here[0] if here else None)
        binding.guardian_id, binding.way, binding.state = guardian.id, way, BOUND
        binding.decided_at, binding.decided_by = now, by
    await session.flush()
    await audit.record(
        session,
        staff_id=by,
        action="binding.bound",
        object_kind="contact",
        object_id=contact.id,
        now=now,
        data={"guardian": guardian.id, "way": way},
    )
    return guardian


async def join(session: AsyncSession, kept: Guardian, other: Guardian, now: datetime) -> None:
    """Give a person's second row's children to the first; custody blocks go along."""
    mine = {
        tie.child_id: tie
        for tie in await session.scalars(
            select(Guardianship).where(Guardianship.guardian_id == kept.id)
        )
    }
    theirs = await session.scalars(
        select(Guardianship).where(
            Guardianship.guardian_id == other.id, Guardianship.ended_at.is_(None)
        )
    )
    for tie in theirs.all():
        known = mine.get(tie.child_id)
        if known is None:
            tie.guardian_id = kept.id
            continue
        known.ended_at = None
        known.custody_block = known.custody_block or tie.custody_block
        tie.ended_at = now
    await session.flush()


async def leave(session: AsyncSession, contact: Contact, *, now: datetime, reason: str) -> bool:
    """Take a contact away from its guardian; the school's roster stays as it is.

    Returns:
        False when it was nobody's.
    """
    if contact.guardian_id is None:
        return False
    guardian_id, contact.guardian_id = contact.guardian_id, None
    await session.execute(
        update(Binding)
        .where(Binding.contact_id == contact.id, Binding.state == BOUND)
        .values(state=WITHDRAWN, reason=reason)
    )
    await links.revoke(session, contact.id, now=now)
    await session.flush()
    await audit.record(
        session,
        staff_id=None,
        action="binding.ended",
        object_kind="contact",
        object_id=contact.id,
        now=now,
        data={"guardian": guardian_id, "reason": reason},
    )
    return True


async def forget_claims(session: AsyncSession, contact_id: int, *, words: bool = True) -> None:
    """Empty what a contact has said of itself; that there were claims stays, for counting.

    Args:
        words: False where a legal hold keeps them: open claims end all the same.
    """
    if words:
        await session.execute(
            update(Binding)
            .where(Binding.contact_id == contact_id, Binding.way != SET_ASIDE)
            .values(claim={})
        )
    await session.execute(
        update(Binding)
        .where(Binding.contact_id == contact_id, Binding.state == ASKED)
        .values(state=WITHDRAWN, reason="erased")
    )
