"""Members of staff and their ids in DingTalk's organisation: one id, one account that is open.

By this id a teacher who writes to the robot is recognised, so whoever may put it in lends an
account's rights to a phone: the same right as for opening accounts, never for oneself. Called by
the pages of staff, by `staffing` and by imports of a directory (`importing.teachers`).
"""

import re
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid
from bot.db.locks import Turn, take_turn
from bot.db.models import Place, Staff, StaffRole
from bot.services import audit
from bot.services.staff import held_now

# DingTalk's userid: letters, digits, `_ - @ .`, at most 64.
_ID = re.compile(r"[A-Za-z0-9_@.\-]{1,64}")
AT_ONCE = 500


class IdTaken(Conflict):
    """Another open account has this id (`id_taken`), or the person's was changed (`id_row`)."""


def clean(text: str) -> str | None:
    """Return an id as it is stored; None for an empty one.

    Raises:
        InputInvalid: not an id.
    """
    wanted = text.strip()
    if wanted and not _ID.fullmatch(wanted):
        raise InputInvalid("external_id", field="external_id")
    return wanted or None


async def holder(session: AsyncSession, external_id: str, but: int) -> Staff | None:
    """Return another open account that has an id."""
    found = select(Staff).where(
        Staff.external_id == external_id, Staff.active.is_(True), Staff.id != but
    )
    return await session.scalar(found.limit(1))


async def put(
    session: AsyncSession,
    person: Staff,
    external_id: str | None,
    *,
    seen: str | None,
    by: int | None,
    now: datetime,
) -> bool:
    """Give an account an id, another one, or none; whoever calls has checked the right.

    Args:
        external_id: from `clean`.
        seen: the id that the page showed.
        by: None: the operator at the command line.

    Returns:
        Whether anything has changed.

    Raises:
        IdTaken: another open account has it, or somebody was faster.
    """
    await take_turn(session, Turn.STAFF_IDS)
    await session.refresh(person, ["external_id"], with_for_update=True)
    if person.external_id == external_id:
        return False
    if person.external_id != (seen or None):
        raise IdTaken("id_row")
    if external_id and await holder(session, external_id, person.id) is not None:
        raise IdTaken("id_taken")
    had = bool(person.external_id)
    person.external_id = external_id
    await session.flush()
    await audit.record(
        session,
        staff_id=by,
        action="staff.id_changed",
        object_kind="staff",
        object_id=person.id,
        now=now,
        data={"had": had, "has": bool(external_id)},
    )
    return True


async def of_school(session: AsyncSession, place: Place, now: datetime) -> list[Staff]:
    """Return the open accounts that have a role at a place or below it now."""
    rows = await session.scalars(
        select(Staff)
        .join(StaffRole, StaffRole.staff_id == Staff.id)
        .join(Place, Place.id == StaffRole.place_id)
        .where(Place.path.startswith(place.path), Staff.active.is_(True), held_now(now))
        .order_by(Staff.id)
    )
    return list(rows.unique())


async def known(session: AsyncSession, external_ids: Iterable[str]) -> set[str]:
    """Return those ids that open accounts have."""
    wanted, found = sorted(set(external_ids)), set[str]()
    for start in range(0, len(wanted), AT_ONCE):
        query = select(Staff.external_id).where(
            Staff.external_id.in_(wanted[start : start + AT_ONCE]), Staff.active.is_(True)
        )
        found |= {one for one in await session.scalars(query) if one}
    return found
