"""The pages of the tree: all of it, and one place with its history and what can be done to it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.db.models import Place
from bot.db.models.place import OPEN
from bot.services import desk, places, rights, tree, tree_log, tree_people, tree_undo
from bot.services.tree import Node
from bot.services.tree_log import Change, TreeConflict
from bot.web.guard import Call
from bot.web.tree_words import chosen, explain, full_names, notice, number, word

Work = Callable[[AsyncSession], Awaitable[Place]]
_YEAR_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Branch:
    """A place near the top, with everything below it that folds away."""

    node: Node
    under: list[Node]


async def tree_page(call: Call) -> Response:
    """Show the part of the tree that the caller may read."""
    closed = call.request.query_params.get("closed") == "1"
    async with call.services.database.read() as session:
        nodes = await tree.outline(session, call.staff, closed=closed)
    return call.page(
        "admin_tree.html",
        branches=_folded(nodes),
        closed=closed,
        may_move_up=rights.may(call.staff, "place.move_up"),
        word=word,
    )


def _folded(nodes: Sequence[Node]) -> list[Branch]:
    branches: list[Branch] = []
    for node in nodes:
        if node.depth <= 1:
            branches.append(Branch(node, []))
        else:
            branches[-1].under.append(node)
    return branches


async def place_page(call: Call) -> Response:
    """Show one place."""
    return await _place_page(call, notice=notice(call))


async def _place_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    async with call.services.database.read() as session:
        place = await tree.read(session, call.staff, call.request.path_params["place_id"])
        may = _may(call, place)
        changes = await tree_log.history(session, place.id) if may["change"] else []
        targets = await tree.targets(session, call.staff, place) if may["hang"] else []
        values = {
            "p": place,
            "above": await _above(session, call, place),
            "below": await _below(session, call, place),
            "children": await tree.children_below(session, place),
            "kinds": [kind for kind, parents in tree.PARENTS.items() if place.kind in parents],
            "targets": targets,
            "target_names": full_names(targets),
            "others": await _others(session, place) if may["hang"] else [],
            "lines": await _lines(session, changes),
        }
    return call.page(
        "admin_tree_place.html",
        status=status,
        **values,
        may=may,
        key=tree_log.new_batch(),
        topics=tree.TOPICS,
        sent=call.form,
        notice=notice,
        trouble=trouble,
        word=word,
    )


def _may(call: Call, place: Place) -> dict[str, bool]:
    """Say what the caller may do here: inside the place, and with the place itself."""
    change = rights.may(call.staff, "place.change", place.id)
    above = place.parent_id is not None and rights.may(call.staff, "place.change", place.parent_id)
    return {
        "change": change or rights.may(call.staff, "place.move_up", place.id),
        "inside": change and place.state == OPEN,
        "hang": above and place.state == OPEN,
        "people": rights.may(call.staff, "people.list", place.id),
        "code": rights.may(call.staff, "binding.decide", place.id) and place.state == OPEN,
    }


async def _above(session: AsyncSession, call: Call, place: Place) -> list[Place]:
    seen = rights.places_for(call.staff, "place.read")
    wanted = [one for one in places.path_ids(place)[:-1] if one in seen]
    rows = await session.scalars(select(Place).where(Place.id.in_(wanted)).order_by(Place.path))
    return list(rows)


async def _below(session: AsyncSession, call: Call, place: Place) -> list[Node]:
    nodes = await tree.outline(session, call.staff, within=place)
    return [node for node in nodes if node.place.parent_id == place.id]


async def _others(session: AsyncSession, place: Place) -> list[Place]:
    """Return the classes into which a class could be merged."""
    if place.kind != "class":
        return []
    school = "/".join(place.path.split("/")[:3]) + "/"
    rows = await session.scalars(
        select(Place)
        .where(Place.path.startswith(school), Place.kind == "class", Place.state == OPEN)
        .order_by(Place.id)
    )
    return [row for row in rows if tree_people.mergeable(place, row)]


async def _lines(session: AsyncSession, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return the history as the page tells it."""
    staff = await desk.staff_names(session, {one.row.staff_id for one in changes})
    wanted = {
        value
        for one in changes
        for value in (one.row.before.get("parent_id"), *_targets(one))
        if isinstance(value, int)
    }
    rows = await session.execute(select(Place.id, Place.name).where(Place.id.in_(wanted)))
    names = {row.id: row.name for row in rows}
    return [
        {
            "id": one.row.id,
            "what": _what(one, names),
            "who": staff.get(one.row.staff_id or 0, ""),
            "at": one.row.at,
            "undone": one.row.undone_at,
            "last": one.last,
        }
        for one in changes
    ]


