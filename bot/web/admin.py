"""What the operator sees: open alarms, a button for each that has been seen to, and quotas."""

from starlette.responses import RedirectResponse, Response

from bot.services import alarms, quota
from bot.web.guard import Call


async def alarms_page(call: Call) -> Response:
    """List what nobody has seen to yet, and how much of the month's quotas is used."""
    services = call.services
    async with services.database.read() as session:
        found = await alarms.open_alarms(session)
        used = await quota.usage(session, services.budgets, now=services.clock.now())
    return call.page("admin.html", alarms=found, quotas=used)


async def clear_alarm(call: Call) -> Response:
    """Mark one alarm as seen to; it comes back when its cause does."""
    alarm_id: int = call.request.path_params["alarm_id"]
    async with call.services.database.write() as session:
        await alarms.clear(session, alarm_id, staff_id=call.staff.id, now=call.services.clock.now())
    return RedirectResponse("/admin", 303)
