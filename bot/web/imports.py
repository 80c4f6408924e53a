"""Pages of imports: upload, dry run, progress, report, apply and undo."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models.imports import APPLIED, APPLYING, CHECKED, FAILED, READING, UNDOING
from bot.services import audit, places, rights
from bot.services.importing import batches, shown
from bot.services.importing.reading import template
from bot.services.importing.report import explained, lines, report
from bot.services.importing.rows import ASK, CHOSEN, DONE, KEPT, READY, SAME, UNDONE, WARN, WRONG
from bot.services.importing.words import said
from bot.web.guard import Call
from bot.web.people_words import notice, word

EXCEL_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
STATES = (ASK, WRONG, WARN, READY, SAME, DONE, UNDONE, KEPT)
RUNNING = (READING, APPLYING, UNDOING)


async def list_page(call: Call) -> Response:
    """Show the upload form and the imports so far."""
    return await _list_page(call)


async def _list_page(call: Call, *, status: int = 200, trouble: str = "") -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        listed = await shown.listed(session, call.staff)
        where = await shown.places_of(session, call.staff)
        robots = await _robots(session, call)
        names = {
            one.place_id: place.name
            for one in listed
            if (place := await places.get(session, one.place_id))
        }
    return call.page(
        "admin_import.html",
        status=status,
        batches=[(one, *shown.shown_state(one, now)) for one in listed],
        places=where,
        names=names,
        robots=robots,
        trouble=trouble,
        word=word,
        said=said,
    )


async def upload(call: Call) -> Response:
    """Read an Excel file and have its rows checked."""
    file = call.files.get("file")
    place_id = _number(call.form.get("place", ""))
    if file is None or not file.content:
        return await _list_page(call, status=422, trouble=word("trouble", "file"))
    try:
        batch_id = await batches.start_excel(
            call.services.database,
            call.services.ring,
            call.staff,
            place_id=place_id,
            name=file.name.replace("\\", "/").rpartition("/")[2],
            content=file.content,
            now=call.services.clock.now(),
        )
    except InputInvalid as error:
        return await _list_page(call, status=error.status, trouble=word("trouble", "place_import"))
    return RedirectResponse(f"/admin/import/{batch_id}", 303)


async def read_directory(call: Call) -> Response:
    """Have DingTalk's directory of families read and checked."""
    robot, place_id = call.form.get("robot", ""), _number(call.form.get("place", ""))
    async with call.services.database.read() as session:
        known = await _robots(session, call)
    if robot not in known:
        return await _list_page(call, status=422, trouble=word("trouble", "robot"))
    try:
        async with call.services.database.write() as session:
            batch_id = await batches.start_directory(
                session,
                call.staff,
                place_id=place_id,
                robot=robot,
                now=call.services.clock.now(),
            )
    except (InputInvalid, Conflict) as error:
        code = "place_import" if isinstance(error, InputInvalid) else str(error)
        return await _list_page(call, status=error.status, trouble=word("trouble", code))
    return RedirectResponse(f"/admin/import/{batch_id}", 303)


async def _robots(session: AsyncSession, call: Call) -> list[str]:
    """Return the robots of organisations all of whose families the caller may import.

    A directory is read whole: another school's names would stand among the rows.
    """
    found = []
    for robot, home in call.services.directories.items():
        place = await (
            places.of_scene(session, home) if home else places.root_district(session, None)
        )
        if place is not None and rights.may(call.staff, batches.RIGHT, place.id):
            found.append(robot)
    return found


async def one_page(call: Call) -> Response:
    """Show one import with a page of its rows."""
    return await _one_page(call, done=call.request.query_params.get("done", ""))


