"""`/desk/drills`: start a practice alarm, follow it, read and print what came of it."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Case
from bot.db.models.duty import RUNNING
from bot.services import drills, going_live, level_words, roster, roster_view, shifts
from bot.services.places import path_ids
from bot.web.case_acts import act
from bot.web.duty_words import do, notice, number
from bot.web.guard import Call

PAGE = "/desk/drills"


async def list_page(call: Call) -> Response:
    """Show the drills that were held, and the form that starts one."""
    return await _list_page(call, notice(call))


async def _list_page(
    call: Call, done: str = "", *, trouble: str = "", status: int = 200
) -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        places = await shifts.rosters(session, call.staff, drills.RIGHT)
        lines = await drills.listed(session, call.staff)
        names = await roster_view.names_of(session, drills.people_in(lines))
        words = await level_words.common(session, [place.id for place in places])
        words_of = await level_words.shown_many(session, [line.row.place_id for line in lines])
        waiting = await going_live.missing(session, now)
        empty = [place.id for place in places if not await roster.covered(session, place, now)]
    mine = {one for place in places for one in path_ids(place)}
    return call.page(
        "drills.html",
        status=status,
        places=places,
        lines=lines,
        names=names,
        levels=drills.LEVELS,
        words=words,
        words_of=words_of,
        waiting=[place for place in waiting if place.id in mine],
        empty=empty,
        running=[line for line in lines if line.row.state == RUNNING],
        sent=call.form,
        notice=done,
        trouble=trouble,
    )


async def start(call: Call) -> Response:
    """Start a drill."""

    async def work(session: AsyncSession) -> str:
        place_id = number(call.form.get("place", ""))
        if not place_id:
            raise InputInvalid("place", field="place")
        row = await drills.start(
            session,
            call.services.policy,
            call.staff,
            place_id=place_id,
            level=call.form.get("level", ""),
            mode=call.services.mode,
            now=call.services.clock.now(),
        )
        return f"{PAGE}/{row.id}?done=drill_started"

    return await do(
        call, work, lambda words, status: _list_page(call, trouble=words, status=status)
    )


async def one_page(call: Call) -> Response:
    """Show one drill as it stands, or its report; the reading is logged."""
    return await _one_page(call, notice(call))


async def _one_page(
    call: Call, done: str = "", *, trouble: str = "", status: int = 200
) -> Response:
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        drill_id: int = call.request.path_params["drill_id"]
        line = await drills.one(session, call.staff, drill_id, now=now)
        names = await roster_view.names_of(session, drills.people_in([line]))
        words = await level_words.shown(session, line.row.place_id)
        await drills.log_read(session, call.staff, line.row, now=now)
    return call.page(
        "drill.html",
        status=status,
        line=line,
        words=words,
        report=line.report,
        names=names,
        moment=_moment,
        notice=done,
        trouble=trouble,
    )


def _moment(text: str | None) -> datetime | None:
    """Return a moment of a stored report."""
    return datetime.fromisoformat(text) if text else None


async def end(call: Call) -> Response:
    """End a drill; its case is closed by whoever presses this."""

    async def work(session: AsyncSession) -> str:
        drill_id: int = call.request.path_params["drill_id"]
        await drills.end(session, call.staff, drill_id, now=call.services.clock.now())
        return f"{PAGE}/{drill_id}?done=drill_ended"

    return await do(call, work, lambda words, status: _one_page(call, trouble=words, status=status))


async def write_words(call: Call) -> Response:
    """Keep what somebody would say first; nothing is sent."""

    async def do_it(session: AsyncSession, call: Call, case: Case) -> None:
        if not case.drill:
            raise Conflict("no_drill")
        now = call.services.clock.now()
        await drills.write_words(session, call.staff, case, call.form.get("words", ""), now=now)

    return await act(call, "drill_words", do_it, panel="drill")
