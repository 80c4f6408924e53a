"""Put a chunk of checked rows into the school, and note for each row what it made and changed.

Called by `work` in the transaction that ends the chunk's job. Rows are planned one after the other
and stored together: children first, then guardians, then ties.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.base import Base
from bot.db.crypto import KeyRing
from bot.db.models import Child, ChildPlace, Guardian, Guardianship, ImportRow, Place, Staff
from bot.db.models.person import LEFT
from bot.services import directory_contacts, people, staff_ids, staffing
from bot.services.importing.planning import CarerPlan, Plan, decide
from bot.services.importing.rows import CHOSEN, DONE, READY, WARN, Parsed, Raw, parse
from bot.services.importing.world import Kid, Tied, World, load
from bot.services.staff import StaffView

# What isn't found again from one row alone: by comparing rows, by the reader, said by a person.
_KEPT_CODES = frozenset({"again", "shared_phone", "two_spellings", "more_guardians", CHOSEN})


@dataclass
class _Change:
    """One column that was changed; `before` and `after` as they are written down."""

    row: Base
    column: str
    before: object
    after: object


@dataclass
class _Made:
    """What one row added and changed; `bound`: contacts that became a guardian's."""

    row: ImportRow
    child: Child | None = None
    stay: ChildPlace | None = None
    bound: list[int] = field(default_factory=list)
    ended_stay: int | None = None
    guardians: list[Guardian] = field(default_factory=list)
    listed: list[Guardian] = field(default_factory=list)
    ties: list[tuple[Tied, Kid]] = field(default_factory=list)
    changes: list[_Change] = field(default_factory=list)

    def change(self, row: Base, column: str, value: object) -> None:
        """Change one column and note how it was."""
        before = written(getattr(row, column))
        setattr(row, column, value)
        self.changes.append(_Change(row, column, before, written(value)))

    def noted(self) -> dict[str, object]:
        """Return it as it is kept for undoing; everything has its id by now."""
        return {
            "child": self.child.id if self.child else None,
            "place": self.child.place_id if self.child else None,
            "stay": self.stay.id if self.stay else None,
            "ended_stay": self.ended_stay,
            "bound": self.bound,
            "guardians": [guardian.id for guardian in self.guardians],
            "ties": [[t.held.id, t.held.relation] for t, _ in self.ties if t.held is not None],
            "changed": [
                [one.row.__tablename__, _id(one.row), one.column, one.before, one.after]
                for one in self.changes
            ],
        }


def written(value: object) -> object:
    """Return a column's value as it is noted: moments as text."""
    return value.isoformat() if isinstance(value, datetime) else value


def parsed_row(row: ImportRow, *, class_known: bool) -> Parsed:
    """Return a stored row as it was understood, with what the check found among rows."""
    parsed = parse(Raw(row.number, row.data), class_known=class_known)
    among = tuple(code for code in row.codes if code.partition(":")[0] in _KEPT_CODES)
    return parsed.told(*(code for code in among if code not in parsed.codes))


async def apply_rows(
    session: AsyncSession,
    ring: KeyRing,
    place: Place,
    rows: Sequence[ImportRow],
    *,
    source: str,
    now: datetime,
    by: StaffView | None = None,
    account: str = "",
) -> None:
    """Put rows into a school; what has become wrong since the check is left out and says so.

    Args:
        by: who has it done; None: the operator at the command line.
        account: of the robot whose directory it is: its guardians' contacts are made and bound.
    """
    wanted = [row for row in rows if row.state in (READY, WARN)]
    parsed = [parsed_row(row, class_known=place.kind == "class") for row in wanted]
    world = await load(session, ring, place, parsed, now)
    chunk = _Chunk(session, ring, world, source, now)
    ended: dict[int, dict[str, object]] = {}
    for row, one in zip(wanted, parsed, strict=True):
        plan = decide(one, world)
        if plan.staff is not None and by is not None:
            plan = await _allowed(session, plan, by, now)
        state = DONE if plan.state in (READY, WARN) else plan.state
        ended[row.id] = {"id": row.id, "state": state, "codes": list(plan.row.codes), "made": {}}
        if state == DONE:
            await chunk.do(row, plan, by)
    await chunk.store()
    if account:
        await chunk.bind(account)
    for made in chunk.made:
        ended[made.row.id]["made"] = made.noted()
    if ended:
        # Together: as changes of objects they would go one statement each where columns differ.
        await session.execute(update(ImportRow), list(ended.values()))


async def _allowed(session: AsyncSession, plan: Plan, by: StaffView, now: datetime) -> Plan:
    """Leave out a teacher's account that is out of reach of who has the import done."""
    assert plan.staff is not None
    if await staffing.may_end(session, by, plan.staff.id, now=now):
        return plan
    return Plan(plan.row.told("teacher_above"))


