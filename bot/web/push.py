"""Browsers that are woken when a case waits: sign this one up, try it, sign one off."""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import ChannelError, InputInvalid
from bot.services import push
from bot.web.case_acts import problem_words
from bot.web.guard import Call
from bot.web.render import labels

PAGE = "/desk/push"


async def page(call: Call, *, status: int = 200, problem: str = "") -> Response:
    """Show one's browsers, and what it takes to sign this one up."""
    async with call.services.database.read() as session:
        browsers = await push.of_person(session, call.staff.id)
    done = call.request.query_params.get("done", "")
    pusher = call.services.pusher
    return call.page(
        "push.html",
        status=status,
        browsers=browsers,
        public_key=pusher.public_key if pusher else "",
        notice=labels()["done_push"].get(done, ""),
        problem=problem,
        most=push.MOST,
    )


async def sign_up(call: Call) -> Response:
    """Keep the browser that sent this."""
    pusher = call.services.pusher
    try:
        if pusher is None:
            raise InputInvalid("push_off", field="address")
        async with call.services.database.write() as session:
            await push.sign_up(
                session,
                call.staff,
                pusher.takes,
                address=call.form.get("address", ""),
                p256dh=call.form.get("p256dh", ""),
                auth=call.form.get("auth", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await page(call, status=422, problem=problem_words(error))
    return RedirectResponse(f"{PAGE}?done=signed_up", 303)


async def sign_off(call: Call) -> Response:
    """Forget one of one's own browsers."""
    async with call.services.database.write() as session:
        await push.sign_off(
            session,
            call.staff,
            call.request.path_params["browser_id"],
            now=call.services.clock.now(),
        )
    return RedirectResponse(f"{PAGE}?done=signed_off", 303)


async def try_out(call: Call) -> Response:
    """Send a trial to all of one's browsers."""
    services, words = call.services, labels()["push"]["trial"]
    async with services.database.read() as session:
        browsers = await push.of_person(session, call.staff.id)
    if services.pusher is None or not browsers:
        return await page(call, status=422, problem=labels()["problem_push"]["push_none"])
    taken = 0
    for browser in browsers:
        try:
            await services.pusher.push(browser.address, browser.keys, words, topic="trial")
            taken += 1
        except ChannelError as error:
            async with services.database.write() as session:
                await push.failed(session, browser.id, error, now=services.clock.now())
    if not taken:
        return await page(call, status=502, problem=labels()["problem_push"]["push_failed"])
    return RedirectResponse(f"{PAGE}?done=tried", 303)
