"""The door of parents' pages: a link, the browser that opened it, and the plain refusal.

A link shows nothing until a person taps on the page, because messengers fetch addresses too; the
tap ties it to this browser by a cookie of this link alone. Called by `bot.web.parents*`.
"""

from collections.abc import Awaitable, Callable

from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from bot.db import field_keys
from bot.db.models import Contact, Link
from bot.services import links
from bot.web.guard import Call, Page
from bot.web.headers import on_loopback
from bot.web.parents_words import word

DEVICE_COOKIE = "xinqing_device"
TYPE_COOKIE = "xinqing_type"
LARGE = "large"
MINE, NOTICE = "mine", "notice"
HEADERS = {"X-Robots-Tag": "noindex, nofollow", "Cache-Control": "no-store"}

Inner = Callable[[Call, Link], Awaitable[Response]]


def with_link(inner: Inner, purpose: str = MINE) -> Page:
    """Return the page that lets only the browser pass that opened a link of this purpose."""

    async def page(call: Call) -> Response:
        try:
            link = await looked(call)
            if link is None:
                return closed(call)
            if link.purpose != purpose:
                raise links.LinkGone(f"link {link.id}")
            with field_keys.of_place(await _home(call, link)):
                response = await inner(call, link)
        except (links.LinkGone, links.OtherDevice) as error:
            response = refused(call, error)
        response.headers.update(HEADERS)
        return response

    return page


async def _home(call: Call, link: Link) -> int | None:
    """Return where the contact belongs: what is written on its page lies under that district's key.

    Source: docs/decisions/0014-data-keys-of-districts.md.
    """
    async with call.services.database.read() as session:
        return await session.scalar(select(Contact.place_id).where(Contact.id == link.contact_id))


async def looked(call: Call) -> Link | None:
    """Return the link that this browser has opened, None while nobody has."""
    async with call.services.database.read() as session:
        found = await links.look(
            session,
            call.services.ring,
            call.request.path_params["token"],
            call.request.cookies.get(DEVICE_COOKIE),
            call.services.clock.now(),
        )
    return found.link if found.opened else None


def closed(call: Call) -> Response:
    """Show the page with the one button; anything else goes back to it."""
    if call.request.method == "POST" or call.request.url.path != here(call):
        return RedirectResponse(here(call), 303)
    response = show(call, "p_open.html")
    response.headers.update(HEADERS)
    return response


def refused(call: Call, error: links.LinkGone | links.OtherDevice) -> Response:
    """Show in plain words why the page stays shut and how to get a new link."""
    phrase = call.services.phrases.get(error.phrase_key)
    response = show(call, "p_refused.html", status=error.status, phrase=phrase)
    response.headers.update(HEADERS)
    return response


def here(call: Call) -> str:
    """Return the address of a link's first page."""
    return f"/p/{call.request.path_params['token']}"


def show(call: Call, template: str, *, status: int = 200, **values: object) -> Response:
    """Render a parents' page in the type size that was chosen."""
    large = values.pop("large", None)
    if large is None:
        large = call.request.cookies.get(TYPE_COOKIE) == LARGE
    return call.page(template, status=status, large=large, base=here(call), word=word, **values)


def left(call: Call, link: Link) -> int:
    """Return for how many seconds a link still holds; a phone's own clock may be wrong."""
    return int((link.expires_at - call.services.clock.now()).total_seconds())


async def open_page(call: Call) -> Response:
    """Tie a link to this browser and go to what it is for."""
    device = call.request.cookies.get(DEVICE_COOKIE) or links.new_device()
    token = call.request.path_params["token"]
    try:
        async with call.services.database.write() as session:
            link = await links.open_link(
                session, call.services.ring, token, device, call.services.clock.now()
            )
    except (links.LinkGone, links.OtherDevice) as error:
        return refused(call, error)
    response = RedirectResponse(here(call), 303)
    response.set_cookie(
        DEVICE_COOKIE,
        device,
        max_age=left(call, link),
        path=here(call),
        httponly=True,
        samesite="lax",
        secure=not on_loopback(call.request),
    )
    response.headers.update(HEADERS)
    return response