class _Chunk:
    """Rows on their way into the tables."""

    def __init__(
        self, session: AsyncSession, ring: KeyRing, world: World, source: str, now: datetime
    ) -> None:
        self._session = session
        self._ring = ring
        self._world = world
        self._source = source
        self._now = now
        self.made: list[_Made] = []

    async def do(self, row: ImportRow, plan: Plan, by: StaffView | None) -> None:
        """Do what was decided for one row."""
        made = _Made(row)
        self.made.append(made)
        if plan.staff is not None:
            await self._link_teacher(plan.staff, plan.row.external_id, made, by)
            return
        kid = plan.kid or self._new_child(plan, made)
        if plan.kid is not None:
            await self._change_child(plan, kid, made)
        for carer in plan.carers:
            self._carer(carer, kid, made)

    async def _link_teacher(
        self, person: Staff, external_id: str, made: _Made, by: StaffView | None
    ) -> None:
        by_id = by.id if by else None
        if await staff_ids.put(
            self._session, person, external_id, seen=None, by=by_id, now=self._now
        ):
            self._world.staff_ids.add(external_id)
            made.changes.append(_Change(person, "external_id", None, external_id))

    async def bind(self, account: str) -> None:
        """Make the directory's guardians reachable at once; called after `store`."""
        for made in self.made:
            for guardian in made.listed:
                contact = await directory_contacts.reach(
                    self._session, guardian, account=account, now=self._now
                )
                if contact is not None:
                    made.bound.append(contact.id)

    async def store(self) -> None:
        """Write everything, in the order in which one row needs the other's id."""
        session = self._session
        session.add_all(made.child for made in self.made if made.child)
        session.add_all(guardian for made in self.made for guardian in made.guardians)
        await session.flush()
        for made in self.made:
            if made.child and made.child.place_id:
                made.stay = ChildPlace(
                    child_id=made.child.id, place_id=made.child.place_id, started_at=self._now
                )
                session.add(made.stay)
            for tied, kid in made.ties:
                tied.held = Guardianship(
                    guardian_id=tied.guardian.id,
                    child_id=kid.child.id,
                    relation=tied.relation,
                    created_at=self._now,
                )
                session.add(tied.held)
        await session.flush()

    def _new_child(self, plan: Plan, made: _Made) -> Kid:
        assert plan.place is not None
        row = plan.row
        made.child = people.new_child(
            place_id=plan.place.id,
            name=row.name,
            now=self._now,
            ring=self._ring,
            student_no=row.student_no,
            born=row.born,
            external_id=row.external_id,
            source=self._source,
        )
        kid = Kid(made.child)
        self._world.add(kid)
        return kid

    async def _change_child(self, plan: Plan, kid: Kid, made: _Made) -> None:
        assert plan.place is not None
        child, row = kid.child, plan.row
        if child.state == LEFT or child.place_id != plan.place.id:
            await self._move(child, plan.place.id, made)
        if row.student_no and not child.student_no:
            made.change(child, "student_no", row.student_no)
            child.student_key = people.student_key(self._ring, row.student_no)
            self._world.numbers.setdefault(row.student_no, kid)
        if row.external_id and not child.external_id:
            made.change(child, "external_id", row.external_id)

    async def _move(self, child: Child, place_id: int, made: _Made) -> None:
        before = {name: getattr(child, name) for name in ("place_id", "state", "left_at")}
        stay = select(ChildPlace).where(ChildPlace.child_id == child.id)
        here = await self._session.scalar(stay.where(ChildPlace.ended_at.is_(None)))
        if child.state == LEFT:
            await people.come_back(self._session, child, place_id, self._now)
        else:
            await people.move_child(self._session, child, place_id, self._now)
        made.ended_stay = here.id if here else None
        made.stay = await self._session.scalar(stay.where(ChildPlace.ended_at.is_(None)))
        for name, value in before.items():
            now = getattr(child, name)
            if now != value:
                made.changes.append(_Change(child, name, written(value), written(now)))

    def _carer(self, plan: CarerPlan, kid: Kid, made: _Made) -> None:
        carer, tied = plan.carer, plan.tied
        if tied is None:
            # An earlier row of this chunk may have added this guardian meanwhile.
            guardian = plan.guardian or self._new_guardian(plan, made)
            tied = Tied(guardian, carer.relation)
            kid.tied.append(tied)
            made.ties.append((tied, kid))
        elif tied.blocked:
            return
        guardian = tied.guardian
        if plan.phone:
            made.change(guardian, "phone", plan.phone)
            guardian.phone_key = people.phone_key(self._ring, plan.phone)
        if plan.again and tied.held is not None:
            made.change(tied.held, "ended_at", None)
        if plan.relation:
            tied.relation = plan.relation
            if tied.held is not None:
                made.change(tied.held, "relation", plan.relation)
        if carer.external_id and not guardian.external_id:
            made.change(guardian, "external_id", carer.external_id)
        if tied.relation in people.GRANDPARENTS and not guardian.large_type:
            made.change(guardian, "large_type", True)
        if guardian.external_id and guardian.external_id == carer.external_id:
            made.listed.append(guardian)
        self._world.add_tied(kid, tied)

    def _new_guardian(self, plan: CarerPlan, made: _Made) -> Guardian:
        carer = plan.carer
        guardian = people.new_guardian(
            name=carer.name,
            now=self._now,
            ring=self._ring,
            phone=carer.phone,
            external_id=carer.external_id,
            large_type=carer.relation in people.GRANDPARENTS,
            source=self._source,
        )
        made.guardians.append(guardian)
        return guardian


def _id(row: Any) -> int:
    return int(row.id)
