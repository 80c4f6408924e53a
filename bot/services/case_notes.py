"""Notes of a case: a person's own words, signed as they are written and never changed.

Called by the case's page and by what asks for a reason (a judged level, a guardian who may not be
told, a step that is left out). A note is a signed `CaseForm` of one field, so that it is kept,
encrypted and deleted like every other part of the file. After a case is closed a note is an
addendum: nothing before it is edited.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.core.privacy import clean
from bot.db.models import Case, CaseEvent, CaseForm
from bot.db.models.case import CLOSED
from bot.db.models.file import SIGNED
from bot.services import case_rights, desk
from bot.services.live import publish
from bot.services.staff import StaffView

NOTE, ADDENDUM, JUDGED, BARRED, UNBARRED, HANDED = (
    "note",
    "addendum",
    "judged",
    "barred",
    "unbarred",
    "handed",
)
# Why a step before closing was left out, by the code of `bot.services.case_steps`.
LEFT_OUT = "left_out_"
STEPS_LEFT_OUT = ("told", "safety_plan", "follow_ups", "report")
KINDS = frozenset(
    {NOTE, ADDENDUM, JUDGED, BARRED, UNBARRED, HANDED} | {LEFT_OUT + one for one in STEPS_LEFT_OUT}
)
MOST = 4000
_TEXT, _FIELDS = "text", [{"name": "text", "type": "text"}]


@dataclass(frozen=True, slots=True)
class Note:
    """One note as it is shown."""

    kind: str
    text: str
    author: str
    at: datetime


async def write(
    session: AsyncSession, by: StaffView, case: Case, text: str, *, now: datetime
) -> CaseForm:
    """Write a note, or an addendum to a case that is closed.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: nothing was written, or more than `MOST` characters.
    """
    await case_rights.to_work(session, by, case)
    kind = ADDENDUM if case.state == CLOSED else NOTE
    row = await put(session, by, case, kind, text, now=now)
    session.add(CaseEvent(case_id=case.id, at=now, kind=kind, staff_id=by.id, data={}))
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return row


async def put(
    session: AsyncSession, by: StaffView, case: Case, kind: str, text: str, *, now: datetime
) -> CaseForm:
    """Store a person's words of a kind; who calls has asked the right.

    Raises:
        InputInvalid: nothing was written (`note_empty`), or too much (`note_too_long`).
    """
    words = clean(text).strip()
    if not words:
        raise InputInvalid("note_empty", field="text")
    if len(words) > MOST:
        raise InputInvalid("note_too_long", field="text")
    row = CaseForm(
        case_id=case.id,
        kind=kind,
        fields=_FIELDS,
        answers={_TEXT: words},
        state=SIGNED,
        author_id=by.id,
        made_at=now,
        signed_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def listed(session: AsyncSession, case_id: int, kinds: Collection[str] = KINDS) -> list[Note]:
    """Return the notes of a case, the newest first; who calls has asked the right."""
    found = await session.scalars(
        select(CaseForm)
        .where(CaseForm.case_id == case_id, CaseForm.kind.in_(kinds))
        .order_by(CaseForm.id.desc())
    )
    rows = found.all()
    names = await desk.staff_names(session, {row.author_id for row in rows})
    return [
        Note(row.kind, str(row.answers.get(_TEXT, "")), names.get(row.author_id, ""), row.made_at)
        for row in rows
    ]
