"""A case's page: shown whole, its living part alone, or again with what went wrong in an act.

Called by the routes and by `bot.web.case_acts`.
"""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.levels import LEVELS
from bot.services import (
    canned,
    case_notes,
    case_people,
    case_rights,
    case_steps,
    cases,
    conversations,
    desk,
    level_words,
    live,
    places,
)
from bot.services.dossier import Dossier, Line, dossier
from bot.web import case_panels, panel_talk
from bot.web.desk_queue import log_reads
from bot.web.guard import Call
from bot.web.render import area_word, category_codes


async def case_page(call: Call) -> Response:
    """Show one case with its conversation and its panels."""
    return await show(call, notice=_done(call.request.query_params.get("done", "")))


def _done(name: str) -> str:
    """Return the words for what was just done, from `[done]` or an area's `[done_…]`."""
    found = area_word("done", name)
    return "" if found == name else found


async def show(
    call: Call, *, status: int = 200, notice: str = "", problem: str = "", failed: str = ""
) -> Response:
    """Show a case's page, also after something did not work: then with what was typed.

    Args:
        failed: name of the act that did not work; a panel's template sees it, and `sent` with the
            form as it came, so that it can fill its own boxes again.
    """
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        newest = await live.newest_id(session)
        found = await read(session, call, case_id)
        beside = await case_panels.panels(session, call, found.case)
        missing = await case_steps.missing(session, found.case)
        words = await level_words.shown(session, found.case.place_id)
        region = await _region(session, found)
        phones = [case_id] if panel_talk.has_in_hand(call, found.case) else []
        action = case_people.PHONES_READ
        phones = await desk.unlogged_reads(
            session, call.staff, phones, action=action, now=call.services.clock.now()
        )
    await log_reads(call, "case.read", [case_id])
    await log_reads(call, action, phones)
    return call.page(
        "case.html",
        status=status,
        d=found,
        panels=beside,
        newest=newest,
        notice=notice,
        problem=problem,
        failed=failed,
        sent=call.form,
        close_reasons=[r for r in cases.CLOSE_REASONS if (r == "drill") == found.case.drill],
        marking=_marking(call, found),
        levels=LEVELS,
        categories=category_codes(),
        max_bytes=conversations.MAX_BYTES,
        missing=missing,
        left_out=case_notes.STEPS_LEFT_OUT,
        words=words,
        canned=canned.by_situation(
            call.services.phrases,
            call.services.lines.book,
            moment=call.services.clock.now(),
            region=region,
        ),
    )


async def _region(session: AsyncSession, found: Dossier) -> str:
    place = await places.get(session, found.contact.place_id or found.case.place_id)
    return place.region if place else ""


def _marking(call: Call, found: Dossier) -> Line | None:
    """Return the message whose judgement a person wants to correct, if there is one."""
    asked = call.form.get("message") or call.request.query_params.get("mark", "")
    lines = (line for line in found.lines if line.fresh and str(line.message_id) == asked)
    return next(lines, None)


async def case_part(call: Call) -> Response:
    """Return the parts of a case's page that change, for a page that is open."""
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        found = await read(session, call, case_id)
        words = await level_words.shown(session, found.case.place_id)
        fresh = await desk.unlogged_reads(
            session, call.staff, [case_id], action="case.read", now=call.services.clock.now()
        )
    await log_reads(call, "case.read", fresh)
    return call.page("_case_live.html", d=found, words=words)


async def read(session: AsyncSession, call: Call, case_id: int) -> Dossier:
    """Return everything of one case for whoever calls.

    Raises:
        NotFound: there is none within their reach.
    """
    case = await case_rights.visible(session, call.staff, case_id)
    return await dossier(session, call.staff, case, now=call.services.clock.now())
