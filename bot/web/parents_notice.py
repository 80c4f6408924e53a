"""The page of one notice behind its signed link: read it, confirm it with one tap, answer it.

`bot.web.parents_link` opens the link and ties it to the browser; this shows what it leads to. The
words of the page stand in its template. What is written here goes through the risk screen first
(`bot.services.page_words`); only what is no danger is kept for the notice's author.
"""

from contextlib import suppress

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound, XinqingError
from bot.db.models import Contact, Link
from bot.services import notice_feedback, notices, page_words
from bot.services.links import LinkGone
from bot.services.notice_confirm import PAGE
from bot.web.guard import Call
from bot.web.parents_ask import wording_of
from bot.web.parents_link import NOTICE, here, show, with_link

ANSWERED = "answered"
NOT_NOW = "not_now"


async def notice_page(
    call: Call, link: Link, *, status: int = 200, trouble: str = "", words: str = ""
) -> Response:
    """Show a notice, the button that confirms it while it is open, and a field to answer it.

    Args:
        trouble: why what was written was not kept; a code of the template.
        words: what was written, to be mended.
    """
    async with call.services.database.read() as session:
        try:
            shown = await notices.shown(session, link.contact_id, link.notice_id or 0)
        except NotFound:
            # The tie to the child has ended, or was blocked, since it was sent.
            raise LinkGone(f"link {link.id}") from None
        said = await notice_feedback.said(session, link.contact_id, link.notice_id or 0)
    return show(
        call,
        "p_notice.html",
        status=status,
        shown=shown,
        said=said,
        words=words,
        trouble=trouble,
        answered=call.request.query_params.get("done", "") == ANSWERED,
        most=notice_feedback.WORDS_MOST,
    )


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


async def _answer(call: Call, link: Link) -> Response:
    """Take what a guardian writes back; it is screened first, and a danger gets the numbers."""
    services, now = call.services, call.services.clock.now()
    words, message_id = call.form.get("words", "").replace("\r\n", "\n").strip(), 0
    if words:
        async with services.database.write() as session:
            contact = await session.get_one(Contact, link.contact_id, with_for_update=True)
            message, screened = await page_words.store(
                session, services.screen, services.policy, contact, words, now=now
            )
            message_id = message.id
        if screened.escalated:
            services.bell.ring()
            return show(call, "p_told.html", text=wording_of(call, "page.danger"))
    try:
        async with services.database.write() as session:
            await notice_feedback.add(
                session,
                notice_id=link.notice_id or 0,
                contact_id=link.contact_id,
                message_id=message_id,
                text=words,
                now=now,
            )
    except NotFound:
        raise LinkGone(f"link {link.id}") from None
    except (InputInvalid, Conflict, NotAllowed) as error:
        return await notice_page(
            call, link, status=error.status, trouble=_trouble(error), words=words
        )
    return RedirectResponse(f"{here(call)}?done={ANSWERED}", 303)


def _trouble(error: XinqingError) -> str:
    """Return the template's code for why words were not kept; withdrawn, the page says so."""
    if isinstance(error, InputInvalid):
        return error.field
    return NOT_NOW if isinstance(error, NotAllowed) else ""


confirm = with_link(_confirm, NOTICE)
answer = with_link(_answer, NOTICE)
