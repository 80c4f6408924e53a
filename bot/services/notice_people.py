"""Names and phones behind a notice, for those who may see them; every look is an audit entry.

Called by the teacher's pages. Whether a person may look is asked here, not by the page.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import AuditEntry, Child, Guardian, Guardianship, Notice, Place
from bot.db.models.delivery import ACCEPTED, CONFIRMED, READ
from bot.services import audit, notice_plan, people, rights
from bot.services.notice_plan import Way
from bot.services.notice_state import ChildState, NoticeStates
from bot.services.staff import StaffView

LIST, PHONE = "people.list", "people.phone"
NAMES_SHOWN, PHONES_SHOWN = "notice.names_shown", "notice.phones_shown"
# A page that follows by itself shows the same names again and again: that is one look.
LOOK = timedelta(minutes=10)
MOST_SILENT = 200
ARRIVED = (ACCEPTED, READ, CONFIRMED)


@dataclass(frozen=True, slots=True)
class Silent:
    """A child none of whose guardians can be told now, with the reason that is easiest to mend."""

    child_id: int
    name: str
    class_: str
    reason: str


@dataclass(frozen=True, slots=True)
class Phone:
    """One guardian on the phone list; an empty number: the school has none.

    Args:
        mark: a code, where people noted before that this guardian can't be reached.
    """

    name: str
    relation: str
    number: str
    mark: str


@dataclass(frozen=True, slots=True)
class Call:
    """One child on the phone list."""

    child_id: int
    name: str
    class_: str
    guardians: tuple[Phone, ...]

    @property
    def marked(self) -> bool:
        """Say whether a guardian was noted as hard to reach: the one who phones begins here."""
        return any(one.mark for one in self.guardians)


async def look(
    session: AsyncSession,
    by: StaffView,
    notice: Notice,
    child_ids: Collection[int],
    *,
    action: str = NAMES_SHOWN,
    now: datetime,
) -> None:
    """Write into the audit trail that a person is shown these children's names."""
    entry = {"children": sorted(child_ids), "place": notice.place_id}
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="notice",
        object_id=notice.id,
        now=now,
        data=entry,
    )


async def looked(session: AsyncSession, by: StaffView, notice: Notice, now: datetime) -> bool:
    """Say whether this person's look at the names stands in the trail of the last minutes."""
    found = await session.scalar(
        select(AuditEntry.id)
        .where(
            AuditEntry.staff_id == by.id,
            AuditEntry.at > now - LOOK,
            AuditEntry.action == NAMES_SHOWN,
            AuditEntry.object_kind == "notice",
            AuditEntry.object_id == notice.id,
        )
        .limit(1)
    )
    return found is not None


async def silent(
    session: AsyncSession, notice: Notice, *, now: datetime, templates: Collection[str]
) -> list[Silent]:
    """Return the children of a notice's place none of whose guardians can be told now."""
    place = await session.get_one(Place, notice.place_id)
    scope = notice_plan.children_below(place)
    children = list(await session.scalars(scope))
    ties = await _ties(session, children)
    guardians = {guardian for found in ties.values() for guardian in found}
    ways = await notice_plan.ways(session, guardians, scope, now=now, templates=templates)
    reasons: dict[int, str] = {}
    for child_id in children:
        best = notice_plan.best([ways.get(one, Way()) for one in ties.get(child_id, [])])
        if not best.name and len(reasons) < MOST_SILENT:
            reasons[child_id] = best.reason
    names = await _children(session, list(reasons))
    return [Silent(child.id, child.name, class_, reasons[child.id]) for child, class_ in names]


async def phones(
    session: AsyncSession, by: StaffView, notice: Notice, found: NoticeStates, now: datetime
) -> list[Call]:
    """Return whom to phone: the children nobody has confirmed for, or whom nothing reached.

    First come the children of guardians who are marked as hard to reach.

    Raises:
        NotAllowed: the person may not see phones at the notice's place.
    """
    rights.require(by, PHONE, notice.place_id)
    wanted = [row.child_id for row in found.children if _to_phone(notice, row)]
    await look(session, by, notice, wanted, action=PHONES_SHOWN, now=now)
    told: dict[int, list[Phone]] = {}
    for start in range(0, len(wanted), notice_plan.AT_ONCE):
        part = wanted[start : start + notice_plan.AT_ONCE]
        rows = await session.execute(
            select(Guardianship, Guardian)
            .join(Guardian, Guardian.id == Guardianship.guardian_id)
            .join(Child, Child.id == Guardianship.child_id)
            .where(Child.id.in_(part), *people.here(), Guardianship.custody_block.is_(False))
            .order_by(Guardianship.child_id, Guardianship.id)
        )
        for tie, guardian in rows:
            row = Phone(guardian.name, tie.relation, guardian.phone or "", tie.unreachable)
            told.setdefault(tie.child_id, []).append(row)
    calls = [
        Call(child.id, child.name, class_, tuple(told.get(child.id, ())))
        for child, class_ in await _children(session, wanted)
    ]
    return sorted(calls, key=lambda call: not call.marked)


async def marked(session: AsyncSession, notice: Notice) -> list[Silent]:
    """Return the children of a notice's place with a guardian marked as hard to reach.

    The notice is sent to them all the same: a mark is of people, and may be about the phone.
    """
    place = await session.get_one(Place, notice.place_id)
    rows = await session.execute(
        select(Child, Place.name, Guardianship.unreachable)
        .join(Guardianship, Guardianship.child_id == Child.id)
        .join(Guardian, Guardian.id == Guardianship.guardian_id)
        .outerjoin(Place, Place.id == Child.place_id)
        .where(
            Child.id.in_(notice_plan.children_below(place)),
            Guardianship.unreachable != "",
            Guardianship.custody_block.is_(False),
            *people.here(),
        )
        .order_by(Child.place_id, Child.id, Guardianship.id)
        .limit(MOST_SILENT)
    )
    first: dict[int, Silent] = {}
    for child, class_, mark in rows:
        first.setdefault(child.id, Silent(child.id, child.name, class_ or "", mark))
    return list(first.values())


def _to_phone(notice: Notice, row: ChildState) -> bool:
    if notice.confirm:
        return row.confirmed_at is None
    return not any(one.state in ARRIVED for one in row.guardians)


async def _ties(session: AsyncSession, child_ids: Sequence[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for start in range(0, len(child_ids), notice_plan.AT_ONCE):
        rows = await session.execute(
            select(Guardianship.child_id, Guardianship.guardian_id).where(
                Guardianship.child_id.in_(child_ids[start : start + notice_plan.AT_ONCE]),
                Guardianship.ended_at.is_(None),
                Guardianship.custody_block.is_(False),
            )
        )
        for child_id, guardian_id in rows:
            found.setdefault(child_id, []).append(guardian_id)
    return found


async def _children(session: AsyncSession, ids: Sequence[int]) -> list[tuple[Child, str]]:
    """Return children with the name of their class, class by class."""
    found: list[tuple[Child, str]] = []
    for start in range(0, len(ids), notice_plan.AT_ONCE):
        rows = await session.execute(
            select(Child, Place.name)
            .outerjoin(Place, Place.id == Child.place_id)
            .where(Child.id.in_(ids[start : start + notice_plan.AT_ONCE]))
            .order_by(Child.place_id, Child.id)
        )
        found += [(child, name or "") for child, name in rows]
    return found
