"""What the operator sees: the open alarms, and a button for each that has been seen to."""

from starlette.responses import RedirectResponse, Response

from bot.services import alarms
from bot.web.guard import Call


async def alarms_page(call: Call) -> Response:
    """List what nobody has seen to yet."""
    async with call.services.database.read() as session:
        found = await alarms.open_alarms(session)
    return call.page("admin.html", alarms=found)


async def clear_alarm(call: Call) -> Response:
    """Mark one alarm as seen to; it comes back when its cause does."""
    alarm_id: int = call.request.path_params["alarm_id"]
    async with call.services.database.write() as session:
        await alarms.clear(session, alarm_id, staff_id=call.staff.id, now=call.services.clock.now())
    return RedirectResponse("/admin", 303)
