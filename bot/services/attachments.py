"""The files of a case: kept encrypted, read only when somebody opens one, each reading logged.

Called by the case's page. What may be kept is decided by `file_types`.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import Attachment, Case, CaseEvent
from bot.services import audit, case_rights
from bot.services.file_types import Checked
from bot.services.live import publish
from bot.services.staff import StaffView

MOST = 20


async def add(
    session: AsyncSession, by: StaffView, case: Case, checked: Checked, *, now: datetime
) -> Attachment:
    """Keep a file that may be kept; the same file again is the one that is there already.

    Args:
        checked: by `file_types.check`, which takes its time and so comes before the transaction.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: the case has as many files as it may.
    """
    await case_rights.to_work(session, by, case)
    digest = hashlib.sha256(checked.content).hexdigest()
    await session.get(Case, case.id, with_for_update=True)
    here = select(Attachment).where(Attachment.case_id == case.id, Attachment.removed_at.is_(None))
    same = await session.scalar(here.where(Attachment.digest == digest))
    if same is not None:
        return same
    if (await session.scalar(select(func.count()).select_from(here.subquery())) or 0) >= MOST:
        raise InputInvalid("file_count", field="file")
    row = Attachment(
        case_id=case.id,
        staff_id=by.id,
        name=checked.name,
        media_type=checked.media_type,
        size=len(checked.content),
        digest=digest,
        content=base64.b64encode(checked.content).decode(),
        at=now,
    )
    session.add(row)
    await session.flush()
    await _log(session, by, case, row, "attachment.added", now)
    return row


async def of_case(session: AsyncSession, case_id: int) -> Sequence[Attachment]:
    """Return the files of a case without their content, those that were removed among them."""
    query = select(Attachment).where(Attachment.case_id == case_id).order_by(Attachment.id)
    return (await session.scalars(query)).all()


async def read(
    session: AsyncSession, by: StaffView, case_id: int, attachment_id: int, *, now: datetime
) -> tuple[Attachment, bytes]:
    """Return a file with its content, and write the read into the audit trail.

    Raises:
        NotFound: there is none, it was removed, or it is out of the person's reach.
    """
    case = await case_rights.visible(session, by, case_id)
    row = await _of(session, case, attachment_id, with_content=True)
    if row.removed_at is not None:
        raise NotFound(f"attachment {attachment_id}")
    await _log(session, by, case, row, "attachment.read", now)
    return row, base64.b64decode(row.content)


async def remove(
    session: AsyncSession, by: StaffView, case: Case, attachment_id: int, *, now: datetime
) -> Attachment:
    """Empty a file for good; that there was one stays to be seen. Only who added it may.

    Raises:
        NotFound: there is none, or it is out of the person's reach.
        NotAllowed: somebody else added it.
        Conflict: it is removed already.
    """
    await case_rights.to_work(session, by, case)
    row = await _of(session, case, attachment_id)
    if row.staff_id != by.id:
        raise NotAllowed("not one's own")
    if row.removed_at is not None:
        raise Conflict("file_removed")
    row.removed_at, row.content = now, ""
    await _log(session, by, case, row, "attachment.removed", now)
    return row


async def _of(
    session: AsyncSession, case: Case, attachment_id: int, *, with_content: bool = False
) -> Attachment:
    query = select(Attachment).where(Attachment.id == attachment_id, Attachment.case_id == case.id)
    if with_content:
        query = query.options(undefer(Attachment.content))
    row = await session.scalar(query)
    if row is None:
        raise NotFound(f"attachment {attachment_id}")
    return row


async def _log(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    row: Attachment,
    action: str,
    now: datetime,
) -> None:
    """Write what was done into the audit trail; what changed the case into its timeline too."""
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="case",
        object_id=case.id,
        now=now,
        data={"attachment": row.id, "digest": row.digest},
    )
    if action != "attachment.read":
        kind = action.replace(".", "_")
        session.add(
            CaseEvent(
                case_id=case.id, at=now, kind=kind, staff_id=by.id, data={"attachment": row.id}
            )
        )
        await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
