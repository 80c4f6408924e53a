"""A teacher's worries: choose a child, choose a reason, sent; and the counselor's answer to it."""

import secrets
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.db.models import Case
from bot.services import worries, worry_lists
from bot.web.case_acts import act, problem_words
from bot.web.guard import Call
from bot.web.render import label

PAGE = "/teacher/worries"


async def list_page(call: Call) -> Response:
    """Show what one has raised and how far it has come, and the classes to raise more from."""
    async with call.services.database.read() as session:
        own = await worry_lists.own(session, call.staff)
        classes = await worry_lists.classes(session, call.staff)
    done = call.request.query_params.get("done", "")
    return call.page(
        "teacher_worries.html",
        own=own,
        classes=classes,
        notice=label("done_worry", done) if done in ("raised", "repeated") else "",
    )


async def class_page(
    call: Call, *, status: int = 200, problem: str = "", sent: Mapping[str, str] | None = None
) -> Response:
    """Show a class's children, with the reasons under each."""
    class_id = call.request.path_params["class_id"]
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        place, pupils = await worry_lists.pupils(session, call.staff, class_id, now=now)
    return call.page(
        "teacher_worry.html",
        status=status,
        place=place,
        pupils=pupils,
        reasons=worries.reasons(),
        most=worries.MOST_WORDS,
        key=secrets.token_urlsafe(12),
        problem=problem,
        sent=sent or {},
    )


async def raise_(call: Call) -> Response:
    """Send a worry into the queue."""
    child = call.form.get("child", "")
    try:
        if not (child.isdecimal() and len(child) < 19):
            raise InputInvalid("care_child", field="child")
        async with call.services.database.write() as session:
            raised = await worries.raise_worry(
                session,
                call.services.policy,
                call.services.screen,
                call.staff,
                child_id=int(child),
                reason=call.form.get("reason", ""),
                words=call.form.get("words", ""),
                key=call.form.get("key", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await class_page(call, status=422, problem=problem_words(error), sent=call.form)
    call.services.bell.ring()
    return RedirectResponse(f"{PAGE}?done={'raised' if raised.fresh else 'repeated'}", 303)


async def answer(call: Call) -> Response:
    """Answer the teacher who raised a worry."""
    return await act(call, "worry_answer", _answer, panel="worry")


async def _answer(session: AsyncSession, call: Call, case: Case) -> None:
    await worries.answer(
        session,
        call.staff,
        case,
        call.request.path_params["worry_id"],
        code=call.form.get("answer", ""),
        words=call.form.get("answer_words", ""),
        now=call.services.clock.now(),
    )
