"""Bindings: prove whose contact it is, by a registered phone or by somebody of the school.

A child's name alone never proves anything, and neither does a class's QR code. Every try is a
`Binding` row, so that tries can be counted; one that the roster does not settle waits for the
school (`binding.decide`). Called by `handlers.binding`, by imports from a platform's directory
(`bind`) and by the pages of `bot.web.bindings` through `bot.services.binding_desk`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict
from bot.db.crypto import KeyRing
from bot.db.models import Binding, Child, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ASKED, BOUND, WITHDRAWN
from bot.services import alarms, audit, links, people, places
from bot.services.alerts import AlertPolicy

TRIES_A_DAY = 5
CLASS_GUESSES_A_DAY = 12
DAY = timedelta(days=1)
# What a registered relation says when the school does not know it.
UNKNOWN_RELATION = "O"
CLAIMED_WAYS = ("", "phone")

Verdict = Literal["match", "already", "which", "ask"]


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody says of themselves.

    Args:
        relation: a code of `RELATIONS`.
        phone: 11 digits.
    """

    child: str
    relation: str
    phone: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the roster says of a claim.

    Args:
        reason: why the school has to say (`ask`); never told to the person who claims.
        relations: who shares the phone (`which`).
        guardian_id, child_id: whom it means, where there is one.
        place_id: whose teachers decide, or the class of the child.
    """

    verdict: Verdict
    reason: str = ""
    relations: tuple[str, ...] = ()
    guardian_id: int | None = None
    child_id: int | None = None
    place_id: int | None = None


_Tie = tuple[Guardianship, Guardian, Child]


async def class_of_scene(session: AsyncSession, scene: str) -> Place | None:
    """Return the class whose QR code was scanned, a closed one too, so that this can be said."""
    return await session.scalar(select(Place).where(Place.scene == scene, Place.kind == "class"))


async def tries_left(session: AsyncSession, contact_id: int, now: datetime) -> int:
    """Return how many claims a contact may still make today."""
    query = select(func.count(Binding.id)).where(
        Binding.contact_id == contact_id,
        Binding.created_at > now - DAY,
        Binding.way.in_(CLAIMED_WAYS),
    )
    return max(0, TRIES_A_DAY - (await session.scalar(query) or 0))


async def look_up(session: AsyncSession, ring: KeyRing, contact: Contact, claim: Claim) -> Found:
    """Compare a claim with the roster of the contact's district.

    Where anything is in doubt (a custody block on anybody with this phone or of this child, another
    relation than the registered one, a contact already bound) the school is asked.
    """
    ties = await _ties(session, ring, contact, claim)
    if not ties:
        return Found("ask", "no_match", place_id=await _home(session, contact))
    held, _, child = ties[0]
    where = Found("ask", child_id=child.id, place_id=child.place_id)
    if any(tie.custody_block for tie, _, _ in ties):
        return _because(where, "custody")
    if len({guardian.id for _, guardian, _ in ties}) > 1:
        same = [tie for tie in ties if tie[0].relation == claim.relation]
        if len({guardian.id for _, guardian, _ in same}) != 1:
            relations = tuple(sorted({tie.relation for tie, _, _ in ties}))
            return Found("which", relations=relations, child_id=child.id, place_id=child.place_id)
        ties = same
    elif UNKNOWN_RELATION not in (held.relation, claim.relation) and held.relation != (
        claim.relation
    ):
        return _because(where, "relation")
    held, guardian, child = ties[0]
    found = await _against_bound(session, contact, held, guardian, child)
    if found.verdict == "match" and await _kept_from_somebody(session, child.id):
        return _because(found, "custody_other")
    return found


async def _kept_from_somebody(session: AsyncSession, child_id: int) -> bool:
    """Say whether anybody is kept from a child: they may well know the other parent's phone."""
    blocked = select(Guardianship.id).where(
        Guardianship.child_id == child_id, Guardianship.custody_block
    )
    return await session.scalar(blocked.limit(1)) is not None


async def _ties(session: AsyncSession, ring: KeyRing, contact: Contact, claim: Claim) -> list[_Tie]:
    """Return who has this phone and a child of this name, of the contact's class if there is one.

    A custody block and its reason are in them, unlike in `people.find_by_phone`.
    """
    root = await places.root_district(session, contact.place_id)
    phone = people.phone_key(ring, claim.phone)
    if root is None or phone is None:
        return []
    query = (
        select(Guardianship, Guardian, Child)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Child.name_key == people.name_key(ring, claim.child),
            Guardian.phone_key == phone,
            Place.path.startswith(root.path),
            *people.here(),
        )
        .order_by(Guardianship.id)
    )
    found = [(held, guardian, child) for held, guardian, child in await session.execute(query)]
    here = [tie for tie in found if tie[2].place_id == contact.place_id]
    return here or found


