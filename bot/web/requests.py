"""`/admin/requests`: what parents ask about their data, answered in writing in time."""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.services import binding_desk, consent_counts, data_requests, rights
from bot.web.bindings_words import word
from bot.web.consents import shown
from bot.web.guard import Call

PAGE = "/admin/requests"


async def list_page(call: Call, *, status: int = 200, trouble: str = "") -> Response:
    """Show what waits, what is overdue, what was answered, and how many consents stand."""
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        rows = await data_requests.listing(session, call.staff, now)
        places = rights.places_for(call.staff, consent_counts.RIGHT)
        counts = await consent_counts.total(session, places, call.services.phrases)
    if rows:
        async with call.services.database.write() as session:
            asked = [one.row.contact_id for one in rows]
            await binding_desk.looked(session, call.staff, asked, now, action="request.listed")
    return call.page(
        "admin_requests.html",
        status=status,
        rows=rows,
        counts=counts,
        cell=shown,
        sent=call.form,
        word=word,
        notice=word("done", call.request.query_params.get("done", "")),
        trouble=trouble,
    )


async def answer(call: Call) -> Response:
    """Answer one request."""
    try:
        async with call.services.database.write() as session:
            await data_requests.answer(
                session,
                call.staff,
                call.request.path_params["request_id"],
                state=call.form.get("state", ""),
                words=call.form.get("answer", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await list_page(call, status=422, trouble=word("trouble", error.field))
    except Conflict as error:
        return await list_page(call, status=error.status, trouble=word("trouble", "conflict"))
    return RedirectResponse(f"{PAGE}?done=answered", 303)
