"""Claims: what somebody says of themselves, compared with the school's roster, and noted.

A child's name alone never proves anything, and neither does a class's QR code. Every try is a
`Binding` row, so that tries can be counted; one that the roster does not settle waits for the
school (`binding.decide`). Called by `handlers.binding`; `bot.services.bindings` binds,
`bot.services.binding_desk` is the school's side.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict
from bot.db.crypto import KeyRing
from bot.db.models import Binding, Child, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ASKED, BOUND, REFUSED, WITHDRAWN
from bot.db.models.place import OPEN
from bot.services import alarms, binding_guard, people, places
from bot.services.alerts import AlertPolicy
from bot.services.bindings import TAKEN_BACK, bind, other_contact

TRIES_A_DAY = 5
CLASS_GUESSES_A_DAY = 12
DAY = timedelta(days=1)
# For so long the school's answer to a claim is said again to who asks.
REMEMBERED = timedelta(days=30)
# What a registered relation says when the school does not know it.
UNKNOWN_RELATION = "O"
CLAIMED_WAYS = ("", "phone")
# A try that is counted and waits for nobody: the relation was asked about, a slip's code was wrong.
ASKED_WHICH, BAD_SLIP = "which", "slip"

Verdict = Literal["match", "already", "which", "ask"]
_Tie = tuple[Guardianship, Guardian, Child]


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
        guardian_id, child_id: whom it means, where there is one.
        place_id: whose teachers decide, or the class of the child.
    """

    verdict: Verdict
    reason: str = ""
    guardian_id: int | None = None
    child_id: int | None = None
    place_id: int | None = None


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
    relation than the registered one, a contact already bound, a phone whose binding the school has
    taken back) the school is asked. Who shares a phone is never named (`which`).
    """
    ties = await _ties(session, ring, contact, claim)
    if not ties:
        return Found("ask", "no_match", place_id=await home(session, contact))
    held, _, child = ties[0]
    where = Found("ask", child_id=child.id, place_id=child.place_id)
    if any(tie.custody_block for tie, _, _ in ties):
        return _because(where, "custody")
    if len({guardian.id for _, guardian, _ in ties}) > 1:
        same = [tie for tie in ties if tie[0].relation == claim.relation]
        if len({guardian.id for _, guardian, _ in same}) != 1:
            return Found("which", child_id=child.id, place_id=child.place_id)
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
            Place.state == OPEN,
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
    if contact.guardian_id is not None and not await same_person(
        session, contact.guardian_id, guardian, held.relation
    ):
        return _because(ask, "other_guardian")
    if await _refuted(session, guardian.id):
        return _because(ask, TAKEN_BACK)
    return settled


async def _refuted(session: AsyncSession, guardian_id: int) -> bool:
    """Say whether the school has taken back what this guardian's phone had proved."""
    query = select(Binding.id).where(
        Binding.guardian_id == guardian_id,
        Binding.state == WITHDRAWN,
        Binding.reason == TAKEN_BACK,
    )
    return await session.scalar(query.limit(1)) is not None


def _because(found: Found, reason: str) -> Found:
    return Found("ask", reason, child_id=found.child_id, place_id=found.place_id)


async def home(session: AsyncSession, contact: Contact) -> int | None:
    """Return whose people decide what no roster settles: the contact's class, school or district.

    Nobody may be left in a class that is closed: then it is the next open place above.
    """
    place = await places.get(session, contact.place_id)
    while place is not None and place.state != OPEN:
        place = await places.get(session, place.parent_id)
    place = place or await places.root_district(session, contact.place_id)
    return place.id if place else None


async def same_person(
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
    if found.verdict == "which" and expected.verdict != "which":
        found = replace(found, verdict="ask", reason="shared_phone")
    if (found.verdict, found.guardian_id) != (expected.verdict, expected.guardian_id):
        raise Conflict("roster changed")
    if found.place_id is None:
        return
    if found.verdict == "which":
        await count_try(session, contact, found.place_id, now, reason=ASKED_WHICH)
        return
    binding = await _note(session, contact, claim, found, now)
    if found.verdict == "match":
        guardian = await session.get_one(Guardian, found.guardian_id)
        await bind(session, contact, guardian, way="phone", now=now, binding=binding)
        await binding_guard.tell_others(session, contact, guardian.id, now=now)
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


async def count_try(
    session: AsyncSession, contact: Contact, place_id: int, now: datetime, *, reason: str
) -> None:
    """Note a try that nobody has to decide, so that it counts with the others."""
    session.add(
        Binding(
            contact_id=contact.id,
            place_id=place_id,
            state=WITHDRAWN,
            claim={},
            reason=reason,
            created_at=now,
        )
    )
    await session.flush()


async def standing(session: AsyncSession, contact: Contact, now: datetime) -> str:
    """Return how it stands with a contact's binding, as a code for what is said to them.

    Returns:
        `asked`, `refused`, `withdrawn` or `bound`; empty where there is nothing to say.
    """
    query = (
        select(Binding.state)
        .where(
            Binding.contact_id == contact.id,
            Binding.created_at > now - REMEMBERED,
            Binding.state.in_((ASKED, REFUSED, BOUND)) | (Binding.reason == TAKEN_BACK),
        )
        .order_by(Binding.id.desc())
        .limit(1)
    )
    state = await session.scalar(query)
    if state in (ASKED, REFUSED) or (state == WITHDRAWN and contact.guardian_id is None):
        return state
    return BOUND if contact.guardian_id is not None else ""


async def _watch(
    session: AsyncSession, place_id: int, now: datetime, policy: AlertPolicy | None
) -> None:
    """Raise an alarm when many claims at one place meet nothing in its roster."""
    query = select(func.count(Binding.id)).where(
        Binding.place_id == place_id,
        Binding.created_at > now - DAY,
        Binding.state != BOUND,
        Binding.way.in_(CLAIMED_WAYS),
        Binding.reason != BAD_SLIP,
    )
    if (await session.scalar(query) or 0) >= CLASS_GUESSES_A_DAY:
        await alarms.raise_alarm(
            session, "binding_guesses", now=now, subject=str(place_id), policy=policy
        )