async def _against_bound(
    session: AsyncSession, contact: Contact, held: Guardianship, guardian: Guardian, child: Child
) -> Found:
    settled = Found("match", guardian_id=guardian.id, child_id=child.id, place_id=child.place_id)
    ask = Found("ask", child_id=child.id, place_id=child.place_id)
    if contact.guardian_id == guardian.id:
        return Found("already", guardian_id=guardian.id, child_id=child.id)
    if await other_contact(session, contact, guardian.id) is not None:
        return _because(ask, "second_contact")
    if contact.guardian_id is not None and not await _same_person(
        session, contact.guardian_id, guardian, held.relation
    ):
        return _because(ask, "other_guardian")
    return settled


def _because(found: Found, reason: str) -> Found:
    return Found("ask", reason, child_id=found.child_id, place_id=found.place_id)


async def _home(session: AsyncSession, contact: Contact) -> int | None:
    place = await places.get(session, contact.place_id)
    place = place or await places.root_district(session, None)
    return place.id if place else None


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


async def _same_person(
    session: AsyncSession, guardian_id: int, other: Guardian, relation: str
) -> bool:
    """Say whether two rows are one person whose children are in two schools.

    They share the registered phone, the other one is nobody's contact yet, and they are the same
    relation; a phone that two parents share is not enough.
    """
    mine = await session.get_one(Guardian, guardian_id)
    taken = await session.scalar(select(Contact.id).where(Contact.guardian_id == other.id).limit(1))
    relations = await session.scalars(
        select(Guardianship.relation).where(
            Guardianship.guardian_id == guardian_id, Guardianship.ended_at.is_(None)
        )
    )
    same_phone = mine.phone_key is not None and mine.phone_key == other.phone_key
    return same_phone and taken is None and relation in set(relations)


async def settle(
    session: AsyncSession,
    ring: KeyRing,
    contact_id: int,
    claim: Claim,
    expected: Found,
    *,
    now: datetime,
    policy: AlertPolicy | None = None,
) -> None:
    """Write down a claim and what came of it, in the transaction that stores the answer.

    Args:
        expected: what the person is being told; where the roster has changed since, nothing is
            written and the message is handled again.

    Raises:
        Conflict: the roster says something else now.
    """
    contact = await session.get_one(Contact, contact_id)
    found = await look_up(session, ring, contact, claim)
    if found.verdict == "which":
        found = replace(found, verdict="ask", reason="shared_phone")
    if (found.verdict, found.guardian_id) != (expected.verdict, expected.guardian_id):
        raise Conflict("roster changed")
    if found.place_id is None:
        return
    binding = await _note(session, contact, claim, found, now)
    if found.verdict == "match":
        guardian = await session.get_one(Guardian, found.guardian_id)
        await bind(session, contact, guardian, way="phone", now=now, binding=binding)
        return
    await _watch(session, found.place_id, now, policy)


async def _note(
    session: AsyncSession, contact: Contact, claim: Claim, found: Found, now: datetime
) -> Binding:
    """Add the claim; an earlier one of this contact at this place waits no longer."""
    await session.execute(
        update(Binding)
        .where(
            Binding.contact_id == contact.id,
            Binding.place_id == found.place_id,
            Binding.state == ASKED,
        )
        .values(state=WITHDRAWN, reason="claimed_again")
    )
    binding = Binding(
        contact_id=contact.id,
        place_id=found.place_id,
        child_id=found.child_id,
        way="",
        state=ASKED,
        claim={"child": claim.child, "relation": claim.relation, "phone": claim.phone},
        reason=found.reason,
        created_at=now,
    )
    session.add(binding)
    await session.flush()
    return binding


async def _watch(
    session: AsyncSession, place_id: int, now: datetime, policy: AlertPolicy | None
) -> None:
    """Raise an alarm when many claims at one place meet nothing in its roster."""
    query = select(func.count(Binding.id)).where(
        Binding.place_id == place_id,
        Binding.created_at > now - DAY,
        Binding.state != BOUND,
        Binding.way.in_(CLAIMED_WAYS),
    )
    if (await session.scalar(query) or 0) >= CLASS_GUESSES_A_DAY:
        await alarms.raise_alarm(
            session, "binding_guesses", now=now, subject=str(place_id), policy=policy
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
        way: `phone`, `directory`, `teacher` or `link`.
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
    classes = [child.place_id for child in await people.children_of_guardian(session, guardian.id)]
    if classes and contact.place_id not in classes:
        contact.place_id = classes[0]
    if binding is None and contact.place_id is not None:
        binding = Binding(
            contact_id=contact.id, place_id=contact.place_id, claim={}, created_at=now
        )
        session.add(binding)
    if binding is not None:
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


async def forget_claims(session: AsyncSession, contact_id: int) -> None:
    """Empty what a contact has said of itself; that there were claims stays, for counting."""
    await session.execute(update(Binding).where(Binding.contact_id == contact_id).values(claim={}))
    await session.execute(
        update(Binding)
        .where(Binding.contact_id == contact_id, Binding.state == ASKED)
        .values(state=WITHDRAWN, reason="erased")
    )
