"""Reports that the law asks for: what is done on a case's page, and the list for a second person.

The list shows no word of a parent's: a school's lead agrees by case, ground and addressee, and asks
the counselor. Rights are asked by `bot.services.reports`.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, Report
from bot.services import desk, level_words, report_words, reports, rights
from bot.services.reports import Made
from bot.services.staff import StaffView
from bot.web.case_acts import act, problem_words
from bot.web.guard import Call
from bot.web.render import labels
from bot.web.report_panel import shown_of

PANEL = "report"


async def decide(call: Call) -> Response:
    """Decide that the case is reported."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await reports.decide(
            session,
            call.staff,
            case,
            addressee=call.form.get("addressee", ""),
            basis=call.form.get("basis", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "report_decided", do, panel=PANEL)


async def decide_not(call: Call) -> Response:
    """Decide that the case is not reported, with the reason."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await reports.decide_not(
            session,
            call.staff,
            case,
            basis=call.form.get("basis", ""),
            reason=call.form.get("reason", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "report_not", do, panel=PANEL)


async def make(call: Call) -> Response:
    """Write down that the call was made."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        form = call.form
        made = Made(
            words=form.get("words", ""),
            number=form.get("number", ""),
            officer=form.get("officer", ""),
            at=form.get("at", ""),
            early=form.get("early", ""),
        )
        report_id = await _of(session, call, case)
        await reports.make(session, call.staff, report_id, made, now=call.services.clock.now())

    return await act(call, "report_made", do, panel=PANEL)


async def result(call: Call) -> Response:
    """Add what became of it."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        report_id, now = await _of(session, call, case), call.services.clock.now()
        await reports.add_result(
            session, call.staff, report_id, call.form.get("result", ""), now=now
        )

    return await act(call, "report_result", do, panel=PANEL)


async def _of(session: AsyncSession, call: Call, case: Case) -> int:
    """Return the report of the path, which has to be this case's."""
    report_id: int = call.request.path_params["report_id"]
    report = await session.get(Report, report_id)
    if report is None or report.case_id != case.id:
        raise NotFound(f"report {report_id}")
    return report_id


async def list_page(call: Call) -> Response:
    """List what waits for a second person, and what was decided lately."""
    done = call.request.query_params.get("done", "")
    return await _list(call, notice=labels()["done_report"].get(done, ""))


async def _list(call: Call, *, status: int = 200, notice: str = "", problem: str = "") -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        found = await reports.waiting(session, call.staff, now=now)
        ids = {i for row, _ in found for i in (row.decided_by, row.agreed_by)}
        names = await desk.staff_names(session, ids)
        at = {case.place_id for _, case in found}
        wheres = await desk.place_names(session, at)
        words_of = await level_words.shown_many(session, at)
    return call.page(
        "reports.html",
        status=status,
        rows=[(shown_of(call, case, row, names, now), case) for row, case in found],
        wheres={place_id: name for place_id, (_, name) in wheres.items()},
        words=report_words.words(),
        words_of=words_of,
        nobody=reports.NOBODY,
        reads=rights.may(call.staff, "case.read"),
        notice=notice,
        problem=problem,
    )


async def agree(call: Call) -> Response:
    """Agree as a second person."""
    return await _second(call, "report_agreed", reports.agree)


async def withdraw(call: Call) -> Response:
    """Take a decision back before the call."""

    async def do(session: AsyncSession, by: StaffView, report_id: int, *, now: datetime) -> Report:
        return await reports.withdraw(session, by, report_id, call.form.get("reason", ""), now=now)

    return await _second(call, "report_withdrawn", do)


async def _second(call: Call, name: str, do: Callable[..., Awaitable[Report]]) -> Response:
    report_id: int = call.request.path_params["report_id"]
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            report = await do(session, call.staff, report_id, now=now)
            case_id = report.case_id
    except (Conflict, InputInvalid) as error:
        return await _list(call, status=error.status, problem=problem_words(error))
    call.services.bell.ring()
    if call.form.get("back") == "case":
        return RedirectResponse(f"/desk/cases/{case_id}?done={name}#panel-{PANEL}", 303)
    return RedirectResponse(f"/desk/reports?done={name}", 303)
