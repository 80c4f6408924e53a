"""What a counselor does in a case from its page: accept, take over, write, close, mark."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Case, Contact
from bot.services import cases, conversations, desk, risk_cases
from bot.services.risk_cases import Judgement
from bot.web.case_acts import Act, act
from bot.web.guard import Call
from bot.web.render import label


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


async def _act(call: Call, name: str, do: Act) -> Response:
    place = "write" if name in ("take", "write") else ""
    if name in ("mark", "unmark"):
        place = f"message-{_message_id(call)}"
    return await act(call, name, do, place=place, explain=_explain)


async def _accept(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    await cases.accept(session, call.staff, case.id, now=now)


async def _take(session: AsyncSession, call: Call, case: Case) -> None:
    if case.state != "accepted":
        raise Conflict("not_accepted")
    now = call.services.clock.now()
    await conversations.take(session, call.staff, case.contact_id, now=now)


async def _write(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    text = call.form.get("text", "")
    await desk.refuse_repeat(session, call.staff, case.contact_id, text=text, now=now)
    await conversations.write(session, call.staff, case.contact_id, text=text, now=now)


async def _release(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    await conversations.release(session, call.staff, case.contact_id, now=now)


async def _close(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    contact = await session.get_one(Contact, case.contact_id)
    if contact.holder_id not in (None, call.staff.id):
        raise Conflict("held")
    if contact.holder_id == call.staff.id:
        await conversations.release(session, call.staff, contact.id, now=now, closing=True)
    await cases.close(
        session,
        call.staff,
        case.id,
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
        call.staff,
        case,
        message_id=_message_id(call),
        judgement=Judgement.of(call.form),
        now=call.services.clock.now(),
    )


async def _unmark(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    await risk_cases.undo(session, call.staff, case, message_id=_message_id(call), now=now)


async def _explain(
    session: AsyncSession, call: Call, case: Case, error: Conflict | InputInvalid
) -> str:
    """Say in Chinese why something was refused, from the state as it is now."""
    if str(error) in risk_cases.REFUSALS:
        return label("risk_case", str(error))
    if isinstance(error, InputInvalid):
        codes = {"reason": "no_reason", "note": "no_note"}
        too_long = len(call.form.get("text", "").encode()) > conversations.MAX_BYTES
        return label("desk", codes.get(error.field, "too_long" if too_long else "empty"))
    contact = await session.get_one(Contact, case.contact_id)
    names = await desk.staff_names(session, {case.accepted_by, contact.holder_id})
    return _conflict(call, case, contact, names, str(error))


def _conflict(
    call: Call, case: Case, contact: Contact, names: Mapping[int, str], reason: str
) -> str:
    action = call.request.url.path.rsplit("/", 1)[-1]
    me = call.staff.id
    if case.state == "closed":
        return label("desk", "closed")
    if action == "accept":
        mine = case.accepted_by == me
        taken = names.get(case.accepted_by or 0, "")
        return label("desk", "already_mine" if mine else "taken_by", name=taken)
    if case.state == "open":
        return label("desk", "not_accepted")
    if reason == desk.REPEAT:
        return label("desk", "repeat")
    if contact.holder_id not in (None, me):
        return label("desk", "held", name=names.get(contact.holder_id or 0, ""))
    if action == "write":
        return label("desk", "window" if contact.holder_id == me else "not_held")
    return label("desk", "conflict")
