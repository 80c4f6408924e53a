"""`/desk/roster`: who is on duty when, and where nobody is; shifts by hand; the phone list."""

from datetime import date, timedelta
from urllib.parse import urlencode

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.clock import to_shanghai
from bot.core.errors import InputInvalid, NotFound
from bot.db.models import Place, Shift
from bot.services import absences, rights, roster, roster_view, roster_watch, shifts, swaps, waking
from bot.web.duty_words import (
    chosen_place,
    day_of,
    do,
    minutes,
    notice,
    number,
    optional_day,
    today,
)
from bot.web.guard import Call

PAGE = "/desk/roster"


def address(place_id: int, day: date | None = None, done: str = "") -> str:
    """Return the address of a week of a roster."""
    query = {"place": str(place_id), "day": day.isoformat() if day else "", "done": done}
    return f"{PAGE}?{urlencode({name: value for name, value in query.items() if value})}"


async def roster_page(call: Call) -> Response:
    """Show a week or a month of a roster."""
    return await _page(call, notice(call))


async def again(call: Call, trouble: str, status: int) -> Response:
    """Show the roster again with what was wrong and what was typed."""
    return await _page(call, "", trouble=trouble, status=status)


async def _page(call: Call, done: str, *, trouble: str = "", status: int = 200) -> Response:
    now = call.services.clock.now()
    query = call.request.query_params
    day = optional_day(query.get("day", "") or call.form.get("day", "")) or today(call)
    month = query.get("view") == "month"
    first, last = roster_view.month_of(day) if month else roster_view.week_of(day)
    async with call.services.database.read() as session:
        place, mine = await chosen_place(session, call)
        may_change = rights.may(call.staff, "roster.change", place.id)
        keeper = call.staff if may_change else None
        people = await shifts.people(session, place, now, keeper=keeper)
        ids = [person.id for person in people]
        open_swaps = await swaps.waiting_for(session, call.staff, now)
        named = {one for line in open_swaps for one in (line.row.from_id, line.row.to_id)}
        response = call.page(
            "roster.html",
            status=status,
            place=place,
            places=mine,
            month=month,
            day=day,
            before=first - timedelta(days=1),
            after=last + timedelta(days=1),
            days=await roster_view.days(session, place, first, last, now=now),
            there=await roster_view.here(session, place, now=now),
            gaps=await roster.gaps(session, place, now=now),
            people=people,
            ways=await waking.ways(session, ids),
            absences=await absences.ahead(session, ids, now=now),
            swaps=open_swaps,
            names=await roster_view.names_of(session, {*ids, *named}),
            may_change=may_change,
            may_own=rights.may(call.staff, "roster.own"),
            today=today(call),
            kinds=absences.KINDS,
            notice=done,
            trouble=trouble,
            sent=call.form,
        )
    return response


def _wanted(call: Call) -> shifts.Wanted:
    return shifts.Wanted(
        number(call.form.get("staff", "")),
        day_of(call, "day"),
        minutes(call, "start"),
        minutes(call, "end"),
    )


async def add(call: Call) -> Response:
    """Put somebody on duty once."""

    async def work(session: AsyncSession) -> str:
        wanted = _wanted(call)
        place_id = number(call.form.get("place", ""))
        now = call.services.clock.now()
        await shifts.add(session, call.staff, place_id, wanted, now=now)
        return address(place_id, wanted.day, "added")

    return await do(call, work, lambda words, status: again(call, words, status))


async def shift_page(call: Call) -> Response:
    """Show one shift, with what the reader may do to it."""
    return await _shift_page(call)


