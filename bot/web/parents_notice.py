"""The page of one notice behind its signed link: read it, confirm it with one tap.

`bot.web.parents_link` opens the link and ties it to the browser; this shows what it leads to. The
words of the page stand in its template.
"""

from contextlib import suppress

from starlette.responses import RedirectResponse, Response

from bot.core.errors import NotFound
from bot.db.models import Link
from bot.services import notices
from bot.services.links import LinkGone
from bot.services.notice_confirm import PAGE
from bot.web.guard import Call
from bot.web.parents_link import NOTICE, here, show, with_link


async def notice_page(call: Call, link: Link) -> Response:
    """Show a notice and, where it is still open, the button that confirms it."""
    async with call.services.database.read() as session:
        try:
            shown = await notices.shown(session, link.contact_id, link.notice_id or 0)
        except NotFound:
            # The tie to the child has ended, or was blocked, since it was sent.
            raise LinkGone(f"link {link.id}") from None
    return show(call, "p_notice.html", shown=shown)


async def _confirm(call: Call, link: Link) -> Response:
    """Confirm a notice; a second tap, or one by the other parent, changes nothing."""
    async with call.services.database.write() as session:
        # Withdrawn meanwhile: the page says so.
        with suppress(NotFound):
            await notices.confirm(
                session,
                link.contact_id,
                notice_id=link.notice_id or 0,
                way=PAGE,
                now=call.services.clock.now(),
            )
    return RedirectResponse(here(call), 303)


confirm = with_link(_confirm, NOTICE)
