"""Cases without a message: a teacher's worry, a call to the hotline, a drill.

Each gets a contact of its own on the channel `phone`, to whom nothing can be written, so that the
case stands in the same queue, with the same ladder and clocks, as those that the screen opens.
Called by worries, phone calls and drills, which ask for the right before.
"""

from datetime import datetime
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case, CaseEvent, Contact
from bot.services import cases, contacts
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.staff import StaffView


async def open_by_hand(
    session: AsyncSession,
    policy: AlertPolicy,
    by: StaffView | None,
    *,
    place_id: int | None,
    level: str,
    categories: tuple[str, ...],
    origin: str,
    now: datetime,
    subject: str = "child",
    who: str = "",
    child_id: int | None = None,
    name: str = "",
    drill: bool = False,
) -> Case:
    """Open a case that no message began, and start the ladder where its level has one.

    Args:
        by: who opens it; None for the system.
        place_id: class, school or district of whom it is about; category and subject decide
            whose desk the case stands on.
        origin: a word of labels `origin`, such as `worry`, `phone` or `drill`.
        who: who spoke, by the screen's codes (`T` a teacher, `PC` a parent about a child …).
        name: what the caller says their name is; shown like a parent's.
    """
    contact = Contact(
        channel=contacts.PHONE,
        account="",
        external_id=uuid4().hex,
        place_id=place_id,
        name=name or None,
        created_at=now,
        window_used=0,
        window_limit=0,
    )
    session.add(contact)
    await session.flush()
    cause = Cause(level, categories, who, subject, origin)
    case = await cases.open_or_raise(session, policy, contact, None, cause, now=now, drill=drill)
    case.child_id, case.phone_now = child_id, True
    data: dict[str, object] = {"origin": origin}
    event = CaseEvent(
        case_id=case.id, at=now, kind="by_hand", staff_id=by.id if by else None, data=data
    )
    session.add(event)
    await session.flush()
    return case
