"""The teachers' pages about courses and events: list, new, edit, who comes, the list as a file."""

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Course
from bot.db.models.course import CANCELLED, CLOSED, DRAFT, OPEN
from bot.services import course_lists, course_words, courses, desk, enrolments, rights
from bot.web.course_forms import fields, read, sheet, word
from bot.web.guard import Call

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def list_page(call: Call) -> Response:
    """Show the courses of somebody's places: those to come, or those over."""
    past = call.request.query_params.get("past", "") == "1"
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        found = await courses.list_for_staff(session, call.staff, now=now, past=past)
        waiting = await enrolments.waiting_counts(session, [course.id for course in found])
        names = await course_lists.place_names(session, {course.place_id for course in found})
    return call.page(
        "teacher_courses.html",
        courses=found,
        waiting=waiting,
        names=names,
        past=past,
        may_write=rights.may(call.staff, "course.change"),
        state_of=lambda course: _state(course, call),
        span=course_words.span,
        word=word,
    )


async def new_page(call: Call) -> Response:
    """Show the empty form, or one with the words of an older course."""
    sent: dict[str, str] = {"kind": "course"}
    copied = call.request.query_params.get("copy", "")
    if copied.isascii() and copied.isdecimal() and len(copied) < 10:
        async with call.services.database.read() as session:
            sent = fields(await courses.seen_by(session, call.staff, int(copied)))
        sent |= {"starts_at": "", "ends_at": "", "closes_at": ""}
    return await _form(call, sent)


async def create(call: Call) -> Response:
    """Keep a new course as a draft."""
    place = call.form.get("place", "")
    try:
        text = read(call.form)
        async with call.services.database.write() as session:
            course = await courses.create(
                session,
                call.staff,
                place_id=int(place) if place.isdecimal() and len(place) < 10 else -1,
                text=text,
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        trouble = word("input", str(error))
        return await _form(call, call.form, status=error.status, trouble=trouble)
    return RedirectResponse(f"/teacher/courses/{course.id}?done=created", 303)


async def course_page(call: Call) -> Response:
    """Show one course with who comes."""
    done = call.request.query_params.get("done", "")
    text = word("done", done)
    return await _page(call, notice="" if text == done else text)


async def edit_page(call: Call) -> Response:
    """Show the form of a course."""
    async with call.services.database.read() as session:
        course = await courses.seen_by(session, call.staff, _id(call))
    rights.require(call.staff, "course.change", course.place_id)
    return await _form(call, fields(course), course=course)


async def edit(call: Call) -> Response:
    """Change a course."""
    async with call.services.database.read() as session:
        course = await courses.seen_by(session, call.staff, _id(call))
    try:
        text = read(call.form)
        async with call.services.database.write() as session:
            await courses.change(
                session,
                call.staff,
                course.id,
                text=text,
                row_version=_row(call),
                now=call.services.clock.now(),
            )
    except Conflict as error:
        code = "row_form" if str(error) == "row" else str(error)
        return await _page(call, status=error.status, trouble=word("conflict", code))
    except InputInvalid as error:
        trouble = word("input", str(error))
        return await _form(call, call.form, course=course, status=error.status, trouble=trouble)
    return RedirectResponse(f"/teacher/courses/{course.id}?done=changed", 303)


async def open_(call: Call) -> Response:
    """Open a course for families."""
    return await _step(call, OPEN)


async def close(call: Call) -> Response:
    """Close a course for new ones."""
    return await _step(call, CLOSED)


async def cancel(call: Call) -> Response:
    """Cancel a course and tell who signed up."""
    return await _step(call, CANCELLED)


async def export(call: Call) -> Response:
    """Hand out who comes as an Excel file."""
    async with call.services.database.write() as session:
        course = await courses.seen_by(session, call.staff, _id(call))
        found = await course_lists.comers(
            session,
            call.staff,
            course,
            action="course.list_exported",
            now=call.services.clock.now(),
        )
    name = quote(f"{word('sheet', 'name')}-{course.id}.xlsx")
    return Response(
        sheet(found),
        media_type=XLSX,
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )


async def _step(call: Call, state: str) -> Response:
    try:
        async with call.services.database.write() as session:
            await courses.set_state(
                session,
                call.staff,
                _id(call),
                state=state,
                row_version=_row(call),
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await _page(call, status=error.status, trouble=word("conflict", str(error)))
    except InputInvalid as error:
        return await _page(call, status=error.status, trouble=word("input", str(error)))
    return RedirectResponse(f"/teacher/courses/{_id(call)}?done={state}", 303)


async def _page(call: Call, *, status: int = 200, notice: str = "", trouble: str = "") -> Response:
    now = call.services.clock.now()
    # A writing transaction: whose names were read is noted with it.
    async with call.services.database.write() as session:
        course = await courses.seen_by(session, call.staff, _id(call))
        own = rights.may(call.staff, "course.read", course.place_id)
        shown = await course_lists.comers(
            session, call.staff, course, action="course.list_read", now=now
        )
        told = await course_lists.told(session, course.id) if own else []
        names = await course_lists.place_names(session, {course.place_id})
        author = await desk.staff_names(session, {course.author_id})
    return call.page(
        "teacher_course.html",
        status=status,
        c=course,
        state=_state(course, call),
        place=names.get(course.place_id, ""),
        author=author.get(course.author_id or 0, ""),
        comers=shown,
        told=told,
        span=course_words.span(course),
        may_write=rights.may(call.staff, "course.change", course.place_id),
        may_export=rights.may(call.staff, "people.list"),
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def _form(
    call: Call,
    sent: Mapping[str, str],
    *,
    course: Course | None = None,
    status: int = 200,
    trouble: str = "",
) -> Response:
    async with call.services.database.read() as session:
        offered = await courses.places_to_write(session, call.staff)
    return call.page(
        "teacher_course_edit.html",
        status=status,
        c=course,
        sent=sent,
        row=call.form.get("row") or (course.row_version if course else ""),
        places=offered,
        trouble=trouble,
        word=word,
        stages="ABCDEF",
    )


def _state(course: Course, call: Call) -> str:
    ended = course.ends_at <= call.services.clock.now()
    return "over" if ended and course.state not in (CANCELLED, DRAFT) else course.state


def _id(call: Call) -> int:
    course_id: int = call.request.path_params["course_id"]
    return course_id


def _row(call: Call) -> int:
    sent = call.form.get("row", "")
    return int(sent) if sent.isdecimal() and len(sent) < 10 else -1
