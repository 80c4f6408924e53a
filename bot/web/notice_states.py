"""One notice: before it is sent as parents will see it, afterwards how far it has come.

The part that changes follows by itself. Names are shown to those who may list the place's people;
showing them is an audit entry.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.core.kin import relation_word
from bot.db.models import Notice, Place
from bot.db.models.delivery import QUEUED, SENDING
from bot.db.models.notice import DRAFT, EXPANDING, SENT, WITHDRAWN
from bot.services import (
    desk,
    notice_answers,
    notice_confirm,
    notice_feedback,
    notice_lists,
    notice_people,
    notices,
    rights,
)
from bot.services.notice_answers import Feedback
from bot.services.notice_people import LIST, PHONE
from bot.services.notice_state import NoticeStates, states
from bot.services.notice_words import Sender, compose
from bot.web.guard import Call
from bot.web.teacher_words import reason, word

ROWS, MOST_ROWS = 60, 2000
QUICK, SLOW = 3, 15


@dataclass(frozen=True, slots=True)
class Shown:
    """A notice that is out, as one person sees it.

    Args:
        names: the person may see which child is which.
        open: for how many children nobody has confirmed.
        seconds: after how long the page looks again.
        whole: every child is listed, not only the first.
        answers: what guardians wrote back, for the author and those who may list the place's
            people; others are told only how many there are (`answered`).
    """

    notice: Notice
    states: NoticeStates
    names: bool
    phones: bool
    mine: bool
    open: int
    seconds: int
    whole: bool
    answers: list[Feedback]
    answered: int


async def page(call: Call) -> Response:
    """Show one notice."""
    code = call.request.query_params.get("done", "")
    text = word("done", code)
    return await notice_page(call, notice="" if text == code else text)


async def notice_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    """Show one notice, with what was done or what went wrong."""
    async with call.services.database.read() as session:
        row = await _visible(session, call)
    if row.state == DRAFT:
        return await _preview(call, row, status=status, notice=notice, trouble=trouble)
    shown = await _shown(call, opened=True)
    async with call.services.database.read() as session:
        named = await desk.place_names(session, [row.place_id])
        authors = await desk.staff_names(session, [row.author_id])
    return call.page(
        "teacher_notice.html",
        status=status,
        s=shown,
        n=shown.notice,
        place=named[row.place_id][1],
        author=authors.get(row.author_id or 0, ""),
        notice=notice,
        trouble=trouble,
        word=word,
        reason=reason,
        relation=relation_word,
    )


async def live(call: Call) -> Response:
    """Return the part of a notice's page that changes, for a page that is open.

    A page that looked often because much was moving loads anew once nothing moves any more.
    """
    shown = await _shown(call)
    response = call.page(
        "_notice_live.html",
        s=shown,
        n=shown.notice,
        word=word,
        reason=reason,
        relation=relation_word,
    )
    if shown.seconds == SLOW and call.request.query_params.get("quick", "") == "yes":
        response.headers["HX-Refresh"] = "true"
    return response


async def remind(call: Call) -> Response:
    """Remind the families that have not confirmed."""

    async def act(session: AsyncSession, notice_id: int) -> None:
        await notices.remind(session, call.staff, notice_id, call.services.clock.now())

    return await _act(call, act, "reminded")


async def withdraw(call: Call) -> Response:
    """Withdraw a notice as the page showed it."""

    async def act(session: AsyncSession, notice_id: int) -> None:
        await notices.withdraw(session, call.staff, notice_id, call.services.clock.now())

    return await _act(call, act, "withdrawn")


async def confirmed_by_phone(call: Call) -> Response:
    """Note that a child's guardian has said on the phone that they know."""

    async def act(session: AsyncSession, notice_id: int) -> None:
        row = await notices.get(session, call.staff, notice_id, action=notices.WRITE)
        rights.require(call.staff, PHONE, row.place_id)
        if row.state not in (EXPANDING, SENT) or not row.confirm:
            raise Conflict("nothing to confirm")
        child_id: int = call.request.path_params["child_id"]
        now = call.services.clock.now()
        if await notice_confirm.confirm_child(session, row, child_id, now=now):
            await notice_people.look(
                session, call.staff, row, [child_id], action="notice.confirmed_by_phone", now=now
            )

    return await _act(call, act, "phoned")


async def phones(call: Call) -> Response:
    """Show whom to phone, for printing; each time is an audit entry."""
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        row = await _visible(session, call)
        rights.require(call.staff, PHONE, row.place_id)
        if row.state == DRAFT:
            raise NotFound(f"notice {row.id}")
        found = await states(session, row.id, rows=MOST_ROWS)
        calls = await notice_people.phones(session, call.staff, row, found, now)
        named = await desk.place_names(session, [row.place_id])
    return call.page(
        "teacher_notice_phones.html",
        n=row,
        calls=calls,
        cut=found.children_total > MOST_ROWS,
        place=named[row.place_id][1],
        word=word,
        reason=reason,
        relation=relation_word,
    )


