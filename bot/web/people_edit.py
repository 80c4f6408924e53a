"""Pages that put a child or a guardian in by hand and mend their names, numbers and phones."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, XinqingError
from bot.services import people_desk, people_edit
from bot.services.people_edit import PhoneShared
from bot.web.guard import Call
from bot.web.people import back, number, refused
from bot.web.people_words import word, words

Work = Callable[[AsyncSession], Awaitable[object]]


async def new_page(call: Call) -> Response:
    """Show the form for a child and its first guardian."""
    return await _new_page(call)


async def _new_page(call: Call, *, status: int = 200, trouble: str = "", ask: str = "") -> Response:
    async with call.services.database.read() as session:
        classes = await people_desk.classes(session, call.staff)
    mine = people_desk.places_to_change(call.staff)
    return call.page(
        "admin_people_new.html",
        status=status,
        classes=[one for one in classes if one.place.state == "open" and one.place.id in mine],
        place_id=number(call.form.get("place", "") or call.request.query_params.get("place", "")),
        relations=words()["relation"],
        sent=call.form,
        trouble=trouble,
        ask=ask,
        word=word,
    )


async def add_child(call: Call) -> Response:
    """Add a child, with its first guardian where one is named."""
    sent, now, ring = call.form, call.services.clock.now(), call.services.ring
    try:
        async with call.services.database.write() as session:
            child = await people_edit.add_child(
                session,
                call.staff,
                ring,
                place_id=number(sent.get("place", "")),
                name=sent.get("name", ""),
                student_no=sent.get("student_no", ""),
                born=sent.get("born", ""),
                same=sent.get("same") == "1",
                now=now,
            )
            if sent.get("guardian_name", "").strip() or sent.get("phone", "").strip():
                await _add_guardian(call, session, child.id)
    except (Conflict, InputInvalid) as error:
        said, ask = explain(error)
        return await _new_page(call, status=error.status, trouble=said, ask=ask)
    return RedirectResponse(f"/admin/people/{child.id}?done=child_added", 303)


async def add_guardian(call: Call) -> Response:
    """Add a guardian to a child."""
    child_id: int = call.request.path_params["child_id"]
    return await _do(call, lambda session: _add_guardian(call, session, child_id), "guardian_added")


async def _add_guardian(call: Call, session: AsyncSession, child_id: int) -> object:
    return await people_edit.add_guardian(
        session,
        call.staff,
        call.services.ring,
        child_id,
        name=call.form.get("guardian_name", ""),
        relation=call.form.get("relation", ""),
        phone=call.form.get("phone", ""),
        shared=call.form.get("shared") == "1",
        now=call.services.clock.now(),
    )


async def change_child(call: Call) -> Response:
    """Change a child's name, number and month of birth."""
    sent = call.form

    async def work(session: AsyncSession) -> None:
        await people_edit.change_child(
            session,
            call.staff,
            call.services.ring,
            call.request.path_params["child_id"],
            name=sent.get("name", ""),
            student_no=sent.get("student_no", ""),
            born=sent.get("born", ""),
            seen=sent.get("seen", ""),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "child_changed")


async def change_guardian(call: Call) -> Response:
    """Change a guardian's name and phone."""
    sent = call.form

    async def work(session: AsyncSession) -> None:
        await people_edit.change_guardian(
            session,
            call.staff,
            call.services.ring,
            call.request.path_params["child_id"],
            call.request.path_params["tie_id"],
            name=sent.get("guardian_name", ""),
            phone=sent.get("phone", ""),
            drop_phone=sent.get("drop_phone") == "1",
            shared=sent.get("shared") == "1",
            seen=sent.get("seen", ""),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "guardian")


async def end_guardian(call: Call) -> Response:
    """End what somebody is to a child."""

    async def work(session: AsyncSession) -> None:
        await people_edit.end_guardian(
            session,
            call.staff,
            call.services.ring,
            call.request.path_params["child_id"],
            call.request.path_params["tie_id"],
            seen=call.form.get("seen", ""),
            now=call.services.clock.now(),
        )

    return await _do(call, work, "guardian_ended")


async def _do(call: Call, work: Work, done: str) -> Response:
    """Change something of a child and show it again, or say why not, with what was written."""
    try:
        async with call.services.database.write() as session:
            await work(session)
    except (Conflict, InputInvalid) as error:
        said, ask = explain(error)
        return await refused(call, error, said, ask)
    return back(call, done)


def explain(error: XinqingError) -> tuple[str, str]:
    """Say why something was not done, and which box may be ticked to have it done all the same."""
    code = error.field if isinstance(error, InputInvalid) else str(error)
    said = word("trouble", code)
    if isinstance(error, PhoneShared):
        where = word("phone_shared", "here" if error.names else "elsewhere")
        return where.replace("{names}", "、".join(error.names)), "shared"
    return said, "same" if code == "same_name" else ""
