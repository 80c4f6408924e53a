"""What parents ask for on their page: answers in writing, correction, deletion, unbinding.

Everything written here goes through the risk screen first (`bot.services.page_words`).
"""

from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.db.models import Contact, Link
from bot.services import bindings, consents, data_requests, page_words, wording
from bot.web.guard import Call
from bot.web.parents import mine_page
from bot.web.parents_link import here, show
from bot.web.parents_words import word


async def ask(call: Call, link: Link) -> Response:
    """Take a request; what is written with it is screened, and a danger gets the numbers."""
    services, now = call.services, call.services.clock.now()
    words, danger = call.form.get("words", "").strip(), False
    async with services.database.write() as session:
        contact = await session.get_one(Contact, link.contact_id, with_for_update=True)
        if words:
            screened = await page_words.take(
                session, services.screen, services.policy, contact, words, now=now
            )
            danger = screened.escalated
    if danger:
        services.bell.ring()
        return _numbers(call)
    try:
        async with services.database.write() as session:
            contact = await session.get_one(Contact, link.contact_id)
            await data_requests.ask(
                session, contact, kind=call.form.get("kind", ""), words=words, now=now
            )
    except InputInvalid as error:
        trouble = word("trouble", error.field)
        return await mine_page(call, link, status=error.status, trouble=trouble)
    return RedirectResponse(f"{here(call)}?done=asked", 303)


def _numbers(call: Call) -> Response:
    """Show the lines that are open now; the words are on the desk already."""
    return show(call, "p_told.html", text=wording_of(call, "page.danger"))


def wording_of(call: Call, key: str) -> str:
    """Return a phrase with the numbers that are open now."""
    services = call.services
    return wording.say(services.phrases, services.lines.book, key, moment=services.clock.now()).text


async def delete_page(call: Call, link: Link) -> Response:
    """Ask once more, and say before what can't go."""
    return show(call, "p_delete.html", text=wording_of(call, "delete.page"))


async def delete(call: Call, link: Link) -> Response:
    """Erase what may be erased and say in writing what has to stay and why."""
    if call.form.get("sure") != "yes":
        return RedirectResponse(f"{here(call)}/delete", 303)
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        contact = await session.get_one(Contact, link.contact_id, with_for_update=True)
        phrase = await consents.erasure_phrase(session, contact.id)
        text = wording_of(call, phrase)
        # Done, not refused, even where something stays: the state must not tell that it does.
        await data_requests.settled(
            session, contact, kind="delete", refused=False, answer=text, now=now
        )
        await consents.erase(session, contact.id, now=now)
    return show(call, "p_told.html", text=text)


async def unbind(call: Call, link: Link) -> Response:
    """Take this contact away from the guardian; its pages end with it."""
    async with call.services.database.write() as session:
        contact = await session.get_one(Contact, link.contact_id, with_for_update=True)
        now = call.services.clock.now()
        left = await bindings.leave(session, contact, now=now, reason="parent")
    key = "binding.left" if left else "binding.none"
    return show(call, "p_told.html", text=wording_of(call, key))
