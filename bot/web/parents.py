"""A parent's own page: what is stored about me, consents, type size, taking it all away.

Only the browser that opened the link gets here (`bot.web.parents_link.with_link`); what parents
write is in `bot.web.parents_ask`.
"""

import json

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core import kin
from bot.core.clock import to_shanghai
from bot.db.models import Contact, Guardian, Link
from bot.services import audit, consents, discretion, links, own_data
from bot.services.consents import PAGE
from bot.services.own_data import OwnData
from bot.web.guard import Call
from bot.web.headers import on_loopback
from bot.web.parents_link import LARGE, TYPE_COOKIE, here, left, show
from bot.web.parents_words import word


async def mine_page(
    call: Call, link: Link, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    """Show what is stored about me and my children, why, how long, and who has read it."""
    async with call.services.database.read() as session:
        data = await own_data.of_contact(session, link.contact_id)
    return show(
        call,
        "p_mine.html",
        status=status,
        large=large_type(call, data),
        d=data,
        kinds=consents.KINDS,
        versions={
            kind: consents.version_of(call.services.phrases, kind) for kind in consents.KINDS
        },
        today=to_shanghai(call.services.clock.now()).date(),
        relation=kin.relation_word,
        sent=call.form,
        notice=notice or word("done", call.request.query_params.get("done", "")),
        trouble=trouble,
    )


def large_type(call: Call, data: OwnData) -> bool:
    """Say whether the page is set large: as chosen here, else as the school noted."""
    chosen = call.request.cookies.get(TYPE_COOKIE)
    if chosen:
        return chosen == LARGE
    return bool(data.guardian and data.guardian.large_type)


async def consent(call: Call, link: Link) -> Response:
    """Give, refuse or withdraw one consent, for myself or for one of my children."""
    kind = call.form.get("kind", "")
    if kind not in consents.KINDS:
        return await mine_page(call, link, status=422, trouble=word("trouble", "kind"))
    giving = call.form.get("give") == "yes"
    version = consents.version_of(call.services.phrases, kind)
    async with call.services.database.write() as session:
        child_id = await _child(session, call, link)
        now, whom = call.services.clock.now(), link.contact_id
        if giving:
            await consents.give(
                session, whom, (kind,), now=now, way=PAGE, child_id=child_id, version=version
            )
            done = "consent"
        else:
            openly = await discretion.may_name_case(session, whom)
            stood = await consents.decline(
                session, whom, kind, now=now, for_whom=(child_id,), way=PAGE, version=version
            )
            done = "goes_on" if openly else "withdrawn" if stood else "refused"
    return RedirectResponse(f"{here(call)}?done={done}#agree", 303)


async def _child(session: AsyncSession, call: Call, link: Link) -> int | None:
    """Return the child that a form is about, None for the contact itself.

    Raises:
        LinkGone: it is no child of this contact's.
    """
    sent = call.form.get("child", "")
    if not sent:
        return None
    children = await own_data.child_ids(session, link.contact_id)
    found = next((one for one in children if str(one) == sent), None)
    if found is None:
        raise links.LinkGone("not this contact's child")
    return found


async def type_size(call: Call, link: Link) -> Response:
    """Change between large and ordinary type, on this browser and in the guardian's account."""
    large = call.form.get("size") == LARGE
    async with call.services.database.write() as session:
        guardian = await session.scalar(
            select(Guardian)
            .join(Contact, Contact.guardian_id == Guardian.id)
            .where(Contact.id == link.contact_id)
        )
        if guardian is not None:
            guardian.large_type = large
    response = RedirectResponse(f"{here(call)}?done=type", 303)
    response.set_cookie(
        TYPE_COOKIE,
        LARGE if large else "plain",
        max_age=left(call, link),
        path="/p",
        httponly=True,
        samesite="lax",
        secure=not on_loopback(call.request),
    )
    return response


async def export_json(call: Call, link: Link) -> Response:
    """Hand over everything as a JSON file."""
    data, lines = await _export(call, link)
    plain = own_data.as_plain(data, lines, call.services.clock.now())
    body = json.dumps(plain, ensure_ascii=False, indent=2)
    return _file(body, "application/json; charset=utf-8", "my-data.json")


async def export_html(call: Call, link: Link) -> Response:
    """Hand over everything as a file that a person can read and print."""
    data, lines = await _export(call, link)
    body = call.pages.text(
        "p_export.html",
        {
            "d": data,
            "lines": lines,
            "word": word,
            "relation": kin.relation_word,
            "now": call.services.clock.now(),
        },
    )
    return _file(body, "text/html; charset=utf-8", "my-data.html")


async def _export(call: Call, link: Link) -> tuple[OwnData, list[own_data.Line]]:
    async with call.services.database.write() as session:
        data = await own_data.of_contact(session, link.contact_id)
        lines = await own_data.dialogue(session, link.contact_id)
        await audit.record(
            session,
            staff_id=None,
            action="own_data.exported",
            object_kind="contact",
            object_id=link.contact_id,
            now=call.services.clock.now(),
        )
    return data, lines


def _file(body: str, media_type: str, name: str) -> Response:
    disposition = f'attachment; filename="{name}"'
    return Response(body, media_type=media_type, headers={"Content-Disposition": disposition})
