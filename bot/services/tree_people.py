"""What becomes of the people of a class: moved into another one, or gone from the school.

Merging is called by the tree's pages; the other functions by `bot.services.move_up` and
`tree_undo`. The ids of those who went along stand in the change, so that they can come back.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db.models import Binding, Child, ChildPlace, Contact, Place
from bot.db.models.person import ACTIVE, ASKED, LEFT
from bot.db.models.place import MERGED, OPEN
from bot.services import rights, tree, tree_log
from bot.services.staff import StaffView
from bot.services.tree_log import TreeConflict

# SQLite takes at most 32,766 values in one statement.
_AT_ONCE = 10_000


async def merge(
    session: AsyncSession,
    by: StaffView,
    place_id: int,
    *,
    into_id: int,
    row_version: int,
    now: datetime,
) -> Place:
    """Put the children and the parents' contacts of a class into another one and close it.

    Staff roles stay where they were: who teaches the new class is granted there.

    Raises:
        NotAllowed: one of the classes is not theirs.
        InputInvalid: it is not two classes of one school.
        TreeConflict: somebody else changed it, or one is closed.
    """
    place = await tree_log.lock(session, place_id)
    rights.require(by, "place.change", place.parent_id)
    into = await session.get(Place, into_id, populate_existing=True)
    rights.require(by, "place.change", into.parent_id if into else None)
    if place.state == MERGED:
        return place
    tree_log.check_version(place, row_version)
    if into is None or not mergeable(place, into):
        raise InputInvalid("into", field="into")
    if place.state != OPEN or into.state != OPEN:
        raise TreeConflict("closed")
    if await tree.has_open_below(session, place):
        raise TreeConflict("places")
    await _merge(session, by, place, into, now)
    return place


async def _merge(
    session: AsyncSession, by: StaffView, place: Place, into: Place, now: datetime
) -> None:
    children = await _children(session, [place.id])
    contacts = list(await session.scalars(select(Contact.id).where(Contact.place_id == place.id)))
    await put_children(session, children, into.id, now)
    await put_contacts(session, contacts, into.id)
    bindings = await _put_bindings(session, place.id, into.id)
    batch = tree_log.new_batch()
    people = {
        "into": into.id,
        "children": children,
        "contacts": contacts,
        "bindings": bindings,
    }
    after = {"state": MERGED}
    kind = tree_log.MERGE
    await tree_log.change(
        session,
        place,
        kind=kind,
        after=after,
        batch=batch,
        staff_id=by.id,
        now=now,
        people=people,
    )
    await tree_log.change(
        session, into, kind=tree_log.RECEIVE, after={}, batch=batch, staff_id=by.id, now=now
    )
    await tree.note(session, by, kind, place, batch, now, into=into.id, children=len(children))


def mergeable(one: Place, other: Place) -> bool:
    """Say whether two places are classes of one school."""
    same = one.path.split("/")[:3] == other.path.split("/")[:3]
    return one.id != other.id and one.kind == other.kind == "class" and same


async def _children(session: AsyncSession, places: Collection[int]) -> list[int]:
    query = select(Child.id).where(Child.place_id.in_(places), Child.state == ACTIVE)
    return list(await session.scalars(query.order_by(Child.id)))


async def put_children(
    session: AsyncSession, children: Sequence[int], place_id: int, now: datetime
) -> None:
    """Let children be in another class from now on."""
    for part in _parts(children):
        await _end_stay(session, part, now)
        await session.execute(
            update(Child)
            .where(Child.id.in_(part))
            .values(place_id=place_id)
            .execution_options(synchronize_session=False)
        )
        session.add_all(
            ChildPlace(child_id=child, place_id=place_id, started_at=now) for child in part
        )
        await session.flush()


async def put_contacts(session: AsyncSession, contacts: Sequence[int], place_id: int) -> None:
    """Let parents' contacts belong to another class."""
    for part in _parts(contacts):
        await session.execute(
            update(Contact)
            .where(Contact.id.in_(part))
            .values(place_id=place_id)
            .execution_options(synchronize_session=False)
        )


