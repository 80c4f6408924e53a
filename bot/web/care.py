"""Care tasks: given and withdrawn on the case's page, worked on by the teacher on their board."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Case
from bot.services import care_tasks
from bot.web.case_acts import act, problem_words
from bot.web.guard import Call
from bot.web.render import label, labels

PAGE = "/teacher/care"


async def board(
    call: Call, *, status: int = 200, problem: str = "", sent: Mapping[str, str] | None = None
) -> Response:
    """Show what runs in one's classes: whom to watch, what to do, what to leave alone."""
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        rows = await care_tasks.board(session, call.staff, now=now)
    done = call.request.query_params.get("done", "")
    return call.page(
        "teacher_care.html",
        status=status,
        rows=rows,
        most=care_tasks.MOST,
        notice=labels()["done_task"].get(done, ""),
        problem=problem,
        sent=sent or {},
        failed=call.request.path_params.get("own_task_id", 0),
    )


async def seen(call: Call) -> Response:
    """Note that the teacher has seen a task."""
    return await _mark(call, done=False)


async def done(call: Call) -> Response:
    """Note that the teacher has done what was asked."""
    return await _mark(call, done=True)


async def _mark(call: Call, *, done: bool) -> Response:
    try:
        async with call.services.database.write() as session:
            await care_tasks.mark(
                session,
                call.staff,
                call.request.path_params["own_task_id"],
                done=done,
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await board(call, status=error.status, problem=problem_words(error))
    call.services.bell.ring()
    return RedirectResponse(f"{PAGE}?done={'done' if done else 'seen'}", 303)


async def answer(call: Call) -> Response:
    """Write back to the counselor."""
    try:
        async with call.services.database.write() as session:
            await care_tasks.reply(
                session,
                call.services.policy,
                call.services.screen,
                call.staff,
                call.request.path_params["own_task_id"],
                words=call.form.get("words", ""),
                now=call.services.clock.now(),
            )
    except (Conflict, InputInvalid) as error:
        return await board(call, status=error.status, problem=problem_words(error), sent=call.form)
    call.services.bell.ring()
    return RedirectResponse(f"{PAGE}?done=answered", 303)


async def give(call: Call) -> Response:
    """Give a class's teachers a task."""
    return await act(call, "care_give", _give, panel="care", explain=_explain)


async def _give(session: AsyncSession, call: Call, case: Case) -> None:
    child = call.form.get("child", "")
    await care_tasks.give(
        session,
        call.staff,
        case,
        child_id=int(child) if child.isdecimal() and len(child) < 19 else 0,
        do=_lines(call.form, "do"),
        dont=_lines(call.form, "dont"),
        until=call.form.get("until", ""),
        now=call.services.clock.now(),
    )


def _lines(form: Mapping[str, str], name: str) -> str:
    """Return the suggestions that were ticked and the counselor's own words, a line each."""
    ticked = [
        form[field]
        for field in sorted(form)
        if field.startswith(f"{name}_") and field[len(name) + 1 :].isdecimal()
    ]
    return "\n".join([*ticked, form.get(name, "")])


async def withdraw(call: Call) -> Response:
    """Take a task back."""
    return await act(call, "care_withdraw", _withdraw, panel="care", explain=_explain)


async def _withdraw(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    task_id = call.request.path_params["task_id"]
    await care_tasks.withdraw(session, call.staff, case, task_id, now=now)


async def _explain(
    _session: AsyncSession, _call: Call, _case: Case, error: Conflict | InputInvalid
) -> str:
    if isinstance(error, care_tasks.CareWord):
        return label("problem_care", "care_word", word=error.word)
    return problem_words(error)
