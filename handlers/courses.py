"""Courses and events: what there is, signing up, what one signed up for, giving it up.

A place is taken while the message is handled, in a transaction of its own, so that the answer says
what really happened; a message that is handled twice gets the same answer twice.
"""

from collections.abc import Sequence
from datetime import timedelta

from bot.core import course_wish
from bot.core.clock import to_shanghai
from bot.core.commands import bare_number, means, numbered, spoken
from bot.core.messages import Outcome
from bot.db.models.course import CANCELLED, COURSE, ENROLLED, EVENT, WAITING, Course
from bot.services import course_match, course_words, courses, enrolments
from bot.services.enrolments import Mine
from bot.services.greeting import with_greeting
from bot.services.handling import Context, Effect, StoredMessage

NAME = "courses"
LISTED, BOOKED, MINE = "courses", "course_booked", "course_mine"
VALID = timedelta(minutes=30)
PAGE = 6
ABOUT_MOST = 300


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what is said about courses and events."""
    if not spoken(message.kind) or not message.text.strip():
        return None
    outcome = (
        await _asked(context, message)
        or await _numbered(context, message)
        or await _about_the_last(context, message)
        or await _sentence(context, message)
    )
    return with_greeting(context, outcome) if outcome else None


# What is said -------------------------------------------------------------------------------------


async def _asked(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer the whole-message commands."""
    text = message.text
    for command, kind in (("courses", COURSE), ("events", EVENT), ("courses_all", None)):
        if means(command, text):
            return await _list(context, kind=kind)
    if means("my_courses", text):
        return await _mine(context, message)
    if means("course_give_up", text):
        return await _which_to_give_up(context, message)
    if means("course_not_going", text) and await _held(context):
        return await _which_to_give_up(context, message)
    return None