def _targets(change: Change) -> tuple[object, object]:
    return change.row.after.get("parent_id"), change.row.after.get("into")


def _what(change: Change, names: dict[int, str]) -> str:
    row = change.row
    old, new = row.before.get("name", ""), row.after.get("name", "")
    if row.kind == tree_log.MOVE:
        old, new = (names.get(int(str(one["parent_id"])), "") for one in (row.before, row.after))
    if row.kind == tree_log.MERGE:
        new = names.get(int(str(row.after["into"])), "")
    children = row.after.get("children")
    count = len(children) if isinstance(children, list) else 0
    return word("change", row.kind, old=old, new=new, count=count)


async def create(call: Call) -> Response:
    """Add a place under this one."""

    async def work(session: AsyncSession) -> Place:
        return await tree.create(
            session,
            call.staff,
            parent_id=call.request.path_params["place_id"],
            kind=call.form.get("kind", ""),
            name=call.form.get("name", ""),
            key=call.form.get("key", ""),
            topic=call.form.get("topic", "") if call.form.get("kind") == "department" else "",
            entry_year=_year(call.form.get("entry_year", "")),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "created")


def _year(sent: str) -> int | None:
    if not sent.strip():
        return None
    if len(sent.strip()) != _YEAR_DIGITS or number(sent.strip()) < 0:
        raise InputInvalid("entry_year", field="entry_year")
    return number(sent.strip())


async def rename(call: Call) -> Response:
    """Give this place another name."""

    async def work(session: AsyncSession) -> Place:
        return await tree.rename(
            session,
            call.staff,
            call.request.path_params["place_id"],
            name=call.form.get("name", ""),
            row_version=number(call.form.get("row", "")),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "renamed")


async def move(call: Call) -> Response:
    """Hang this place under another one."""

    async def work(session: AsyncSession) -> Place:
        return await tree.move(
            session,
            call.staff,
            call.request.path_params["place_id"],
            parent_id=chosen(call, "parent"),
            row_version=number(call.form.get("row", "")),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "moved")


async def merge(call: Call) -> Response:
    """Put the children of this class into another one."""

    async def work(session: AsyncSession) -> Place:
        return await tree_people.merge(
            session,
            call.staff,
            call.request.path_params["place_id"],
            into_id=chosen(call, "into"),
            row_version=number(call.form.get("row", "")),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "merged")


async def close(call: Call) -> Response:
    """Close this place."""

    async def work(session: AsyncSession) -> Place:
        return await tree.close(
            session,
            call.staff,
            call.request.path_params["place_id"],
            row_version=number(call.form.get("row", "")),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "closed")


async def undo(call: Call) -> Response:
    """Undo what was done to this place last, with everything that was done together with it."""

    async def work(session: AsyncSession) -> Place:
        return await tree_undo.undo(
            session,
            call.staff,
            chosen(call, "change"),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "undone")


async def _do(call: Call, work: Work, done: str) -> Response:
    """Change the tree and go to the place, or say why not."""
    try:
        async with call.services.database.write() as session:
            place = await work(session)
    except (TreeConflict, InputInvalid) as error:
        return await _place_page(call, status=error.status, trouble=explain(error))
    return RedirectResponse(f"/admin/tree/{place.id}?done={done}", 303)
