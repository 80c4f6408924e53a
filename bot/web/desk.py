"""The counselors' desk: the live queue and a case's page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncSession
from sse_starlette import EventSourceResponse
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, XinqingError
from bot.core.levels import LEVELS
from bot.db.models import Case, Contact
from bot.services import alarms, cases, conversations, desk, live, rights, risk_cases
from bot.services.dossier import Dossier, Line, dossier
from bot.services.risk_cases import Judgement
from bot.web.guard import Call
from bot.web.render import category_codes, label

PING_SECONDS = 15
DONE = ("accept", "take", "release", "write", "close", "mark", "unmark")

Act = Callable[[AsyncSession, Call, Case], Awaitable[object]]


async def queue_page(call: Call) -> Response:
    """Show the desk; the queue inside follows by itself."""
    async with call.services.database.read() as session:
        newest = await live.newest_id(session)
    return call.page(
        "desk.html", queue=await _queue(call), alarms=await _alarms(call), newest=newest
    )


async def queue_part(call: Call) -> Response:
    """Return the queue alone, for a page that is open."""
    return call.page("_queue.html", queue=await _queue(call), alarms=await _alarms(call))


async def _alarms(call: Call) -> int:
    """Return how many alarms wait for whoever may clear them; 0 for everybody else."""
    if not rights.may(call.staff, "alarm.clear"):
        return 0
    async with call.services.database.read() as session:
        return await alarms.count_open(session)


async def _queue(call: Call) -> desk.Queue:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        shown = await desk.queue(session, call.staff, now=now)
        fresh = await desk.unlogged_reads(
            session,
            staff_id=call.staff.id,
            action="case.listed",
            case_ids=shown.case_ids,
            now=now,
        )
    await _log_reads(call, "case.listed", fresh)
    return shown


async def _log_reads(call: Call, action: str, case_ids: Sequence[int]) -> None:
    """Write reads into the audit trail before the words leave the service."""
    if not case_ids:
        return
    async with call.services.database.write() as session:
        await desk.log_reads(
            session,
            staff_id=call.staff.id,
            action=action,
            case_ids=case_ids,
            now=call.services.clock.now(),
        )


async def events(call: Call) -> Response:
    """Stream changes of what this person may see; each one only says: look again."""
    seen = call.request.headers.get("last-event-id") or call.request.query_params.get("after", "")
    after = int(seen) if seen.isdecimal() and len(seen) < 19 else None
    case_id = call.request.query_params.get("case", "")
    stream = _changes(call, after, int(case_id) if case_id.isdecimal() else None)
    return EventSourceResponse(stream, ping=PING_SECONDS)


async def _changes(
    call: Call, after: int | None, case_id: int | None
) -> AsyncIterator[dict[str, str]]:
    async for event in call.services.live.subscribe(after):
        if case_id not in (None, event.case_id):
            continue
        # A role may have ended, and the login too, since the page was opened.
        person = await call.staff_now()
        if person is None or not rights.may(person, "case.summary"):
            return
        district = event.place_id is None and "district" in person.roles
        if district or event.place_id in rights.places_for(person, "case.summary"):
            yield {"event": "change", "id": str(event.id), "data": event.kind}


async def case_page(call: Call) -> Response:
    """Show one case with its conversation."""
    done = call.request.query_params.get("done", "")
    return await _case_page(call, notice=label("done", done) if done in DONE else "")


async def _case_page(
    call: Call, *, status: int = 200, notice: str = "", problem: str = ""
) -> Response:
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        newest = await live.newest_id(session)
        found = await _dossier(session, call, case_id)
    await _log_reads(call, "case.read", [case_id])
    return call.page(
        "case.html",
        status=status,
        d=found,
        newest=newest,
        notice=notice,
        problem=problem,
        sent=call.form,
        close_reasons=cases.CLOSE_REASONS,
        marking=_marking(call, found),
        levels=LEVELS,
        categories=category_codes(),
        max_bytes=conversations.MAX_BYTES,
    )


def _marking(call: Call, found: Dossier) -> Line | None:
    """Return the message whose judgement a person wants to correct, if there is one."""
    asked = call.form.get("message") or call.request.query_params.get("mark", "")
    lines = (line for line in found.lines if line.fresh and str(line.message_id) == asked)
    return next(lines, None)


async def case_part(call: Call) -> Response:
    """Return the parts of a case's page that change, for a page that is open."""
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.read() as session:
        found = await _dossier(session, call, case_id)
        fresh = await desk.unlogged_reads(
            session,
            staff_id=call.staff.id,
            action="case.read",
            case_ids=[case_id],
            now=call.services.clock.now(),
        )
    await _log_reads(call, "case.read", fresh)
    return call.page("_case_live.html", d=found)


async def _dossier(session: AsyncSession, call: Call, case_id: int) -> Dossier:
    case = await desk.visible_case(session, call.staff, case_id)
    return await dossier(session, case, now=call.services.clock.now())


async def accept(call: Call) -> Response:
    """Accept a case."""
    return await _act(call, "accept", _accept)