async def _numbered(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer a command with a number, such as 报名2."""
    found = numbered(("course_book", "course_about", "course_give_up"), message.text)
    if found is None:
        return None
    command, number = found
    if command == "course_give_up":
        return await _give_up_number(context, message, number)
    ids = _listed(context)
    if not ids or context.sender.pending_expired:
        return await _list(context, frame="course.number_first")
    if command == "course_about":
        return await _about(context, ids, number)
    return await _book_number(context, message, ids, number)


async def _about_the_last(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what refers to a list or a booking just before: a number, 更多, 取消."""
    pending = context.sender.pending
    kind = pending.get("kind")
    if kind not in (LISTED, BOOKED, MINE):
        return None
    number = bare_number(message.text)
    if number is not None:
        if kind == MINE:
            return await _give_up_number(context, message, number)
        if context.sender.pending_expired:
            return await _list(context, frame="course.expired")
        return await _book_number(context, message, _listed(context), number)
    if context.sender.pending_expired:
        return None
    if means("more", message.text) and kind == LISTED:
        return await _list(context, start=int(str(pending.get("from", 0))) + PAGE)
    if means("cancel", message.text) and kind == BOOKED:
        return await _give_up(context, message, int(str(pending["course"])))
    if means("cancel", message.text):
        return context.outcome(NAME, "course.kept", context.remember(None, timedelta()))
    return None


async def _sentence(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer a sentence that asks for a place or gives one up; everything else is a question."""
    if not course_wish.may_be(message.text):
        return None
    today = to_shanghai(context.now).date()
    held = await _held(context)
    mine = [one.course for one in held]
    away = course_match.read_give_up(message.text, today, [course.title for course in mine])
    if away is not None:
        found = course_match.match(away, mine)
        if found.certain:
            return await _give_up(context, message, found.found[0].id)
        return await _which_to_give_up(context, message) if found.found else None
    offered = await _offered(context)
    wish = course_match.read_wish(message.text, today, [course.title for course in offered])
    if wish is None:
        return None
    if not wish.points:
        return await _list(context, kind=wish.kind or None) if wish.sure else None
    found = course_match.match(wish, offered)
    if found.certain and wish.sure:
        return await _book(context, message, found.found[0].id, [found.found[0].id])
    if found.found:
        return _choose(context, found.found)
    return context.outcome(NAME, "course.not_found") if wish.sure else None


# What there is ------------------------------------------------------------------------------------


async def _list(
    context: Context, *, kind: str | None = None, start: int = 0, frame: str = ""
) -> Outcome:
    """List what can be signed up for, six at a time.

    Args:
        start: of the list before, which is then read as it was.
        frame: a phrase around the list.
    """
    if start:
        offered = await _of_ids(context, _listed(context))
    else:
        offered = await _offered(context, kind)
    if not offered:
        other = kind is not None and bool(await _offered(context))
        return context.outcome(NAME, f"course.none_{kind}" if other else "course.none")
    page = offered[start : start + PAGE]
    if not page:
        return context.outcome(NAME, "course.no_more")
    fields: dict[str, str | int] = {"lines": _lines(page, start + 1), "example": start + 1}
    rest = len(offered) - start - len(page)
    phrase = "course.list_more" if rest else "course.list"
    keep = _remember(context, LISTED, offered, start=start)
    reply = context.say(phrase, fields=fields | ({"rest": rest} if rest else {}))
    if frame:
        reply = context.say(frame, fields={"list": reply.text})
    return Outcome(NAME, (reply,), (keep,), {"kind": "service"})


def _choose(context: Context, found: Sequence[Course]) -> Outcome:
    page = found[:PAGE]
    keep = _remember(context, LISTED, page)
    return context.outcome(NAME, "course.which", keep, lines=_lines(page, 1))


async def _about(context: Context, ids: Sequence[int], number: int) -> Outcome:
    if not 1 <= number <= len(ids):
        return context.outcome(NAME, "course.out_of_range", count=len(ids))
    (course,) = await _of_ids(context, [ids[number - 1]])
    return context.outcome(
        NAME,
        "course.about",
        title=course.title,
        summary=course_words.short(course.summary, ABOUT_MOST),
        speaker=course.speaker,
        span=course_words.span(course),
        where=course_words.where(course),
        left=course_words.left(course),
        number=number,
    )


# Signing up ---------------------------------------------------------------------------------------


async def _book_number(
    context: Context, message: StoredMessage, ids: Sequence[int], number: int
) -> Outcome:
    if not 1 <= number <= len(ids):
        return context.outcome(NAME, "course.out_of_range", count=len(ids))
    return await _book(context, message, ids[number - 1], ids)


async def _book(
    context: Context, message: StoredMessage, course_id: int, listed: Sequence[int]
) -> Outcome:
    """Take a place and say what came of it."""
    if not message.vouched:
        return context.outcome(NAME, "service.unvouched")
    async with context.services.database.write() as session:
        done = await enrolments.sign_up(
            session, course_id, context.sender.id, now=context.now, since=message.received_at
        )
    course, title = done.course, done.course.title
    if done.state not in (ENROLLED, WAITING):
        return context.outcome(NAME, f"course.{done.state}", title=title)
    pending: dict[str, object] = {"kind": BOOKED, "course": course_id, "ids": list(listed)}
    keep = context.remember(pending, VALID)
    span, where = course_words.span(course), course_words.where(course)
    if done.state == WAITING:
        place = done.before + 1
        return context.outcome(NAME, "course.waiting", keep, title=title, span=span, place=place)
    if done.again:
        return context.outcome(NAME, "course.already", keep, title=title, span=span, where=where)
    way = "stopped" if context.sender.stopped else message.channel
    remind = context.say(f"course.remind_{way}").text
    return context.outcome(
        NAME, "course.booked", keep, title=title, span=span, where=where, remind=remind
    )


# What one signed up for ---------------------------------------------------------------------------


async def _mine(context: Context, message: StoredMessage) -> Outcome:
    if not message.vouched:
        return context.outcome(NAME, "service.unvouched")
    held = (await _held(context))[:PAGE]
    if not held:
        return context.outcome(NAME, "course.mine_none")
    keep = _remember(context, MINE, [one.course for one in held])
    return context.outcome(NAME, "course.mine", keep, lines=_mine_lines(context, held))


async def _which_to_give_up(context: Context, message: StoredMessage) -> Outcome:
    if not message.vouched:
        return context.outcome(NAME, "service.unvouched")
    held = [one for one in await _held(context) if one.state != CANCELLED][:PAGE]
    if not held:
        return context.outcome(NAME, "course.mine_none")
    if len(held) == 1:
        return await _give_up(context, message, held[0].course.id)
    keep = _remember(context, MINE, [one.course for one in held])
    return context.outcome(NAME, "course.give_up_which", keep, lines=_mine_lines(context, held))


async def _give_up_number(context: Context, message: StoredMessage, number: int) -> Outcome:
    pending = context.sender.pending
    if pending.get("kind") != MINE or context.sender.pending_expired:
        return await _which_to_give_up(context, message)
    ids = _listed(context)
    if not 1 <= number <= len(ids):
        return context.outcome(NAME, "course.out_of_range", count=len(ids))
    return await _give_up(context, message, ids[number - 1])


async def _give_up(context: Context, message: StoredMessage, course_id: int) -> Outcome:
    if not message.vouched:
        return context.outcome(NAME, "service.unvouched")
    async with context.services.database.write() as session:
        course = await enrolments.give_up(session, course_id, context.sender.id, now=context.now)
    forget = context.remember(None, timedelta())
    span = course_words.span(course)
    return context.outcome(NAME, "course.given_up", forget, title=course.title, span=span)


async def _held(context: Context) -> list[Mine]:
    async with context.services.database.read() as session:
        return await enrolments.mine(session, context.sender.id, now=context.now)


def _mine_lines(context: Context, held: Sequence[Mine]) -> str:
    return "\n".join(
        context.say(
            "course.mine_line",
            fields={
                "number": number,
                "title": course_words.short(one.course.title, course_words.TITLE_SHORT),
                "span": course_words.span(one.course),
                "where": course_words.short(
                    course_words.where(one.course), course_words.WHERE_SHORT
                ),
                "state": context.say(
                    f"course.state_{one.state}",
                    fields={"place": one.before + 1} if one.state == WAITING else None,
                ).text,
            },
        ).text
        for number, one in enumerate(held, 1)
    )


# What is remembered -------------------------------------------------------------------------------


def _remember(context: Context, kind: str, listed: Sequence[Course], *, start: int = 0) -> Effect:
    ids = [course.id for course in listed]
    return context.remember({"kind": kind, "ids": ids, "from": start}, VALID)


def _listed(context: Context) -> list[int]:
    """Return the ids of the list that a number refers to."""
    pending = context.sender.pending
    ids = pending.get("ids") if pending.get("kind") in (LISTED, BOOKED, MINE) else None
    return [int(str(one)) for one in ids] if isinstance(ids, list) else []


def _lines(listed: Sequence[Course], first: int) -> str:
    return "\n".join(
        course_words.line(number, course) for number, course in enumerate(listed, first)
    )


async def _offered(context: Context, kind: str | None = None) -> list[Course]:
    async with context.services.database.read() as session:
        return await courses.for_contact(session, context.sender.id, now=context.now, kind=kind)


async def _of_ids(context: Context, ids: Sequence[int]) -> list[Course]:
    async with context.services.database.read() as session:
        return await courses.of_ids(session, ids)
