"""Leave to read a minor's record: one's own permits, those to decide, and the record itself."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound, XinqingError
from bot.db.models import Case
from bot.services import level_words, minor_record, permits, rights
from bot.services.dossier import dossier
from bot.web.guard import Call

DONE = ("asked", "approved", "refused", "ended", "justified", "unjustified")


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `permits.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("permits.toml").read_text("utf-8"))


async def permits_page(call: Call) -> Response:
    """List one's own permits and what waits for one's decision."""
    done = call.request.query_params.get("done", "")
    return await _page(call, notice=words()["done"][done] if done in DONE else "")


async def _page(call: Call, *, status: int = 200, notice: str = "", problem: str = "") -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        mine = await permits.mine(session, call.staff, now=now)
        waiting = await permits.to_decide(session, call.staff, now=now)
    sent = call.form or call.request.query_params
    return call.page(
        "permits.html",
        status=status,
        mine=mine,
        waiting=waiting,
        words=words(),
        hours=permits.HOURS,
        kinds=tuple(permits.PLACES),
        may_ask=rights.may(call.staff, "record.read"),
        may_break=rights.may(call.staff, "record.break_glass"),
        sent={name: sent.get(name, "") for name in ("kind", "object", "reason")},
        notice=notice,
        problem=problem,
    )


async def ask(call: Call) -> Response:
    """Ask for leave to read a record."""
    try:
        async with call.services.database.write() as session:
            await permits.ask(
                session,
                call.staff,
                kind=call.form.get("kind", ""),
                object_id=_number(call.form.get("object", "")),
                reason=call.form.get("reason", ""),
                now=call.services.clock.now(),
            )
    except (InputInvalid, NotFound) as error:
        return await _refused(call, error)
    return RedirectResponse("/permits?done=asked", 303)


async def break_glass(call: Call) -> Response:
    """Read at once; the alarm goes out in the same transaction."""
    services = call.services
    try:
        async with services.database.write() as session:
            permit = await permits.break_glass(
                session,
                call.staff,
                kind=call.form.get("kind", ""),
                object_id=_number(call.form.get("object", "")),
                reason=call.form.get("reason", ""),
                now=services.clock.now(),
                policy=services.policy,
            )
    except (InputInvalid, NotFound) as error:
        return await _refused(call, error)
    services.bell.ring()
    return RedirectResponse(f"/permits/{permit.id}/record", 303)


async def approve(call: Call) -> Response:
    """Let somebody read, for the chosen hours."""
    hours = _number(call.form.get("hours", ""))
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await permits.approve(session, call.staff, _id(call), hours=hours, now=now)
    except (InputInvalid, Conflict) as error:
        return await _refused(call, error)
    return RedirectResponse("/permits?done=approved", 303)


async def refuse(call: Call) -> Response:
    """Say no."""
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await permits.refuse(session, call.staff, _id(call), now=now)
    except Conflict as error:
        return await _refused(call, error)
    return RedirectResponse("/permits?done=refused", 303)


async def review(call: Call) -> Response:
    """Judge whether breaking the glass was right."""
    verdict = call.form.get("verdict", "")
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await permits.review(session, call.staff, _id(call), verdict=verdict, now=now)
    except (InputInvalid, Conflict) as error:
        return await _refused(call, error)
    return RedirectResponse(f"/permits?done={verdict}", 303)


async def end(call: Call) -> Response:
    """Give a permit back, or take one back."""
    try:
        async with call.services.database.write() as session:
            await permits.end(session, call.staff, _id(call), now=call.services.clock.now())
    except Conflict as error:
        return await _refused(call, error)
    return RedirectResponse("/permits?done=ended", 303)


async def record_page(call: Call) -> Response:
    """Show the record that one's own open permit is for; each showing is in the audit trail."""
    now = call.services.clock.now()
    # The read is written down before the words leave the service.
    async with call.services.database.write() as session:
        permit = await permits.own(session, call.staff, _id(call))
        used = await permits.read(session, call.staff, permit.kind, permit.object_id, now)
    async with call.services.database.read() as session:
        if used.kind == permits.CHILD:
            found = await minor_record.child_record(session, call.staff, used, now=now)
            levels = await level_words.shown(session, found.child.place_id)
            return call.page(
                "permit_child.html", r=found, permit=used, words=words(), levels=levels
            )
        case = await session.get_one(Case, used.object_id)
        shown = await dossier(session, call.staff, case, now=now, permit=used)
        levels = await level_words.shown(session, case.place_id)
    return call.page("permit_case.html", d=shown, permit=used, words=words(), levels=levels)


async def _refused(call: Call, error: XinqingError) -> Response:
    """Show the list again and say what was wrong."""
    code = "not_found" if isinstance(error, NotFound) else str(error)
    problems = words()["problem"]
    return await _page(call, status=error.status, problem=problems.get(code, problems["decided"]))


def _id(call: Call) -> int:
    permit_id: int = call.request.path_params["permit_id"]
    return permit_id


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
