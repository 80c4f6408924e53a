"""Take away what rows of an import made and restore what they changed, unless it was used since.

Called by `work`, the last row first: a guardian whom a later row tied to a brother or sister is
free once that row is undone. What has been used since (a parent bound to it, a notice about it)
stays, with everything of its row, and the row says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Column, Table, delete, exists, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.models import (
    Binding,
    Child,
    ChildPlace,
    Contact,
    Guardian,
    Guardianship,
    ImportRow,
    Staff,
)
from bot.db.models.person import ACTIVE, BOUND
from bot.services import audit, directory_contacts, people
from bot.services.importing.applying import written
from bot.services.importing.rows import DONE, KEPT, UNDONE

PER_QUERY = 500
_TABLES: Mapping[str, type[Base]] = {
    "child": Child,
    "guardian": Guardian,
    "guardianship": Guardianship,
    "staff": Staff,
}
_MOMENTS = frozenset({"ended_at", "left_at"})


@dataclass(frozen=True, slots=True)
class _Note:
    """What a row made, as `applying` noted it."""

    child: int | None
    place: int | None
    stay: int | None
    bound: tuple[int, ...]
    ended_stay: int | None
    guardians: tuple[int, ...]
    ties: Mapping[int, str]
    changed: tuple[tuple[str, int, str, object, object], ...]


async def undo_rows(
    session: AsyncSession,
    ring: KeyRing,
    rows: Sequence[ImportRow],
    *,
    by: int | None = None,
    now: datetime,
) -> None:
    """Undo rows in the order given, which is the opposite of how they were applied.

    Args:
        by: the member of staff who has it done.
    """
    wanted = [row for row in rows if row.state == DONE]
    notes = {row.id: _note(row) for row in wanted}
    found = await _found(session, notes.values())
    taken_children, taken_ties = set[int](), set[int]()
    for row in wanted:
        note = notes[row.id]
        code = _kept(note, found, taken_ties)
        if code:
            row.state, row.codes = KEPT, [*row.codes, code]
            continue
        _restore(note, found, ring)
        await _note_staff(session, note, by, now)
        await _restore_stay(session, note)
        taken_ties.update(note.ties)
        if note.child is not None:
            taken_children.add(note.child)
        row.state = UNDONE
    await session.flush()
    gone = [notes[row.id] for row in wanted if row.state == UNDONE]
    await _let_go(session, gone, taken_ties, now)
    for part in _parts(taken_children):
        await session.execute(
            update(Binding).where(Binding.child_id.in_(part)).values(child_id=None)
        )
    await _remove(session, Guardianship.id, taken_ties)
    await _remove(session, ChildPlace.child_id, taken_children)
    await _remove(session, Child.id, taken_children)
    guardians = {
        guardian for row in wanted if row.state == UNDONE for guardian in notes[row.id].guardians
    }
    left = await _used(session, Guardian.__tablename__, guardians)
    await _remove(session, Guardian.id, guardians - left)
    for row in wanted:
        if row.state == UNDONE and set(notes[row.id].guardians) & left:
            row.state, row.codes = KEPT, [*row.codes, "undo_guardian"]
    await session.flush()


async def _note_staff(session: AsyncSession, note: _Note, by: int | None, now: datetime) -> None:
    """Write down that an account's id in DingTalk was taken away again."""
    for table, row_id, *_ in note.changed:
        if table == Staff.__tablename__:
            await audit.record(
                session,
                staff_id=by,
                action="staff.id_changed",
                object_kind="staff",
                object_id=row_id,
                now=now,
                data={"had": True, "has": False},
            )