async def _act(
    call: Call, act: Callable[[AsyncSession, int], Awaitable[None]], done: str
) -> Response:
    """Do something to a notice, or say in Chinese why it was not done."""
    notice_id: int = call.request.path_params["notice_id"]
    try:
        async with call.services.database.write() as session:
            await _visible(session, call)
            await act(session, notice_id)
    except (Conflict, InputInvalid) as error:
        return await notice_page(call, status=error.status, trouble=await _why(call, done))
    return RedirectResponse(f"/teacher/notices/{notice_id}?done={done}", 303)


async def _why(call: Call, done: str) -> str:
    """Say why a reminder or anything else was not sent."""
    if done != "reminded":
        return word("conflict", "row")
    async with call.services.database.read() as session:
        row = await _visible(session, call)
        found = await states(session, row.id, rows=0)
    if not row.confirm or found.children_confirmed == found.children_total:
        return word("conflict", "nobody_open")
    if row.state == EXPANDING:
        return word("conflict", "still_sending")
    if row.state == WITHDRAWN:
        return word("conflict", "row")
    minutes = int(notices.REMIND_GAP / timedelta(minutes=1))
    return word("conflict", "just_reminded", minutes=minutes)


async def _visible(session: AsyncSession, call: Call) -> Notice:
    return await notice_lists.visible(session, call.staff, call.request.path_params["notice_id"])


async def _preview(call: Call, row: Notice, *, status: int, notice: str, trouble: str) -> Response:
    """Show a draft as parents will see it, with whom it would reach now."""
    now, templates = call.services.clock.now(), call.services.templates
    names = rights.may(call.staff, LIST, row.place_id)
    async with call.services.database.read() as session:
        found = await notices.preview(session, row.id, now, templates=templates)
        silent = (
            await notice_people.silent(session, row, now=now, templates=templates) if names else []
        )
        marked = await notice_people.marked(session, row) if names else []
        home = await session.get_one(Place, row.place_id)
        named = await desk.place_names(session, [row.place_id])
    if silent or marked:
        async with call.services.database.write() as session:
            children = {one.child_id for one in (*silent, *marked)}
            await notice_people.look(session, call.staff, row, children, now=now)
    link = f"{call.services.public_url}/p/…" if call.services.public_url else ""
    return call.page(
        "teacher_notice_preview.html",
        status=status,
        n=row,
        p=found,
        text=compose(call.services.phrases, row, Sender(home.name, call.staff.name), link=link),
        has_link=bool(row.confirm and link),
        silent=silent,
        marked=marked,
        names=names,
        place=named[row.place_id][1],
        notice=notice,
        trouble=trouble,
        word=word,
        reason=reason,
    )


async def _shown(call: Call, *, opened: bool = False) -> Shown:
    """Read how far a notice has come; names and answers leave only after the look is in the trail.

    Args:
        opened: a person opened the page, so that what was written back counts as read; a page that
            follows by itself may have nobody in front of it.
    """
    now = call.services.clock.now()
    whole = call.request.query_params.get("all", "") == "yes"
    async with call.services.database.read() as session:
        row = await _visible(session, call)
        names = rights.may(call.staff, LIST, row.place_id)
        rows = (MOST_ROWS if whole else ROWS) if names else 0
        found = await states(session, row.id, rows=rows)
        logged = not found.children or await notice_people.looked(session, call.staff, row, now)
        answers: list[Feedback] = []
        if names or row.author_id == call.staff.id:
            answers = await notice_answers.of_notice(session, call.staff, row, names=names, now=now)
        answered = (await notice_feedback.counts(session, [row.id])).get(row.id, (0, 0))[0]
        seen = await notice_answers.looked(session, call.staff, row, answers, now)
    unread = opened and any(one.new for one in answers)
    if not logged or not seen or unread:
        async with call.services.database.write() as session:
            if not logged:
                children = [one.child_id for one in found.children]
                await notice_people.look(session, call.staff, row, children, now=now)
            if not seen:
                await notice_answers.look(session, call.staff, row, answers, now)
            if unread:
                await notice_answers.mark_read(session, call.staff, answers, now)
    moving = row.state == EXPANDING or found.counts[QUEUED] or found.counts[SENDING]
    return Shown(
        notice=row,
        states=found,
        names=names,
        phones=rights.may(call.staff, PHONE, row.place_id),
        mine=rights.may(call.staff, notices.WRITE, row.place_id),
        open=found.children_total - found.children_confirmed,
        seconds=QUICK if moving else SLOW,
        whole=whole,
        answers=answers,
        answered=answered,
    )
