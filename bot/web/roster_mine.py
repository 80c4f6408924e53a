"""`/desk/roster/mine`: one's own shifts, absences, swaps and number; and what a keeper settles."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.db.models import Place, Shift, ShiftSwap
from bot.services import absences, roster, roster_view, roster_watch, shift_patterns, swaps, waking
from bot.web import roster as roster_pages
from bot.web.duty_words import at, day_of, do, notice, number, optional_minutes, today
from bot.web.guard import Call

PAGE = "/desk/roster/mine"


async def mine_page(call: Call) -> Response:
    """Show a person's own duty."""
    return await _page(call, notice(call))


async def _again(call: Call, trouble: str, status: int) -> Response:
    return await _page(call, "", trouble=trouble, status=status)


async def _page(call: Call, done: str, *, trouble: str = "", status: int = 200) -> Response:
    now, me = call.services.clock.now(), call.staff
    async with call.services.database.read() as session:
        rows = await session.execute(
            select(Shift, Place)
            .join(Place, Place.id == Shift.place_id)
            .where(
                Shift.staff_id == me.id,
                Shift.ends_at > now,
                Shift.starts_at < now + shift_patterns.AHEAD,
            )
            .order_by(Shift.starts_at)
        )
        own = [(shift, place) for shift, place in rows]
        away = await roster.absent(session, [me.id], start=now, end=now + timedelta(days=60))
        lines = await swaps.waiting_for(session, me, now)
        named = {one for line in lines for one in (line.row.from_id, line.row.to_id)}
        response = call.page(
            "roster_mine.html",
            status=status,
            own=own,
            away=away.get(me.id, []),
            absences=await absences.ahead(session, [me.id], now=now),
            swaps=lines,
            names=await roster_view.names_of(session, named),
            phone=await roster_view.own_phone(session, me),
            ways=(await waking.ways(session, [me.id])).get(me.id, ()),
            kinds=absences.KINDS,
            today=today(call),
            notice=done,
            trouble=trouble,
            sent=call.form,
        )
    return response


async def set_phone(call: Call) -> Response:
    """Put in one's own number."""

    async def work(session: AsyncSession) -> str:
        phone = call.form.get("phone", "")
        now = call.services.clock.now()
        await roster_view.set_phone(session, call.staff, call.staff.id, phone, now=now)
        return f"{PAGE}?done={'phone' if phone.strip() else 'no_phone'}"

    return await do(call, work, lambda words, status: _again(call, words, status))


async def put_absence(call: Call) -> Response:
    """Put in one's own absence."""

    async def work(session: AsyncSession) -> str:
        await _put(session, call, call.staff.id)
        return f"{PAGE}?done=absent"

    return await do(call, work, lambda words, status: _again(call, words, status))


async def put_absence_for(call: Call) -> Response:
    """Put in a colleague's absence."""

    async def work(session: AsyncSession) -> str:
        staff_id = number(call.form.get("staff", ""))
        if not staff_id:
            raise InputInvalid("staff", field="staff")
        await _put(session, call, staff_id)
        place_id = number(call.form.get("place", ""))
        return roster_pages.address(place_id, day_of(call, "from_day"), "absent_for")

    return await do(call, work, lambda words, status: roster_pages.again(call, words, status))


async def _put(session: AsyncSession, call: Call, staff_id: int) -> None:
    now = call.services.clock.now()
    row = await absences.add(
        session,
        call.staff,
        staff_id,
        kind=call.form.get("kind", ""),
        starts_at=_begin(call),
        ends_at=_end(call),
        now=now,
    )
    for place_id in sorted({shift.place_id for shift in await absences.shifts_in(session, row)}):
        await roster_watch.look_soon(session, place_id, now=now)


def _begin(call: Call) -> datetime:
    """Return from when: without a time of day the whole day."""
    return at(day_of(call, "from_day"), optional_minutes(call, "from_time") or 0)


def _end(call: Call) -> datetime:
    """Return until when: without a time of day the whole day."""
    day, minute = day_of(call, "until_day"), optional_minutes(call, "until_time")
    return at(day + timedelta(days=1), 0) if minute is None else at(day, minute)


async def end_absence(call: Call) -> Response:
    """End an absence: the person is back."""

    async def work(session: AsyncSession) -> str:
        now = call.services.clock.now()
        absence_id: int = call.request.path_params["absence_id"]
        row = await absences.end(session, call.staff, absence_id, now=now)
        if row.staff_id == call.staff.id:
            return f"{PAGE}?done=back"
        return roster_pages.address(number(call.form.get("place", "")), None, "back")

    return await do(call, work, lambda words, status: _again(call, words, status))


async def agree(call: Call) -> Response:
    """Agree to take a shift over."""
    return await _settle(call, "agreed")


async def refuse(call: Call) -> Response:
    """Say no to a swap, as the one who was asked or as the keeper."""
    return await _settle(call, "refused")


async def withdraw(call: Call) -> Response:
    """Take back what one asked."""
    return await _settle(call, "withdrawn")


async def approve(call: Call) -> Response:
    """Approve a swap: the shift changes its person."""
    return await _settle(call, "approved")


_STEPS = {
    "agreed": swaps.agree,
    "refused": swaps.refuse,
    "withdrawn": swaps.withdraw,
    "approved": swaps.approve,
}


async def _settle(call: Call, step: str) -> Response:
    async def work(session: AsyncSession) -> str:
        swap_id: int = call.request.path_params["swap_id"]
        row: ShiftSwap = await _STEPS[step](
            session, call.staff, swap_id, now=call.services.clock.now()
        )
        if call.form.get("place"):
            return roster_pages.address(number(call.form["place"]), None, row.state)
        return f"{PAGE}?done={row.state}"

    return await do(call, work, lambda words, status: _again(call, words, status))
