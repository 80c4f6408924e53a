"""Pages of children and guardians: classes, a class, one child and what may be changed of it.

Names never stand in an address: the search is a form that is posted.
"""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, XinqingError
from bot.services import people_desk, rights
from bot.services.people_desk import BLOCK_REASONS, LIFT_REASONS, ONLY, UNREACHABLE, seen_of
from bot.web.guard import Call
from bot.web.people_words import notice, word, words


async def classes_page(call: Call) -> Response:
    """Show the classes with their numbers; one class with its children when it is named."""
    place = call.request.query_params.get("place", "")
    if number(place) > 0:
        return await class_page(call, number(place))
    async with call.services.database.read() as session:
        classes = await people_desk.classes(session, call.staff)
    may_change = rights.may(call.staff, people_desk.CHANGE)
    return call.page(
        "admin_people.html",
        classes=classes,
        found=None,
        sent="",
        may_change=may_change,
        word=word,
    )


async def class_page(call: Call, place_id: int) -> Response:
    """Show a page of the children of one class."""
    asked = call.request.query_params
    only = asked.get("only", "") if asked.get("only") in ONLY else ""
    async with call.services.database.write() as session:
        listing = await people_desk.listing(
            session,
            call.staff,
            place_id,
            only=only,
            page=max(1, number(asked.get("page", ""))),
            now=call.services.clock.now(),
        )
        classes = await people_desk.classes(session, call.staff)
    group = next((one for one in classes if one.place.id == place_id), None)
    return call.page(
        "admin_people_class.html",
        place_id=place_id,
        group=group,
        listing=listing,
        only=only,
        may_change=rights.may(call.staff, people_desk.CHANGE, place_id),
        filters=words()["only"],
        word=word,
    )


async def search(call: Call) -> Response:
    """Show the children of exactly one name or student number."""
    sent = call.form.get("name", "")
    async with call.services.database.write() as session:
        classes = await people_desk.classes(session, call.staff)
        found = await people_desk.search(
            session, call.staff, call.services.ring, sent, now=call.services.clock.now()
        )
    may_change = rights.may(call.staff, people_desk.CHANGE)
    return call.page(
        "admin_people.html",
        classes=classes,
        found=found,
        sent=sent,
        may_change=may_change,
        word=word,
    )


async def child_page(call: Call) -> Response:
    """Show one child with everybody who cares for it."""
    return await _child_page(call, notice=notice(call.request.query_params.get("done", "")))


async def _child_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = "", ask: str = ""
) -> Response:
    child_id: int = call.request.path_params["child_id"]
    now, ring = call.services.clock.now(), call.services.ring
    async with call.services.database.write() as session:
        shown = await people_desk.detail(session, call.staff, ring, child_id, now)
        classes = await people_desk.classes(session, call.staff)
    return call.page(
        "admin_people_child.html",
        status=status,
        d=shown,
        classes=[one for one in classes if one.place.state == "open"],
        may_change=rights.may(call.staff, people_desk.CHANGE, shown.place.id),
        may_phone=rights.may(call.staff, people_desk.PHONE, shown.place.id),
        seen_of=seen_of,
        sent=call.form if trouble else {},
        ask=ask,
        tie=call.request.path_params.get("tie_id"),
        relations=words()["relation"],
        unreachable=UNREACHABLE,
        block_reasons=BLOCK_REASONS,
        lift_reasons=LIFT_REASONS,
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def change_guardian(call: Call) -> Response:
    """Change relation, way of reaching and type size of one guardian."""
    try:
        async with call.services.database.write() as session:
            await people_desk.change_guardian(
                session,
                call.staff,
                call.request.path_params["tie_id"],
                relation=call.form.get("relation", ""),
                unreachable=call.form.get("unreachable", ""),
                large_type=call.form.get("large_type") == "1",
                seen=call.form.get("seen", ""),
                now=call.services.clock.now(),
            )
    except (Conflict, InputInvalid) as error:
        return await _refused(call, error)
    return back(call, "guardian")


async def set_block(call: Call) -> Response:
    """Set or lift a custody block."""
    block = call.form.get("block") == "1"
    try:
        async with call.services.database.write() as session:
            await people_desk.set_block(
                session,
                call.staff,
                call.request.path_params["tie_id"],
                block=block,
                reason=call.form.get("reason", ""),
                seen=call.form.get("seen", ""),
                now=call.services.clock.now(),
            )
    except (Conflict, InputInvalid) as error:
        return await _refused(call, error)
    return back(call, "block" if block else "unblock")


async def move(call: Call) -> Response:
    """Move a child into another class."""
    try:
        async with call.services.database.write() as session:
            await people_desk.move(
                session,
                call.staff,
                call.request.path_params["child_id"],
                number(call.form.get("place", "")),
                seen=number(call.form.get("seen", "")),
                now=call.services.clock.now(),
            )
    except (Conflict, InputInvalid) as error:
        return await _refused(call, error)
    return back(call, "moved")


async def leave(call: Call) -> Response:
    """Let a child leave the school."""
    try:
        async with call.services.database.write() as session:
            await people_desk.leave(
                session,
                call.staff,
                call.request.path_params["child_id"],
                seen=number(call.form.get("seen", "")),
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await _refused(call, error)
    return back(call, "left")


async def _refused(call: Call, error: XinqingError) -> Response:
    code = error.field if isinstance(error, InputInvalid) else str(error)
    return await _child_page(call, status=error.status, trouble=word("trouble", code))


async def refused(call: Call, error: XinqingError, said: str, ask: str) -> Response:
    """Show the child again, why something was not done, and what was written.

    Args:
        ask: the box that may be ticked to have it done all the same.
    """
    return await _child_page(call, status=error.status, trouble=said, ask=ask)


def back(call: Call, done: str) -> Response:
    """Show the child again, with a word on what was done."""
    child_id: int = call.request.path_params["child_id"]
    return RedirectResponse(f"/admin/people/{child_id}?done={done}", 303)


def number(text: str) -> int:
    """Return a form's number; -1 when it is none."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else -1
