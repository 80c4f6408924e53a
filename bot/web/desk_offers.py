"""Presence and offers on the desk's pages: 我在线, 接下一个, 让给别人, and the bar that shows them.

The bar stands above the queue and on a case's page. It asks by itself every twenty seconds, which
is the sign of life of the person in front of it (`bot.services.presence`).
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict
from bot.db.models import Case
from bot.services import desk, level_words, offers, presence, priority, transfers
from bot.services.offers import Running
from bot.web.guard import Call


async def offer_part(call: Call) -> Response:
    """Return the bar alone, for a page that is open; note that somebody is there."""
    return call.page("_offer.html", **await bar(call))


async def bar(call: Call) -> dict[str, Any]:
    """Return what the bar shows: who takes cases, and what is offered to this person."""
    await _settle(call)
    now, me = call.services.clock.now(), call.staff
    async with call.services.database.read() as session:
        row = await presence.of(session, me.id)
        offer = await offers.of_person(session, me.id, now=now)
        people = await offers.colleagues(session, me, now=now)
        about = await _about(session, offer) if offer else {}
        handed = await transfers.waiting_for(session, me, now=now)
        names = await desk.staff_names(session, {one.from_id for one in handed})
        left = [] if presence.said_ready(row) else await offers.in_hand(session, me.id)
    if presence.due(row, now):
        async with call.services.database.write() as session:
            await presence.seen(session, me.id, now=now)
    case_id = call.request.query_params.get("case", "")
    at_case = case_id if case_id.isdecimal() and len(case_id) < 19 else ""
    return {
        "at_case": at_case,
        "ready": presence.said_ready(row),
        "offer": offer,
        "about": about,
        "online": people,
        "left": left,
        "handed": [(one, names.get(one.from_id, "")) for one in handed],
    }


async def _about(session: AsyncSession, offer: Running) -> dict[str, Any]:
    """Return what the bar says of the case that is offered: no word that a parent wrote."""
    case = await session.get_one(Case, offer.case_id)
    names = await desk.place_names(session, [case.place_id])
    words = await level_words.shown(session, case.place_id)
    level = priority.standing(case)
    place = names.get(case.place_id, ("", ""))[1]
    return {"case": case, "level": level, "words": words, "place": place}


async def _settle(call: Call) -> None:
    """Note the end of offers that the worker has not come to yet; each in its own transaction."""
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        found = await offers.stale(session, now=now)
    for offer_id in found:
        async with call.services.database.write() as session:
            await offers.look(session, offer_id, now=now)


async def say_presence(call: Call) -> Response:
    """Come to the desk or go away from it."""
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        if call.form.get("state") == "ready":
            await presence.arrive(session, call.staff, now=now)
        else:
            await offers.leave(session, call.staff, now=now)
    return _back(call)


async def take_next(call: Call) -> Response:
    """Ask for the most urgent open case."""
    await _settle(call)
    async with call.services.database.write() as session:
        now = call.services.clock.now()
        found = await offers.take_next(session, call.staff, now=now)
    return _back(call) if found else _back(call, "none_left")


async def decline(call: Call) -> Response:
    """Let a case go that is offered; the next person is asked."""
    offer_id: int = call.request.path_params["offer_id"]
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await offers.decline(session, call.staff, offer_id, now=now)
    except Conflict:
        return _back(call, "offer_over")
    return _back(call, "let_go")


def _back(call: Call, said: str = "") -> Response:
    """Go back to where the button was: the queue, or the case's page it stood on."""
    call.services.bell.ring()
    case_id = call.form.get("case", "")
    if case_id.isdecimal() and len(case_id) < 19 and not said:
        return RedirectResponse(f"/desk/cases/{case_id}", 303)
    return RedirectResponse(f"/desk?said={said}" if said else "/desk", 303)
