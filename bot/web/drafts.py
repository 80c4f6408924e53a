"""Drafts of what is typed on a case's page; `static/own/drafts.js` calls these by itself."""

import re

from starlette.responses import JSONResponse, Response

from bot.services import drafts, typing_signs
from bot.web.guard import Call

# The box from which a parent is written to: only that is shown to them as writing.
_BOX = re.compile(r"case:(\d{1,18}):text")


async def keep(call: Call) -> Response:
    """Keep what stands in one box now."""
    field, now = call.form.get("field", ""), call.services.clock.now()
    async with call.services.database.write() as session:
        await drafts.keep(
            session,
            call.staff,
            field,
            call.form.get("text", ""),
            now=now,
        )
        found = _BOX.fullmatch(field)
        shown = found is not None and await typing_signs.writing(
            session, call.staff, int(found[1]), now=now
        )
    if shown:
        call.services.bell.ring()
    return Response(status_code=204)


async def of_case(call: Call) -> Response:
    """Return this person's drafts of a case, and what a page needs that outlived its login.

    A page whose login ended keeps its text and asks here after somebody has signed in again
    elsewhere: it goes on only for the same person, with the new login's token.
    """
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        found = await drafts.of_case(session, call.staff, case_id)
    return JSONResponse({"staff": call.staff.id, "csrf": call.csrf, "drafts": dict(found)})
