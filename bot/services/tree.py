"""The tree of places as people change it: create, rename, move, close.

Called by the pages under `/admin/tree`. Every change names the row version its author saw, is
written down in `bot.services.tree_log` and audited. Merging classes is in `tree_people`, going up a
grade in `move_up`, undoing in `tree_undo`.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid, NotFound
from bot.core.grade_names import stage_of
from bot.db.models import Child, Place, PlaceChange
from bot.db.models.person import ACTIVE
from bot.db.models.place import CLOSED, OPEN
from bot.services import audit, places, rights, tree_log
from bot.services.staff import StaffView
from bot.services.tree_log import TreeConflict

NAME_LENGTH = 60
TOPICS = ("health", "police", "civil_affairs", "hospital", "other")
# What may hang under what; a district is made by setting up.
PARENTS: Mapping[str, frozenset[str]] = {
    "school": frozenset({"district"}),
    "grade": frozenset({"school"}),
    "class": frozenset({"school", "grade"}),
    "committee": frozenset({"district", "school", "grade", "class"}),
    "department": frozenset({"district", "school"}),
}
_SCANNED = ("school", "class")
_DONE: Mapping[str, str] = {
    tree_log.CREATE: "created",
    tree_log.RENAME: "renamed",
    tree_log.MOVE: "moved",
    tree_log.MERGE: "merged",
    tree_log.CLOSE: "closed",
    tree_log.MOVE_UP: "moved_up",
    "undo": "undone",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A place as the tree shows it.

    Args:
        depth: from the top of what is shown, 0 first.
        children: how many children are in it and below.
    """

    place: Place
    depth: int
    children: int


async def outline(
    session: AsyncSession, by: StaffView, *, closed: bool = False, within: Place | None = None
) -> list[Node]:
    """Return the part of the tree a person may read, parents before children.

    Args:
        closed: with what was closed, merged or has graduated.
        within: only what hangs below this place.
    """
    seen = rights.places_for(by, "place.read")
    query = select(Place).where(Place.id.in_(seen))
    if within is not None:
        query = query.where(Place.path.startswith(within.path), Place.id != within.id)
    if not closed:
        query = query.where(Place.state == OPEN)
    rows = {place.id: place for place in await session.scalars(query)}
    counts = await children_at(session, rows)
    below: dict[int | None, list[Place]] = {}
    for place in rows.values():
        below.setdefault(place.parent_id if place.parent_id in rows else None, []).append(place)
    return _walk(None, 0, below, counts)


def _walk(
    at: int | None, depth: int, below: Mapping[int | None, list[Place]], counts: Mapping[int, int]
) -> list[Node]:
    found: list[Node] = []
    for place in sorted(below.get(at, []), key=_order):
        under = _walk(place.id, depth + 1, below, counts)
        total = counts.get(place.id, 0) + sum(n.children for n in under if n.depth == depth + 1)
        found += [Node(place, depth, total), *under]
    return found


def _order(place: Place) -> tuple[bool, int]:
    """Put what stands beside the tree after its branches, and the rest in order of making."""
    return place.kind in ("committee", "department"), place.id


async def children_at(session: AsyncSession, ids: Collection[int]) -> dict[int, int]:
    """Return how many children are in each of some places themselves."""
    rows = await session.execute(
        select(Child.place_id, func.count())
        .where(Child.place_id.in_(ids), Child.state == ACTIVE)
        .group_by(Child.place_id)
    )
    return {place_id: count for place_id, count in rows if place_id is not None}


async def children_below(session: AsyncSession, place: Place) -> int:
    """Return how many children are in a place and below it."""
    count = await session.scalar(
        select(func.count())
        .select_from(Child)
        .join(Place, Place.id == Child.place_id)
        .where(Place.path.startswith(place.path), Child.state == ACTIVE)
    )
    return count or 0


async def read(session: AsyncSession, by: StaffView, place_id: int) -> Place:
    """Return a place that a person may see.

    Raises:
        NotFound: it does not exist, or is another school's.
    """
    place = await session.get(Place, place_id)
    if place is None or not rights.may(by, "place.read", place.id):
        raise NotFound("no such place")
    return place


