"""The first page of a link: what it shows depends on what the link is for."""

from collections.abc import Mapping

from starlette.responses import Response

from bot.services import links
from bot.web.guard import Call
from bot.web.parents import mine_page
from bot.web.parents_link import HEADERS, MINE, NOTICE, Inner, closed, looked, refused
from bot.web.parents_notice import notice_page

_PAGES: Mapping[str, Inner] = {MINE: mine_page, NOTICE: notice_page}


async def first_page(call: Call) -> Response:
    """Show what a link is for, once this browser has opened it."""
    try:
        link = await looked(call)
        if link is None:
            return closed(call)
        if link.purpose not in _PAGES:
            raise links.LinkGone(f"link {link.id}")
        response = await _PAGES[link.purpose](call, link)
    except (links.LinkGone, links.OtherDevice) as error:
        return refused(call, error)
    response.headers.update(HEADERS)
    return response
