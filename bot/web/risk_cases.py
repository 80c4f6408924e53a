"""Pages of the rules' test cases: the list, one case with its words, agreeing and rejecting.

The list holds no words; the page of one case does, and every opening stands in the audit trail.
"""

import asyncio
from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.core.levels import LEVELS
from bot.services import desk, risk_case_lists, risk_case_runs, risk_cases
from bot.services.risk_cases import Judgement
from bot.web import riskbox
from bot.web.guard import Call
from bot.web.render import label, labels
from bot.web.riskbox import Asked
from knowledge.risk import Level, assess
from knowledge.risk.regression import Case
from knowledge.risk.variants import scratch


async def list_page(call: Call) -> Response:
    """List cases by state, with counts first; `run=1` judges the agreed ones again."""
    query = call.request.query_params
    state = query.get("state", "")
    state = state if state in risk_case_lists.STATES else risk_case_lists.STATES[0]
    wanted = query.get("page", "")
    page = int(wanted) if wanted.isdecimal() and len(wanted) < 9 else 1
    async with call.services.database.read() as session:
        listing = await risk_case_lists.listing(session, call.staff, state=state, page=page)
        figures = await risk_case_lists.figures(session, call.staff)
        places = await desk.place_names(session, {row.place_id for row in listing.rows})
        people = {number for row in listing.rows for number in (row.staff_id, row.decided_by)}
        names = await desk.staff_names(session, people)
    done = query.get("done", "")
    return call.page(
        "risk_cases.html",
        listing=listing,
        figures=figures,
        places={place_id: name for place_id, (_, name) in places.items()},
        names=names,
        state=state,
        states=risk_case_lists.STATES,
        notice=label("risk_case_done", done) if done in labels()["risk_case_done"] else "",
        run=await _run(call) if query.get("run") == "1" else None,
    )


async def binding(call: Call) -> list[Case]:
    """Return the agreed cases that a rule set has to get right before it is published."""
    rules = call.services.screen.rules
    if rules is None:
        return []
    async with call.services.database.read() as session:
        cases = await risk_case_runs.regression_cases(session)
    return await asyncio.to_thread(risk_case_runs.binding, cases, rules)


async def _run(call: Call) -> risk_case_runs.Run | None:
    rules = call.services.screen.rules
    if rules is None:
        return None
    async with call.services.database.read() as session:
        cases = await risk_case_runs.regression_cases(session)
    return await asyncio.to_thread(risk_case_runs.run, cases, rules)


async def write(call: Call) -> Response:
    """Keep a text from the test box as a case."""
    asked = Asked.of(call.form)
    rules = await riskbox.rules_of(call, asked.rules)
    if asked.problem or rules is None:
        return await riskbox.page(call, asked, problem=asked.problem or "choice")
    # A case stands by itself, without the open case that the box may have been told of.
    context = replace(asked.context, floor=Level.NONE)
    found = await asyncio.to_thread(assess, asked.text, context, scratch(rules))
    try:
        async with call.services.database.write() as session:
            await risk_cases.write(
                session,
                call.staff,
                text=asked.text,
                context=context,
                found=found,
                judgement=Judgement.of(call.form),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        told = await riskbox.judged(asked, rules)
        return await riskbox.page(call, asked, told, refused=label("risk_case", str(error)))
    return RedirectResponse("/rules/cases?done=written", 303)


async def case_page(call: Call) -> Response:
    """Show one case with its words."""
    return await _case_page(call)


async def _case_page(call: Call, *, status: int = 200, problem: str = "") -> Response:
    rule_case_id: int = call.request.path_params["rule_case_id"]
    # A writing transaction: the words may not leave before the reading is in the trail.
    async with call.services.database.write() as session:
        row = await risk_cases.read(
            session, call.staff, rule_case_id, now=call.services.clock.now()
        )
    async with call.services.database.read() as session:
        places = await desk.place_names(session, {row.place_id})
        names = await desk.staff_names(session, {row.staff_id, row.decided_by})
    return call.page(
        "risk_case.html",
        status=status,
        row=row,
        place=places.get(row.place_id, ("", ""))[1],
        names=names,
        may_decide=risk_cases.may_decide(call.staff, row),
        levels=LEVELS,
        problem=problem,
    )


async def agree(call: Call) -> Response:
    """Agree with a case as a second person."""
    return await _decide(call, agree=True)


async def reject(call: Call) -> Response:
    """Reject a case as a second person."""
    return await _decide(call, agree=False)


async def _decide(call: Call, *, agree: bool) -> Response:
    rule_case_id: int = call.request.path_params["rule_case_id"]
    try:
        async with call.services.database.write() as session:
            row = await risk_cases.decide(
                session, call.staff, rule_case_id, agree=agree, now=call.services.clock.now()
            )
    except Conflict as error:
        problem = label("risk_case", str(error))
        return await _case_page(call, status=error.status, problem=problem)
    return RedirectResponse(f"/rules/cases?done={row.state}", 303)
