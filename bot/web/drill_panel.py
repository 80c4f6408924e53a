"""What the page of a drill's case says of the drill. A panel of `bot.web.case_panels`."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case
from bot.db.models.case import ACCEPTED
from bot.web.guard import Call


async def panel(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Read what is practised; None for a real case."""
    if not case.drill:
        return None
    return {"case": case, "open": case.state == ACCEPTED}
