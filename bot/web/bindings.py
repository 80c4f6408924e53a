"""`/teacher/bindings`: the school's yes or no to parents, and each class's QR code."""

from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from bot.core import kin
from bot.core.errors import Conflict, InputInvalid
from bot.services import binding_desk, binding_lists, class_codes
from bot.web.bindings_words import word
from bot.web.guard import Call

PAGE = "/teacher/bindings"


async def list_page(call: Call, *, status: int = 200, trouble: str = "") -> Response:
    """Show who waits, what was agreed to in the last week, and the classes' codes."""
    services, now = call.services, call.services.clock.now()
    async with services.database.read() as session:
        waiting = await binding_lists.waiting(session, services.ring, call.staff)
        decided = await binding_lists.decided(session, call.staff, now)
        classes = await class_codes.classes(session, call.staff)
    if waiting:
        async with services.database.write() as session:
            shown = [one.contact_id for one in waiting]
            await binding_desk.looked(session, call.staff, shown, now)
    return call.page(
        "teacher_bindings.html",
        status=status,
        waiting=waiting,
        decided=decided,
        classes=classes,
        relation=kin.relation_word,
        word=word,
        notice=word("done", call.request.query_params.get("done", "")),
        trouble=trouble,
    )


async def agree(call: Call) -> Response:
    """Say yes to one claim: `pick` is a child and a registered guardian, or 0 for a new one."""
    child, _, guardian = call.form.get("pick", "").partition(":")
    async with call.services.database.read() as session:
        await binding_desk.check(session, call.staff, call.request.path_params["binding_id"])
    if not (child.isdecimal() and guardian.isdecimal() and len(child + guardian) < 20):
        return await list_page(call, status=422, trouble=word("trouble", "pick"))
    try:
        async with call.services.database.write() as session:
            await binding_desk.agree(
                session,
                call.services.ring,
                call.staff,
                call.request.path_params["binding_id"],
                child_id=int(child),
                guardian_id=int(guardian) or None,
                guardian_name=call.form.get("name", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await list_page(call, status=422, trouble=word("trouble", error.field))
    except Conflict as error:
        return await _conflict(call, error)
    return RedirectResponse(f"{PAGE}?done=agreed", 303)


async def refuse(call: Call) -> Response:
    """Say no to one claim."""
    try:
        async with call.services.database.write() as session:
            await binding_desk.refuse(
                session,
                call.staff,
                call.request.path_params["binding_id"],
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await _conflict(call, error)
    return RedirectResponse(f"{PAGE}?done=refused", 303)


async def withdraw(call: Call) -> Response:
    """Take one yes back."""
    try:
        async with call.services.database.write() as session:
            await binding_desk.withdraw(
                session,
                call.staff,
                call.request.path_params["binding_id"],
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await _conflict(call, error)
    return RedirectResponse(f"{PAGE}?done=withdrawn", 303)


async def _conflict(call: Call, error: Conflict) -> Response:
    code = str(error) if str(error) in ("custody", "place_closed") else "conflict"
    return await list_page(call, status=error.status, trouble=word("trouble", code))


async def code_page(call: Call) -> Response:
    """Show one class's QR code as a page to print or to post in the parents' group."""
    async with call.services.database.read() as session:
        shown = await class_codes.of_class(
            session, call.staff, call.request.path_params["class_id"]
        )
    codes = [
        (account, Markup(class_codes.svg(address)))
        for account, address in await class_codes.addresses(call.services.class_codes, shown.scene)
    ]
    return call.page("teacher_class_code.html", c=shown, codes=codes)
