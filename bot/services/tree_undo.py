"""Undoing a batch of changes of the tree, while nothing later stands on it.

Called by the tree's pages.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.db.models import Place, PlaceChange
from bot.db.models.place import OPEN
from bot.services import rights, tree, tree_log, tree_people
from bot.services.staff import StaffView
from bot.services.tree_log import TreeConflict

_UP = (tree_log.MOVE_UP, tree_log.GRADUATE)


async def undo(session: AsyncSession, by: StaffView, change_id: int, *, now: datetime) -> Place:
    """Undo a change with all others of its batch and return its place; twice is once.

    Raises:
        NotFound: no such change, or of a place that is not theirs to see.
        NotAllowed: one of the batch's places is not theirs to change.
        TreeConflict: something later stands on it; the message is a code.
    """
    change = await session.get(PlaceChange, change_id)
    if change is None or not rights.may(by, "place.read", change.place_id):
        raise NotFound("no such change")
    place = await tree_log.lock(session, change.place_id)
    rows = await tree_log.of_batch(session, change.batch)
    if not rows:
        return place
    for row in rows:
        await _check_right(session, by, row)
    if await tree_log.later(session, rows):
        raise TreeConflict("later")
    for row in rows:
        await _undo_one(session, row, now)
    await _check_names(session, rows)
    await tree.note(session, by, "undo", place, change.batch, now, changes=len(rows))
    return await session.get_one(Place, place.id, populate_existing=True)


async def _check_right(session: AsyncSession, by: StaffView, row: PlaceChange) -> None:
    action = "place.move_up" if row.kind in _UP else "place.change"
    rights.require(by, action, row.place_id)
    place = await session.get_one(Place, row.place_id, populate_existing=True)
    if row.kind != tree_log.RENAME:
        rights.require(by, action, place.parent_id)
    former = row.before.get("parent_id")
    if isinstance(former, int):
        rights.require(by, action, former)


async def _undo_one(session: AsyncSession, row: PlaceChange, now: datetime) -> None:
    if row.kind == tree_log.CREATE:
        await _check_unused(session, row.place_id)
    if row.kind == tree_log.MERGE:
        await tree_people.take_apart(session, row.after, row.place_id, now)
    if row.kind == tree_log.GRADUATE:
        await tree_people.come_back(session, row.after, row.place_id)
    place = await tree_log.put_back(session, row, now)
    if "parent_id" in row.before and row.kind == tree_log.MOVE:
        parent = await session.get_one(Place, place.parent_id, populate_existing=True)
        await tree_log.set_path(session, place, parent)


async def _check_unused(session: AsyncSession, place_id: int) -> None:
    place = await session.get_one(Place, place_id, populate_existing=True)
    if await tree.children_below(session, place):
        raise TreeConflict("children")
    if await tree.has_open_below(session, place):
        raise TreeConflict("places")


async def _check_names(session: AsyncSession, rows: Sequence[PlaceChange]) -> None:
    """Refuse what would give two places one name, or an open place a closed parent."""
    for place_id in {row.place_id for row in rows}:
        place = await session.get_one(Place, place_id, populate_existing=True)
        if place.state != OPEN:
            continue
        await tree.check_free(session, place.parent_id, place.name, but=place.id)
        parent = await session.get(Place, place.parent_id) if place.parent_id else None
        if parent is not None and parent.state != OPEN:
            raise TreeConflict("closed")
