"""What only the district does with rules: replay, shadow, other schools' words, publishing."""

from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.services import replays, rule_changes, rulesets
from bot.web.guard import Call
from bot.web.risk_cases import binding
from bot.web.rule_words import word
from bot.web.rules import explain, one_page, overview_page, row_version

Act = Callable[[AsyncSession, Call, int], Awaitable[object]]


async def start_replay(call: Call) -> Response:
    """Begin to judge the stored messages again."""
    return await _act(call, "replay", _start_replay)


async def stop_replay(call: Call) -> Response:
    """Stop the replay that runs."""
    return await _act(call, "stopped", _stop_replay)


async def start_shadow(call: Call) -> Response:
    """Let a draft judge along."""
    return await _act(call, "shadow", _start_shadow)


async def stop_shadow(call: Call) -> Response:
    """Make it a draft again."""
    return await _act(call, "shadow_stopped", _stop_shadow)


async def publish(call: Call) -> Response:
    """Put a draft into force."""
    try:
        await rulesets.publish(
            call.services.database,
            call.staff,
            call.request.path_params["rules_id"],
            row_version=row_version(call),
            instead_of=_number(call, "live"),
            reason=call.form.get("reason", ""),
            now=call.services.clock.now(),
            cases=await binding(call),
        )
    except rulesets.NotFit as error:
        return await one_page(
            call, status=error.status, trouble=explain(error), failures=error.failures
        )
    except (Conflict, InputInvalid) as error:
        return await one_page(call, status=error.status, trouble=explain(error))
    return RedirectResponse("/rules?done=published", 303)


async def go_back(call: Call) -> Response:
    """Put an earlier version, or the packaged rules, into force again."""
    try:
        await rulesets.go_back(
            call.services.database,
            call.staff,
            call.request.path_params["rules_id"],
            instead_of=_number(call, "live"),
            reason=call.form.get("reason", ""),
            now=call.services.clock.now(),
            cases=await binding(call),
        )
    except rulesets.NotFit as error:
        return await one_page(
            call, status=error.status, trouble=explain(error), failures=error.failures
        )
    except (Conflict, InputInvalid) as error:
        return await overview_page(call, status=error.status, trouble=explain(error))
    return RedirectResponse("/rules?done=published", 303)


async def texts(call: Call) -> Response:
    """Show the words of messages whose level would change; that is written into the trail."""
    way = call.form.get("way", "")
    source = "shadow" if call.form.get("source") == "shadow" else "replay"
    try:
        async with call.services.database.write() as session:
            row = await rulesets.read(session, call.staff, call.request.path_params["rules_id"])
            replay = await replays.latest(session, row.id) if source == "replay" else None
            if source == "replay" and replay is None:
                raise Conflict("not_running")
            found = await rule_changes.texts(
                session,
                call.staff,
                row,
                replay=replay,
                way=way if way in rule_changes.WAYS else "",
                page=_number(call, "page"),
                why=call.form.get("why", ""),
                now=call.services.clock.now(),
            )
    except (Conflict, InputInvalid) as error:
        return await one_page(call, status=error.status, trouble=explain(error))
    return call.page(
        "rules_texts.html", r=row, t=found, source=source, sent=call.form, way=way, word=word
    )


async def _act(call: Call, done: str, act: Act) -> Response:
    """Do one thing to a rule set in one transaction; show the page again with what went wrong."""
    rules_id: int = call.request.path_params["rules_id"]
    try:
        async with call.services.database.write() as session:
            await act(session, call, rules_id)
    except (Conflict, InputInvalid) as error:
        return await one_page(call, status=error.status, trouble=explain(error))
    return RedirectResponse(f"/rules/{rules_id}?done={done}", 303)


async def _start_replay(session: AsyncSession, call: Call, rules_id: int) -> None:
    await replays.start(
        session,
        call.staff,
        rules_id,
        days=_number(call, "days"),
        row_version=row_version(call),
        now=call.services.clock.now(),
    )


async def _stop_replay(session: AsyncSession, call: Call, rules_id: int) -> None:
    now = call.services.clock.now()
    await replays.stop(session, call.staff, rules_id, now=now)


async def _start_shadow(session: AsyncSession, call: Call, rules_id: int) -> None:
    await rulesets.start_shadow(
        session,
        call.staff,
        rules_id,
        row_version=row_version(call),
        now=call.services.clock.now(),
    )


async def _stop_shadow(session: AsyncSession, call: Call, rules_id: int) -> None:
    await rulesets.stop_shadow(
        session,
        call.staff,
        rules_id,
        row_version=row_version(call),
        now=call.services.clock.now(),
    )


def _number(call: Call, name: str) -> int:
    sent = call.form.get(name, "")
    return int(sent) if sent.isdecimal() and len(sent) < 10 else -1