async def targets(session: AsyncSession, by: StaffView, place: Place) -> list[Place]:
    """Return the places under which a person may hang this one."""
    wanted = PARENTS.get(place.kind, frozenset())
    rows = await session.scalars(
        select(Place)
        .where(
            Place.id.in_(rights.places_for(by, "place.change")),
            Place.kind.in_(wanted),
            Place.state == OPEN,
            Place.id != place.parent_id,
        )
        .order_by(Place.path)
    )
    return [row for row in rows if not row.path.startswith(place.path) and _root(row, place)]


def _root(one: Place, other: Place) -> bool:
    return places.path_ids(one)[0] == places.path_ids(other)[0]


def clean_name(name: str) -> str:
    """Return a place's name as it is stored.

    Raises:
        InputInvalid: it is empty or too long.
    """
    wanted = " ".join(name.split())
    if not wanted:
        raise InputInvalid("name.empty", field="name")
    if len(wanted) > NAME_LENGTH:
        raise InputInvalid("name.long", field="name")
    return wanted


async def check_free(
    session: AsyncSession, parent_id: int | None, name: str, *, but: int = 0
) -> None:
    """Refuse a name that an open sibling already has.

    Raises:
        TreeConflict: `name`.
    """
    taken = await session.scalar(
        select(Place.id)
        .where(
            Place.parent_id == parent_id,
            Place.name == name,
            Place.state == OPEN,
            Place.id != but,
        )
        .limit(1)
    )
    if taken is not None:
        raise TreeConflict("name")


async def create(
    session: AsyncSession,
    by: StaffView,
    *,
    parent_id: int,
    kind: str,
    name: str,
    key: str,
    now: datetime,
    topic: str = "",
    entry_year: int | None = None,
) -> Place:
    """Add a place under another one.

    Args:
        key: of the form; sent twice it makes one place.

    Raises:
        NotAllowed: the parent is not theirs.
        InputInvalid: name, kind, topic or year don't fit; the message is a code.
        TreeConflict: the parent is closed, or has a place of this name.
    """
    rights.require(by, "place.change", parent_id)
    parent = await tree_log.lock(session, parent_id)
    made = await _made(session, key, parent_id)
    if made is not None:
        return made
    wanted = clean_name(name)
    if parent.kind not in PARENTS.get(kind, frozenset()):
        raise InputInvalid("kind", field="kind")
    if (topic not in TOPICS) if kind == "department" else bool(topic):
        raise InputInvalid("topic", field="topic")
    if entry_year is not None and not now.year - 15 <= entry_year <= now.year + 1:
        raise InputInvalid("entry_year", field="entry_year")
    _check_open(parent)
    await check_free(session, parent.id, wanted)
    scene = f"p-{secrets.token_hex(8)}" if kind in _SCANNED else None
    place = await places.add(session, kind=kind, name=wanted, parent=parent, scene=scene)
    place.topic, place.entry_year, place.stage = topic, entry_year, stage_of(wanted)
    after = {"name": wanted, "parent_id": parent.id, "kind": kind}
    session.add(
        PlaceChange(
            place_id=place.id,
            batch=key,
            kind=tree_log.CREATE,
            # Places are never deleted: what was made by mistake is closed.
            before={"state": CLOSED},
            after=after,
            staff_id=by.id,
            at=now,
        )
    )
    await note(session, by, tree_log.CREATE, place, key, now)
    return place


async def _made(session: AsyncSession, key: str, parent_id: int) -> Place | None:
    """Return what this form already made."""
    if not 8 <= len(key) <= 36:
        raise InputInvalid("key", field="key")
    rows = await tree_log.of_batch(session, key)
    if not rows:
        return None
    place = await session.get_one(Place, rows[0].place_id)
    if rows[0].kind != tree_log.CREATE or place.parent_id != parent_id:
        raise InputInvalid("key", field="key")
    return place


