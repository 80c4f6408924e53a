"""The start page and the public page of one handbook entry."""

from starlette.responses import Response

from bot.core.errors import NotFound
from bot.web.guard import Call
from knowledge.entry import heading
from knowledge.outline import course_themes


async def start(call: Call) -> Response:
    """Show where to go."""
    return call.page("start.html")


async def handbook_entry(call: Call) -> Response:
    """Show one entry with its state, sources and version."""
    entry = call.services.answers.entry(call.request.path_params["entry_id"])
    if entry is None:
        raise NotFound("no such entry")
    related = [call.services.answers.entry(name) for name in entry.related]
    return call.page(
        "handbook_entry.html",
        entry=entry,
        heading=heading,
        related=[one for one in related if one],
        themes=[course_themes()[name] for name in entry.courses if name in course_themes()],
    )
