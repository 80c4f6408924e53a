"""Slips of paper: a code for one guardian, handed over by the school, that binds whoever sends it.

The strong proof beside the registered phone. A code holds for thirty days and once; only its keyed
hash is kept. An unknown, a used and an ended code are told apart by nothing, and each wrong one
counts as a try. Made by `/teacher/classes/{id}/slips`, used by `handlers.binding` and
`handlers.follow` through `bot.services.slip_talk`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import slips
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.crypto import KeyRing
from bot.db.models import Binding, BindingSlip, Child, Contact, Guardian, Guardianship, Place
from bot.db.models.person import ASKED, WITHDRAWN
from bot.db.models.place import OPEN
from bot.services import audit, binding_claims, bindings, people, places, rights
from bot.services.binding_claims import BAD_SLIP, Found
from bot.services.people import ChildRow, GuardianRow
from bot.services.staff import StaffView

RIGHT = "binding.decide"
VALID = timedelta(days=30)
MOST_SLIPS = 200
WAY = "slip"
UNBOUND, ALL = "unbound", "all"


@dataclass(frozen=True, slots=True)
class OpenClass:
    """A class with its children, and whose slip has not been used yet.

    Args:
        waiting: until when a slip holds, by guardian.
    """

    id: int
    name: str
    school: str
    children: Sequence[ChildRow]
    waiting: dict[int, datetime]


@dataclass(frozen=True, slots=True)
class Slip:
    """What is printed on one slip; the code stands nowhere else.

    Args:
        children: their names: of one guardian's children in the class.
    """

    children: tuple[str, ...]
    relation: str
    code: str
    expires_at: datetime


async def of_class(session: AsyncSession, by: StaffView, place_id: int, now: datetime) -> OpenClass:
    """Return an open class with whom slips can be made for, and record that names were read.

    Raises:
        NotFound: no open class at this person's places.
    """
    place = await _class(session, by, place_id)
    children = await people.children_of(session, place.id)
    school = await places.ancestor(session, place.id, "school")
    await audit.record(
        session,
        staff_id=by.id,
        action="people.listed",
        object_kind="place",
        object_id=place.id,
        now=now,
        data={"rows": len(children)},
    )
    ids = {one.guardian_id for child in children for one in child.guardians}
    rows = await session.scalars(
        select(BindingSlip).where(BindingSlip.guardian_id.in_(ids), *_unused(now))
    )
    waiting = {row.guardian_id: row.expires_at for row in rows}
    return OpenClass(place.id, place.name, school.name if school else "", children, waiting)


async def _class(session: AsyncSession, by: StaffView, place_id: int) -> Place:
    place = await session.get(Place, place_id)
    if place is None or place.kind != "class" or place.state != OPEN:
        raise NotFound(f"class {place_id}")
    if not rights.may(by, RIGHT, place.id):
        raise NotFound(f"class {place_id}")
    return place


def _unused(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        BindingSlip.used_at.is_(None),
        BindingSlip.revoked_at.is_(None),
        BindingSlip.expires_at > now,
    )


_Kin = Mapping[int, Sequence[tuple[ChildRow, GuardianRow]]]


def for_whom(children: Sequence[ChildRow], who: str) -> _Kin:
    """Return by guardian for which children a slip is; who is kept from a child gets none.

    Args:
        who: `unbound`, `all`, or the id of a child.
    """
    found: dict[int, list[tuple[ChildRow, GuardianRow]]] = {}
    for child in children:
        if who not in (UNBOUND, ALL, str(child.id)):
            continue
        for one in child.guardians:
            if not one.custody_block and (who != UNBOUND or not one.bound):
                found.setdefault(one.guardian_id, []).append((child, one))
    return found


async def make(
    session: AsyncSession,
    ring: KeyRing,
    by: StaffView,
    place_id: int,
    who: str,
    *,
    now: datetime,
) -> list[Slip]:
    """Make a slip for each guardian of a class; the ones they have not used end.

    Args:
        who: see `for_whom`.

    Raises:
        NotFound: no open class at this person's places.
        InputInvalid: nobody is left to make one for, or they are too many (`slips`, `many`).
    """
    place = await _class(session, by, place_id)
    kin = for_whom(await people.children_of(session, place.id), who)
    if not kin:
        raise InputInvalid("nobody", field="slips")
    if len(kin) > MOST_SLIPS:
        raise InputInvalid("too many", field="many")
    await session.execute(
        update(BindingSlip)
        .where(BindingSlip.guardian_id.in_(kin), *_unused(now))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )
    made = [Slip(*_printed(ties), slips.new_code(), now + VALID) for ties in kin.values()]
    for guardian_id, slip in zip(kin, made, strict=True):
        session.add(
            BindingSlip(
                code_key=_key(ring, slip.code),
                guardian_id=guardian_id,
                place_id=place.id,
                made_by=by.id,
                created_at=now,
                expires_at=slip.expires_at,
            )
        )
    await session.flush()
    await audit.record(
        session,
        staff_id=by.id,
        action="binding.slips_made",
        object_kind="place",
        object_id=place.id,
        now=now,
        data={"slips": len(made), "guardians": sorted(kin)},
    )
    return made


def _printed(ties: Sequence[tuple[ChildRow, GuardianRow]]) -> tuple[tuple[str, ...], str]:
    return tuple(child.name for child, _ in ties), ties[0][1].relation


async def look_up(
    session: AsyncSession, ring: KeyRing, contact: Contact, code: str, now: datetime
) -> Found | None:
    """Say what sending a code would do; None: it does nothing, whatever the reason.

    A contact that is somebody else, or a guardian who has another contact on the account, is the
    school's to decide on, as with a phone (`Found`).
    """
    slip = await session.scalar(select(BindingSlip).where(BindingSlip.code_key == _key(ring, code)))
    if slip is None:
        return None
    mine = contact.guardian_id == slip.guardian_id
    if slip.used_at is not None and not (mine and slip.used_by == contact.id):
        return None
    if slip.used_at is None and (slip.revoked_at is not None or slip.expires_at <= now):
        return None
    tie = await _tie(session, contact, slip)
    if tie is None:
        return None
    held, child = tie
    found = Found("ask", "", held.guardian_id, child.id, child.place_id)
    if mine:
        return _as(found, "already")
    if await bindings.other_contact(session, contact, slip.guardian_id) is not None:
        return _as(found, "ask", "second_contact")
    guardian = await session.get_one(Guardian, slip.guardian_id)
    if contact.guardian_id is not None and not await binding_claims.same_person(
        session, contact.guardian_id, guardian, held.relation
    ):
        return _as(found, "ask", "other_guardian")
    return _as(found, "match")


def _as(found: Found, verdict: binding_claims.Verdict, reason: str = "") -> Found:
    return replace(found, verdict=verdict, reason=reason)


async def _tie(
    session: AsyncSession, contact: Contact, slip: BindingSlip
) -> tuple[Guardianship, Child] | None:
    """Return for which child of an open class a slip counts, first one of the class it is from."""
    query = (
        select(Guardianship, Child, Place)
        .join(Child, Child.id == Guardianship.child_id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .join(Place, Place.id == Child.place_id)
        .where(
            Guardianship.guardian_id == slip.guardian_id,
            ~Guardianship.custody_block,
            Place.state == OPEN,
            *people.here(),
        )
        .order_by(Place.id != slip.place_id, Guardianship.id)
    )
    found = (await session.execute(query)).first()
    if found is None:
        return None
    held, child, place = found
    root = await places.ancestor(session, contact.place_id, "district")
    if root is not None and not place.path.startswith(root.path):
        return None
    return held, child


async def use(
    session: AsyncSession,
    ring: KeyRing,
    contact_id: int,
    code: str,
    expected: Found | None,
    *,
    now: datetime,
) -> None:
    """Do what `look_up` has said, in the transaction that stores the answer.

    Raises:
        Conflict: it is no longer so; somebody else was first. The message is handled again.
    """
    contact = await session.get_one(Contact, contact_id)
    found = await look_up(session, ring, contact, code, now)
    if found != expected:
        raise Conflict("slip")
    if found is None:
        place_id = await binding_claims.home(session, contact)
        if place_id is not None:
            await binding_claims.count_try(session, contact, place_id, now, reason=BAD_SLIP)
        return
    if not await _spend(session, ring, contact, code, now):
        return
    if found.verdict == "match":
        await _bind(session, contact, found, now)
    elif found.verdict == "ask":
        await _ask(session, contact, found, now)


async def _spend(
    session: AsyncSession, ring: KeyRing, contact: Contact, code: str, now: datetime
) -> bool:
    """Take a code for this contact, for the first of two only; False: it was theirs already.

    Raises:
        Conflict: somebody else took it.
    """
    key = _key(ring, code)
    taken = await session.scalar(
        update(BindingSlip)
        .where(BindingSlip.code_key == key, *_unused(now))
        .values(used_at=now, used_by=contact.id)
        .returning(BindingSlip.id)
    )
    if taken is not None:
        return True
    used_by = await session.scalar(select(BindingSlip.used_by).where(BindingSlip.code_key == key))
    if used_by != contact.id:
        raise Conflict("slip")
    return False


async def _bind(session: AsyncSession, contact: Contact, found: Found, now: datetime) -> None:
    guardian = await session.get_one(Guardian, found.guardian_id)
    child = await session.get_one(Child, found.child_id)
    place = await session.get_one(Place, found.place_id)
    await _end_claims(session, contact, places.path_ids(place))
    claim = Binding(
        contact_id=contact.id,
        place_id=place.id,
        child_id=child.id,
        claim={},
        created_at=now,
    )
    session.add(claim)
    await bindings.bind(session, contact, guardian, way=WAY, now=now, binding=claim)


async def _ask(session: AsyncSession, contact: Contact, found: Found, now: datetime) -> None:
    child = await session.get_one(Child, found.child_id)
    place = await session.get_one(Place, found.place_id)
    relation = await session.scalar(
        select(Guardianship.relation).where(
            Guardianship.guardian_id == found.guardian_id, Guardianship.child_id == child.id
        )
    )
    await _end_claims(session, contact, places.path_ids(place))
    session.add(
        Binding(
            contact_id=contact.id,
            place_id=place.id,
            child_id=child.id,
            state=ASKED,
            claim={"child": child.name, "relation": relation or "O", "phone": ""},
            reason=found.reason,
            created_at=now,
        )
    )
    await session.flush()


async def _end_claims(session: AsyncSession, contact: Contact, place_ids: Sequence[int]) -> None:
    """End what this contact still waits for at the child's class, school and district."""
    await session.execute(
        update(Binding)
        .where(
            Binding.contact_id == contact.id,
            Binding.place_id.in_(place_ids),
            Binding.state == ASKED,
        )
        .values(state=WITHDRAWN, reason="claimed_again")
    )


def _key(ring: KeyRing, code: str) -> str:
    return ring.fingerprint(code, purpose="binding.slip")
