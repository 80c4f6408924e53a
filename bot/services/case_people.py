"""The people of a case: the child it is about, who cares for it, and how they are reached.

Called by the case's page. The children are those of the guardian whose contact it is, within reach
of whoever works on the case. Phones are read apart, and each reading is an audit entry. Whom nobody
may tell (a custody block, guardians barred by a person or by what happened) is said beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.db.models import Case, CaseEvent, Child, Contact, Guardian
from bot.services import audit, case_rights, desk, people, rights
from bot.services.live import publish
from bot.services.people import ChildRow
from bot.services.staff import StaffView

PHONES_READ = "case.phones_read"


@dataclass(frozen=True, slots=True)
class People:
    """Who a case is about.

    Args:
        child: the one that a person chose, or the only one there is; None: nobody said which.
        children: those it can be about.
        places: names of their classes with the school, by place.
        writer_id: the guardian whose contact it is; None: nobody proved that.
    """

    child: ChildRow | None
    children: tuple[ChildRow, ...]
    places: Mapping[int, str]
    writer_id: int | None


async def of_case(session: AsyncSession, by: StaffView, case: Case) -> People:
    """Return the people of a case, without their phones; who calls has asked the right.

    A child of the family at another school is left out, unless the case was said to be about it.
    """
    contact = await session.get_one(Contact, case.contact_id)
    children: list[Child] = []
    if contact.guardian_id is not None:
        family = await people.children_of_guardian(session, contact.guardian_id)
        reach = rights.places_for(by, case_rights.WORK)
        children = [child for child in family if child.place_id in reach]
    if case.child_id is not None and case.child_id not in {child.id for child in children}:
        children.append(await session.get_one(Child, case.child_id))
    rows = [_writer_first(row, contact) for row in await people.child_rows(session, children)]
    chosen = next((row for row in rows if row.id == case.child_id), None)
    if chosen is None and len(rows) == 1:
        chosen = rows[0]
    named = await desk.place_names(session, {row.place_id for row in rows})
    names = {place_id: words[1] for place_id, words in named.items() if place_id}
    return People(chosen, tuple(rows), names, contact.guardian_id)


def _writer_first(child: ChildRow, contact: Contact) -> ChildRow:
    """Return a child whose guardian the contact is, that guardian named first."""
    order = sorted(child.guardians, key=lambda one: one.guardian_id != contact.guardian_id)
    return replace(child, guardians=tuple(order))


async def choose_child(
    session: AsyncSession, by: StaffView, case: Case, *, child_id: int | None, now: datetime
) -> None:
    """Say which child a case is about; None: nobody knows.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no child of this contact (`no_child`).
    """
    await case_rights.to_work(session, by, case)
    if child_id is not None:
        known = await of_case(session, by, case)
        if child_id not in {row.id for row in known.children}:
            raise InputInvalid("no_child", field="child")
    case.child_id = child_id
    session.add(CaseEvent(case_id=case.id, at=now, kind="child_chosen", staff_id=by.id, data={}))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)


async def phones(
    session: AsyncSession, by: StaffView, case: Case, *, now: datetime
) -> Mapping[int, str]:
    """Return the phones of those who care for the children of a case, and record the reading.

    Raises:
        NotFound: the case is out of the person's reach.
    """
    await case_rights.to_work(session, by, case)
    await audit.record(
        session,
        staff_id=by.id,
        action=PHONES_READ,
        object_kind="case",
        object_id=case.id,
        now=now,
    )
    return await numbers(session, await of_case(session, by, case))


async def numbers(session: AsyncSession, found: People) -> Mapping[int, str]:
    """Return the phones of people by guardian; who calls records that they are shown.

    Of somebody who may be told nothing no phone is shown: it would be called by mistake.
    """
    wanted = {
        one.guardian_id
        for child in found.children
        for one in child.guardians
        if not one.custody_block
    }
    rows = await session.scalars(select(Guardian).where(Guardian.id.in_(wanted)))
    return {row.id: row.phone for row in rows if row.phone}