async def take(call: Call) -> Response:
    """Take the conversation over; the bot is silent from now on."""
    return await _act(call, "take", _take)


async def write(call: Call) -> Response:
    """Write to the parent."""
    return await _act(call, "write", _write)


async def release(call: Call) -> Response:
    """Hand the conversation back to the bot."""
    return await _act(call, "release", _release)


async def close(call: Call) -> Response:
    """Close a case with a reason; a conversation that is still held goes back to the bot."""
    return await _act(call, "close", _close)


async def mark(call: Call) -> Response:
    """Keep that a message was judged too high or too low; no level changes by it."""
    return await _act(call, "mark", _mark)


async def unmark(call: Call) -> Response:
    """Take one's own mark back."""
    return await _act(call, "unmark", _unmark)


async def _act(call: Call, name: str, act: Act) -> Response:
    """Do one thing to a case in one transaction; show the page again with what went wrong."""
    case_id: int = call.request.path_params["case_id"]
    try:
        async with call.services.database.write() as session:
            case = await desk.visible_case(session, call.staff, case_id)
            await act(session, call, case)
    except (Conflict, InputInvalid) as error:
        problem = await _explain(call, case_id, error)
        return await _case_page(call, status=error.status, problem=problem)
    call.services.bell.ring()
    place = "#write" if name in ("take", "write") else ""
    if name in ("mark", "unmark"):
        place = f"#message-{_message_id(call)}"
    return RedirectResponse(f"/desk/cases/{case_id}?done={name}{place}", 303)


async def _accept(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    await cases.accept(session, case_id=case.id, staff_id=call.staff.id, now=now)


async def _take(session: AsyncSession, call: Call, case: Case) -> None:
    if case.state != "accepted":
        raise Conflict("not_accepted")
    await conversations.take(
        session,
        contact_id=case.contact_id,
        staff_id=call.staff.id,
        now=call.services.clock.now(),
    )


async def _write(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    text = call.form.get("text", "")
    await desk.refuse_repeat(
        session, contact_id=case.contact_id, staff_id=call.staff.id, text=text, now=now
    )
    await conversations.write(
        session,
        contact_id=case.contact_id,
        staff_id=call.staff.id,
        case_id=case.id,
        text=text,
        now=now,
    )


async def _release(session: AsyncSession, call: Call, case: Case) -> None:
    await conversations.release(
        session,
        contact_id=case.contact_id,
        staff_id=call.staff.id,
        now=call.services.clock.now(),
    )


async def _close(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    contact = await session.get_one(Contact, case.contact_id)
    if contact.holder_id not in (None, call.staff.id):
        raise Conflict("held")
    if contact.holder_id == call.staff.id:
        await conversations.release(session, contact_id=contact.id, staff_id=call.staff.id, now=now)
    await cases.close(
        session,
        case_id=case.id,
        staff_id=call.staff.id,
        reason=call.form.get("reason", ""),
        note=call.form.get("note", "").strip(),
        now=now,
    )


def _message_id(call: Call) -> int:
    sent = call.form.get("message", "")
    return int(sent) if sent.isdecimal() and len(sent) < 19 else 0


async def _mark(session: AsyncSession, call: Call, case: Case) -> None:
    await risk_cases.mark(
        session,
        case,
        message_id=_message_id(call),
        judgement=Judgement.of(call.form),
        staff_id=call.staff.id,
        now=call.services.clock.now(),
    )


async def _unmark(session: AsyncSession, call: Call, case: Case) -> None:
    await risk_cases.undo(
        session,
        case,
        message_id=_message_id(call),
        staff_id=call.staff.id,
        now=call.services.clock.now(),
    )


async def _explain(call: Call, case_id: int, error: XinqingError) -> str:
    """Say in Chinese why something was refused, from the state as it is now."""
    if str(error) in risk_cases.REFUSALS:
        return label("risk_case", str(error))
    if isinstance(error, InputInvalid):
        codes = {"reason": "no_reason", "note": "no_note"}
        too_long = len(call.form.get("text", "").encode()) > conversations.MAX_BYTES
        return label("desk", codes.get(error.field, "too_long" if too_long else "empty"))
    async with call.services.database.read() as session:
        found = await _dossier(session, call, case_id)
    return _conflict(call, found, str(error))


def _conflict(call: Call, found: Dossier, reason: str) -> str:
    action = call.request.url.path.rsplit("/", 1)[-1]
    me = call.staff.id
    if found.case.state == "closed":
        return label("desk", "closed")
    if action == "accept":
        mine = found.case.accepted_by == me
        return label("desk", "already_mine" if mine else "taken_by", name=found.accepted_by)
    if found.case.state == "open":
        return label("desk", "not_accepted")
    if reason == "repeat":
        return label("desk", "repeat")
    if found.contact.holder_id not in (None, me):
        return label("desk", "held", name=found.holder)
    if action == "write":
        return label("desk", "window" if found.contact.holder_id == me else "not_held")
    return label("desk", "conflict")
