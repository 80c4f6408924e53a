"""Accept or close many cases of a flood at once: a person's decision, case by case.

Each case is accepted or closed in a transaction of its own, with the same rules as alone; what
somebody else has taken meanwhile stays theirs and is counted. The machine never closes anything.
"""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, Contact
from bot.services import case_rights, cases, conversations, judging
from bot.web import desk_queue
from bot.web.guard import Call
from bot.web.render import label

ACCEPT, CLOSE = "accept", "close"
# A flood of a thousand is accepted in two goes; one request must come to an end.
MOST = 600


async def act(call: Call) -> Response:
    """Accept or close the cases of a group, after the person has said so twice."""
    what = call.form.get("what", "")
    ids = _ids(call.form.get("cases", ""))
    problem = _problem(call, what, ids)
    if problem:
        return await desk_queue.show(call, status=422, problem=label("queue_problem", problem))
    done = [case_id for case_id in ids if await _one(call, what, case_id)]
    call.services.bell.ring()
    missed = len(ids) - len(done)
    return RedirectResponse(f"/desk?said=group_{what}&n={len(done)}&m={missed}", 303)


def _ids(sent: str) -> list[int]:
    found = (int(one) for one in sent.split(",") if one.isdecimal() and len(one) < 19)
    return list(dict.fromkeys(found))


def _problem(call: Call, what: str, ids: list[int]) -> str:
    """Return the code of what is missing, or nothing."""
    if what not in (ACCEPT, CLOSE) or not ids:
        return "empty"
    if len(ids) > MOST:
        return "too_many"
    if call.form.get("sure") != "yes":
        return "not_sure"
    if what == CLOSE and call.form.get("reason") not in cases.CLOSE_REASONS:
        return "no_reason"
    if what == CLOSE and call.form.get("level") not in desk_queue.GROUP_LEVELS:
        return "no_level"
    if what == CLOSE and not call.form.get("note", "").strip():
        return "no_note"
    return ""


async def _one(call: Call, what: str, case_id: int) -> bool:
    """Do it to one case; say whether it was done."""
    try:
        async with call.services.database.write() as session:
            if what == ACCEPT:
                now = call.services.clock.now()
                await cases.accept(session, call.staff, case_id, now=now)
            else:
                await _close(session, call, case_id)
    except (Conflict, InputInvalid, NotFound):
        return False
    return True


async def _close(session: AsyncSession, call: Call, case_id: int) -> None:
    """Judge a case and close it, in the words of the person who has looked at all of them.

    Raises:
        Conflict: somebody else has it, or holds the conversation.
    """
    now, me, policy = call.services.clock.now(), call.staff, call.services.policy
    level, note = call.form["level"], call.form["note"].strip()
    case = await case_rights.to_work(session, me, await session.get(Case, case_id))
    contact = await session.get_one(Contact, case.contact_id)
    if case.accepted_by != me.id or contact.holder_id not in (None, me.id):
        raise Conflict("somebody else's")
    if contact.holder_id == me.id:
        await conversations.release(session, me, contact.id, now=now)
    await judging.judge(session, policy, me, case, level=level, reason=note, now=now)
    await cases.close(session, me, case_id, reason=call.form["reason"], note=note, now=now)
