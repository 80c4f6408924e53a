"""Prints of a case and of its forms: as a PDF, or as a page that the browser prints."""

import asyncio
from urllib.parse import quote

from starlette.responses import Response

from bot.core.errors import Conflict, InputInvalid, XinqingError
from bot.services import case_rights, prints
from bot.services.prints import REASONS
from bot.web import form_words
from bot.web.desk_queue import log_reads
from bot.web.guard import Call
from bot.web.pdf import PdfUnavailable, pdf
from bot.web.render import day, label

_TEMPLATES = {
    prints.LETTER: "print_letter.html",
    prints.PLAN: "print_plan.html",
    prints.FORM: "print_form.html",
}


async def ask_page(call: Call) -> Response:
    """Ask what is printed of a case, how, and why."""
    return await _ask(call)


async def _ask(call: Call, *, status: int = 200, problem: str = "") -> Response:
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        case = await case_rights.visible(session, call.staff, case_id)
    await log_reads(call, "case.read", [case_id])
    form_id = call.request.path_params.get("form_id")
    action = f"/desk/cases/{case_id}/forms/{form_id}/print" if form_id else call.request.url.path
    return call.page(
        "case_print.html",
        status=status,
        case=case,
        action=action,
        whole=form_id is None,
        reasons=REASONS,
        sent=call.form,
        problem=problem,
    )


async def case_print(call: Call) -> Response:
    """Print the file of a case."""
    try:
        async with call.services.database.write() as session:
            found = await prints.of_case(
                session,
                call.staff,
                call.request.path_params["case_id"],
                reason=call.form.get("reason", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await _ask(call, status=error.status, problem=label("print_problem", str(error)))
    values = {
        "f": found,
        "forms": form_words.together(found.forms, found.case, found.names),
        "with_words": call.form.get("words") == "yes",
        "place": found.dossier.place,
    }
    title = label("print_name", "case")
    return await _answer(call, "print_case.html", values, str(found.case.id), title)


async def form_print(call: Call) -> Response:
    """Print one signed form: a letter of referral, a plan for the family, or as it is."""
    path = call.request.path_params
    try:
        async with call.services.database.write() as session:
            found = await prints.of_form(
                session,
                call.staff,
                path["case_id"],
                path["form_id"],
                reason=call.form.get("reason", ""),
                now=call.services.clock.now(),
            )
    except (InputInvalid, Conflict) as error:
        return await _ask(call, status=error.status, problem=label("print_problem", str(error)))
    shown = form_words.shown(found.form, found.case, found.names)
    values = {
        "case": found.case,
        "form": shown,
        "answers": {field.key: answer for field, answer in shown.rows},
        "addenda": [form_words.shown(one, found.case, found.names) for one in found.addenda],
        "place": found.place,
    }
    name = f"{found.case.id}-{found.form.id}"
    return await _answer(call, _TEMPLATES[found.as_], values, name, shown.title)


async def _answer(
    call: Call, template: str, values: dict[str, object], name: str, title: str
) -> Response:
    """Return a print as it was asked for; where no PDF can be made, say why and what to do."""
    now = call.services.clock.now()
    common = {"by": call.staff.name, "now": now, "as_page": call.form.get("as") == "page"}
    html = call.pages.text(template, common | values)
    if common["as_page"]:
        return Response(html, media_type="text/html")
    try:
        made = await asyncio.to_thread(pdf, html)
    except PdfUnavailable as error:
        return await _unavailable(call, error)
    named = quote(f"{title}-{name}-{day(now)}.pdf")
    return Response(
        made,
        media_type="application/pdf",
        headers={
            "Content-Disposition": f"attachment; filename=\"{name}.pdf\"; filename*=UTF-8''{named}"
        },
    )


async def _unavailable(call: Call, error: XinqingError) -> Response:
    return await _ask(call, status=error.status, problem=label("print_problem", str(error)))
