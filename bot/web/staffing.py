"""The pages of staff: who works where, accounts, roles, and somebody's leaving."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.clock import SHANGHAI
from bot.core.errors import InputInvalid
from bot.services import leaving, rights, staffing
from bot.services.staff_ids import IdTaken
from bot.services.staffing import StaffConflict
from bot.web.guard import Call
from bot.web.tree_words import chosen, explain, full_names, notice, word

Work = Callable[[AsyncSession], Awaitable[str]]


async def staff_page(call: Call) -> Response:
    """List who works at the caller's places, or who has left."""
    return await _staff_page(call, notice=notice(call))


async def _staff_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    left = call.request.query_params.get("left") == "1"
    async with call.services.database.read() as session:
        people = await staffing.listing(
            session, call.staff, now=call.services.clock.now(), left=left
        )
        may_add = rights.may(call.staff, "staff.change")
        places = await staffing.places_to_grant(session, call.staff) if may_add else []
    return call.page(
        "admin_staff.html",
        status=status,
        people=people,
        left=left,
        may_add=may_add,
        places=places,
        place_names=full_names(places),
        roles=staffing.roles_anywhere(call.staff),
        sent=call.form,
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def create(call: Call) -> Response:
    """Add a member of staff and show their password, this once."""
    try:
        staff_id, password = await staffing.create(
            call.services.database,
            call.staff,
            login=call.form.get("login", ""),
            name=call.form.get("name", ""),
            role=call.form.get("role", ""),
            place_id=chosen(call, "place"),
            starts_at=_day(call, "starts"),
            ends_at=_day(call, "until", days=1),
            now=call.services.clock.now(),
        )
    except (InputInvalid, StaffConflict) as error:
        return await _staff_page(call, status=error.status, trouble=explain(error))
    return await _password_page(call, staff_id, password)


async def reset_password(call: Call) -> Response:
    """Give a colleague a new password and show it, this once."""
    staff_id: int = call.request.path_params["staff_id"]
    try:
        password = await staffing.reset_password(
            call.services.database, call.staff, staff_id, now=call.services.clock.now()
        )
    except StaffConflict as error:
        return await _one_page(call, status=error.status, trouble=explain(error))
    return await _password_page(call, staff_id, password)


async def _password_page(call: Call, staff_id: int, password: str) -> Response:
    async with call.services.database.read() as session:
        shown = await staffing.colleague(
            session, call.staff, staff_id, now=call.services.clock.now()
        )
    response = call.page("admin_staff_password.html", c=shown, password=password)
    response.headers["Cache-Control"] = "no-store"
    return response


def _day(call: Call, field: str, *, days: int = 0) -> datetime | None:
    """Return the midnight in China at which a day begins, or one of the following days.

    Raises:
        InputInvalid: it is no day.
    """
    sent = call.form.get(field, "").strip()
    if not sent:
        return None
    try:
        day = date.fromisoformat(sent) + timedelta(days=days)
        return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputInvalid(field, field=field) from None


async def one_page(call: Call) -> Response:
    """Show one member of staff."""
    return await _one_page(call, notice=notice(call))


async def _one_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    now = call.services.clock.now()
    staff_id: int = call.request.path_params["staff_id"]
    async with call.services.database.read() as session:
        shown = await staffing.colleague(session, call.staff, staff_id, now=now)
        may_end = await staffing.may_end(session, call.staff, staff_id, now=now)
        open_ = await leaving.open_of(session, staff_id, now=now) if may_end else leaving.Open()
        others = await staffing.listing(session, call.staff, now=now) if may_end else []
        may_grant = rights.may(call.staff, "role.grant") and staff_id != call.staff.id
        places = await staffing.places_to_grant(session, call.staff) if may_grant else []
    return call.page(
        "admin_staff_one.html",
        status=status,
        c=shown,
        open=open_,
        others=[one for one in others if one.person.id != staff_id and one.present],
        may_end=may_end,
        may_grant=may_grant and shown.person.active,
        may_factor=may_end and rights.may(call.staff, "factor.reset"),
        places=places,
        place_names=full_names(places),
        roles=staffing.roles_anywhere(call.staff),
        sent=call.form,
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def grant(call: Call) -> Response:
    """Give a colleague a role."""

    async def work(session: AsyncSession) -> str:
        await staffing.grant(
            session,
            call.staff,
            call.request.path_params["staff_id"],
            role=call.form.get("role", ""),
            place_id=chosen(call, "place"),
            starts_at=_day(call, "starts"),
            ends_at=_day(call, "until", days=1),
            now=call.services.clock.now(),
        )
        return "granted"

    return await _do(call, work)


async def revoke(call: Call) -> Response:
    """End one of a colleague's roles now."""

    async def work(session: AsyncSession) -> str:
        await staffing.revoke(
            session, call.staff, chosen(call, "role_id"), now=call.services.clock.now()
        )
        return "revoked"

    return await _do(call, work)


async def set_id(call: Call) -> Response:
    """Put in, change or take away a colleague's id in DingTalk."""

    async def work(session: AsyncSession) -> str:
        await staffing.set_id(
            session,
            call.staff,
            call.request.path_params["staff_id"],
            external_id=call.form.get("external_id", ""),
            seen=call.form.get("seen", ""),
            now=call.services.clock.now(),
        )
        return "id_saved"

    return await _do(call, work)


async def leave(call: Call) -> Response:
    """End all roles of a colleague, close the account and hand over what is open."""

    async def work(session: AsyncSession) -> str:
        rest = await leaving.leave(
            session,
            call.staff,
            call.request.path_params["staff_id"],
            to_id=chosen(call, "to") if call.form.get("to") else None,
            classes=call.form.get("classes") == "1",
            now=call.services.clock.now(),
        )
        return "left_rest" if any(rest.counts.values()) else "left"

    return await _do(call, work)


async def come_back(call: Call) -> Response:
    """Open a closed account again."""

    async def work(session: AsyncSession) -> str:
        await staffing.reactivate(
            session,
            call.staff,
            call.request.path_params["staff_id"],
            now=call.services.clock.now(),
        )
        return "returned"

    return await _do(call, work)


async def _do(call: Call, work: Work) -> Response:
    """Change something of a colleague and show them again, or say why not."""
    try:
        async with call.services.database.write() as session:
            done = await work(session)
    except (StaffConflict, IdTaken, InputInvalid) as error:
        return await _one_page(call, status=error.status, trouble=explain(error))
    staff_id: int = call.request.path_params["staff_id"]
    return RedirectResponse(f"/admin/staff/{staff_id}?done={done}", 303)
