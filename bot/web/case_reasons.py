"""The door of every page of a case: it asks once a day why somebody reads it.

`bot.web.routes` puts it around each page below `/desk/cases/N`. Whoever works on the case passes;
accepting it is a reason too. Somebody else's case is answered by 404 and leaves an audit entry.
"""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid, NotFound
from bot.core.rights import right
from bot.db.models import Case
from bot.db.models.case import OPEN
from bot.services import case_rights, desk, level_words, read_reasons
from bot.web.access import Access
from bot.web.guard import Call, Page
from bot.web.render import label

PREFIX = "/desk/cases/{case_id:int}"
GIVE = f"{PREFIX}/reason"


def door(line: tuple[str, str], access: Access, page: Page) -> Page:
    """Return a page behind the door where it is one of a case's, as it is otherwise."""
    method, path = line
    theirs = bool(access.action) and right(access.action).roles <= right("case.read").roles
    if not path.startswith(PREFIX) or line == ("POST", GIVE) or not theirs:
        return page

    async def behind(call: Call) -> Response:
        case = await _visible(call)
        accepts = line == ("POST", f"{PREFIX}/accept")
        # A page that was open at midnight still sends what was typed, and asks for its own drafts.
        open_before = method == "POST" or line == ("GET", f"{PREFIX}/drafts")
        if await _passes(call, case, accepts=accepts, open_before=open_before):
            return await page(call)
        if method == "POST":
            return RedirectResponse(f"/desk/cases/{case.id}", 303)
        if access.by_itself:
            return call.page("_case_asked.html", case=case)
        return await _ask(call, case)

    return behind


async def _visible(call: Call) -> Case:
    case_id: int = call.request.path_params["case_id"]
    try:
        async with call.services.database.read() as session:
            return await case_rights.visible(session, call.staff, case_id)
    except NotFound:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await read_reasons.note_refused(session, call.staff, case_id, now=now)
        raise


async def _passes(call: Call, case: Case, *, accepts: bool, open_before: bool) -> bool:
    """Say whether a reason stands; write the one that goes without a click."""
    now, me = call.services.clock.now(), call.staff
    async with call.services.database.read() as session:
        if await read_reasons.given(session, me.id, case.id, now=now):
            return True
        reason = read_reasons.TAKE_OVER if accepts else ""
        if not reason and await read_reasons.works_on(session, me, case, now=now):
            reason = read_reasons.WORKING
        if not reason and open_before:
            reason = await read_reasons.carried(session, me.id, case.id, now=now)
    if not reason:
        return False
    async with call.services.database.write() as session:
        words = label("read_reason", "carried") if reason == read_reasons.OTHER else ""
        await read_reasons.give(
            session, me, case.id, reason=reason, words=words, by_itself=True, now=now
        )
    return True


async def _ask(call: Call, case: Case, *, status: int = 200, problem: str = "") -> Response:
    async with call.services.database.read() as session:
        place = (await desk.place_names(session, [case.place_id])).get(case.place_id, ("", ""))[1]
        names = await desk.staff_names(session, [case.accepted_by])
        words = await level_words.shown(session, case.place_id)
    return call.page(
        "case_reason.html",
        status=status,
        case=case,
        words=words,
        place=place,
        accepted_by=names.get(case.accepted_by or 0, ""),
        reasons=[code for code in read_reasons.REASONS if code not in _not_offered(case)],
        longest=read_reasons.LONGEST,
        problem=problem,
        sent=call.form,
    )


def _not_offered(case: Case) -> set[str]:
    """Return what has no button: another reason has a field, a case that waits is taken over."""
    return {read_reasons.OTHER} | ({read_reasons.TAKE_OVER} if case.state == OPEN else set())


async def give(call: Call) -> Response:
    """Take the reason, and go on to the case."""
    case = await _visible(call)
    try:
        async with call.services.database.write() as session:
            await read_reasons.give(
                session,
                call.staff,
                case.id,
                reason=call.form.get("reason", ""),
                words=call.form.get("words", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        problem = label("read_reason", f"no_{error.field}")
        return await _ask(call, case, status=error.status, problem=problem)
    return RedirectResponse(f"/desk/cases/{case.id}", 303)
