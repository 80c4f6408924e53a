"""`/desk/roster/patterns`: shifts that come again, made and changed by the keeper."""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.db.models import ShiftPattern
from bot.services import roster_view, roster_watch, shift_patterns, shifts
from bot.services.shift_patterns import Wanted
from bot.web.duty_words import (
    chosen_place,
    clock_text,
    day_of,
    do,
    minutes,
    notice,
    number,
    optional_day,
    optional_minutes,
    today,
)
from bot.web.guard import Call

PAGE = "/desk/roster/patterns"


async def list_page(call: Call) -> Response:
    """Show the patterns of a roster and the form for a new one."""
    return await _list_page(call, notice=notice(call))


async def _list_page(
    call: Call, *, notice: str = "", trouble: str = "", status: int = 200
) -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        place, mine = await chosen_place(session, call, "roster.change")
        rows = await shift_patterns.of_place(session, place, now)
        people = await shifts.people(session, place, now, keeper=call.staff)
        ids = {row.staff_id for row in rows} | {person.id for person in people}
        names = await roster_view.names_of(session, ids)
    return call.page(
        "roster_patterns.html",
        status=status,
        place=place,
        places=mine,
        rows=rows,
        people=people,
        names=names,
        today=today(call),
        clock_text=clock_text,
        sent=call.form,
        notice=notice,
        trouble=trouble,
    )


def _days(call: Call) -> frozenset[int]:
    return frozenset(number for number in range(1, 8) if call.form.get(f"d{number}"))


def _wanted(call: Call, start: int, end: int) -> Wanted:
    sent = call.form.get("last_day", "").strip()
    last = optional_day(sent)
    if sent and last is None:
        raise InputInvalid("last_day", field="last_day")
    return Wanted(
        staff_id=number(call.form.get("staff", "")),
        days=_days(call),
        on_holidays=bool(call.form.get("holidays")),
        on_makeup_days=bool(call.form.get("makeup")),
        start_minute=start,
        end_minute=end,
        first_day=day_of(call, "first_day"),
        last_day=last,
    )


def _spans(call: Call) -> list[tuple[int, int]]:
    """Return the hours that were put in; a split shift has two."""
    spans = [(minutes(call, "start"), minutes(call, "end"))]
    second = optional_minutes(call, "start2"), optional_minutes(call, "end2")
    if second != (None, None):
        spans.append((minutes(call, "start2"), minutes(call, "end2")))
    return spans


async def create(call: Call) -> Response:
    """Make a pattern, or two for a split shift, and write the shifts at once."""

    async def work(session: AsyncSession) -> str:
        place_id, now = number(call.form.get("place", "")), call.services.clock.now()
        for start, end in _spans(call):
            wanted = _wanted(call, start, end)
            await shift_patterns.create(session, call.staff, place_id, wanted, now=now)
        return f"{PAGE}?place={place_id}&done=pattern_made"

    return await do(
        call, work, lambda words, status: _list_page(call, trouble=words, status=status)
    )


async def one_page(call: Call) -> Response:
    """Show one pattern and the form that changes it."""
    return await _one_page(call)


async def _one_page(call: Call, *, trouble: str = "", status: int = 200) -> Response:
    now = call.services.clock.now()
    pattern_id: int = call.request.path_params["pattern_id"]
    async with call.services.database.read() as session:
        row, place = await shift_patterns.to_change(session, call.staff, pattern_id, lock=False)
        people = await shifts.people(session, place, now, keeper=call.staff)
        ids = {row.staff_id} | {person.id for person in people}
        names = await roster_view.names_of(session, ids)
    return call.page(
        "roster_pattern.html",
        status=status,
        row=row,
        place=place,
        people=people,
        names=names,
        clock_text=clock_text,
        stored=_stored(row),
        sent=call.form,
        trouble=trouble,
    )


def _stored(row: ShiftPattern) -> dict[str, str]:
    """Return a pattern as its form would send it."""
    ticked = {f"d{day}": "1" for day in row.days}
    ticked |= {"holidays": "1"} if row.on_holidays else {}
    ticked |= {"makeup": "1"} if row.on_makeup_days else {}
    return ticked | {
        "start": clock_text(row.start_minute),
        "end": clock_text(row.end_minute),
        "first_day": row.first_day.isoformat(),
        "last_day": row.last_day.isoformat() if row.last_day else "",
    }


async def change(call: Call) -> Response:
    """Change a pattern; its future shifts are written anew."""

    async def work(session: AsyncSession) -> str:
        pattern_id: int = call.request.path_params["pattern_id"]
        _, place = await shift_patterns.to_change(session, call.staff, pattern_id)
        now = call.services.clock.now()
        wanted = _wanted(call, minutes(call, "start"), minutes(call, "end"))
        version = number(call.form.get("version", ""))
        await shift_patterns.change(
            session, call.staff, pattern_id, wanted, row_version=version, now=now
        )
        await roster_watch.look_soon(session, place.id, now=now)
        return f"{PAGE}?place={place.id}&done=pattern_changed"

    return await do(call, work, lambda words, status: _one_page(call, trouble=words, status=status))


async def end(call: Call) -> Response:
    """End a pattern today."""

    async def work(session: AsyncSession) -> str:
        pattern_id: int = call.request.path_params["pattern_id"]
        _, place = await shift_patterns.to_change(session, call.staff, pattern_id)
        now = call.services.clock.now()
        version = number(call.form.get("version", ""))
        await shift_patterns.end(session, call.staff, pattern_id, row_version=version, now=now)
        await roster_watch.look_soon(session, place.id, now=now)
        return f"{PAGE}?place={place.id}&done=pattern_ended"

    return await do(call, work, lambda words, status: _one_page(call, trouble=words, status=status))
