"""The phone calls of the hotline: the list with its counts, and the form of a new one.

Nothing of a call stands in an address: the search for a child is a POST that shows the form again
with what was typed. Rights are asked by `bot.services.phone_calls`.
"""

from collections.abc import Mapping
from datetime import date, timedelta

from starlette.responses import JSONResponse, RedirectResponse, Response

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.levels import LEVELS
from bot.services import (
    case_rights,
    desk,
    drafts,
    level_words,
    phone_call_list,
    phone_calls,
    rights,
)
from bot.services.audit_list import day_starts
from bot.services.phone_calls import Entry
from bot.web.case_acts import problem_words
from bot.web.guard import Call
from bot.web.render import category_codes, labels

# What opens no case of its own: a test word, teaching material.
_NO_CATEGORY = frozenset({"NONE", "EDU", "TEST"})


async def list_page(call: Call) -> Response:
    """List calls, filtered by case or day; with the counts of today and of seven days."""
    asked = call.request.query_params
    case_id = _number(asked.get("case", ""))
    day = _day(asked.get("day", ""))
    now = call.services.clock.now()
    today = to_shanghai(now).date()
    async with call.services.database.read() as session:
        found = await phone_call_list.listing(
            session, call.staff, case_id=case_id, day=day, page=_number(asked.get("page", "")) or 1
        )
        names = await desk.staff_names(session, {row.staff_id for row in found.rows})
        wheres = await desk.place_names(session, {row.place_id for row in found.rows})
        words_of = await level_words.shown_many(session, {row.place_id for row in found.rows})
        mine = rights.places_for(call.staff, phone_calls.ENTER)
        words = await level_words.common(session, mine)
        until = day_starts(today + timedelta(days=1))
        counted = {
            days: await phone_call_list.counts(
                session, mine, since=until - timedelta(days=days), until=until
            )
            for days in (1, 7)
        }
    return call.page(
        "calls.html",
        found=found,
        names=names,
        wheres={place_id: name for place_id, (_, name) in wheres.items()},
        counted=counted,
        levels=LEVELS,
        words=words,
        words_of=words_of,
        asked={"case": asked.get("case", ""), "day": asked.get("day", "")},
        wrong=(asked.get("case") and case_id is None) or (asked.get("day") and day is None),
        today=today.isoformat(),
        notice=labels()["done_call"].get(asked.get("done", ""), ""),
    )


async def new_page(call: Call) -> Response:
    """Show the form of a new call; it begins now."""
    case = _number(call.request.query_params.get("case", ""))
    sent = {"case": str(case)} if case else {}
    return await _form(call, sent=sent)


async def find(call: Call) -> Response:
    """Look for the child that a call is about, and show the form again."""
    return await _form(call, sent=call.form, look=True)


async def drafts_of_new(call: Call) -> Response:
    """Return what this person has typed and not entered yet; `static/own/drafts.js` asks."""
    async with call.services.database.read() as session:
        found = await drafts.of_new(session, call.staff, "call")
    return JSONResponse({"staff": call.staff.id, "csrf": call.csrf, "drafts": dict(found)})


async def enter(call: Call) -> Response:
    """Enter a call and go to its case."""
    now = call.services.clock.now()
    try:
        async with call.services.database.write() as session:
            entered = await phone_calls.enter(
                session, call.services.policy, call.staff, _entry(call.form), now=now
            )
            case_id = entered.case_id
            await drafts.drop(session, call.staff, call.form.get("drafts", "").split(","))
    except (InputInvalid, Conflict) as error:
        return await _form(
            call, sent=call.form, status=error.status, problem=problem_words(error), look=True
        )
    call.services.bell.ring()
    try:
        async with call.services.database.read() as session:
            await case_rights.visible(session, call.staff, case_id)
    except NotFound:
        return RedirectResponse("/desk/calls?done=call_passed", 303)
    return RedirectResponse(f"/desk/cases/{case_id}?done=call_entered#panel-calls", 303)


async def end(call: Call) -> Response:
    """Hang up."""
    call_id: int = call.request.path_params["call_id"]
    try:
        async with call.services.database.write() as session:
            ended = await phone_calls.end(
                session,
                call.staff,
                call_id,
                note=call.form.get("note", ""),
                now=call.services.clock.now(),
            )
            case_id = ended.case_id
            await drafts.drop(session, call.staff, call.form.get("drafts", "").split(","))
    except Conflict:
        return RedirectResponse("/desk/calls?done=call_over", 303)
    call.services.bell.ring()
    return RedirectResponse(f"/desk/cases/{case_id}?done=call_ended#panel-calls", 303)


def _entry(form: Mapping[str, str]) -> Entry:
    return Entry(
        direction=form.get("direction", ""),
        started=form.get("started", ""),
        ended=form.get("ended", ""),
        caller=form.get("caller", ""),
        phone=form.get("phone", ""),
        note=form.get("note", ""),
        case=form.get("case", ""),
        who=form.get("who", "X"),
        level=form.get("level", ""),
        category=form.get("category", "") if form.get("category") in _categories() else "",
        place_id=_number(form.get("place", "")),
        child_id=_number(form.get("child", "")),
    )


def _categories() -> list[str]:
    return [code for code in category_codes() if code not in _NO_CATEGORY]


async def _form(
    call: Call,
    *,
    sent: Mapping[str, str],
    status: int = 200,
    problem: str = "",
    look: bool = False,
) -> Response:
    now = call.services.clock.now()
    name = sent.get("child_name", "")
    # A search is written down in the audit trail, so it needs a transaction that writes.
    async with call.services.database.write() as session:
        open_places = await phone_calls.places_of(session, call.staff)
        children = []
        if look and name.strip():
            children = await phone_calls.find_children(
                session, call.staff, call.services.ring, name, now=now
            )
        ids = {row.place_id for row, _ in children}
        wheres = await desk.place_names(session, ids)
        words = await level_words.common(session, [place.id for place in open_places])
    return call.page(
        "call_new.html",
        status=status,
        sent=sent,
        problem=problem,
        places=open_places,
        children=children,
        looked=look and bool(name.strip()),
        wheres={place_id: where for place_id, (_, where) in wheres.items()},
        levels=LEVELS,
        words=words,
        categories=_categories(),
        who=phone_calls.WHO,
        started=to_shanghai(now).strftime("%Y-%m-%dT%H:%M"),
        longest={
            "caller": phone_calls.LONGEST_NAME,
            "phone": phone_calls.LONGEST_PHONE,
            "note": phone_calls.LONGEST_NOTE,
        },
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    # What lies outside has no moment of its own in China.
    return found if 2000 <= found.year <= 2100 else None
