"""Do one thing to a case from its page: one transaction, then back to the page.

Called by every area that puts forms on a case's page. What is refused shows the page again with
the problem in Chinese and with what was typed.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Case
from bot.services import case_rights, desk, drafts
from bot.web import case_page
from bot.web.guard import Call
from bot.web.render import area_word, label

Act = Callable[[AsyncSession, Call, Case], Awaitable[object]]
Explain = Callable[[AsyncSession, Call, Case, Conflict | InputInvalid], Awaitable[str]]


async def act(
    call: Call,
    name: str,
    do: Act,
    *,
    panel: str = "",
    place: str = "",
    explain: Explain | None = None,
) -> Response:
    """Do one thing to the case of the path and lead back to its page.

    Args:
        name: of the act; `?done=` carries it and a `[done_<area>]` group of labels words it. After
            a refusal the templates see it as `failed`, and the form as it came as `sent`.
        do: changes the case; it asks its own right. What it raises undoes the whole transaction.
        panel: the panel to go to, without its `panel-`; `place` names any other anchor.
        explain: says in Chinese why something was refused, from the state as it is now; without
            it, or when it returns nothing, `problem_words` does.

    Raises:
        NotFound: the case is out of this person's reach.
    """
    case_id: int = call.request.path_params["case_id"]
    try:
        async with call.services.database.write() as session:
            case = await case_rights.visible(session, call.staff, case_id)
            await do(session, call, case)
            # What was typed has been sent: `drafts.js` names the boxes of the form.
            await drafts.drop(session, call.staff, call.form.get("drafts", "").split(","))
    except (Conflict, InputInvalid) as error:
        if str(error) == desk.REPEAT:
            async with call.services.database.write() as session:
                await drafts.drop(session, call.staff, call.form.get("drafts", "").split(","))
        async with call.services.database.read() as session:
            case = await case_rights.visible(session, call.staff, case_id)
            problem = await explain(session, call, case, error) if explain else ""
        return await case_page.show(
            call, status=error.status, problem=problem or problem_words(error), failed=name
        )
    call.services.bell.ring()
    anchor = place or (f"panel-{panel}" if panel else "")
    return RedirectResponse(
        f"/desk/cases/{case_id}?done={name}{'#' if anchor else ''}{anchor}", 303
    )


def problem_words(error: Conflict | InputInvalid) -> str:
    """Say in Chinese why something was refused.

    The error's own text, or else its field, is looked up in the areas' `[problem_…]` groups.
    """
    for code in (str(error), error.field if isinstance(error, InputInvalid) else ""):
        if (words := area_word("problem", code)) != code:
            return words
    return label("desk", "conflict" if isinstance(error, Conflict) else "invalid")
