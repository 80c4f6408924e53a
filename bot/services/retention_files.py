"""How the file of a case is forgotten: its forms, people told, attachments, plans, calls, reports.

Used by `bot.services.retention_rules`. Everything of a file goes with its case; what was written
about a false alarm or a drill goes after a week, as its words do, but a report stays.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Select, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import (
    Attachment,
    CarePlan,
    CareTask,
    Case,
    CaseForm,
    CaseOffer,
    Drill,
    FollowUp,
    PhoneCall,
    ReadReason,
    Report,
    Told,
    Worry,
)
from bot.services.retention_parts import Due, Ids, Part, free

# What holds words about people; an amendment points to a form of its own case.
_WRITTEN = (CaseForm, Told, Attachment, CarePlan, FollowUp, CareTask, Worry, PhoneCall)
_REST = (Report, ReadReason, CaseOffer)


async def drop_files(session: AsyncSession, case_ids: Sequence[int]) -> None:
    """Delete everything of the files of cases that are about to be deleted."""
    await _drop_written(session, case_ids)
    for model in _REST:
        await session.execute(delete(model).where(model.case_id.in_(case_ids)))
    await session.execute(update(Drill).where(Drill.case_id.in_(case_ids)).values(case_id=None))


async def _drop_written(session: AsyncSession, case_ids: Sequence[int]) -> None:
    for model in _WRITTEN:
        await session.execute(delete(model).where(model.case_id.in_(case_ids)))


async def _forget_written(session: AsyncSession, ids: Ids, _now: datetime) -> None:
    await _drop_written(session, ids)


def written_of(cases: Due) -> Part:
    """Return the part of what was written in the files of some cases, none of a held contact.

    Args:
        cases: gives the ids of these cases at a cut-off moment.
    """

    def due(cutoff: datetime) -> Select[int]:
        some = (select(model.id).where(model.case_id == Case.id).exists() for model in _WRITTEN)
        return select(Case.id).where(Case.id.in_(cases(cutoff)), free(Case.contact_id), or_(*some))

    return Part(due, _forget_written, 100)
