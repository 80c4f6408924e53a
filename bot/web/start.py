"""The start page and the public page of one handbook entry."""

from starlette.responses import Response

from bot.core.errors import NotFound
from bot.web.guard import Call
from knowledge.entry import heading


async def start(call: Call) -> Response:
    """Show where to go."""
    return call.page("start.html")


async def handbook_entry(call: Call) -> Response:
    """Show one entry with its state, sources and version."""
    entry = call.services.answers.entry(call.request.path_params["entry_id"])
    if entry is None:
        raise NotFound("no such entry")
    return call.page("handbook_entry.html", entry=entry, heading=heading)