async def _put_bindings(
    session: AsyncSession, place_id: int, into_id: int, only: Collection[int] | None = None
) -> list[int]:
    """Let parents who wait for a yes wait in another class, unless they wait there already."""
    there = select(Binding.contact_id).where(Binding.place_id == into_id, Binding.state == ASKED)
    wanted = select(Binding.id).where(
        Binding.place_id == place_id,
        Binding.state == ASKED,
        Binding.contact_id.not_in(there),
    )
    found = list(
        await session.scalars(wanted if only is None else wanted.where(Binding.id.in_(only)))
    )
    await session.execute(
        update(Binding)
        .where(Binding.id.in_(found))
        .values(place_id=into_id)
        .execution_options(synchronize_session=False)
    )
    return found


async def leave(session: AsyncSession, place_id: int, now: datetime) -> list[int]:
    """Let all children of a class leave the school, and return their ids."""
    children = await _children(session, [place_id])
    for part in _parts(children):
        await _end_stay(session, part, now)
        await session.execute(
            update(Child)
            .where(Child.id.in_(part))
            .values(state=LEFT, left_at=now)
            .execution_options(synchronize_session=False)
        )
    return children


async def _end_stay(session: AsyncSession, children: Sequence[int], now: datetime) -> None:
    await session.execute(
        update(ChildPlace)
        .where(ChildPlace.child_id.in_(children), ChildPlace.ended_at.is_(None))
        .values(ended_at=now)
        .execution_options(synchronize_session=False)
    )


async def come_back(session: AsyncSession, row_of: Mapping[str, object], place_id: int) -> None:
    """Take children who left with a class back into it.

    Raises:
        TreeConflict: `people`; one of them is somewhere else by now.
    """
    children = _ids(row_of, "children")
    await _check_still(session, children, place_id, LEFT)
    for part in _parts(children):
        last = (
            select(func.max(ChildPlace.id))
            .where(ChildPlace.child_id.in_(part))
            .group_by(ChildPlace.child_id)
        )
        await session.execute(
            update(ChildPlace)
            .where(ChildPlace.id.in_(last), ChildPlace.place_id == place_id)
            .values(ended_at=None)
            .execution_options(synchronize_session=False)
        )
        await session.execute(
            update(Child)
            .where(Child.id.in_(part))
            .values(state=ACTIVE, left_at=None)
            .execution_options(synchronize_session=False)
        )


async def take_apart(
    session: AsyncSession, row_of: Mapping[str, object], place_id: int, now: datetime
) -> None:
    """Put the children and contacts of a merged class back into it.

    Raises:
        TreeConflict: `people`; one of the children is somewhere else by now.
    """
    into = row_of["into"]
    assert isinstance(into, int)
    children = _ids(row_of, "children")
    await _check_still(session, children, into, ACTIVE)
    await put_children(session, children, place_id, now)
    query = select(Contact.id).where(Contact.place_id == into)
    there = set(await session.scalars(query))
    contacts = [contact for contact in _ids(row_of, "contacts") if contact in there]
    await put_contacts(session, contacts, place_id)
    await _put_bindings(session, into, place_id, _ids(row_of, "bindings"))


async def _check_still(
    session: AsyncSession, children: Sequence[int], place_id: int, state: str
) -> None:
    found = 0
    for part in _parts(children):
        query = select(func.count()).where(
            Child.id.in_(part), Child.place_id == place_id, Child.state == state
        )
        found += await session.scalar(query) or 0
    if found != len(children):
        raise TreeConflict("people")


def _ids(row_of: Mapping[str, object], name: str) -> list[int]:
    found = row_of.get(name, [])
    return [int(one) for one in found] if isinstance(found, list) else []


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