async def _shift_page(call: Call, trouble: str = "", status: int = 200) -> Response:
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        shift, place = await _shift(session, call)
        people = await shifts.people(session, place, now)
        names = await roster_view.names_of(
            session, {shift.staff_id, *(person.id for person in people)}
        )
        absent = await roster.absent(
            session, [shift.staff_id], start=shift.starts_at, end=shift.ends_at
        )
    return call.page(
        "roster_shift.html",
        status=status,
        shift=shift,
        place=place,
        seen=shifts.seen(shift),
        day=to_shanghai(shift.starts_at).date(),
        people=people,
        names=names,
        absent=bool(absent),
        over=shift.ends_at <= now,
        running=shift.starts_at <= now < shift.ends_at,
        may_change=rights.may(call.staff, "roster.change", place.id),
        may_swap=shift.staff_id == call.staff.id and rights.may(call.staff, "roster.own"),
        sent=call.form,
        trouble=trouble,
    )


async def _shift(session: AsyncSession, call: Call) -> tuple[Shift, Place]:
    shift = await session.get(Shift, call.request.path_params["shift_id"])
    if shift is None:
        raise NotFound("no such shift")
    return shift, await shifts.place_to(session, call.staff, "roster.read", shift.place_id)


async def change(call: Call) -> Response:
    """Move a shift or give it to somebody else."""

    async def work(session: AsyncSession) -> str:
        wanted = _wanted(call)
        now = call.services.clock.now()
        shift_id: int = call.request.path_params["shift_id"]
        as_seen = call.form.get("seen", "")
        # The right is asked before the form is judged.
        await shifts.to_change(session, call.staff, shift_id)
        shift = await shifts.change(session, call.staff, shift_id, wanted, as_seen=as_seen, now=now)
        await roster_watch.look_soon(session, shift.place_id, now=now)
        return address(shift.place_id, wanted.day, "changed")

    return await do(call, work, lambda words, status: _shift_page(call, words, status))


async def remove(call: Call) -> Response:
    """Take a shift off the roster."""

    async def work(session: AsyncSession) -> str:
        now = call.services.clock.now()
        shift_id: int = call.request.path_params["shift_id"]
        shift, place = await shifts.to_change(session, call.staff, shift_id)
        day = to_shanghai(shift.starts_at).date()
        as_seen = call.form.get("seen", "")
        await shifts.remove(session, call.staff, shift_id, as_seen=as_seen, now=now)
        await roster_watch.look_soon(session, place.id, now=now)
        return address(place.id, day, "removed")

    return await do(call, work, lambda words, status: _shift_page(call, words, status))


async def ask_swap(call: Call) -> Response:
    """Ask a colleague to take over one's own shift."""

    async def work(session: AsyncSession) -> str:
        shift_id: int = call.request.path_params["shift_id"]
        to_id = number(call.form.get("staff", ""))
        now = call.services.clock.now()
        await swaps.ask(session, call.staff, shift_id, to_id=to_id, now=now)
        return f"{PAGE}/mine?done=asked"

    return await do(call, work, lambda words, status: _shift_page(call, words, status))


async def phones_page(call: Call) -> Response:
    """Show whom to ring from now until this time tomorrow; the reading is logged."""
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        place, mine = await chosen_place(session, call)
        found = await roster_view.phones(session, call.staff, place, now=now)
        gaps = await roster.gaps(session, place, now=now, ahead=roster_view.PHONES_AHEAD)
    return call.page("roster_phones.html", place=place, places=mine, found=found, gaps=gaps)


async def set_phone(call: Call) -> Response:
    """Put in a colleague's number."""

    async def work(session: AsyncSession) -> str:
        staff_id = number(call.form.get("staff", ""))
        if not staff_id:
            raise InputInvalid("staff", field="staff")
        phone = call.form.get("phone", "")
        now = call.services.clock.now()
        try:
            await roster_view.set_phone(session, call.staff, staff_id, phone, now=now)
        except NotFound:
            raise InputInvalid("not_theirs", field="staff") from None
        done = "phone" if phone.strip() else "no_phone"
        return address(number(call.form.get("place", "")), None, done)

    return await do(call, work, lambda words, status: again(call, words, status))