def _check_open(place: Place) -> None:
    if place.state != OPEN:
        raise TreeConflict("closed")


async def rename(
    session: AsyncSession,
    by: StaffView,
    place_id: int,
    *,
    name: str,
    row_version: int,
    now: datetime,
) -> Place:
    """Give a place another name.

    Raises:
        NotAllowed: the place is not theirs.
        TreeConflict: somebody else changed it, it is closed, or the name is taken.
    """
    rights.require(by, "place.change", place_id)
    place = await tree_log.lock(session, place_id)
    wanted = clean_name(name)
    if place.name == wanted:
        return place
    tree_log.check_version(place, row_version)
    _check_open(place)
    await check_free(session, place.parent_id, wanted, but=place.id)
    after: dict[str, object] = {"name": wanted}
    if place.kind in ("grade", "class") and stage_of(wanted) not in (None, place.stage):
        after["stage"] = stage_of(wanted)
    await record(session, by, place, tree_log.RENAME, after, now)
    return place


async def move(
    session: AsyncSession,
    by: StaffView,
    place_id: int,
    *,
    parent_id: int,
    row_version: int,
    now: datetime,
) -> Place:
    """Hang a place, with everything below it, under another one.

    Raises:
        NotAllowed: where it hangs, or where it should, is not theirs.
        InputInvalid: it can't hang there; the message is a code.
        TreeConflict: somebody else changed it, something is closed, or the name is taken there.
    """
    place = await tree_log.lock(session, place_id)
    rights.require(by, "place.change", place.parent_id)
    rights.require(by, "place.change", parent_id)
    if place.parent_id == parent_id:
        return place
    tree_log.check_version(place, row_version)
    parent = await session.get_one(Place, parent_id, populate_existing=True)
    if parent.kind not in PARENTS.get(place.kind, frozenset()) or not _root(parent, place):
        raise InputInvalid("parent", field="parent")
    _check_open(place)
    _check_open(parent)
    await check_free(session, parent.id, place.name)
    await record(session, by, place, tree_log.MOVE, {"parent_id": parent.id}, now)
    await tree_log.set_path(session, place, parent)
    return place


async def close(
    session: AsyncSession, by: StaffView, place_id: int, *, row_version: int, now: datetime
) -> Place:
    """Close a place that nobody is in any more; its QR code leads nowhere from then on.

    Raises:
        NotAllowed: where it hangs is not theirs.
        TreeConflict: somebody else changed it, or children or places are still in it.
    """
    place = await tree_log.lock(session, place_id)
    rights.require(by, "place.change", place.parent_id)
    if place.state == CLOSED:
        return place
    tree_log.check_version(place, row_version)
    _check_open(place)
    if await children_below(session, place):
        raise TreeConflict("children")
    if await has_open_below(session, place):
        raise TreeConflict("places")
    await record(session, by, place, tree_log.CLOSE, {"state": CLOSED}, now)
    return place


async def has_open_below(session: AsyncSession, place: Place) -> bool:
    """Say whether something open hangs under a place."""
    query = select(Place.id).where(Place.parent_id == place.id, Place.state == OPEN).limit(1)
    return await session.scalar(query) is not None


async def record(
    session: AsyncSession,
    by: StaffView,
    place: Place,
    kind: str,
    after: Mapping[str, object],
    now: datetime,
) -> None:
    """Change one place in a batch of its own and audit it."""
    batch = tree_log.new_batch()
    await tree_log.change(
        session, place, kind=kind, after=after, batch=batch, staff_id=by.id, now=now
    )
    await note(session, by, kind, place, batch, now)


async def note(
    session: AsyncSession,
    by: StaffView,
    kind: str,
    place: Place,
    batch: str,
    now: datetime,
    **data: object,
) -> None:
    """Write a change of the tree into the audit trail."""
    await audit.record(
        session,
        staff_id=by.id,
        action=f"place.{_DONE[kind]}",
        object_kind="place",
        object_id=place.id,
        now=now,
        data={"batch": batch, **data},
    )