async def _one_page(
    call: Call, *, status: int = 200, done: str = "", trouble: str = ""
) -> Response:
    asked, now = call.request.query_params, call.services.clock.now()
    state = asked.get("state", "") if asked.get("state") in STATES else ""
    async with call.services.database.write() as session:
        batch = await batches.get(session, call.staff, _batch_id(call))
        place = await places.get(session, batch.place_id)
        rows = await shown.rows_of(session, batch.id, state, max(1, _number(asked.get("page", ""))))
        if rows.rows:
            await _read(call, session, batch.id, len(rows.rows))
    state_now, problem = shown.shown_state(batch, now)
    may_undo = state_now == APPLIED or (state_now == FAILED and batch.applied_at is not None)
    return call.page(
        "admin_import_one.html",
        status=status,
        b=batch,
        shown=state_now,
        problem=problem,
        running=state_now in RUNNING,
        may_apply=state_now == CHECKED
        or (may_undo and state_now == FAILED and not batch.undone_at),
        may_undo=may_undo,
        may_choose=state_now == CHECKED,
        may_staff=rights.may(call.staff, "staff.change", batch.place_id),
        chosen=batch.counts.get(f"code.{CHOSEN}", 0),
        place=place,
        rows=rows,
        state=state,
        states=[one for one in STATES if batch.counts.get(one)],
        codes=_codes(batch.counts),
        # That it has begun is said while it runs only.
        notice=notice(done) if state_now in RUNNING or done == "chosen" else "",
        trouble=trouble,
        word=word,
        said=said,
        explained=explained,
    )


async def progress(call: Call) -> Response:
    """Return how far an import is, for an open page; at its end the page loads anew."""
    async with call.services.database.read() as session:
        batch = await batches.get(session, call.staff, _batch_id(call))
    state_now, problem = shown.shown_state(batch, call.services.clock.now())
    response = call.page(
        "_import_progress.html",
        b=batch,
        shown=state_now,
        problem=problem,
        running=state_now in RUNNING,
        said=said,
    )
    if state_now not in RUNNING:
        response.headers["HX-Refresh"] = "true"
    return response


async def choose(call: Call) -> Response:
    """Take the ticked rows into the import; or, asked to, none of those that were ticked."""
    sent = call.form
    ticked = {_number(name.removeprefix("row_")) for name in sent if name.startswith("row_")}
    if not ticked and sent.get("clear") != "1":
        return await _one_page(call, status=422, trouble=word("trouble", "ticked"))
    try:
        async with call.services.database.write() as session:
            await batches.choose(
                session,
                call.staff,
                _batch_id(call),
                set() if sent.get("clear") == "1" else ticked,
                row_version=_number(sent.get("row", "")),
            )
    except Conflict as error:
        return await _one_page(call, status=error.status, trouble=word("trouble", str(error)))
    return RedirectResponse(f"/admin/import/{_batch_id(call)}?done=chosen&state={ASK}", 303)


async def apply(call: Call) -> Response:
    """Begin to put the rows in."""
    return await _step(call, "applying")


async def undo(call: Call) -> Response:
    """Begin to take back what the import made."""
    return await _step(call, "undoing")


async def _step(call: Call, done: str) -> Response:
    step = batches.apply if done == "applying" else batches.undo
    try:
        async with call.services.database.write() as session:
            await step(
                session,
                call.staff,
                _batch_id(call),
                row_version=_number(call.form.get("row", "")),
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await _one_page(call, status=error.status, trouble=word("trouble", str(error)))
    return RedirectResponse(f"/admin/import/{_batch_id(call)}?done={done}", 303)


async def template_file(call: Call) -> Response:
    """Return the Excel file to fill in."""
    return _excel(await asyncio.to_thread(template), "import-template.xlsx")


async def report_file(call: Call) -> Response:
    """Return every row with its state as an Excel file."""
    async with call.services.database.write() as session:
        batch = await batches.get(session, call.staff, _batch_id(call))
        found = await lines(session, batch.id)
        await _read(call, session, batch.id, len(found))
    content = await asyncio.to_thread(report, found)
    return _excel(content, f"import-{batch.id}.xlsx")


async def _read(call: Call, session: AsyncSession, batch_id: int, rows: int) -> None:
    await audit.record(
        session,
        staff_id=call.staff.id,
        action="import.read",
        object_kind="import",
        object_id=batch_id,
        now=call.services.clock.now(),
        data={"rows": rows},
    )


def _codes(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return the codes with their numbers, the most frequent first."""
    found = [
        (key.removeprefix("code."), number)
        for key, number in counts.items()
        if key.startswith("code.")
    ]
    return sorted(found, key=lambda one: -one[1])


def _excel(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=EXCEL_TYPE, headers=headers)


def _batch_id(call: Call) -> int:
    batch_id: int = call.request.path_params["batch_id"]
    return batch_id


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else -1
