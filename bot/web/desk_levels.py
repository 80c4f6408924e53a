"""The page on which leads and districts say what the levels are called with them."""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.services import level_words
from bot.web.guard import Call
from bot.web.render import label


async def page(call: Call) -> Response:
    """Show the words of each place within reach."""
    said = call.request.query_params.get("said", "")
    return await _show(call, notice=label("level_said", said) if said in ("saved", "back") else "")


async def save(call: Call) -> Response:
    """Keep the words of one place, or go back to those of the place above."""
    place_id: int = call.request.path_params["place_id"]
    now, back = call.services.clock.now(), "back" in call.form
    words = {code: call.form.get(f"word-{code}", "") for code in level_words.NAMED}
    try:
        async with call.services.database.write() as session:
            if back:
                await level_words.forget(session, call.staff, place_id, now=now)
            else:
                await level_words.change(session, call.staff, place_id, words, now=now)
    except InputInvalid:
        problem = label("level_said", "wrong")
        return await _show(call, status=422, problem=problem, sent={place_id: words})
    call.services.bell.ring()
    return RedirectResponse(f"/desk/levels?said={'back' if back else 'saved'}", 303)


async def _show(
    call: Call,
    *,
    status: int = 200,
    notice: str = "",
    problem: str = "",
    sent: dict[int, dict[str, str]] | None = None,
) -> Response:
    async with call.services.database.read() as session:
        places = await level_words.spoken(session, call.staff)
    return call.page(
        "desk_levels.html",
        status=status,
        notice=notice,
        problem=problem,
        places=places,
        sent=sent or {},
        codes=list(reversed(level_words.NAMED)),
        shown={one.place_id: level_words.with_direction(one.words) for one in places},
    )
