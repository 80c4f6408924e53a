"""The teacher's pages of notices: old ones, writing, looking at it as parents will, sending.

What becomes of a notice afterwards is in `bot.web.notice_states`.
"""

import re
import secrets
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Notice
from bot.db.models.notice import DRAFT
from bot.services import notice_lists, notices, teaching
from bot.web.guard import Call
from bot.web.notice_states import notice_page
from bot.web.teacher_words import word

BODY_MOST = notices.BODY_BYTES // 3
MANY_PLACES = 200
_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}")


async def list_page(call: Call) -> Response:
    """Show the notices of the caller's places, the newest first, and the caller's own drafts."""
    page = number(call.request.query_params.get("page", ""), default=1)
    async with call.services.database.read() as session:
        shown = await notice_lists.listing(session, call.staff, page=page)
        drafts = await notice_lists.drafts(session, call.staff)
    return call.page(
        "teacher_notices.html", shown=shown, drafts=drafts, notice=done(call), word=word
    )


async def new_page(call: Call) -> Response:
    """Show the form for a new notice, empty or with the words of an older one."""
    asked = call.request.query_params
    sent = {"place": asked.get("place", ""), "confirm": "yes", "key": secrets.token_urlsafe(18)}
    async with call.services.database.read() as session:
        for name in ("copy", "draft"):
            if asked.get(name, ""):
                old = await notice_lists.visible(session, call.staff, number(asked[name]))
                sent |= _words(old)
        if asked.get("draft", ""):
            await _own_draft(session, call, number(asked["draft"]))
            sent["replaces"] = str(number(asked["draft"]))
    return await _form(call, sent)


async def save(call: Call) -> Response:
    """Keep what somebody wrote as a draft and show it as parents will see it."""
    try:
        async with call.services.database.write() as session:
            row = await _draft(session, call)
    except InputInvalid as error:
        return await _form(call, call.form, status=error.status, trouble=_explain(call, error))
    return RedirectResponse(f"/teacher/notices/{row.id}?done=draft", 303)


async def send(call: Call) -> Response:
    """Send a draft; a second click finds it on its way and changes nothing."""
    notice_id: int = call.request.path_params["notice_id"]
    try:
        async with call.services.database.write() as session:
            await notice_lists.visible(session, call.staff, notice_id)
            await notices.send(
                session,
                call.staff,
                notice_id,
                number(call.form.get("row", "")),
                call.services.clock.now(),
            )
    except Conflict as error:
        return await notice_page(call, status=error.status, trouble=word("conflict", "row"))
    return RedirectResponse(f"/teacher/notices/{notice_id}?done=sent", 303)


async def discard(call: Call) -> Response:
    """Throw one's own draft away; what is out already stays."""
    notice_id: int = call.request.path_params["notice_id"]
    async with call.services.database.write() as session:
        row = await notice_lists.visible(session, call.staff, notice_id)
        if row.state != DRAFT:
            return RedirectResponse(f"/teacher/notices/{notice_id}", 303)
        await notices.discard(session, call.staff, notice_id)
    return RedirectResponse("/teacher/notices?done=discarded", 303)


def number(text: str, *, default: int = -1) -> int:
    """Return a number that somebody sent; the default for anything else."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else default


def done(call: Call) -> str:
    """Return what the page is to say has been done; empty for nothing."""
    code = call.request.query_params.get("done", "")
    text = word("done", code)
    return "" if text == code else text


async def _draft(session: AsyncSession, call: Call) -> Notice:
    """Write the draft of a form in place of the one it was made from."""
    sent = call.form
    if not _KEY.fullmatch(sent.get("key", "")):
        raise InputInvalid("key", field="key")
    place_id = number(sent.get("place", ""))
    await teaching.require_audience(session, call.staff, place_id)
    if sent.get("replaces", ""):
        await notices.discard(session, call.staff, number(sent["replaces"]))
    return await notices.draft(
        session,
        call.staff,
        place_id=place_id,
        title=sent.get("title", ""),
        body=sent.get("body", "").replace("\r\n", "\n"),
        confirm=sent.get("confirm", "") == "yes",
        key=f"page:{call.staff.id}:{sent['key']}",
        now=call.services.clock.now(),
    )


async def _own_draft(session: AsyncSession, call: Call, notice_id: int) -> None:
    row = await notice_lists.visible(session, call.staff, notice_id)
    if row.state != DRAFT or row.author_id != call.staff.id:
        raise NotFound(f"notice {notice_id}")


def _words(old: Notice) -> dict[str, str]:
    confirm = "yes" if old.confirm else ""
    return {"place": str(old.place_id), "title": old.title, "body": old.body, "confirm": confirm}


async def _form(call: Call, sent: Any, *, status: int = 200, trouble: str = "") -> Response:
    """Show the form with what was written so far."""
    within = number(call.request.query_params.get("in", ""))
    async with call.services.database.read() as session:
        places = await teaching.audiences(
            session, call.staff, within=within if within > 0 else None
        )
    schools = [place for place in places if place.kind != "class"]
    many = len(places) > MANY_PLACES and within < 0
    return call.page(
        "teacher_notice_new.html",
        status=status,
        sent=sent,
        places=schools if many else places,
        many=many,
        chosen=number(sent.get("place", "")),
        title_most=notices.TITLE_MOST,
        body_most=BODY_MOST,
        trouble=trouble,
        word=word,
    )


def _explain(call: Call, error: InputInvalid) -> str:
    """Say in Chinese what has to be changed before the notice can be kept."""
    if error.field == "title" and call.form.get("title", "").strip():
        now = len(" ".join(call.form["title"].split()))
        return word("input", "title_long", now=now, most=notices.TITLE_MOST)
    if error.field == "body" and call.form.get("body", "").strip():
        now = -(-len(call.form["body"].replace("\r\n", "\n").strip().encode()) // 3)
        return word("input", "body_long", now=now, most=BODY_MOST)
    most = notices.TITLE_MOST if error.field == "title" else BODY_MOST
    return word("input", error.field, most=most)
