"""What the forms of the roster and the drills carry, and the words for what went wrong.

Called by `bot.web.roster`, `roster_patterns`, `roster_mine` and `drills`.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound, XinqingError
from bot.core.shift_days import span_of
from bot.db.models import Place
from bot.services import shifts
from bot.web.guard import Call
from bot.web.render import label, labels

Work = Callable[[AsyncSession], Awaitable[str]]
Again = Callable[[str, int], Awaitable[Response]]


async def do(call: Call, work: Work, again: Again) -> Response:
    """Do one thing in one transaction and go where it says, or show the page with what was wrong.

    Args:
        work: returns the address to go to.
        again: shows the page again, given the words and the status.
    """
    try:
        async with call.services.database.write() as session:
            address = await work(session)
    except (InputInvalid, Conflict) as error:
        return await again(explain(error), error.status)
    call.services.bell.ring()
    return RedirectResponse(address, 303)


def explain(error: XinqingError) -> str:
    """Say in Chinese why something was not done."""
    words = labels()["duty_trouble"]
    code, _, day = str(error).partition(":")
    if day:
        return label("duty_trouble", f"{code}_on", day=day)
    if isinstance(error, InputInvalid) and code not in words:
        code = error.field
    return words.get(code, words["conflict"])


def notice(call: Call) -> str:
    """Return what the page says was done; an unknown code says nothing."""
    return labels()["duty_done"].get(call.request.query_params.get("done", ""), "")


def number(sent: str) -> int:
    """Return an id that was sent; 0 when it is none."""
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 10 else 0


def minutes(call: Call, field: str) -> int:
    """Return a time of day of a form as minutes from midnight.

    Raises:
        InputInvalid: it is none.
    """
    found = optional_minutes(call, field)
    if found is None:
        raise InputInvalid("time", field="time")
    return found


def optional_minutes(call: Call, field: str) -> int | None:
    """Return a time of day of a form as minutes from midnight; None for an empty field.

    Raises:
        InputInvalid: something else than a time of day was sent.
    """
    sent = call.form.get(field, "").strip()
    if not sent:
        return None
    hour, colon, minute = sent.partition(":")
    if not (colon and hour.isdecimal() and minute[:2].isdecimal() and len(sent) <= 8):
        raise InputInvalid("time", field="time")
    if int(hour) > 23 or int(minute[:2]) > 59:
        raise InputInvalid("time", field="time")
    return int(hour) * 60 + int(minute[:2])


def day_of(call: Call, field: str) -> date:
    """Return a day of a form.

    Raises:
        InputInvalid: it is none.
    """
    found = optional_day(call.form.get(field, ""))
    if found is None:
        raise InputInvalid(field, field=field)
    return found


def optional_day(sent: str) -> date | None:
    """Return a day that was sent, None when it is none within a sensible span of years."""
    try:
        found = date.fromisoformat(sent.strip())
    except ValueError:
        return None
    return found if 2020 <= found.year <= 2100 else None


def today(call: Call) -> date:
    """Return the day it is in China."""
    return to_shanghai(call.services.clock.now()).date()


def clock_text(minute: int) -> str:
    """Return minutes from midnight as a form's time field takes them."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


async def chosen_place(
    session: AsyncSession, call: Call, action: str = "roster.read"
) -> tuple[Place, list[Place]]:
    """Return the roster that was asked for, else the person's first one, and all of theirs.

    Raises:
        NotFound: it is not within their reach, or there is none at all.
    """
    found = await shifts.rosters(session, call.staff, action)
    wanted = number(call.form.get("place", "") or call.request.query_params.get("place", ""))
    if wanted:
        return await shifts.place_to(session, call.staff, action, wanted), found
    if not found:
        raise NotFound("no roster here")
    return found[0], found


def at(day: date, minute: int) -> datetime:
    """Return a moment that a person means by a day and a time of day in China."""
    return span_of(day, minute, minute)[0]