async def _let_go(
    session: AsyncSession, gone: Sequence[_Note], taken_ties: set[int], now: datetime
) -> None:
    """Take contacts away from guardians whose id of the platform goes, or who go themselves."""
    made = {guardian for note in gone for guardian in note.guardians}
    linked = {
        row_id
        for note in gone
        for table, row_id, column, *_ in note.changed
        if table == Guardian.__tablename__ and column == "external_id"
    }
    contacts = {contact for note in gone for contact in note.bound}
    contacts |= set(await directory_contacts.bound_by_directory(session, made | linked))
    if not contacts:
        return
    # Whom a row that stays ties to another child keeps their contact.
    others = select(Guardianship.guardian_id).where(
        Guardianship.guardian_id.in_(made), Guardianship.id.not_in(taken_ties)
    )
    stay = select(Contact.id).where(Contact.guardian_id.in_(others))
    contacts -= set(await session.scalars(stay))
    silent = await directory_contacts.let_go(session, contacts, now=now)
    await _remove(session, Contact.id, silent - await _used(session, "contact", silent))


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands in the tables now of everything that the rows speak of."""

    rows: Mapping[tuple[str, int], Base]
    used_children: frozenset[int]
    used_ties: frozenset[int]
    ties_of: Mapping[int, frozenset[int]]


async def _found(session: AsyncSession, notes: Iterable[_Note]) -> _Found:
    listed = list(notes)
    ids: dict[str, set[int]] = {name: set() for name in _TABLES}
    for note in listed:
        ids["child"] |= {note.child} if note.child is not None else set()
        ids["guardian"] |= set(note.guardians)
        ids["guardianship"] |= set(note.ties)
        for table, row_id, *_ in note.changed:
            ids[table].add(row_id)
    rows: dict[tuple[str, int], Base] = {}
    for name, model in _TABLES.items():
        key = cast(Any, model).id
        for part in _parts(ids[name]):
            for row in await session.scalars(select(model).where(key.in_(part))):
                rows[name, cast(Any, row).id] = row
    children = {note.child for note in listed if note.child is not None}
    leave_out = {ChildPlace.__tablename__, Guardianship.__tablename__}
    used = await _used(session, "child", children, leave_out | {Binding.__tablename__})
    for part in _parts(children):
        claimed = select(Binding.child_id).where(
            Binding.child_id.in_(part), Binding.way != directory_contacts.WAY
        )
        used |= {one for one in await session.scalars(claimed) if one is not None}
    ties = {row_id for note in listed for row_id in note.ties}
    ties_of: dict[int, set[int]] = {}
    for part in _parts(children):
        query = select(Guardianship.child_id, Guardianship.id)
        for child_id, tie_id in await session.execute(query.where(Guardianship.child_id.in_(part))):
            ties_of.setdefault(child_id, set()).add(tie_id)
    return _Found(
        rows,
        frozenset(used),
        await _used_ties(session, ties),
        {child: frozenset(found) for child, found in ties_of.items()},
    )


async def _used_ties(session: AsyncSession, ties: Iterable[int]) -> frozenset[int]:
    """Return the ties through which somebody has bound themselves to a child.

    What a directory bound by itself is no use: it is taken back with its row.
    """
    found: set[int] = set()
    for part in _parts(ties):
        by_itself = exists().where(
            Binding.contact_id == Contact.id,
            Binding.way == directory_contacts.WAY,
            Binding.state == BOUND,
        )
        bound = select(Contact.id).where(
            Contact.guardian_id == Guardianship.guardian_id, ~by_itself
        )
        asked = select(Binding.id).where(
            Binding.guardian_id == Guardianship.guardian_id,
            Binding.child_id == Guardianship.child_id,
            Binding.way != directory_contacts.WAY,
        )
        query = select(Guardianship.id).where(
            Guardianship.id.in_(part), or_(bound.exists(), asked.exists())
        )
        found |= set(await session.scalars(query))
    return frozenset(found)


async def _used(
    session: AsyncSession, name: str, ids: Iterable[int], leave_out: Iterable[str] = ()
) -> set[int]:
    """Return which of some rows any table points at, whatever tables there are."""
    used: set[int] = set()
    for table, column in _pointers(name):
        if table.name in leave_out:
            continue
        for part in _parts(ids):
            used |= set(await session.scalars(select(column).where(column.in_(part)).distinct()))
    return used


def _pointers(name: str) -> list[tuple[Table, Column[Any]]]:
    return [
        (table, key.parent)
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == name
    ]


def _kept(note: _Note, found: _Found, taken: set[int]) -> str:
    """Return why a row can't be undone; empty when it can."""
    if note.child is not None and note.child in found.used_children:
        return "undo_child"
    others = found.ties_of.get(note.child or 0, frozenset()) - set(note.ties) - taken
    if others or set(note.ties) & found.used_ties:
        return "undo_guardian"
    for tie_id, relation in note.ties.items():
        tie = found.rows.get(("guardianship", tie_id))
        if isinstance(tie, Guardianship) and (
            tie.custody_block or tie.unreachable or tie.relation != relation
        ):
            return "undo_changed"
    for table, row_id, column, _, after in note.changed:
        row = found.rows.get((table, row_id))
        if row is None or written(getattr(row, column)) != after:
            return "undo_changed"
    child = found.rows.get(("child", note.child or 0))
    moved = isinstance(child, Child) and (child.state, child.place_id) != (ACTIVE, note.place)
    return "undo_changed" if moved else ""


def _restore(note: _Note, found: _Found, ring: KeyRing) -> None:
    for table, row_id, column, before, _ in reversed(note.changed):
        row = found.rows[table, row_id]
        value = before
        if column in _MOMENTS and isinstance(before, str):
            value = datetime.fromisoformat(before)
        setattr(row, column, value)
        if isinstance(row, Child) and column == "student_no":
            row.student_key = people.student_key(ring, str(before)) if before else None
        if isinstance(row, Guardian) and column == "phone":
            row.phone_key = people.phone_key(ring, str(before)) if before else None


async def _restore_stay(session: AsyncSession, note: _Note) -> None:
    """Take back a move: the stay in the new class never was, the one before goes on."""
    if note.child is not None or note.stay is None:
        return
    await _remove(session, ChildPlace.id, {note.stay})
    if note.ended_stay is not None:
        earlier = await session.get(ChildPlace, note.ended_stay)
        if earlier is not None:
            earlier.ended_at = None
            await session.flush()


async def _remove(session: AsyncSession, column: Any, ids: Iterable[int]) -> None:
    for part in _parts(ids):
        await session.execute(
            delete(column.class_)
            .where(column.in_(part))
            .execution_options(synchronize_session=False)
        )


def _parts(ids: Iterable[int]) -> list[list[int]]:
    listed = sorted(ids)
    return [listed[start : start + PER_QUERY] for start in range(0, len(listed), PER_QUERY)]


def _note(row: ImportRow) -> _Note:
    made = cast(Mapping[str, Any], row.made)
    return _Note(
        made["child"],
        made["place"],
        made["stay"],
        tuple(made.get("bound", ())),
        made["ended_stay"],
        tuple(made["guardians"]),
        {one[0]: one[1] for one in made["ties"]},
        tuple((one[0], one[1], one[2], one[3], one[4]) for one in made["changed"]),
    )
