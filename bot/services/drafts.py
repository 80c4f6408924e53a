"""Drafts: what somebody types on a case's page and has not sent yet.

Called by the pages every few seconds while a person types, so that a lost page, a browser that
crashed or a sign-in that ended loses nothing. A draft is its author's own: nobody else is shown it,
until a case is handed over (`hand_on`).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.core.privacy import clean
from bot.db.models import Case, Draft
from bot.jobs.engines import dialect_of
from bot.services import case_rights, rights
from bot.services.staff import StaffView

MOST = 20_000
# Which box of which page: `case:12:told`, or `new:call:note` where there is no case yet.
_FIELD = re.compile(r"(?:case:(\d{1,18})|new:[a-z_]{1,20}):[a-z0-9_]{1,40}")
_DRAFT = cast(Table, Draft.__table__)


async def keep(
    session: AsyncSession, by: StaffView, field: str, text: str, *, now: datetime
) -> None:
    """Keep what somebody has typed into a box so far; nothing left in it drops the draft.

    Raises:
        InputInvalid: no such box, or longer than `MOST` characters.
        NotFound: the case is out of the person's reach.
    """
    await _require(session, by, field)
    words = clean(text)
    if len(words) > MOST:
        raise InputInvalid("draft_too_long", field="text")
    if not words.strip():
        await drop(session, by, [field])
        return
    row = {"staff_id": by.id, "field": field, "text": words, "at": now}
    insert = dialect_of(session).insert(_DRAFT).values(row)
    await session.execute(
        insert.on_conflict_do_update(
            index_elements=["staff_id", "field"], set_={"text": insert.excluded["text"], "at": now}
        )
    )


async def of_case(session: AsyncSession, by: StaffView, case_id: int) -> Mapping[str, str]:
    """Return a person's own drafts of one case, by box.

    Raises:
        NotFound: the case is out of the person's reach.
    """
    await case_rights.to_work(session, by, await session.get(Case, case_id))
    rows = await session.scalars(
        select(Draft).where(
            Draft.staff_id == by.id, Draft.field.startswith(f"case:{case_id}:", autoescape=True)
        )
    )
    return {row.field: row.text for row in rows}


async def of_new(session: AsyncSession, by: StaffView, what: str) -> Mapping[str, str]:
    """Return a person's own drafts of something that is not entered yet, such as `call`, by box."""
    rows = await session.scalars(
        select(Draft).where(
            Draft.staff_id == by.id, Draft.field.startswith(f"new:{what}:", autoescape=True)
        )
    )
    return {row.field: row.text for row in rows}


async def drop(session: AsyncSession, by: StaffView, fields: Iterable[str]) -> None:
    """Drop a person's own drafts of these boxes: what stood in them was sent, or is not wanted."""
    wanted = [field for field in fields if _FIELD.fullmatch(field)]
    await session.execute(delete(Draft).where(Draft.staff_id == by.id, Draft.field.in_(wanted)))


async def hand_on(session: AsyncSession, case_id: int, *, from_id: int, to_id: int) -> int:
    """Give a case's drafts to who takes it over, where they have written nothing themselves.

    Returns:
        How many were handed on.
    """
    prefix = f"case:{case_id}:"
    rows = await session.scalars(
        select(Draft).where(
            Draft.staff_id.in_([from_id, to_id]), Draft.field.startswith(prefix, autoescape=True)
        )
    )
    found = list(rows)
    own = {row.field for row in found if row.staff_id == to_id}
    # Half a sentence to the parent is no note: only who began it knows where it was to lead.
    given = [
        row
        for row in found
        if row.staff_id == from_id and row.field not in own and row.field != f"{prefix}text"
    ]
    for row in given:
        row.staff_id = to_id
    return len(given)


async def _require(session: AsyncSession, by: StaffView, field: str) -> None:
    found = _FIELD.fullmatch(field)
    if found is None:
        raise InputInvalid("no such box", field="field")
    if found[1] is not None:
        case = await session.get(Case, int(found[1]))
        await case_rights.to_work(session, by, case)
    else:
        rights.require_somewhere(by, case_rights.WORK)
