"""Follow-ups and care plans: what is done on a case's page, and the list at the desk."""

from datetime import date
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.db.models import Case
from bot.services import agenda, care_plans, follow_ups
from bot.services.agenda import VIEWS
from bot.web.case_acts import act
from bot.web.guard import Call
from bot.web.panel_followups import day_words

FOLLOW_UPS, CARE_PLAN = "follow_ups", "care_plan"


async def list_page(call: Call) -> Response:
    """Show follow-ups and plan reviews: one's own, those in reach, or the overdue ones."""
    asked = call.request.query_params
    view = asked.get("view", "") if asked.get("view", "") in VIEWS else VIEWS[0]
    number = _number(asked.get("page", "")) or 1
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        page = await agenda.page(session, call.staff, view=view, number=number, now=now)
    return call.page(
        "followups.html",
        rows=page.rows,
        total=page.total,
        counts=page.counts,
        view=view,
        views=VIEWS,
        earlier=_link(view, page.number - 1) if page.number > 1 else "",
        later=_link(view, page.number + 1) if page.more else "",
        soon=agenda.soon(now),
        day=day_words,
    )


def _link(view: str, number: int) -> str:
    return urlencode({"view": view, "page": number})


async def add(call: Call) -> Response:
    """Plan a follow-up on a day of one's own."""
    return await act(call, "followup_added", _add, panel=FOLLOW_UPS)


async def finish(call: Call) -> Response:
    """Note that a follow-up was done."""
    return await act(call, "followup_done", _finish, panel=FOLLOW_UPS)


async def move(call: Call) -> Response:
    """Move a follow-up to another day."""
    return await act(call, "followup_moved", _move, panel=FOLLOW_UPS)


async def call_off(call: Call) -> Response:
    """Call a follow-up off."""
    return await act(call, "followup_off", _call_off, panel=FOLLOW_UPS)


async def give(call: Call) -> Response:
    """Make somebody else answer for a follow-up."""
    return await act(call, "followup_given", _give, panel=FOLLOW_UPS)


async def write_plan(call: Call) -> Response:
    """Write a plan, or a new version of it."""
    return await act(call, "care_plan_written", _write_plan, panel=CARE_PLAN)


async def end_plan(call: Call) -> Response:
    """End the running plan."""
    return await act(call, "care_plan_ended", _end_plan, panel=CARE_PLAN)


async def _add(session: AsyncSession, call: Call, case: Case) -> None:
    now = call.services.clock.now()
    await follow_ups.add(session, call.staff, case, day=_day(call, "day"), now=now)


async def _finish(session: AsyncSession, call: Call, case: Case) -> None:
    note, now = call.form.get("note", ""), call.services.clock.now()
    await follow_ups.finish(session, call.staff, case, _which(call), note=note, now=now)


async def _call_off(session: AsyncSession, call: Call, case: Case) -> None:
    note, now = call.form.get("note", ""), call.services.clock.now()
    await follow_ups.call_off(session, call.staff, case, _which(call), note=note, now=now)


async def _move(session: AsyncSession, call: Call, case: Case) -> None:
    await follow_ups.move(
        session,
        call.staff,
        case,
        _which(call),
        day=_day(call, "day"),
        note=call.form.get("note", ""),
        now=call.services.clock.now(),
    )


async def _give(session: AsyncSession, call: Call, case: Case) -> None:
    owner_id, now = _number(call.form.get("owner", "")), call.services.clock.now()
    await follow_ups.give(session, call.staff, case, _which(call), owner_id=owner_id, now=now)


async def _write_plan(session: AsyncSession, call: Call, case: Case) -> None:
    await care_plans.write(
        session,
        call.staff,
        case,
        goal=call.form.get("goal", ""),
        steps=call.form.get("steps", ""),
        owner_id=_number(call.form.get("owner", "")),
        review=_day(call, "review"),
        replaces=_number(call.form.get("replaces", "")) or None,
        now=call.services.clock.now(),
    )


async def _end_plan(session: AsyncSession, call: Call, case: Case) -> None:
    plan_id, now = _number(call.form.get("replaces", "")), call.services.clock.now()
    await care_plans.end(session, call.staff, case, plan_id, now=now)


def _which(call: Call) -> int:
    found = _number(call.form.get("follow_up", ""))
    if not found:
        raise InputInvalid("no_follow_up", field="follow_up")
    return found


def _day(call: Call, name: str) -> date:
    try:
        return date.fromisoformat(call.form.get(name, ""))
    except ValueError:
        raise InputInvalid("no_day", field=name) from None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0
