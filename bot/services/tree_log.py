"""The tree's history: every change of a place as a row, and its undoing by batch.

Called by `bot.services.tree`, `tree_people` and `move_up`, which change the places themselves, and
by the pages for reading. All changes of the tree take one turn, so that two people can't build a
ring or leave a path behind.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, NotFound
from bot.db.locks import Turn, take_turn
from bot.db.models import Place, PlaceChange
from bot.db.models.place import OPEN

CREATE, RENAME, MOVE, MERGE, CLOSE = "create", "rename", "move", "merge", "close"
MOVE_UP, GRADUATE, RECEIVE = "move_up", "graduate", "receive"
Columns = Mapping[str, object]


class TreeConflict(Conflict):
    """A change of the tree that does not go; the message is its code."""


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a place's history.

    Args:
        last: nothing later stands on its batch, so it may be undone.
    """

    row: PlaceChange
    last: bool


async def lock(session: AsyncSession, place_id: int) -> Place:
    """Take the tree's turn and return a place as it stands now.

    Raises:
        NotFound: no such place.
    """
    await take_turn(session, Turn.TREE)
    place = await session.get(Place, place_id, populate_existing=True)
    if place is None:
        raise NotFound("no such place")
    return place


def check_version(place: Place, row_version: int) -> None:
    """Refuse whoever saw an older state of a place.

    Raises:
        TreeConflict: `row`.
    """
    if place.row_version != row_version:
        raise TreeConflict("row")


def new_batch() -> str:
    """Return a name for changes that belong together."""
    return str(uuid4())


async def change(
    session: AsyncSession,
    place: Place,
    *,
    kind: str,
    after: Columns,
    batch: str,
    staff_id: int | None,
    now: datetime,
    people: Columns | None = None,
) -> PlaceChange:
    """Change columns of a place and write down what they were.

    Args:
        after: the columns' new values.
        people: ids of children and contacts that went along.
    """
    before = {name: getattr(place, name) for name in after}
    _put(place, after, now)
    row = PlaceChange(
        place_id=place.id,
        batch=batch,
        kind=kind,
        before=before,
        after={**after, **(people or {})},
        staff_id=staff_id,
        at=now,
    )
    session.add(row)
    await session.flush()
    return row


def _put(place: Place, columns: Columns, now: datetime) -> None:
    for name, value in columns.items():
        setattr(place, name, value)
    if "state" in columns:
        place.closed_at = None if columns["state"] == OPEN else now
    place.row_version += 1


async def put_back(session: AsyncSession, row: PlaceChange, now: datetime) -> Place:
    """Give a place the columns back that a change took."""
    place = await session.get_one(Place, row.place_id, populate_existing=True)
    _put(place, row.before, now)
    row.undone_at = now
    await session.flush()
    return place


async def set_path(session: AsyncSession, place: Place, parent: Place) -> None:
    """Hang a place with everything below it under a parent."""
    old, new = place.path, f"{parent.path}{place.id}/"
    if old == new:
        return
    await session.execute(
        update(Place)
        .where(Place.path.startswith(old))
        .values(path=new + func.substr(Place.path, len(old) + 1))
        .execution_options(synchronize_session=False)
    )
    await session.refresh(place)


async def of_batch(session: AsyncSession, batch: str) -> Sequence[PlaceChange]:
    """Return the changes of a batch that stand, the newest first."""
    rows = await session.scalars(
        select(PlaceChange)
        .where(PlaceChange.batch == batch, PlaceChange.undone_at.is_(None))
        .order_by(PlaceChange.id.desc())
    )
    return rows.all()


async def later(session: AsyncSession, rows: Sequence[PlaceChange]) -> bool:
    """Say whether something that stands was done to the places of a batch after it."""
    found = await session.scalar(
        select(PlaceChange.id)
        .where(
            PlaceChange.place_id.in_({row.place_id for row in rows}),
            PlaceChange.id > max(row.id for row in rows),
            PlaceChange.batch != rows[0].batch,
            PlaceChange.undone_at.is_(None),
        )
        .limit(1)
    )
    return found is not None


async def history(session: AsyncSession, place_id: int) -> list[Change]:
    """Return what was done to a place, the newest first."""
    rows = await session.scalars(
        select(PlaceChange).where(PlaceChange.place_id == place_id).order_by(PlaceChange.id.desc())
    )
    found = []
    for row in rows:
        batch = [] if row.undone_at else await of_batch(session, row.batch)
        found.append(Change(row, bool(batch) and not await later(session, batch)))
    return found
