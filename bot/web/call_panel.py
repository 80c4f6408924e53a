"""What a case's page shows of its phone calls. Used by `bot.web.case_panels`."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case
from bot.services import desk, phone_calls, rights
from bot.web.guard import Call


async def panel(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Return the calls of a case; None where there are none and none can be entered."""
    calls = await phone_calls.of_case(session, case.id)
    may_enter = rights.may(call.staff, phone_calls.ENTER) and case.state != "closed"
    if not calls and not may_enter:
        return None
    names = await desk.staff_names(session, {one.staff_id for one in calls})
    return {"calls": calls, "names": names, "may_enter": may_enter}
