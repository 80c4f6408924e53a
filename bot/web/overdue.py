"""The overdue board: everything in a person's reach that should have been done by now."""

from starlette.responses import Response

from bot.services import agenda, rights
from bot.services.case_rights import WORK
from bot.web.guard import Call

SHOWN = 200


async def board(call: Call) -> Response:
    """Show what is overdue, the worst first; without names or words of a case."""
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        rows = await agenda.overdue(session, call.staff, now=now)
    return call.page(
        "overdue.html",
        rows=rows[:SHOWN],
        more=max(0, len(rows) - SHOWN),
        works=rights.may(call.staff, WORK),
    )
