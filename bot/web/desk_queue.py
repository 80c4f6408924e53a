"""The queue at the counselors' desk, and the stream that tells open pages to look again."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape
from sse_starlette import EventSourceResponse
from starlette.responses import HTMLResponse, Response

from bot.services import (
    alarms,
    alert_next,
    board,
    cases,
    desk,
    level_words,
    live,
    rights,
    roster_watch,
)
from bot.services.board import Group, Lane, Window
from bot.services.case_rights import SUMMARY_OF, TEXT, WORK
from bot.services.desk import QueueRow
from bot.services.live import LiveEvent
from bot.services.staff import StaffView
from bot.web import desk_offers
from bot.web.guard import Call
from bot.web.render import label

PING_SECONDS = 15
OFFER = "offer"
# What happens at once is told at once, and then not more often than this: in a flood of messages
# fifty open pages would otherwise read the whole queue for each of them.
GATHER_SECONDS = 0.05
PAUSE_SECONDS = 0.3
_MOST_OPENED = 200
# What a person may judge many cases to be at once; anything graver is judged alone, with its steps.
GROUP_LEVELS = ("0", "1", "2")


@dataclass(frozen=True, slots=True)
class Look:
    """One reading of the queue, for all who have the same rights and want to see the same of it.

    Args:
        texts: the cases whose words it shows; each of its viewers has read them.
        involved: who has one of its cases, or is asked about one; they see it in their own way.
        values: what the template shows.
        html: it as the page of anybody who is not involved, with a place for their form's token.
    """

    texts: tuple[int, ...]
    involved: frozenset[int]
    values: Mapping[str, Any]
    html: str


# Where the token of the viewer's forms goes; nobody outside can write it into a message.
_TOKEN = secrets.token_urlsafe(24)


async def queue_page(call: Call) -> Response:
    """Show the desk; the queue inside follows by itself."""
    return await show(call)


async def show(call: Call, *, status: int = 200, problem: str = "") -> Response:
    """Show the desk, also after something did not work."""
    async with call.services.database.read() as session:
        newest = await live.newest_id(session)
        gaps = await roster_watch.gaps_for(session, call.staff, now=call.services.clock.now())
    html = Markup(await _queue(call))
    works = rights.may(call.staff, WORK)
    values = await desk_offers.bar(call) if works else {}
    return call.page(
        "desk.html",
        status=status,
        newest=newest,
        gaps=gaps,
        notice=_notice(call),
        problem=problem,
        works=works,
        window=_window(call),
        queue=html,
        **values,
    )


async def queue_part(call: Call) -> Response:
    """Return the queue alone, for a page that is open."""
    return HTMLResponse(await _queue(call))


async def _queue(call: Call) -> str:
    """Return the queue as this person sees it; what it shows of words is in the trail before."""
    window, me = _window(call), call.staff
    key = ("queue", tuple(sorted(me.places.items())), window)
    look: Look = await call.services.live.reads.get(key, lambda: _look(call, window))
    await _log_listed(call, look.texts)
    if me.id not in look.involved:
        return look.html.replace(_TOKEN, str(escape(call.csrf)))
    values = dict(look.values)
    values |= {name: _own(values[name], me.id) for name in ("open", "accepted")}
    return call.pages.text("_queue.html", values | {"me_id": me.id, "csrf": call.csrf})


async def _look(call: Call, window: Window) -> Look:
    """Read the queue for all who have the rights of this person; nothing in it is theirs alone."""
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        queue = await desk.queue(session, call.staff, now=now)
        lanes = [board.lay_out(rows, window) for rows in (queue.open, queue.accepted)]
        wanted = [*lanes[0].rows, *lanes[1].rows, *queue.closed]
        rows = {row.case_id: row for row in await desk.with_excerpts(session, wanted)}
        words = await level_words.common(session, rights.places_for(call.staff, WORK))
        unsent = await alert_next.unsent(session, call.staff)
        count = await alarms.count_open(session) if rights.may(call.staff, "alarm.clear") else 0
    values = {
        "open": _filled(lanes[0], rows),
        "accepted": _filled(lanes[1], rows),
        "closed": [rows[row.case_id] for row in queue.closed],
        "counts": queue.counts,
        "words": words,
        "newest_open": board.newest_open(queue),
        "window": window,
        "step": board.SHOWN,
        "close_reasons": cases.CLOSE_REASONS,
        "judged": GROUP_LEVELS,
        "alarms": count,
        "unsent": unsent,
        "works": rights.may(call.staff, WORK),
        "now": now,
        "me_id": 0,
        "csrf": _TOKEN,
    }
    texts = tuple(row.case_id for row in wanted if row.scope == TEXT)
    asked = {row.offer.staff_id for row in queue.open if row.offer}
    people = {person for row in queue.accepted for person in row.people}
    html = call.pages.text("_queue.html", values)
    return Look(texts, frozenset(asked | people), values, html)


def _own(lane: Lane, staff_id: int) -> Lane:
    """Return a lane as one of those who are involved sees it."""

    def own(entry: QueueRow | Group) -> QueueRow | Group:
        if isinstance(entry, QueueRow):
            return entry.seen_by(staff_id)
        return Group(tuple(row.seen_by(staff_id) for row in entry.rows), entry.opened)

    return Lane(tuple(own(entry) for entry in lane.entries), lane.total, lane.rest)


async def _log_listed(call: Call, texts: Sequence[int]) -> None:
    """Write into the trail what this person is shown and has not been shown a moment ago."""
    now, me = call.services.clock.now(), call.staff.id
    known = call.services.live.listed
    wanted = [case_id for case_id in texts if not known.holds((me, case_id), now)]
    if not wanted:
        return
    async with call.services.database.read() as session:
        fresh = await desk.unlogged_reads(
            session, call.staff, wanted, action="case.listed", now=now
        )
    await log_reads(call, "case.listed", fresh)
    for case_id in fresh:
        known.keep((me, case_id), now)


def _notice(call: Call) -> str:
    """Return what the page says of what was just done: a code and a number, from its address."""
    query = call.request.query_params
    code, count = query.get("said", ""), query.get("n", "")
    words = label("queue_said", code, n=count if count.isdecimal() else "", m=_missed(call))
    return words if words != code else ""


def _missed(call: Call) -> str:
    missed = call.request.query_params.get("m", "")
    return missed if missed.isdecimal() else "0"


def _window(call: Call) -> Window:
    """Return what the page wants to see, from its address; anything strange is left out."""
    query = call.request.query_params
    shown = query.get("shown", "")
    asked = query.get("opened", "").split(",")[:_MOST_OPENED]
    opened = frozenset(int(one) for one in asked if one.isdecimal() and len(one) < 19)
    return Window(int(shown) if shown.isdecimal() and len(shown) < 6 else board.SHOWN, opened)


def _filled(lane: Lane, rows: Mapping[int, QueueRow]) -> Lane:
    """Return a lane with the excerpts of what it shows."""

    def filled(entry: QueueRow | Group) -> QueueRow | Group:
        if isinstance(entry, QueueRow):
            return rows[entry.case_id]
        return Group(tuple(rows.get(row.case_id, row) for row in entry.rows), entry.opened)

    return Lane(tuple(filled(entry) for entry in lane.entries), lane.total, lane.rest)


async def log_reads(call: Call, action: str, case_ids: Sequence[int]) -> None:
    """Write reads into the audit trail before the words leave the service."""
    if not case_ids:
        return
    async with call.services.database.write() as session:
        now = call.services.clock.now()
        await desk.log_reads(session, call.staff, case_ids, action=action, now=now)


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
    """Yield one event for all changes of a moment: `offer` for offers, `change` for the rest."""
    async for found in call.services.live.batches(after, gather=GATHER_SECONDS):
        # A role may have ended, and the login too, since the page was opened.
        person = await call.staff_now()
        if person is None or not rights.may(person, SUMMARY_OF):
            return
        told = [one for one in found if _concerns(one, case_id) and _reaches(person, one)]
        if not told:
            continue
        newest = str(max(one.id for one in told))
        kinds = [one.kind for one in told]
        if OFFER in kinds:
            yield {"event": OFFER, "id": newest, "data": OFFER}
        if others := [kind for kind in kinds if kind != OFFER]:
            kind = "case" if "case" in others else others[-1]
            yield {"event": "change", "id": newest, "data": kind}
        await asyncio.sleep(PAUSE_SECONDS - GATHER_SECONDS)


def _concerns(event: LiveEvent, case_id: int | None) -> bool:
    """Say whether a page wants to hear of this: a case's page of its case, and of all offers."""
    return case_id in (None, event.case_id) or event.kind == OFFER


def _reaches(person: StaffView, event: LiveEvent) -> bool:
    if event.place_id is None:
        return "district" in person.roles
    return event.place_id in rights.places_for(person, SUMMARY_OF)
