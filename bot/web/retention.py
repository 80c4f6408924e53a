"""The page of retention: what each class of data is kept for, the last nights, and legal holds."""

from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.services import desk, holds, retention, rights
from bot.web.guard import Call
from bot.web.records import word

AHEAD = timedelta(days=30)


async def retention_page(call: Call) -> Response:
    """Show classes, nights and holds."""
    done = call.request.query_params.get("done", "")
    notice = word("done", done)
    return await _page(call, notice="" if notice == done else notice)


async def _page(call: Call, *, status: int = 200, notice: str = "", trouble: str = "") -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        due = await retention.due(session, now)
        soon = await retention.due(session, now + AHEAD)
        nights = await retention.nights(session)
        shown = await holds.standing(session, call.staff)
        ids = {one.hold.staff_id for one in shown} | {one.hold.agreed_by for one in shown}
        names = await desk.staff_names(session, ids | {one.hold.release_asked_by for one in shown})
    return call.page(
        "admin_retention.html",
        status=status,
        classes=retention.table().values(),
        due=due,
        soon=soon,
        nights=[(run, retention.gone_in(run)) for run in nights],
        holds=shown,
        kinds=holds.KINDS,
        names=names,
        may_hold=rights.may(call.staff, holds.ACTION),
        sent=call.form,
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def set_hold(call: Call) -> Response:
    """Set a hold; it protects at once."""
    number = call.form.get("object", "")
    try:
        async with call.services.database.write() as session:
            await holds.set_hold(
                session,
                call.staff,
                kind=call.form.get("kind", ""),
                object_id=int(number) if number.isdecimal() and len(number) < 16 else 0,
                reason=call.form.get("reason", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await _page(call, status=error.status, trouble=word("trouble", error.field))
    return RedirectResponse("/admin/retention?done=set", 303)


async def agree_hold(call: Call) -> Response:
    """Agree to somebody else's hold."""
    try:
        async with call.services.database.write() as session:
            hold_id: int = call.request.path_params["hold_id"]
            await holds.agree(session, call.staff, hold_id, now=call.services.clock.now())
    except Conflict as error:
        return await _page(call, status=error.status, trouble=word("trouble", str(error)))
    return RedirectResponse("/admin/retention?done=agreed", 303)


async def end_hold(call: Call) -> Response:
    """Take back, ask for the end of, or end a hold."""
    try:
        async with call.services.database.write() as session:
            hold_id: int = call.request.path_params["hold_id"]
            done = await holds.end(session, call.staff, hold_id, now=call.services.clock.now())
    except Conflict as error:
        return await _page(call, status=error.status, trouble=word("trouble", str(error)))
    return RedirectResponse(f"/admin/retention?done={done}", 303)
