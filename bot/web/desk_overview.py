"""The overview for leads and the district: each school's cases as counts, and who is there."""

from starlette.responses import Response

from bot.services import overview
from bot.web.guard import Call


async def page(call: Call) -> Response:
    """Show what waits where; no names of parents, no words, no case."""
    async with call.services.database.read() as session:
        rows = await overview.schools(session, call.staff, now=call.services.clock.now())
    return call.page("desk_overview.html", rows=rows, levels=overview.LEVELS)
